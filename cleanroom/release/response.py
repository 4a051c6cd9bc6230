"""A vault's answer to a release request: a JWS by a certificate of the vault's own.

- Trust comes from the anchors that the caller brings, and the name it expects; `x5c` only brings
  the certificates between. Nothing of the payload is read before that holds.
- Fields that we do not know are a vault's own affair; those that we need are read strictly.
- docs/spec/release-policy.md §7.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from cleanroom.attestation.certificates import Certificate
from cleanroom.canonical import parse_json
from cleanroom.errors import Malformed, Tampered
from cleanroom.fields import Fields, boolean, shown, text
from cleanroom.jose import Jws, base64url_bytes, json_object, rsa_key
from cleanroom.release import policy as policies
from cleanroom.release import wrapping
from cleanroom.release.policy import ReleasePolicy
from cleanroom.release.wrapping import Wrapping

LARGEST = 1 << 18
_VERSION = re.compile(r"[A-Za-z0-9]{1,64}", re.ASCII)

_url = text(512)
_document = base64url_bytes(LARGEST)


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked of the vault: the key's URL without version, which version, and how."""

    key: str
    version: str | None
    algorithm: Wrapping
    nonce: str


@dataclass(frozen=True, slots=True)
class VaultTrust:
    """Root certificates (DER), and the host name that the vault's certificate must be for."""

    anchors: tuple[bytes, ...]
    host: str


@dataclass(frozen=True, slots=True)
class Released:
    """What a genuine answer holds: the key is still wrapped, the policy still to be compared."""

    version: str
    wrapped: bytes
    policy: ReleasePolicy
    immutable: bool  # if not, whoever owns the key can release it under another policy tomorrow


def verify(answer: str, asked: Asked, trust: VaultTrust, now: datetime) -> Released:
    """Say what the vault released.

    1. The answer has the one shape that we read, and brings certificates.
    2. They lead to an anchor, are valid now, and the first is for the vault's host.
    3. That one signed the answer.
    4. It answers this request: algorithm, nonce if it repeats one, key, version if one was asked.
    5. The key is wrapped by the algorithm that was asked for.
    """
    jws = Jws.parse(answer, "answer", LARGEST)  # 1
    leaf = _leaf(jws.certificates, trust, now)  # 2
    payload = jws.payload_by(rsa_key(leaf.public_key(), "answer.header.x5c[0]"))  # 3
    if payload is None:
        raise Tampered("answer: the signature is not one of its certificate")
    f = Fields(parse_json(payload, "answer", LARGEST), "answer")
    _check_echo(f.take("request", json_object), asked)  # 4
    bundle = f.take("response", Fields).take("key", Fields)
    key = bundle.take("key", Fields)
    version = _version(key.take("kid", _url), asked)
    wrapped = _wrapped(key.take("key_hsm", _document), asked)  # 5
    policy, immutable = _release_policy(bundle.take("release_policy", json_object))
    return Released(version, wrapped, policy, immutable)


def _leaf(certificates: tuple[bytes, ...], trust: VaultTrust, now: datetime) -> x509.Certificate:
    if not certificates:
        raise Malformed("answer.header", "a field 'x5c'")
    leaf, *between = (
        Certificate.parse(der, f"answer.header.x5c[{i}]").readable
        for i, der in enumerate(certificates)
    )
    rules = PolicyBuilder().store(_store(trust.anchors)).time(now)
    try:
        rules.build_server_verifier(x509.DNSName(trust.host)).verify(leaf, between)
    except (VerificationError, x509.UnsupportedGeneralNameType) as error:
        host = trust.host
        raise Tampered(f"answer: no certificate of {host} that an anchor vouches for") from error
    return leaf


@lru_cache(maxsize=4)
def _store(anchors: tuple[bytes, ...]) -> Store:
    """Read the anchors once: there may be some hundred of them."""
    return Store([x509.load_der_x509_certificate(anchor) for anchor in anchors])


def _check_echo(request: Mapping[str, object], asked: Asked) -> None:
    algorithm, named = request.get("enc"), request.get("kid")
    if algorithm != asked.algorithm.value:
        raise Tampered(f"answer: expected {asked.algorithm.value}, got {shown(algorithm)}")
    if request.get("nonce", asked.nonce) != asked.nonce:  # not every vault repeats it
        raise Tampered("answer: the nonce is not the one of this request")
    if named not in (asked.key, f"{asked.key}/{asked.version}"):
        raise Tampered(f"answer: expected a request for {asked.key}, got {shown(named)}")


def _version(url: str, asked: Asked) -> str:
    key, _, version = url.rpartition("/")
    if key != asked.key or not _VERSION.fullmatch(version):
        raise Tampered(f"answer: expected a version of {asked.key}, got {shown(url)}")
    if asked.version not in (None, version):
        raise Tampered(f"answer: expected version {asked.version}, got {version}")
    return version


def _wrapped(key_hsm: bytes, asked: Asked) -> bytes:
    where = "answer.key_hsm"
    f = Fields(parse_json(key_hsm, where, LARGEST), where)
    algorithm = f.take("header", Fields).take("enc", text(64))
    if algorithm != asked.algorithm.value:
        raise Tampered(f"{where}: expected {asked.algorithm.value}, got {shown(algorithm)}")
    return f.take("ciphertext", base64url_bytes(wrapping.LARGEST))


def _release_policy(raw: Mapping[str, object]) -> tuple[ReleasePolicy, bool]:
    where = "answer.release_policy"
    f = Fields(raw, where)
    data = f.take("data", base64url_bytes(policies.LARGEST))
    immutable = f.take("immutable", boolean) if "immutable" in raw else False
    return ReleasePolicy.parse(data, where), immutable
