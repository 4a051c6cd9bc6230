"""Two banks: cash that is split below what has to be reported, and wired on."""
