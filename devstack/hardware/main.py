"""The command: a guest launched on the stack's simulated hardware, and its report device.

The guest is a container group: its host data is the digest of the policy that it was launched with.
All that it needs to prove itself is in its folder, HOME/hardware/guests/NAME: certificates, policy,
endorsement, and the socket `device`.
"""

import argparse
import logging
import re
from collections.abc import Sequence
from pathlib import Path

from cleanroom.errors import Malformed
from devstack import web
from devstack.hardware import context
from devstack.hardware.guest import GuestDevice, make_way
from devstack.hardware.machine import Machine
from devstack.home import Home

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")
_MEASUREMENT = re.compile(r"[0-9a-f]{96}")
_LARGEST_POLICY = 1 << 16  # bytes; evidence holds no larger one

log = logging.getLogger("devstack")


def main(arguments: Sequence[str]) -> int:
    """Serve one guest until told to stop."""
    options = _parser().parse_args(arguments)

    async def serve() -> None:
        policy = _policy(options.policy)
        home = Home.at(options.home)
        group = Machine.of(home).launched(policy, options.measurement)
        folder = home.folder("hardware") / "guests" / options.guest
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        make_way(folder / context.DEVICE)  # or else leave the folder to whom it belongs
        context.write(folder, group)
        with GuestDevice(folder / context.DEVICE, group.chip):
            host_data = group.chip.template.host_data.hex()
            log.info("hardware: guest %s ready, host data %s", options.guest, host_data)
            await web.told_to_stop()

    return web.run(serve)


def _policy(path: Path) -> bytes:
    try:
        policy = path.read_bytes()
    except OSError as error:
        raise Malformed(str(path), "the file of a policy", error.strerror) from error
    if not 0 < len(policy) <= _LARGEST_POLICY:
        raise Malformed(str(path), f"1 to {_LARGEST_POLICY} bytes", f"{len(policy)}")
    return policy


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="devstack.hardware", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="the folder of the stack")
    parser.add_argument(
        "--guest", type=_name, default="runner", metavar="NAME", help="its folder (%(default)s)"
    )
    parser.add_argument(
        "--policy", type=Path, required=True, help="a file; host data is its SHA-256"
    )
    parser.add_argument(
        "--measurement", type=_measurement, metavar="HEX", help="of the utility VM around it"
    )
    return parser


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"expected a to z, digits and hyphens, got {text!r}")
    return text


def _measurement(text: str) -> bytes:
    if not _MEASUREMENT.fullmatch(text):
        raise argparse.ArgumentTypeError("expected 96 lower-case hexadecimal digits")
    return bytes.fromhex(text)
