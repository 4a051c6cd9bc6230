"""The machine as jobs have it: several at once on one TPM, and whose word it believes."""

import secrets
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from cleanroom.attestation.token import verify
from cleanroom.errors import Malformed, Unavailable
from cleanroom.ids import Digest
from cleanroom.release.binding import check_bound
from cleanroom.release.wrapping import Wrapping, unwrap, wrap
from cleanroom.tpm import Tpm
from devstack.attestation.server import AttestationServer
from devstack.hardware.machine import ROOT_FILE, Machine
from devstack.hardware.vtpm import VirtualTpm, installed
from devstack.home import Home
from runner.attest.authority import AttestationService
from runner.attest.tpm_device import TpmSocket
from runner.machine import Believed, ConfidentialVm
from runner.parallel import at_once
from tests.attesting import LEEWAY, trust
from tests.builders import NOW
from tests.hardware import chip

RECEIPT_KEY = Digest("sha256:" + "01" * 32)


@pytest.fixture
def vm(tmp_path: Path) -> Iterator[ConfidentialVm]:
    with (
        VirtualTpm(tmp_path, chip(), 0.1) as running,
        TpmSocket(running.socket) as link,
    ):
        yield ConfidentialVm(Tpm(link), chip().amd.pem())


@pytest.mark.skipif(not installed(), reason="swtpm is not installed")
def test_jobs_of_several_contracts_prove_themselves_in_turn_and_each_opens_its_keys(
    vm: ConfidentialVm, attestation: AttestationServer
) -> None:
    service = AttestationService(attestation.url)
    keys = service.keys()

    def job(contract: Digest) -> None:
        with vm.attester(service).attest(contract, RECEIPT_KEY) as found:
            claims = found.evidence.verify(trust().roots, trust().issuers, NOW)
            check_bound(claims, contract, RECEIPT_KEY)
            to: rsa.RSAPublicKey = verify(found.token, keys, NOW, LEEWAY).wrapping_key().public
            wrapped = wrap(b"key", Wrapping.SHA256, to, secrets.token_bytes(32))
            opened = at_once(
                [
                    partial(unwrap, wrapped, Wrapping.SHA256, found.key_bytes, found.decrypt)
                    for _ in range(3)
                ]
            )
            assert opened == [b"key"] * 3

    at_once([partial(job, Digest.of(bytes([number]))) for number in range(3)])
    vm.check()
    service.close()


def test_simulated_hardware_is_believed_only_where_its_root_is_named(tmp_path: Path) -> None:
    home = Home.at(tmp_path / "home")
    machine = Machine.of(home)

    believed = Believed.adding(home.path / "hardware" / ROOT_FILE)

    assert believed.roots == machine.amd.roots
    assert len(believed.issuers) == len(Believed.genuine().issuers) + 1
    assert Believed.genuine().roots != machine.amd.roots


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        pytest.param(None, Unavailable, id="none"),
        pytest.param(b"junk", Malformed, id="junk"),
        pytest.param(b"x" * (1 << 20), Malformed, id="too long"),
    ],
)
def test_a_file_of_roots_that_is_none_is_refused(
    content: bytes | None, kind: type[Exception], tmp_path: Path
) -> None:
    path = tmp_path / "roots.pem"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(kind):
        Believed.adding(path)
