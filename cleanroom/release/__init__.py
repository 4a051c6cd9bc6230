"""Secure Key Release: what a party's vault demands of a runner, and what it hands over."""
