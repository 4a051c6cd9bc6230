"""Under which policy the stack's machine is launched, and so by which code contracts know it.

The policy is the same in every stack, and its digest is the host data: on simulated hardware it
proves nothing. A contract for this machine says `simulated`, and so does every receipt.
"""

import hashlib
from collections.abc import Mapping

GUEST = "runner"
CONTEXT = "."
"""Where the runner finds what the hardware gives it: it is started in that folder."""
POLICY = b"the runner of a development stack\n"
HOST_DATA = hashlib.sha256(POLICY).hexdigest()


def requirement() -> Mapping[str, object]:
    """Spell what a contract demands of this machine."""
    return {
        "platform": "simulated",
        "code": {"kind": "host-data", "value": HOST_DATA, "utility_vm_svn": 100},
        "minimum_svn": {
            "product": "Milan",
            "fmc": 0,
            "bootloader": 4,
            "tee": 0,
            "snp": 24,
            "microcode": 219,
        },
        "walls": [],
        "debug": False,
    }
