"""Our envelopes are everybody's: what we sign others verify, and what they sign we do."""

import json

import pytest
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import CryptoSigner, SSlibKey

from cleanroom import approval, dsse
from cleanroom.canonical import canonical
from cleanroom.contract import Contract
from cleanroom.errors import Malformed, Tampered
from cleanroom.seal.manifest import PAYLOAD_TYPE as SEALED
from cleanroom.statement import PAYLOAD_TYPE as STATEMENT
from party.signers import FileSigner
from tests.builders import Keys, contract
from tests.papers import word
from tests.sealing import Parts, seal_bytes

TYPE = "application/test"

payloads = pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"payload", id="text"),
        pytest.param("größe 数".encode(), id="any script"),
        pytest.param(bytes(range(256)), id="any bytes"),
        pytest.param(b"DSSEv1 4 text 2 a ", id="what looks like the protocol"),
    ],
)


def their_key(keys: Keys) -> SSlibKey:
    return SSlibKey.from_crypto(keys.signing.public, keys.signing.id.text)


def their_envelope(payload: bytes, keys: Keys, kind: str = TYPE) -> Envelope:
    envelope = Envelope(payload, kind, {})
    envelope.sign(CryptoSigner(keys.private_signing, their_key(keys)))
    return envelope


@payloads
def test_they_verify_what_we_sign(payload: bytes, north: Keys) -> None:
    ours = dsse.sign(payload, TYPE, FileSigner(north.private_signing, north.signing))

    envelope = Envelope.from_dict(json.loads(ours))

    assert list(envelope.verify([their_key(north)], 1)) == [north.signing.id.text]
    assert (envelope.payload, envelope.payload_type) == (payload, TYPE)


@payloads
def test_we_verify_what_they_sign(payload: bytes, north: Keys) -> None:
    theirs = canonical(their_envelope(payload, north).to_dict(), "envelope")

    assert dsse.verify(theirs, TYPE, north.signing, "envelope") == payload


@payloads
def test_both_write_an_envelope_the_same_way(payload: bytes, north: Keys) -> None:
    ours = dsse.sign(payload, TYPE, FileSigner(north.private_signing, north.signing))

    theirs = Envelope.from_dict(json.loads(ours)).to_dict()

    assert canonical(theirs, "envelope") == ours


def test_they_refuse_what_another_key_signed(north: Keys, south: Keys) -> None:
    ours = dsse.sign(b"payload", TYPE, FileSigner(south.private_signing, south.signing))

    with pytest.raises(VerificationError):
        Envelope.from_dict(json.loads(ours)).verify([their_key(north)], 1)


def test_we_refuse_what_another_key_of_theirs_signed(north: Keys, south: Keys) -> None:
    theirs = canonical(their_envelope(b"payload", south).to_dict(), "envelope")

    with pytest.raises(Tampered, match=r"not by the expected"):
        dsse.verify(theirs, TYPE, north.signing, "envelope")


@pytest.mark.parametrize(
    "spelling",
    [
        pytest.param({"indent": 2}, id="indented"),
        pytest.param({"separators": (", ", ":")}, id="spaced"),
        pytest.param({"separators": (",", ":"), "sort_keys": False}, id="unsorted"),
    ],
)
def test_we_refuse_their_envelope_in_another_spelling(
    spelling: dict[str, object], north: Keys
) -> None:
    fields = dict(sorted(their_envelope(b"payload", north).to_dict().items(), reverse=True))

    with pytest.raises(Malformed, match=r"expected canonical JSON"):
        dsse.verify(json.dumps(fields, **spelling).encode(), TYPE, north.signing, "envelope")  # type: ignore[arg-type]  # any of its options


def test_we_refuse_their_envelope_with_two_signatures(north: Keys, south: Keys) -> None:
    envelope = their_envelope(b"payload", north)
    envelope.sign(CryptoSigner(south.private_signing, their_key(south)))

    with pytest.raises(Malformed, match=r"signatures: expected 1 to 1 entries, got 2$"):
        dsse.verify(canonical(envelope.to_dict(), "envelope"), TYPE, north.signing, "envelope")


def test_they_verify_a_sealed_file(north: Keys) -> None:
    parts = Parts.of(seal_bytes(b"plain", north))

    envelope = Envelope.from_dict(json.loads(parts.envelope))

    assert list(envelope.verify([their_key(north)], 1)) == [north.signing.id.text]
    assert envelope.payload_type == SEALED


def test_they_verify_an_approval_and_we_verify_theirs(north: Keys, south: Keys) -> None:
    agreed = Contract.from_value(contract(north, south), "contract")
    said = word("north", agreed)

    ours = Envelope.from_dict(
        json.loads(said.sign(FileSigner(north.private_signing, north.signing)))
    )
    theirs = their_envelope(said.to_bytes(), north, STATEMENT)

    assert ours.pae() == theirs.pae()
    assert list(ours.verify([their_key(north)], 1)) == [north.signing.id.text]
    assert approval.verified(canonical(theirs.to_dict(), "envelope"), agreed, "word") == said
