"""Services on the loopback, and certificates that the genuine clients trust."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from devstack.attestation.server import AttestationServer
from tests.attesting import trust
from tests.builders import NOW


@pytest.fixture(scope="session")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(autouse=True)
def trusted(ca: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have HTTP clients trust our authority, and ask no proxy."""
    bundle = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(bundle)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def attestation(ca: trustme.CA) -> Iterator[AttestationServer]:
    """A service that believes our synthetic hardware, at the time of all tests."""
    with AttestationServer(trust(), ca, lambda: NOW) as server:
        yield server
