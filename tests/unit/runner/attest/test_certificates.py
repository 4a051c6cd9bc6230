"""Certificates as the cloud hands them out: by its host, or beside a container."""

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cleanroom.attestation import snp
from cleanroom.attestation.amd import AMD_ROOTS, verify_chain
from cleanroom.errors import Malformed, Unavailable
from runner.attest.certificates import SecurityContext, from_thim
from tests import evidence_files
from tests.builders import NOW
from tests.hardware import chip, group

POLICY = group().policy
NAMES = ("host-amd-cert-base64", "security-policy-base64", "reference-info-base64")


def thim() -> dict[str, Any]:
    amd = chip().amd
    return {
        "vcekCert": amd.pem("leaf").decode(),
        "tcbm": "db18000000000004",
        "cacheControl": "86400",
        "certificateChain": amd.pem("ask", "ark").decode(),
    }


def folder(path: Path) -> Path:
    """Write what the platform writes."""
    contents = (json.dumps(thim()).encode(), POLICY, b"endorsement")
    for name, content in zip(NAMES, contents, strict=True):
        (path / name).write_bytes(base64.b64encode(content))
    return path


def test_certificates_of_the_host_make_a_chain() -> None:
    pem = from_thim(json.dumps(thim()).encode(), "host")

    assert verify_chain(pem, chip().amd.roots, NOW).kind == "VCEK"


@pytest.mark.real_evidence
def test_certificates_of_a_real_host_make_a_chain() -> None:
    pem = from_thim(evidence_files.read("aci/uvm_host_amd_certificate.json"), "host")

    report, _ = evidence_files.report("aci")
    assert snp.verify(report, pem, AMD_ROOTS, NOW).endorsed_by == "VCEK"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(lambda t: t.pop("vcekCert"), "expected a field 'vcekCert'", id="no vcek"),
        pytest.param(
            lambda t: t.pop("certificateChain"),
            "expected a field 'certificateChain'",
            id="no chain",
        ),
        pytest.param(
            lambda t: t.update(vcekCert=7),
            ".vcekCert: expected certificates in PEM, got 7",
            id="a number",
        ),
        pytest.param(
            lambda t: t.update(vcekCert="é"),
            ".vcekCert: expected certificates in PEM, got 'é'",
            id="another script",
        ),
        pytest.param(
            lambda t: t.update(vcekCert="A" * 65537),
            ".vcekCert: expected certificates in PEM",
            id="too large",
        ),
    ],
)
def test_what_the_host_says_is_read_strictly(
    spoil: Callable[[dict[str, Any]], object], message: str
) -> None:
    value = thim()
    spoil(value)

    with pytest.raises(Malformed, match=f"^host:? ?{re.escape(message)}"):
        from_thim(json.dumps(value).encode(), "host")


@pytest.mark.parametrize("answer", [b"", b"no JSON", b"[]"])
def test_what_is_no_answer_of_the_host_is_refused(answer: bytes) -> None:
    with pytest.raises(Malformed, match=r"^host: expected"):
        from_thim(answer, "host")


def test_a_container_reads_what_lies_beside_it(tmp_path: Path) -> None:
    found = SecurityContext.read(folder(tmp_path))

    assert (found.policy, found.endorsement) == (POLICY, b"endorsement")
    assert verify_chain(found.chain, chip().amd.roots, NOW).kind == "VCEK"


def test_a_line_feed_at_the_end_is_no_harm(tmp_path: Path) -> None:
    path = folder(tmp_path) / NAMES[1]
    path.write_bytes(path.read_bytes() + b"\n")

    assert SecurityContext.read(tmp_path).policy == POLICY


@pytest.mark.parametrize("name", NAMES)
def test_without_one_of_the_files_it_is_no_confidential_container(
    name: str, tmp_path: Path
) -> None:
    (folder(tmp_path) / name).unlink()

    with pytest.raises(Unavailable, match=f"{name}: not readable; is this a confidential"):
        SecurityContext.read(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"_-==", "expected standard base64", id="the alphabet of URLs"),
        pytest.param(b"A", "expected standard base64", id="cut"),
        pytest.param(b"\xff", "expected standard base64", id="no text"),
        pytest.param(b"A" * ((1 << 20) + 1), "expected at most 1048576 bytes", id="too large"),
    ],
)
@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_is_not_base64_is_refused(
    name: str, content: bytes, message: str, tmp_path: Path
) -> None:
    (folder(tmp_path) / name).write_bytes(content)

    with pytest.raises(Malformed, match=f"{name}: {message}"):
        SecurityContext.read(tmp_path)
