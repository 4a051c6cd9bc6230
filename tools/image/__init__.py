"""Makes and measures the runner's image, so that two who do it get the same bytes."""
