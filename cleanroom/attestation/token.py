"""Attestation tokens: what a pinned authority says of a machine (docs/spec/release-policy.md §2).

- The authority's keys come from where its pinned address says, never from the token.
- `verify` gives genuine claims. Whether they are acceptable is for a release policy to say.
- Two shapes: `sevsnpvm` (a guest that asks for itself) has the hardware's claims at the top,
  `azurevm` (a virtual machine with a paravisor) under `x-ms-isolation-tee`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric import rsa

from cleanroom.attestation.certificates import Certificate
from cleanroom.canonical import parse_json
from cleanroom.errors import Malformed, Unattested
from cleanroom.fields import (
    Fields,
    Parser,
    base64_bytes,
    boolean,
    integer,
    list_of,
    matching,
    shown,
    text,
    unique,
)
from cleanroom.jose import LARGEST_CERTIFICATE, Jws, json_object, parse_jwk, rsa_key
from cleanroom.urls import authority_url, https_url

LARGEST_TOKEN = 1 << 17  # characters; real ones have under 10,000
LONGEST_LIFE = timedelta(hours=24)  # real ones live for 8 hours
_LARGEST_DOCUMENT = 1 << 18  # an authority's keys or configuration
_MOST_KEYS = 64
_SNP = "x-ms-sevsnpvm-"
_TYPE = "x-ms-attestation-type"
_COMPLIANCE = "x-ms-compliance-status"
_RUNTIME = "x-ms-runtime"
_ISOLATION = "x-ms-isolation-tee"

_svn = integer(0, (1 << 8) - 1)
_word = integer(0, (1 << 32) - 1)
_jwks_url = https_url(r"(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+", "an https URL with a path")


def issuer(raw: object, where: str) -> str:
    """An authority's address, without the one trailing slash that some spell and some do not."""
    return authority_url(raw.removesuffix("/") if isinstance(raw, str) else raw, where)


@dataclass(frozen=True, slots=True)
class Authority:
    """A pinned attestation service and the keys it signs with."""

    issuer: str
    keys: Mapping[str, rsa.RSAPublicKey]

    @classmethod
    def parse_keys(cls, pinned: str, jwks: bytes, where: str) -> "Authority":
        """Accept the key set fetched from the address that `jwks_url` gave for this authority."""
        f = Fields(parse_json(jwks, where, _LARGEST_DOCUMENT), where)
        keys = f.take("keys", list_of(_signing_key, 1, _MOST_KEYS))
        unique([key_id for key_id, _ in keys], f"{where}.keys")
        usable = {key_id: key for key_id, key in keys if key is not None}
        return cls(issuer(pinned, "authority"), usable)


def jwks_url(pinned: str, configuration: bytes, where: str) -> str:
    """Say where the authority's keys are, from its `/.well-known/openid-configuration`."""
    origin = issuer(pinned, "authority")
    fields = json_object(parse_json(configuration, where, _LARGEST_DOCUMENT), where)
    if "issuer" in fields and issuer(fields["issuer"], f"{where}.issuer") != origin:
        raise Unattested(f"{where}.issuer: expected {origin}, got {shown(fields['issuer'])}")
    url = Fields(fields, where).take("jwks_uri", _jwks_url)
    if not url.startswith(f"{origin}/"):  # an authority's address is an origin, without path
        raise Unattested(f"{where}.jwks_uri: expected an address at {origin}, got {shown(url)}")
    return url


@dataclass(frozen=True, slots=True)
class Svns:
    """Security versions of the firmware, of the reported TCB, and of the guest."""

    bootloader: int
    tee: int
    snp: int
    microcode: int
    guest: int


@dataclass(frozen=True, slots=True)
class SnpClaims:
    """What the authority read in a genuine SEV-SNP report."""

    compliance: str | None
    host_data: bytes
    measurement: bytes
    report_data: bytes
    svns: Svns
    debuggable: bool
    migration_allowed: bool
    vmpl: int
    runtime: Mapping[str, object]
    user_data: bytes | None  # of a paravisor only: elsewhere the guest writes all of `runtime`


@dataclass(frozen=True, slots=True)
class WrappingKey:
    """The key of the machine to which a vault wraps what it releases."""

    id: str | None
    public: rsa.RSAPublicKey


@dataclass(frozen=True, slots=True)
class TokenClaims:
    """Genuine claims: this authority made them, for this span of time (Unix seconds)."""

    issuer: str
    issued: int
    expires: int
    claims: Mapping[str, object]

    @property
    def attestation_type(self) -> str:
        """Which kind of evidence the authority was shown."""
        return Fields(self.claims, "token").take(_TYPE, text(64))

    @property
    def runtime(self) -> Mapping[str, object]:
        """What the guest itself stated; hashed into the hardware's report for `sevsnpvm` only."""
        return json_object(self.claims.get(_RUNTIME, {}), f"token.{_RUNTIME}")

    def snp(self) -> SnpClaims:
        """Give the hardware's claims, from where this kind of token has them."""
        if self.attestation_type == "sevsnpvm":
            return _snp(self.claims, "token", paravisor=False)
        if self.attestation_type != "azurevm" or _ISOLATION not in self.claims:
            kind = shown(self.attestation_type)
            raise Unattested(f"token: expected claims of SEV-SNP hardware, got {kind} without them")
        place = f"token.{_ISOLATION}"
        tee = json_object(self.claims[_ISOLATION], place)
        if tee.get(_TYPE) != "sevsnpvm":  # a virtual machine may be isolated by less, or otherwise
            raise Unattested(f"{place}.{_TYPE}: expected 'sevsnpvm', got {shown(tee.get(_TYPE))}")
        return _snp(tee, place, paravisor=True)

    def wrapping_key(self) -> WrappingKey:
        """Give the first key, of those at the top level, that may encrypt: as vaults choose it."""
        place = f"token.{_RUNTIME}.keys"
        keys = list_of(json_object, 0, _MOST_KEYS)(self.runtime.get("keys", []), place)
        for i, key in enumerate(keys):
            operations = key.get("key_ops")
            may = operations == "encrypt" or (
                isinstance(operations, list) and "encrypt" in operations
            )
            if key.get("kty") == "RSA" and (may or key.get("use") == "enc"):
                where = f"{place}[{i}]"
                key_id = text(256)(key["kid"], f"{where}.kid") if "kid" in key else None
                return WrappingKey(key_id, parse_jwk(key, where))
        raise Unattested(f"{place}: expected an RSA key that may encrypt, got none")


def verify(token: str, authority: Authority, now: datetime, leeway: timedelta) -> TokenClaims:
    """Say what the token claims, if the authority made it and it holds now.

    1. The token has the one shape that we read.
    2. It names one of the authority's keys.
    3. That key signed it.
    4. The authority names itself as the issuer, exactly.
    5. It was issued for a bounded time, and now is within it, give or take the leeway.
    """
    jws = Jws.parse(token, "token", LARGEST_TOKEN)  # 1
    key = authority.keys.get(jws.key_id) if jws.key_id is not None else None  # 2
    if key is None:
        name = shown(jws.key_id)
        raise Unattested(f"token.header.kid: expected a key of {authority.issuer}, got {name}")
    payload = jws.payload_by(key)  # 3
    if payload is None:
        raise Unattested(f"token: the signature is not one of {authority.issuer}")
    claims = json_object(parse_json(payload, "token", LARGEST_TOKEN), "token")
    f = Fields(claims, "token")
    named = f.take("iss", text(512))
    if named.removesuffix("/") != authority.issuer:  # 4
        raise Unattested(f"token.iss: expected {authority.issuer}, got {shown(named)}")
    issued, begins, ends = (f.take(each, integer(0)) for each in ("iat", "nbf", "exp"))
    _check_times(issued, begins, ends, now.timestamp(), leeway.total_seconds())  # 5
    return TokenClaims(authority.issuer, issued, ends, claims)


def _check_times(issued: int, begins: int, ends: int, now: float, leeway: float) -> None:
    longest = int(LONGEST_LIFE.total_seconds())
    if not 0 < ends - issued <= longest:
        raise Unattested(f"token: expected 1 to {longest} seconds of life, got {ends - issued}")
    if max(issued, begins) > now + leeway:
        raise Unattested(f"token: valid from {max(issued, begins)}, and now is {now:.0f}")
    if ends <= now - leeway:
        raise Unattested(f"token: expired at {ends}, and now is {now:.0f}")


def _signing_key(raw: object, where: str) -> tuple[str, rsa.RSAPublicKey | None]:
    key = json_object(raw, where)
    f = Fields(key, where)
    key_id = f.take("kid", text(256))
    if f.take("kty", text(16)) != "RSA":  # of an algorithm that we never accept (RFC 7517 §5)
        return key_id, None
    if "x5c" not in key:
        return key_id, parse_jwk(key, where)
    chain = list_of(base64_bytes(LARGEST_CERTIFICATE), 1, _MOST_KEYS)(key["x5c"], f"{where}.x5c")
    place = f"{where}.x5c[0]"
    public = rsa_key(Certificate.parse(chain[0], place).key, place)
    if "n" in key and parse_jwk(key, where).public_numbers() != public.public_numbers():
        raise Malformed(f"{where}.n", "the key of the certificate beside it")
    return key_id, public


def _hexadecimal(size: int, digits: str, case: str) -> Parser[bytes]:
    shape = matching(rf"[{digits}]{{{2 * size}}}", f"{2 * size} {case} hexadecimal digits")
    return lambda raw, where: bytes.fromhex(shape(raw, where))


_user_data = _hexadecimal(64, "0-9A-F", "upper-case")


def _snp(claims: Mapping[str, object], where: str, *, paravisor: bool) -> SnpClaims:
    f = Fields(claims, where)
    runtime = json_object(claims.get(_RUNTIME, {}), f"{where}.{_RUNTIME}")
    compliance = f.take(_COMPLIANCE, text(64)) if _COMPLIANCE in claims else None
    user_data = None
    if paravisor and "user-data" in runtime:
        user_data = _user_data(runtime["user-data"], f"{where}.{_RUNTIME}.user-data")
    return SnpClaims(
        compliance=compliance,
        host_data=f.take(f"{_SNP}hostdata", _hexadecimal(32, "0-9a-f", "lower-case")),
        measurement=f.take(f"{_SNP}launchmeasurement", _hexadecimal(48, "0-9a-f", "lower-case")),
        report_data=f.take(f"{_SNP}reportdata", _hexadecimal(64, "0-9a-f", "lower-case")),
        svns=Svns(
            f.take(f"{_SNP}bootloader-svn", _svn),
            f.take(f"{_SNP}tee-svn", _svn),
            f.take(f"{_SNP}snpfw-svn", _svn),
            f.take(f"{_SNP}microcode-svn", _svn),
            f.take(f"{_SNP}guestsvn", _word),
        ),
        debuggable=f.take(f"{_SNP}is-debuggable", boolean),
        migration_allowed=f.take(f"{_SNP}migration-allowed", boolean),
        vmpl=f.take(f"{_SNP}vmpl", _word),
        runtime=runtime,
        user_data=user_data,
    )
