"""Evidence as a document: one spelling, bounded, and nothing left out unsaid."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from cleanroom.attestation import container, cvm
from cleanroom.attestation.evidence import LARGEST_BUNDLE, EvidenceBundle
from cleanroom.canonical import canonical
from cleanroom.errors import Malformed
from tests.hardware import NOW, group, paravisor

MACHINE = EvidenceBundle(paravisor().evidence(b"nonce", (0, 7)))
CONTAINERS = EvidenceBundle(group().evidence(b"{}"))
every_bundle = pytest.mark.parametrize(
    "bundle", [MACHINE, CONTAINERS], ids=["machine", "containers"]
)


def value(bundle: EvidenceBundle) -> Any:
    return json.loads(bundle.to_bytes())


@every_bundle
def test_a_bundle_comes_back_as_it_was(bundle: EvidenceBundle) -> None:
    data = bundle.to_bytes()

    found = EvidenceBundle.parse(data, "evidence")

    assert found == bundle
    assert found.to_bytes() == data


@pytest.mark.parametrize(
    "bundle",
    [
        EvidenceBundle(replace(group().evidence(b""), policy=None, endorsement=None)),
        EvidenceBundle(replace(paravisor().evidence(b"", (0,)), ak_certificate=b"\x30")),
    ],
    ids=["containers without", "machine with"],
)
def test_a_part_may_be_missing_and_says_so(bundle: EvidenceBundle) -> None:
    assert EvidenceBundle.parse(bundle.to_bytes(), "evidence") == bundle


def test_the_platform_is_the_shape() -> None:
    assert (MACHINE.platform, CONTAINERS.platform) == ("azure-cvm", "aci")


def test_a_bundle_is_verified_as_its_shape_demands() -> None:
    roots, issuer = paravisor().chip.amd.roots, group().endorser.issuer()
    machine, containers = paravisor().evidence(b"nonce"), group().evidence(b"{}")

    found = [EvidenceBundle(e).verify(roots, [issuer], NOW) for e in (machine, containers)]

    assert found == [
        cvm.verify(machine, roots, NOW),
        container.verify(containers, roots, [issuer], NOW),
    ]


def test_the_largest_evidence_fits_a_bundle() -> None:
    large = replace(
        group().evidence(bytes(32 * 1024)),
        chain=bytes(32 * 1024),
        policy=bytes(64 * 1024),
        endorsement=bytes(32 * 1024),
    )

    assert len(EvidenceBundle(large).to_bytes()) <= LARGEST_BUNDLE


def test_a_document_that_is_too_large_is_refused() -> None:
    with pytest.raises(Malformed, match=f"^evidence: expected at most {LARGEST_BUNDLE} bytes"):
        EvidenceBundle.parse(bytes(LARGEST_BUNDLE + 1), "evidence")


@every_bundle
def test_every_field_must_be_there_and_no_other(bundle: EvidenceBundle) -> None:
    for name in value(bundle):
        rest = {key: item for key, item in value(bundle).items() if key != name}
        with pytest.raises(Malformed, match=f"^evidence: expected a field '{name}'$"):
            EvidenceBundle.parse(canonical(rest, "test"), "evidence")
    with pytest.raises(Malformed, match=r"^evidence: expected no other field, got 'more'$"):
        EvidenceBundle.parse(canonical(value(bundle) | {"more": 1}, "test"), "evidence")


def test_another_spelling_is_refused() -> None:
    with pytest.raises(Malformed, match=r"^evidence: expected canonical JSON"):
        EvidenceBundle.parse(MACHINE.to_bytes() + b"\n", "evidence")


def pcrs(*items: object) -> Callable[[Any], Any]:
    return lambda value: value | {"pcrs": list(items)}


P0, P7 = ({"index": n, "sha256": "ab" * 32} for n in (0, 7))
WRONG = [
    pytest.param(
        lambda v: v | {"format": "cleanroom/evidence/v2"},
        "format: expected 'cleanroom/evidence/v1', got 'cleanroom/evidence/v2'",
        id="format",
    ),
    pytest.param(
        lambda v: v | {"platform": "simulated"},
        "platform: expected 'aci' or 'azure-cvm', got 'simulated'",
        id="platform",
    ),
    pytest.param(lambda v: v | {"hcl": None}, "hcl: expected base64 of at most 8192", id="no hcl"),
    pytest.param(
        lambda v: v | {"hcl": "A" * 12000}, "hcl: expected base64 of at most 8192", id="large hcl"
    ),
    pytest.param(
        lambda v: v | {"chain": "A" * 44000},
        "chain: expected base64 of at most 32768",
        id="large chain",
    ),
    pytest.param(
        lambda v: v | {"nonce": "A" * 92}, "nonce: expected base64 of at most 64", id="long nonce"
    ),
    pytest.param(pcrs(), "pcrs: expected 1 to 24 entries, got 0", id="no pcrs"),
    pytest.param(pcrs(*[P0] * 25), "pcrs: expected 1 to 24 entries, got 25", id="many pcrs"),
    pytest.param(pcrs(P0, P0), "pcrs: expected each PCR once, in ascending order", id="twice"),
    pytest.param(pcrs(P7, P0), "pcrs: expected each PCR once, in ascending order", id="order"),
    pytest.param(
        pcrs(P0 | {"index": 24}), "pcrs[0].index: expected a whole number 0 to 23", id="index"
    ),
    pytest.param(
        pcrs(P0 | {"sha256": "AB" * 32}), "pcrs[0].sha256: expected 64 lower-case", id="upper case"
    ),
    pytest.param(pcrs(P0 | {"more": 1}), "pcrs[0]: expected no other field", id="more in a pcr"),
]


@pytest.mark.parametrize(("change", "message"), WRONG)
def test_a_field_of_another_form_is_refused(change: Callable[[Any], Any], message: str) -> None:
    data = canonical(change(value(MACHINE)), "test")

    with pytest.raises(Malformed, match=f"^evidence.{re.escape(message)}"):
        EvidenceBundle.parse(data, "evidence")
