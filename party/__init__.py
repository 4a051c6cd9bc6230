"""The party's own machine: the `cleanroom` command."""
