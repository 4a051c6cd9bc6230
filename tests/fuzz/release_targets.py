"""Tokens, release policies, answers and wrapped keys; signed again where it takes a signature."""

import json
from collections.abc import Mapping
from datetime import timedelta
from functools import cache, partial
from typing import Any

from cleanroom.attestation import token
from cleanroom.attestation.token import Authority, TokenClaims
from cleanroom.errors import CleanroomError
from cleanroom.jose import Jws
from cleanroom.keys import ReaderKey
from cleanroom.release import evaluation, wrapping
from cleanroom.release.explaining import explain
from cleanroom.release.generation import release_policy
from cleanroom.release.meaning import equal
from cleanroom.release.policy import ReleasePolicy
from cleanroom.release.wrapping import Wrapping
from cleanroom.requirements import Code, HostData, RunnerRequirement
from tests import tokens
from tests.builders import HEX, NOW
from tests.fuzz import machines, vaults
from tests.fuzz.accepting import Accepted, Accepting, Target
from tests.fuzz.machines import rsa_key

_LEEWAY = timedelta(seconds=60)
_AES_KEY = bytes(32)


def token_of(data: bytes) -> Accepted:
    """Read bytes as a token; or as the payload, or the header, of one that is signed."""
    accepted = Accepting()
    claims = accepted("token", lambda: _genuine(_compact(data)))
    if claims is None:
        return accepted.names
    accepted("type", lambda: claims.attestation_type)
    accepted("runtime", lambda: claims.runtime)
    accepted("snp", claims.snp)
    accepted("wrapping key", claims.wrapping_key)
    for name, policy in policies().items():
        accepted(f"meets {name}", partial(evaluation.check, policy, claims))
    return accepted.names


def _compact(data: bytes) -> str:
    key = rsa_key(vaults.AUTHORITY_KEY)
    if not data.startswith(b"{"):
        return data.decode("latin-1")
    if data.startswith(b'{"alg"'):
        payload = json.dumps(tokens.container()).encode()
        return tokens.signed(data, payload, key)
    return tokens.signed(tokens.header(), data, key)


def _genuine(text: str) -> TokenClaims:
    return token.verify(text, vaults.authority(), NOW, _LEEWAY)


def authority(data: bytes) -> Accepted:
    """Read bytes as an authority's keys, and as its configuration."""
    accepted = Accepting()
    found = accepted("keys", lambda: Authority.parse_keys(tokens.ISSUER, data, "keys"))
    if found is not None:
        for key_id in found.keys:
            text = tokens.signed(tokens.header(kid=key_id), {}, rsa_key(vaults.AUTHORITY_KEY))
            accepted("signed", partial(token.verify, text, found, NOW, _LEEWAY))
    url = accepted("configuration", lambda: token.jwks_url(tokens.ISSUER, data, "configuration"))
    assert url is None or url.startswith(f"{tokens.ISSUER}/")
    return accepted.names


def policy(data: bytes) -> Accepted:
    """Read bytes as a release policy, and hold tokens against it."""
    accepted = Accepting()
    found = accepted("policy", lambda: ReleasePolicy.parse(data, "policy"))
    if found is None:
        return accepted.names
    again = ReleasePolicy.parse(found.to_bytes(), "policy")
    turned = ReleasePolicy((*reversed(found.clauses), found.clauses[0]))
    assert again == found
    assert equal(found, turned)
    assert explain(found).isprintable()
    for name, claims in believed().items():
        verdict = accepted(f"met by {name}", partial(_met, found, claims))
        assert verdict == _met_or_none(turned, claims)
    for name, known in policies().items():
        if equal(found, known):
            accepted(f"equals {name}", lambda: True)
            assert {_met_or_none(found, claims) for claims in believed().values()} == {
                _met_or_none(known, claims) for claims in believed().values()
            }
    return accepted.names


def _met(found: ReleasePolicy, claims: TokenClaims) -> bool:
    evaluation.check(found, claims)
    return True


def _met_or_none(found: ReleasePolicy, claims: TokenClaims) -> bool | None:
    try:
        return _met(found, claims)
    except CleanroomError:
        return None


def answer(data: bytes) -> Accepted:
    """Read bytes as a vault's answer; or as the payload, or the header, of one that it signed."""
    accepted = Accepting()
    accepted("JWS", lambda: Jws.parse(data.decode("latin-1"), "answer", len(data)))
    if not data.startswith(b"{"):
        accepted("answer", lambda: vaults.read(data.decode("latin-1")))
    elif data.startswith(b'{"alg"'):
        text = tokens.signed(data, vaults.spelled(vaults.payload()), rsa_key("vault"))
        accepted("header", lambda: vaults.read(text))
    else:
        text = vaults.answer({}, _spelled(data))
        accepted("payload", lambda: vaults.read(text))
    return accepted.names


def _spelled(data: bytes) -> Any:
    try:
        return vaults.spelled(json.loads(data))
    except (ValueError, RecursionError):
        return data


def wrapped(data: bytes) -> Accepted:
    """Read bytes as a key that came wrapped, as one without its first half, and as the key."""
    accepted = Accepting()
    private = rsa_key("wrapping")
    size, decrypt = private.key_size // 8, wrapping.by_key(private)
    for algorithm in Wrapping:
        accepted("wrapped", partial(wrapping.unwrap, data, algorithm, size, decrypt))
        again = aes_key(algorithm) + data
        accepted("padded", partial(wrapping.unwrap, again, algorithm, size, decrypt))
    if data:
        whole = wrapping.wrap(data, Wrapping.SHA256, private.public_key(), _AES_KEY)
        found = accepted("whole", lambda: wrapping.unwrap(whole, Wrapping.SHA256, size, decrypt))
        assert found in (None, data)
    expected = ReaderKey.from_crypto(private.public_key(), "room key")
    accepted("room key", lambda: wrapping.room_key(data, expected))
    return accepted.names


@cache
def aes_key(algorithm: Wrapping) -> bytes:
    """Wrap the AES key alone: what stands before a key that came wrapped."""
    public = rsa_key("wrapping").public_key()
    whole = wrapping.wrap(bytes(8), algorithm, public, _AES_KEY)
    return whole[: public.key_size // 8]


@cache
def policies() -> Mapping[str, ReleasePolicy]:
    """Generate the policies for the synthetic machines."""
    codes: dict[str, Code] = {
        "container": HostData(HEX, utility_vm_svn=100),
        "machine": machines.PCRS_OF_CODE,
    }
    return {
        name: release_policy(
            tokens.CONTRACT_DIGEST,
            [RunnerRequirement("simulated", code, machines.MINIMUM, frozenset())],
            tokens.ISSUER,
            svns=True,
        )
        for name, code in codes.items()
    }


@cache
def believed() -> Mapping[str, TokenClaims]:
    """Give the claims of honest machines."""
    return {
        "container": _genuine(_compact(json.dumps(tokens.container()).encode())),
        "machine": _genuine(_compact(json.dumps(tokens.machine()).encode())),
    }


TARGETS: Mapping[str, Target] = {
    "token": token_of,
    "authority": authority,
    "policy": policy,
    "answer": answer,
    "wrapped": wrapped,
}
