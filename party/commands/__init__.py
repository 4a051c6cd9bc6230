"""One module for each group of commands; each imports what is heavy when it runs."""
