"""How to start Azurite's blob service: the command line, and what its environment must hold."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cleanroom.errors import Unavailable
from devstack.home import HOST, Home
from devstack.storage import ACCOUNT

HERE = Path(__file__).parent
_HEAP_MIB = 256  # metadata only: content goes through in streams
_PROGRAM = HERE / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"


@dataclass(frozen=True, slots=True)
class Start:
    """A command, and the variables that its environment needs beside the usual ones."""

    command: Sequence[str]
    environment: Mapping[str, str]


def account_key(home: Home) -> str:
    """Return the key of the stack's storage account."""
    return home.secret("storage/account")


def connection_string(home: Home, port: int) -> str:
    """Spell what clients with the account's key need to reach the front."""
    return (
        f"DefaultEndpointsProtocol=https;AccountName={ACCOUNT};AccountKey={account_key(home)};"
        f"BlobEndpoint=https://{HOST}:{port}/{ACCOUNT}"
    )


def start(home: Home, port: int, *, in_memory: bool = False) -> Start:
    """Say how to start it on a port of the loopback; in memory it keeps nothing when it ends."""
    node = shutil.which("node")
    if node is None:
        raise Unavailable("node: not found").with_hint("install Node.js 20 or newer")
    if not _PROGRAM.exists():
        raise Unavailable("azurite: not installed").with_hint("run 'make setup'")
    place = ["--inMemoryPersistence"] if in_memory else ["--location", str(home.folder("azurite"))]
    command = [
        *(node, "--require", str(HERE / "azurite.cjs")),
        *(f"--max-old-space-size={_HEAP_MIB}", "--max-semi-space-size=16"),
        *(str(_PROGRAM), "--blobHost", HOST, "--blobPort", str(port), *place),
        "--silent",
        "--disableTelemetry",
        "--skipApiVersionCheck",  # its list of versions ends with the day of its publication
        "--disableProductStyleUrl",  # the account is in the path, whatever the host is called
    ]
    environment = {
        "AZURITE_ACCOUNTS": f"{ACCOUNT}:{account_key(home)}",
        "NODE_EXTRA_CA_CERTS": str(home.authority_file),  # it asks the front for signed sources
    }
    return Start(command, environment)
