"""A limit that whoever allocates by a claimed length runs into."""

import resource
from pathlib import Path

# Above what the process has when it starts. Memory that is reserved and not used counts, too,
# which libFuzzer's -rss_limit_mb does not see.
_MOST = 256 << 20


def limit_memory() -> None:
    """Let this process allocate little more than it has now; beyond, Python raises MemoryError."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + _MOST
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
