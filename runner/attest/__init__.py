"""How the runner proves what it is: one small interface over each kind of hardware."""
