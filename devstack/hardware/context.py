"""The folder that a container group finds beside it, as Azure Container Instances lay it out.

The names are those of the genuine folder (UVM_SECURITY_CONTEXT_DIR), so whoever reads one reads the
other. Beside them stands `device`: the socket that answers for reports.
"""

import base64
import json
from pathlib import Path

from devstack import files
from devstack.hardware.uvm import ContainerGroup

DEVICE = "device"


def write(folder: Path, group: ContainerGroup) -> None:
    """Write what the host hands a container group: certificates, policy, endorsement."""
    template, amd = group.chip.template, group.chip.amd
    certificates = {
        "cacheControl": "86400",
        "certificateChain": amd.pem("ask", "ark").decode("ascii"),
        "tcbm": f"{int.from_bytes(template.reported, 'little'):016x}",
        "vcekCert": amd.pem("leaf").decode("ascii"),
    }
    for name, content in (
        ("host-amd-cert-base64", json.dumps(certificates).encode("ascii")),
        ("security-policy-base64", group.policy),
        ("reference-info-base64", group.endorser.endorse(template.measurement)),
    ):
        files.replace(folder / name, base64.b64encode(content))
