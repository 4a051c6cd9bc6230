"""Secure Key Release: a key goes to whom the token's hardware is that the key's policy asks for.

docs/spec/release-policy.md §7, in this order:

1. The request has a token, and names an algorithm that there is.
2. The key may leave the vault, and is enabled. (Its time does not matter, as Azure has it.)
3. The token names an authority of the policy, whose own keys are at hand.
4. That authority signed the token, and it holds now.
5. Its claims meet the policy.
6. The key is wrapped to the first suitable key of the token, which only that machine can open.
7. The vault signs the answer.

Whatever happens, there is an entry for the log. Why a token was not good enough is for the owner,
who reads it there; who asked is told no more than Azure tells.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from cleanroom.attestation.token import LARGEST_TOKEN, Authority, WrappingKey, issuer, verify
from cleanroom.canonical import parse_json
from cleanroom.errors import CleanroomError, Malformed, PolicyRefused, Unattested
from cleanroom.fields import Fields, one_of, text
from cleanroom.ids import Digest
from cleanroom.jose import Jws, base64url_bytes, base64url_text, jwk
from cleanroom.release import evaluation
from cleanroom.release.policy import ReleasePolicy
from cleanroom.release.wrapping import Wrapping, wrap
from devstack.vault.audit import Entry
from devstack.vault.crypto import disabled
from devstack.vault.keys import KeyVersion
from devstack.vault.quoting import claims_asked_for
from devstack.vault.store import Row
from devstack.vault.vault import Order
from devstack.vault.wire import Answer, Json, bad_parameter, forbidden, good

LEEWAY = timedelta(seconds=60)
UNVERIFIED = "Target environment attestation statement cannot be verified."
UNMET = "Target environment attestation does not meet key release policy requirements."
_AES_BYTES = 32
_UNNAMED = "TpmEphemeralEncryptionKey"  # Azure's name for a key that the token does not name

_algorithm = one_of(*(each.value for each in Wrapping))
_nonce = text(1024, shortest=0)
_target = text(LARGEST_TOKEN)
_payload = base64url_bytes(LARGEST_TOKEN)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What must be known before a release can be decided: this key of an authority."""

    authority: str
    key_id: str | None


@dataclass(frozen=True, slots=True)
class Held:
    """A key that may leave, and its policy."""

    row: Row
    key: KeyVersion
    policy: ReleasePolicy


@dataclass(frozen=True, slots=True)
class Decided:
    """How a try ended, and what the log is to hold of it."""

    answer: Answer
    entry: Entry


@dataclass(frozen=True, slots=True)
class Asked:
    """The body of a release request."""

    target: str
    nonce: str | None
    algorithm: Wrapping

    @classmethod
    def parse(cls, body: Json) -> "Asked":
        """Accept what the clients send; without `enc` it is Azure's first algorithm."""
        enc, nonce = body.get("enc"), body.get("nonce")
        return cls(
            _target(body.get("target"), "target"),
            None if nonce is None else _nonce(nonce, "nonce"),
            Wrapping.CKM if enc is None else Wrapping(_algorithm(enc, "enc")),
        )


def release(
    order: Order, row: Row, tried: Entry, known: Mapping[Wanted, Authority]
) -> Decided | Wanted:
    """Hand a key over, or not; `known` has the authorities whose keys are at hand."""
    key = KeyVersion.parse(row)
    try:
        asked = Asked.parse(order.body)  # 1
    except Malformed as error:
        return refused(replace(tried, version=row.version), bad_parameter(str(error)), str(error))
    entry = replace(
        tried,
        version=row.version,
        policy=key.terms.digest if key.terms else None,
        token=Digest.of(asked.target.encode()).text,
        algorithm=asked.algorithm.value,
    )
    if key.terms is None:  # 2
        message = "Operation release is not permitted on this key."
        return refused(entry, forbidden(message, "KeyOperationForbidden"), "not exportable")
    if not key.attributes.enabled:
        return refused(entry, disabled("release"), "disabled")
    return _decided(order, Held(row, key, key.terms.read()), asked, entry, known)


def _decided(
    order: Order, held: Held, asked: Asked, entry: Entry, known: Mapping[Wanted, Authority]
) -> Decided | Wanted:
    try:
        wanted = _wanted(asked.target, held.policy)  # 3
        if wanted not in known:
            return wanted
        entry = replace(entry, authority=wanted.authority)
        token = verify(asked.target, known[wanted], order.at, LEEWAY)  # 4
    except (Malformed, Unattested) as error:
        return _denied(entry, UNVERIFIED, error)
    entry = replace(entry, claims=claims_asked_for(held.policy, token))
    try:
        evaluation.check(held.policy, token)  # 5
        to = token.wrapping_key()  # 6
    except (Malformed, Unattested, PolicyRefused) as error:
        return _denied(entry, UNMET, error)
    entry = replace(entry, wrapped_to=jwk(to.public)["kid"], released=True)
    return Decided(good({"value": _value(order, held, asked, to)}), entry)


def refused(entry: Entry, answer: Answer, reason: str) -> Decided:
    """End a try without the key."""
    return Decided(answer, replace(entry, reason=reason))


def _denied(entry: Entry, message: str, error: CleanroomError) -> Decided:
    return refused(entry, forbidden(message), str(error))


def _wanted(target: str, policy: ReleasePolicy) -> Wanted:
    """Tell which authority a token names; nothing is believed but that it must be in the policy."""
    key_id = Jws.parse(target, "token", LARGEST_TOKEN).key_id
    claims = parse_json(_payload(target.split(".")[1], "token"), "token", LARGEST_TOKEN)
    named = Fields(claims, "token").take("iss", issuer)
    if named not in {clause.authority for clause in policy.clauses}:
        raise Unattested(f"token.iss: expected an authority of the policy, got {named}")
    return Wanted(named, key_id)


def _value(order: Order, held: Held, asked: Asked, to: WrappingKey) -> str:
    fresh = order.vault.random(_AES_BYTES)
    wrapped = wrap(held.key.material.pkcs8, asked.algorithm, to.public, fresh)  # 6
    call, header = (
        order.call,
        {"kid": to.id or _UNNAMED, "alg": "dir", "enc": asked.algorithm.value},
    )
    request = {
        "api-version": call.query["api-version"],
        "enc": asked.algorithm.value,
        "kid": order.vault.url + call.path + (f"/{call.version}" if call.version else ""),
    }
    if asked.nonce is not None:
        request["nonce"] = asked.nonce
    envelope = {
        "schema_version": "1.0",
        "header": header,
        "ciphertext": base64url_text(wrapped),
    }
    key_hsm = base64url_text(json.dumps(envelope).encode())
    bundle = held.key.shown(order.url(held.row), key_hsm)
    return order.vault.signer.sign({"request": request, "response": {"key": bundle}})  # 7
