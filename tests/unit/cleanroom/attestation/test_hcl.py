"""A paravisor's report is taken apart strictly, and its claims count by their exact bytes."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from cleanroom.attestation.hcl import LARGEST_HCL, HclReport, VmConfiguration
from cleanroom.errors import Malformed, Unattested
from devstack.hardware.amd import rsa_key
from devstack.hardware.paravisor import Paravisor, jwk, runtime_claims
from tests.hardware import paravisor

USER_DATA = bytes(range(64))


def ak() -> Any:
    return rsa_key("ak", 2048).public_key()


def claims() -> Any:
    return runtime_claims(ak(), USER_DATA)


def saying(value: object) -> Paravisor:
    """A paravisor that binds other claims."""
    return replace(paravisor(), claims=json.dumps(value).encode())


def refused(data: bytes, message: str) -> None:
    with pytest.raises(Malformed, match=f"^{re.escape(message)}$"):
        HclReport.parse(data, "hcl")


def test_a_report_is_taken_apart() -> None:
    made = paravisor().write_user_data(USER_DATA)

    data = made.hcl()
    found = HclReport.parse(data, "hcl")

    assert found == HclReport(
        report=data[32:1216],
        hash_name="sha256",
        claims=made.claims,
        attestation_key=made.tpm.key.public_key(),
        user_data=USER_DATA,
        configuration=VmConfiguration(
            secure_boot=True,
            console_enabled=True,
            tpm_enabled=True,
            vm_id="00000000-0000-4000-8000-000000000001",
        ),
    )


HEADER = [
    pytest.param(4, 0, "hcl.header_version: expected 1 or 2, got 0", id="version 0"),
    pytest.param(4, 3, "hcl.header_version: expected 1 or 2, got 3", id="version 3"),
    pytest.param(12, 1, "hcl.request_type: expected 2, got 1", id="request"),
    pytest.param(16, 1, "hcl.status: expected 0, got 1", id="status"),
    pytest.param(1220, 2, "hcl.data_version: expected 1, got 2", id="data version"),
    pytest.param(1224, 4, "hcl.report_type: expected 2, got 4", id="TDX"),
    pytest.param(1228, 0, "hcl.hash_type: expected 1 or 2 or 3, got 0", id="hash 0"),
    pytest.param(1228, 4, "hcl.hash_type: expected 1 or 2 or 3, got 4", id="hash 4"),
]


@pytest.mark.parametrize(("offset", "word", "message"), HEADER)
def test_each_word_of_the_header_is_checked(offset: int, word: int, message: str) -> None:
    refused(replace(paravisor(), header={offset: word}).hcl(), message)


@pytest.mark.parametrize("version", [1, 2])
def test_both_versions_of_the_header_are_read(version: int) -> None:
    found = HclReport.parse(replace(paravisor(), header={4: version}).hcl(), "hcl")

    assert found.user_data == bytes(64)


@pytest.mark.parametrize("size", [0, 1184, 1216, 2**32 - 1])
def test_the_size_in_the_header_means_nothing(size: int) -> None:
    found = HclReport.parse(replace(paravisor(), header={8: size}).hcl(), "hcl")

    assert found.user_data == bytes(64)


def test_two_sizes_of_the_claims_agree() -> None:
    made = paravisor()
    size = len(made.claims) + 20

    refused(
        replace(made, header={1216: size - 1}).hcl(),
        f"hcl.data_size: expected {size}, got {size - 1}",
    )


@pytest.mark.parametrize("claimed", [2600, 2**32 - 21])
def test_claims_fit_the_report(claimed: int) -> None:
    made = replace(paravisor(), header={1232: claimed, 1216: claimed + 20})

    refused(made.hcl(), "hcl: expected claims that fit, and zero in and behind what is reserved")


@pytest.mark.parametrize("offset", [20, 28])
def test_reserved_words_are_zero(offset: int) -> None:
    made = replace(paravisor(), header={offset: 1 << 24})

    refused(made.hcl(), "hcl: expected claims that fit, and zero in and behind what is reserved")


@pytest.mark.parametrize("tail", [b"\1", bytes(100) + b"{}"])
def test_nothing_stands_behind_the_claims(tail: bytes) -> None:
    refused(
        replace(paravisor(), tail=tail).hcl(),
        "hcl: expected claims that fit, and zero in and behind what is reserved",
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "hcl: expected 1236 to 8192 bytes, got 0"),
        (bytes(1235), "hcl: expected 1236 to 8192 bytes, got 1235"),
        (bytes(LARGEST_HCL + 1), "hcl: expected 1236 to 8192 bytes, got 8193"),
        (bytes(1236), r"hcl: expected b'HCLA' at the start, got b'\x00\x00\x00\x00'"),
    ],
)
def test_what_is_no_report_is_refused(data: bytes, message: str) -> None:
    refused(data, message)


# --- claims


def without(name: str) -> Callable[[Any], object]:
    return lambda value: {key: item for key, item in value.items() if key != name}


def key_with(**changes: object) -> Callable[[Any], object]:
    return lambda value: value | {"keys": [value["keys"][0] | changes, value["keys"][1]]}


def configured(**changes: object) -> Callable[[Any], object]:
    return lambda value: value | {"vm-configuration": value["vm-configuration"] | changes}


N = "hcl.claims.keys[0].n: expected base64url of 256 bytes, got "
CLAIMS = [
    pytest.param(
        lambda _: [], "hcl.claims: expected an object with named fields, got a list", id="list"
    ),
    pytest.param(without("keys"), "hcl.claims: expected a field 'keys'", id="no keys"),
    pytest.param(
        lambda value: value | {"keys": []},
        "hcl.claims.keys: expected 1 to 8 entries, got 0",
        id="empty keys",
    ),
    pytest.param(
        lambda value: value | {"keys": value["keys"][1:]},
        "hcl.claims.keys: expected exactly one key HCLAkPub, got 0",
        id="no attestation key",
    ),
    pytest.param(
        lambda value: value | {"keys": value["keys"][:1] * 2},
        "hcl.claims.keys: expected exactly one key HCLAkPub, got 2",
        id="two attestation keys",
    ),
    pytest.param(
        lambda value: value | {"keys": value["keys"] * 5},
        "hcl.claims.keys: expected 1 to 8 entries, got 10",
        id="many keys",
    ),
    pytest.param(key_with(kty="EC"), "hcl.claims.keys[0].kty: expected 'RSA', got 'EC'", id="kty"),
    pytest.param(key_with(e="Aw"), "hcl.claims.keys[0].e: expected 'AQAB', got 'Aw'", id="e"),
    pytest.param(
        key_with(key_ops=["verify"]),
        "hcl.claims.keys[0].key_ops: expected 'sign' or 'encrypt'",
        id="key_ops",
    ),
    pytest.param(
        key_with(key_ops=["sign", "encrypt"]),
        "hcl.claims.keys[0].key_ops: expected 1 to 1 entries, got 2",
        id="two key_ops",
    ),
    pytest.param(key_with(n="A" * 341), N + repr("A" * 36)[:-1] + "...", id="short n"),
    pytest.param(key_with(n="A" * 342 + "=="), N + repr("A" * 36)[:-1] + "...", id="padded n"),
    pytest.param(key_with(n="+" * 342), N + repr("+" * 36)[:-1] + "...", id="other base64"),
    pytest.param(
        key_with(n="A" * 342), "hcl.claims.keys[0].n: expected the modulus of an RSA key", id="n 0"
    ),
    pytest.param(
        without("vm-configuration"),
        "hcl.claims: expected a field 'vm-configuration'",
        id="no configuration",
    ),
    *(
        pytest.param(
            configured(**{name: 1}),
            f"hcl.claims.vm-configuration.{name}: expected true or false, got 1",
            id=name,
        )
        for name in ("secure-boot", "console-enabled", "tpm-enabled")
    ),
    pytest.param(
        configured(vmUniqueId=7),
        "hcl.claims.vm-configuration.vmUniqueId: expected text, got a number",
        id="vmUniqueId",
    ),
    *(
        pytest.param(
            lambda value, text=text: value | {"user-data": text},
            "hcl.claims.user-data: expected 128 upper-case hexadecimal digits, got "
            + (repr(text) if len(text) < 30 else repr(text)[:37] + "..."),
            id=f"user data {name}",
        )
        for name, text in (
            ("empty", ""),
            ("short", "0" * 126),
            ("long", "0" * 130),
            ("lower case", "ab" * 64),
        )
    ),
]


@pytest.mark.parametrize(("change", "message"), CLAIMS)
def test_each_claim_is_checked(change: Callable[[Any], object], message: str) -> None:
    HclReport.parse(saying(claims()).hcl(), "hcl")

    refused(saying(change(claims())).hcl(), message)


def test_a_claim_that_stands_twice_is_refused() -> None:
    text = paravisor().claims[:-1] + b',"user-data":"' + b"F" * 128 + b'"}'

    refused(replace(paravisor(), claims=text).hcl(), "hcl.claims: expected each field once")


def test_an_older_paravisor_says_less() -> None:
    value = without("user-data")(key_with(key_ops=["encrypt"])(claims()))
    value = configured(**{"current-time": 1_680_130_419})(value)

    found = HclReport.parse(saying(value).hcl(), "hcl")

    assert (found.user_data, found.attestation_key) == (None, ak())


def test_a_newer_paravisor_says_more() -> None:
    value = configured(**{"tpm-persisted": True, "root-cert-thumbprint": ""})(claims())

    found = HclReport.parse(saying(value | {"news": [{}]}).hcl(), "hcl")  # type: ignore[operator]  # a dict

    assert found.user_data == USER_DATA


def test_other_keys_are_not_read() -> None:
    other = jwk("HCLEkPub", "encrypt", ak()) | {"kty": "oct", "n": 7}

    found = HclReport.parse(
        saying(claims() | {"keys": [other, *claims()["keys"][:1]]}).hcl(), "hcl"
    )

    assert found.attestation_key == ak()


# --- what binds


@pytest.mark.parametrize(("hash_type", "name"), [(1, "sha256"), (2, "sha384"), (3, "sha512")])
def test_the_report_data_is_the_digest_of_the_claims(hash_type: int, name: str) -> None:
    found = HclReport.parse(replace(paravisor(), hash_type=hash_type).hcl(), "hcl")

    found.check_bound(found.report[0x50:0x90])
    assert found.hash_name == name


def test_claims_spelled_otherwise_are_other_claims() -> None:
    found = HclReport.parse(paravisor().hcl(), "hcl")
    spaced = replace(found, claims=json.dumps(json.loads(found.claims)).encode())

    with pytest.raises(Unattested, match=r"^the report data is [0-9a-f]{128}, expected "):
        spaced.check_bound(found.report[0x50:0x90])


@pytest.mark.parametrize("at", [0, 31, 32, 63])
def test_every_byte_of_the_report_data_counts(at: int) -> None:
    found = HclReport.parse(paravisor().hcl(), "hcl")
    data = bytearray(found.report[0x50:0x90])
    data[at] ^= 1

    with pytest.raises(Unattested, match=r"^the report data is "):
        found.check_bound(bytes(data))
