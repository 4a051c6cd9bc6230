"""Takes the runner's settings from the machine's user data, and tells Azure that it is up.

The operator writes user data, and is trusted with availability only. So names come from a closed
list, values have plain letters, and nothing here says which hardware this is, whom vaults'
certificates lead to, or which hosts may be called: that is the image's to say, and measured. A line
that is not of this kind ends the start.
"""

import base64
import re
import sys
import urllib.request
from pathlib import Path
from xml.etree import ElementTree as ET

IMDS = (
    "http://169.254.169.254/metadata/instance/compute/userData?api-version=2021-01-01&format=text"
)
WIRE_SERVER = "http://168.63.129.16/machine"
ALLOWED = (
    "AZURE_CLIENT_ID",
    "CLEANROOM_RUNNER_APPLICATION",
    "CLEANROOM_RUNNER_DIRECTORIES",
    "CLEANROOM_RUNNER_DIRECTORY",
    "CLEANROOM_RUNNER_DRAIN_SECONDS",
    "CLEANROOM_RUNNER_JOBS",
    "CLEANROOM_RUNNER_QUEUE",
    "CLEANROOM_RUNNER_SERVICEBUS",
    "CLEANROOM_RUNNER_STORAGE_URL",
    "CLEANROOM_RUNNER_TOPIC",
)
SAID_BY_THE_IMAGE = ("CLEANROOM_RUNNER_PLATFORM=azure-cvm",)
_LINE = re.compile(r"([A-Z_]+)=([A-Za-z0-9:/._,-]{1,4096})", re.ASCII)
_LARGEST = 1 << 14
_PATIENCE = 10  # seconds
_READY = """<?xml version="1.0" encoding="utf-8"?>
<Health><GoalStateIncarnation>{incarnation}</GoalStateIncarnation><Container>
<ContainerId>{container}</ContainerId><RoleInstanceList><Role><InstanceId>{instance}</InstanceId>
<Health><State>Ready</State></Health></Role></RoleInstanceList></Container></Health>
"""
_WORD = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)


def accepted(user_data: str) -> str:
    """Turn user data into a file of settings, or refuse it."""
    lines = []
    for line in base64.b64decode(user_data, validate=True).decode("ascii").splitlines():
        if not line or line in SAID_BY_THE_IMAGE:
            continue
        found = _LINE.fullmatch(line)
        if found is None or found[1] not in ALLOWED:
            raise ValueError(f"user data: {line.partition('=')[0][:64]!r} may not be set")
        lines.append(line)
    if len({line.partition("=")[0] for line in lines}) < len(lines):
        raise ValueError("user data: a setting stands twice")
    return "".join(f"{line}\n" for line in lines)


def ready(goal_state: bytes) -> bytes:
    """Answer the host's goal state: this machine is up."""
    root = ET.fromstring(goal_state)  # noqa: S314  # the host could do worse than this
    found = {
        "incarnation": root.findtext("Incarnation"),
        "container": root.findtext("Container/ContainerId"),
        "instance": root.findtext("Container/RoleInstanceList/RoleInstance/InstanceId"),
    }
    for name, value in found.items():
        if value is None or not _WORD.fullmatch(value):
            raise ValueError(f"goal state: no {name}")
    return _READY.format(**found).encode()


def main(target: Path) -> None:
    """Ask, write, tell."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never through a proxy

    def ask(url: str, headers: dict[str, str], body: bytes | None = None) -> bytes:
        request = urllib.request.Request(url, body, headers)  # noqa: S310  # addresses of the host
        with opener.open(request, timeout=_PATIENCE) as answer:
            return bytes(answer.read(_LARGEST))

    target.write_text(accepted(ask(IMDS, {"Metadata": "true"}).decode("ascii")))
    version = {"x-ms-version": "2012-11-30"}
    said = ready(ask(f"{WIRE_SERVER}?comp=goalstate", version))
    content = {"Content-Type": "text/xml; charset=utf-8", "x-ms-agent-name": "cleanroom"}
    ask(f"{WIRE_SERVER}?comp=health", version | content, said)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
