"""Two banks: cash that comes in at one and leaves by wire at the other."""
