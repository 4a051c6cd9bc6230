"""From untrusted bytes to a manifest, a table and a data key: each step refuses for itself."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from cleanroom import dsse
from cleanroom.canonical import canonical
from cleanroom.errors import Malformed, PolicyRefused, Tampered
from cleanroom.ids import Digest
from cleanroom.keys import DataKey
from cleanroom.seal import document
from cleanroom.seal.manifest import DatasetOrigin, InlineKey, Manifest, ResultOrigin, VaultKey
from cleanroom.seal.regions import RegionTable
from cleanroom.statement import PAYLOAD_TYPE as STATEMENT
from tests.builders import DIGEST, Keys
from tests.sealing import REGION, Parts, plaintext, seal_bytes

SECRET = "https://north.vault.azure.net/secrets/customers"  # noqa: S105  # an address


@pytest.fixture(scope="module")
def parts(north: Keys, south: Keys) -> Parts:
    return Parts.of(seal_bytes(plaintext(REGION + 1), north, south))


@pytest.fixture(scope="module")
def manifest(parts: Parts) -> Manifest:
    return Manifest.parse(parts.payload, "file")


def test_what_the_owner_signed_is_read(parts: Parts, north: Keys) -> None:
    found = document.verified(parts.envelope, north.signing, "file")

    assert found.to_bytes() == parts.payload


def test_an_unverified_manifest_names_its_signer(parts: Parts, north: Keys) -> None:
    found = document.unverified(parts.envelope, "file")

    assert (found.manifest.to_bytes(), found.signer) == (parts.payload, north.signing.id)


def test_another_signer_is_refused(parts: Parts, north: Keys, south: Keys) -> None:
    foreign = parts.with_payload(parts.payload, south)

    with pytest.raises(
        Tampered,
        match=f"^file: signed by {south.signing.id}, not by the expected {north.signing.id}$",
    ):
        document.verified(foreign.envelope, north.signing, "file")


def test_another_signer_under_the_owners_name_is_refused(
    parts: Parts, north: Keys, south: Keys
) -> None:
    envelope = json.loads(parts.with_payload(parts.payload, south).envelope)
    envelope["signatures"][0]["keyid"] = north.signing.id.text

    with pytest.raises(Tampered, match=r"^file: the signature does not hold$"):
        document.verified(canonical(envelope, ""), north.signing, "file")


def test_no_signature_is_refused(parts: Parts, north: Keys) -> None:
    unsigned = parts.with_envelope(signatures=[])

    with pytest.raises(Malformed, match=r"^file.signatures: expected 1 to 1 entries, got 0$"):
        document.verified(unsigned.envelope, north.signing, "file")


def test_an_empty_signature_is_refused(parts: Parts, north: Keys) -> None:
    empty = parts.with_envelope(signatures=[{"keyid": north.signing.id.text, "sig": ""}])

    with pytest.raises(Tampered, match=r"^file: the signature does not hold$"):
        document.verified(empty.envelope, north.signing, "file")


def test_a_second_signature_is_refused(parts: Parts, north: Keys, south: Keys) -> None:
    both = [
        *json.loads(parts.envelope)["signatures"],
        *json.loads(parts.with_payload(parts.payload, south).envelope)["signatures"],
    ]

    with pytest.raises(Malformed, match=r"^file.signatures: expected 1 to 1 entries, got 2$"):
        document.verified(parts.with_envelope(signatures=both).envelope, north.signing, "file")


def test_what_the_owner_signed_as_something_else_is_refused(parts: Parts, north: Keys) -> None:
    statement = parts.with_payload(parts.payload, north, STATEMENT)

    with pytest.raises(
        Tampered,
        match=r"^file: signed as 'application/vnd.in-toto\+json',"
        r" not 'application/vnd.cleanroom.sealed.v1\+json'$",
    ):
        document.verified(statement.envelope, north.signing, "file")


def test_what_the_owner_signed_as_something_else_is_refused_under_this_type_too(
    parts: Parts, north: Keys
) -> None:
    statement = parts.with_payload(parts.payload, north, STATEMENT)
    renamed = statement.with_envelope(payloadType="application/vnd.cleanroom.sealed.v1+json")

    with pytest.raises(Tampered, match=r"^file: the signature does not hold$"):
        document.verified(renamed.envelope, north.signing, "file")


def test_an_unknown_field_of_the_envelope_is_refused(parts: Parts, north: Keys) -> None:
    with pytest.raises(Malformed, match=r"^file: expected no other field, got 'extra'$"):
        document.verified(parts.with_envelope(extra=1).envelope, north.signing, "file")


def test_a_field_twice_in_the_envelope_is_refused(parts: Parts, north: Keys) -> None:
    twice = parts.envelope.replace(b'{"payload"', b'{"payload":"","payload"', 1)

    with pytest.raises(Malformed, match=r"^file: expected each field once$"):
        document.verified(twice, north.signing, "file")


def test_what_the_owner_signed_must_still_be_a_manifest(parts: Parts, north: Keys) -> None:
    nonsense = parts.with_payload(b"{}", north)

    with pytest.raises(Malformed, match=r"^file: expected a field 'format'$"):
        document.verified(nonsense.envelope, north.signing, "file")


def test_a_manifest_that_two_readers_could_read_differently_is_refused_though_signed(
    parts: Parts, north: Keys
) -> None:
    twice = parts.payload.replace(b'{"cipher"', b'{"cipher":"none","cipher"', 1)

    with pytest.raises(Malformed, match=r"^file: expected each field once$"):
        document.verified(parts.with_payload(twice, north).envelope, north.signing, "file")


@pytest.mark.parametrize("known", [1, 6, 7])
def test_a_version_that_is_new_enough_is_taken(manifest: Manifest, known: int) -> None:
    origin = DatasetOrigin("north", "customers", 7)

    document.check_version(replace(manifest, origin=origin), known)


def test_an_older_version_is_refused(manifest: Manifest) -> None:
    origin = DatasetOrigin("north", "customers", 7)

    with pytest.raises(
        PolicyRefused, match=r"^dataset 'customers' is version 7, older than 8$"
    ) as caught:
        document.check_version(replace(manifest, origin=origin), 8)

    assert "an older version was put in place of a newer one" in caught.value.hint


def test_a_result_has_no_version(manifest: Manifest) -> None:
    origin = ResultOrigin(Digest(DIGEST), "totals")

    with pytest.raises(PolicyRefused, match=r"^a result has no version to compare$"):
        document.check_version(replace(manifest, origin=origin), 1)


def test_the_signed_table_is_taken(parts: Parts, manifest: Manifest) -> None:
    assert document.region_table(manifest, parts.table).data == parts.table


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda table: table[32:] + table[:32], id="reordered"),
        pytest.param(lambda table: table[:-1], id="cut"),
        pytest.param(lambda table: table + bytes(32), id="grown"),
        pytest.param(lambda _table: b"", id="empty"),
    ],
)
def test_any_other_table_is_refused(
    parts: Parts, manifest: Manifest, spoil: Callable[[bytes], bytes]
) -> None:
    with pytest.raises(Tampered, match=r"^the table of regions is not the one that was signed$"):
        document.region_table(manifest, spoil(parts.table))


def test_the_data_key_comes_out_of_the_manifest(south: Keys) -> None:
    wrapped = InlineKey(south.reader.id, south.reader.wrap(DataKey(b"k" * 32)))

    assert document.data_key(wrapped, None, south.unwrap).expose() == b"k" * 32


def test_the_data_key_comes_from_the_vault_if_the_manifest_says_so(south: Keys) -> None:
    secret = south.reader.wrap(DataKey(b"k" * 32))

    key = document.data_key(VaultKey(south.reader.id, SECRET), secret, south.unwrap)

    assert key.expose() == b"k" * 32


def test_a_key_in_the_manifest_is_not_replaced_by_one_from_elsewhere(south: Keys) -> None:
    wrapped = InlineKey(south.reader.id, south.reader.wrap(DataKey(b"k" * 32)))
    other = south.reader.wrap(DataKey(b"o" * 32))

    assert document.data_key(wrapped, other, south.unwrap).expose() == b"k" * 32


def test_a_key_in_a_vault_must_be_fetched_from_there(south: Keys) -> None:
    with pytest.raises(
        PolicyRefused, match=f"^the wrapped key is not in the file but at {SECRET}$"
    ):
        document.data_key(VaultKey(south.reader.id, SECRET), None, south.unwrap)


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_a_wrapped_key_of_another_length_is_refused(south: Keys, size: int) -> None:
    wrapped = InlineKey(south.reader.id, b"")

    with pytest.raises(Tampered, match=r"^the wrapped key does not hold a data key of 32 bytes$"):
        document.data_key(wrapped, None, lambda _wrapped: bytes(size))


def test_the_trailer_is_table_envelope_and_footer(parts: Parts) -> None:
    assert document.trailer(RegionTable(parts.table), parts.envelope) == parts.trailer


def test_a_second_valid_signature_does_not_change_the_name_of_the_version(
    parts: Parts, north: Keys
) -> None:
    again = parts.with_payload(parts.payload, north)  # ECDSA signatures differ each time

    found = document.verified(again.envelope, north.signing, "file")

    assert again.envelope != parts.envelope
    assert found.digest == document.verified(parts.envelope, north.signing, "file").digest


def test_the_largest_manifest_fits_the_largest_envelope(north: Keys) -> None:
    envelope = dsse.sign(bytes(dsse.LARGEST_PAYLOAD), "x" * 200, north.signer)

    assert len(envelope) <= dsse.LARGEST_ENVELOPE
