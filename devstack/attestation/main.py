"""The command: which folder, which port. It believes AMD, and the stack's synthetic hardware."""

import argparse
import secrets
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from devstack import clock, files, web
from devstack.attestation.app import application
from devstack.attestation.service import AttestationService
from devstack.attestation.signer import TokenSigner
from devstack.attestation.trust import GENUINE, Trust
from devstack.hardware.machine import Machine
from devstack.hardware.paravisor import ID_KEY_DIGEST
from devstack.home import HOST, Home

_KEY_BITS = 2048


def believing(machine: Machine) -> Trust:
    """Believe whom Azure's service believes, and one machine made of software."""
    return Trust(
        machine.amd.roots,  # AMD's are always among them
        (*GENUINE.issuers, machine.endorser.issuer(minimum_svn=0)),
        (*GENUINE.paravisors, ID_KEY_DIGEST),
        GENUINE.policy,
    )


def signer_of(home: Home, now: datetime) -> TokenSigner:
    """Sign by the same key after every start, so that tokens and receipts verify on."""
    content = files.first(home.folder("attestation") / "signer.pem", _new_key)
    key = load_pem_private_key(content, None)
    assert isinstance(key, rsa.RSAPrivateKey)  # noqa: S101  # we wrote it
    return TokenSigner.of(key, now)


def main(arguments: Sequence[str]) -> int:
    """Serve until told to stop."""
    options = _parser().parse_args(arguments)

    async def serve() -> None:
        home = Home.at(options.home)
        service = AttestationService(
            f"https://{HOST}:{options.port}",
            believing(Machine.of(home)),
            signer_of(home, clock.now()),
            secrets.token_bytes,
        )
        site = web.Site(application(service, clock.now), options.port, home.tls())
        await web.serve([site], "attestation")

    return web.run(serve)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="devstack.attestation", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="the folder of the stack")
    parser.add_argument("--port", type=int, default=8441, help="where to listen (%(default)s)")
    return parser


def _new_key() -> bytes:
    key = rsa.generate_private_key(65537, _KEY_BITS)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
