"""The party's own machine: the `cleanroom` command."""

import gc

# A command makes little garbage, and its imports make none: looking for it is a tenth of its start.
gc.set_threshold(100_000)
