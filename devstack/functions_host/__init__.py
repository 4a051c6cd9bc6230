"""A Functions host: runs a function app through Microsoft's Python worker library, with no .NET.

Two processes, as in the cloud. The host (this package) owns the port, the keys, timers, receivers
and output bindings; a worker (`worker.py`) loads the app and runs its functions. They speak over a
socket pair (`wire.py`). A reload, a crash or a function that overruns costs a worker, never the
host, and no request that waits.
"""
