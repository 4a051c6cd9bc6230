"""Others' own tests, run against our servers: likeness that we did not define ourselves."""
