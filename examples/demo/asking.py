"""Ask a party's vault for its key as the runner does, with whatever the operator runs instead.

    python -m examples.demo.asking STACK CONTRACT KEY AUTHORITY [--modified]

The machine attests for the contract of that digest; with --modified it was launched under another
policy than the one that contracts name. Prints what the vault says; exits with 3 if it refuses.
"""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from azure.identity import DefaultAzureCredential

from cleanroom.errors import PolicyRefused
from cleanroom.ids import Digest
from devstack.hardware import context
from devstack.hardware.guest import GuestDevice, make_way
from devstack.hardware.machine import Machine
from devstack.home import HOST, Home
from devstack.runner import policy
from runner.attest.authority import AttestationService
from runner.attest.certificates import SecurityContext
from runner.attest.container import ContainerAttester
from runner.attest.snp_guest import SimulatedDevice
from runner.keys.vaults import Vaults
from runner.room.places import Hosts

_OTHER = b"a runner that somebody has changed\n"
_REFUSED = 3


def main() -> int:
    """Ask, and say what the vault answers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("contract")
    parser.add_argument("key")
    parser.add_argument("authority")
    parser.add_argument("--modified", action="store_true")
    given = parser.parse_args()
    home, contract = Home.at(given.home), Digest.parse(given.contract, "contract")
    folder = home.path / "hardware" / "guests" / policy.GUEST
    if not given.modified:
        return _asked(folder, contract, given.key, given.authority)
    with _launched(home, folder.with_name("modified"), _OTHER) as other:
        return _asked(other, contract, given.key, given.authority)


@contextmanager
def _launched(home: Home, folder: Path, code: bytes) -> Iterator[Path]:
    """Launch another machine of the same hardware."""
    group = Machine.of(home).launched(code, None)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    make_way(folder / context.DEVICE)
    context.write(folder, group)
    with GuestDevice(folder / context.DEVICE, group.chip):
        yield folder


def _asked(machine: Path, contract: Digest, key: str, authority: str) -> int:
    attester = ContainerAttester(
        SimulatedDevice(machine / context.DEVICE),
        SecurityContext.read(machine),
        AttestationService(authority),
    )
    vaults = Vaults(DefaultAzureCredential(), Hosts((HOST,)))
    with attester.attest(contract, contract) as proof:
        try:
            vaults.release(key, proof.token, "nonce")
        except PolicyRefused as error:
            print(error)
            return _REFUSED
    print(f"{key}: released")
    return 0


if __name__ == "__main__":
    sys.exit(main())
