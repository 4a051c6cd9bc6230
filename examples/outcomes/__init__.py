"""A trial's sponsor and a social registry: whom a drug helps."""
