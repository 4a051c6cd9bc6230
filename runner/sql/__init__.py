"""SQL programs: what they may be, how sealed tables are read for them, and how they are run."""
