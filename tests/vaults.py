"""Vaults for tests: one without a socket, and running ones that the genuine clients ask."""

import functools
import http.client
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Self

from azure.core.credentials import AccessToken
from azure.keyvault.keys import JsonWebKey, KeyClient, KeyReleasePolicy
from azure.keyvault.secrets import SecretClient
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from cleanroom.attestation.token import Authority
from cleanroom.jose import base64url_text
from devstack import clock, tokens
from devstack.home import HOST, Home
from devstack.tokens import Caller, Issuer
from devstack.vault.releasing import Wanted
from devstack.vault.service import answer
from devstack.vault.vault import Vault
from devstack.vault.wire import Answer, Request
from tests.builders import NOW
from tests.servers import Server, free_ports, running, trusting
from tests.tokens import ISSUER
from tests.tokens import authority as test_authority

VERSION = "api-version=7.4"
type Body = Mapping[str, Any]


@functools.cache
def token(
    home: Home, name: str, now: datetime, audience: str = tokens.KEY_VAULT, directory: str = ""
) -> str:
    """Have the stack's directory say who somebody is, or another one."""
    tenant = home.directory(directory)
    issuer = Issuer(f"http://{HOST}:8440/{tenant}", tenant, home.token_key())
    return issuer.issue(Caller(name, home.object_id(name)), audience, now)


def policy(*leaves: Body, authority: str = ISSUER) -> dict[str, Any]:
    """Ask an authority for all of the leaves."""
    clause = {"authority": authority, "allOf": [dict(leaf) for leaf in leaves]}
    return {"version": "1.0.0", "anyOf": [clause]}


def terms(value: Body, **changes: Any) -> dict[str, Any]:
    """Spell a release policy as a request has it, and as the vault gives it back."""
    data = json.dumps(value, separators=(",", ":")).encode()
    return {"data": base64url_text(data)} | changes


def ec_jwk(key: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
    """Spell a private key of P-256."""
    numbers = key.private_numbers()
    x, y, d = (
        base64url_text(number.to_bytes(32, "big"))
        for number in (
            numbers.public_numbers.x,
            numbers.public_numbers.y,
            numbers.private_value,
        )
    )
    return {"kty": "EC", "crv": "P-256", "x": x, "y": y, "d": d}


def rsa_numbers(key: rsa.RSAPrivateKey) -> dict[str, bytes]:
    """Take a private key apart, as a JWK has it."""
    numbers, size = key.private_numbers(), key.key_size // 8
    parts = {
        "n": numbers.public_numbers.n,
        "e": numbers.public_numbers.e,
        "d": numbers.d,
        "p": numbers.p,
        "q": numbers.q,
        "dp": numbers.dmp1,
        "dq": numbers.dmq1,
        "qi": numbers.iqmp,
    }
    return {name: part.to_bytes(size, "big").lstrip(b"\0") for name, part in parts.items()}


def keep_room_key(
    vault: KeyClient, name: str, key: rsa.RSAPrivateKey, release_policy: bytes
) -> None:
    """Put a room key into a vault, to be released by this policy."""
    vault.import_key(
        name,
        JsonWebKey(kty="RSA", **rsa_numbers(key)),
        hardware_protected=True,
        exportable=True,
        release_policy=KeyReleasePolicy(release_policy),
    )


def keep_signing_key(vault: KeyClient, name: str, key: ec.EllipticCurvePrivateKey) -> None:
    """Put a signing key into a vault."""
    numbers = key.private_numbers()
    public = numbers.public_numbers
    parts = {"x": public.x, "y": public.y, "d": numbers.private_value}
    spelled = {part: value.to_bytes(32, "big") for part, value in parts.items()}
    vault.import_key(name, JsonWebKey(kty="EC", crv="P-256", **spelled))


def rsa_jwk(key: rsa.RSAPrivateKey) -> dict[str, Any]:
    """Spell a private key."""
    return {"kty": "RSA"} | {name: base64url_text(part) for name, part in rsa_numbers(key).items()}


def pkcs8(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


@dataclass(frozen=True)
class Asker:
    """Somebody who asks a vault that has no socket."""

    home: Home
    vault: Vault
    name: str

    def ask(
        self, method: str, path: str, body: Body | bytes = b"", *, now: datetime = NOW
    ) -> Answer:
        """Ask, and have the test authority's keys at hand."""
        target = path if "?" in path else f"{path}?{VERSION}"
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = Request("request", method, target, f"Bearer {self.token(now)}", data)
        known: dict[Wanted, Authority] = {Wanted(ISSUER, "a+key="): test_authority()}
        found = answer(self.vault, request, now, known)
        while isinstance(found, Wanted):
            known[found] = Authority(found.authority, {})
            found = answer(self.vault, request, now, known)
        return found

    def good(self, method: str, path: str, body: Body | bytes = b"", **more: Any) -> Any:
        """Ask, and expect what was asked for."""
        found = self.ask(method, path, body, **more)
        assert found.status in (200, 204), found.body
        return json.loads(json.dumps(found.body))

    def refused(self, method: str, path: str, body: Body | bytes = b"", **more: Any) -> "Refusal":
        """Ask, and expect a refusal."""
        found = self.ask(method, path, body, **more)
        error: Any = (found.body or {})["error"]
        inner = error.get("innererror", {}).get("code")
        return int(found.status), error["code"], error["message"], inner

    def token(self, now: datetime) -> str:
        return token(self.home, self.name, now)


type Refusal = tuple[int, str, str, str | None]


@dataclass(frozen=True)
class Credential:
    """What the genuine clients take for a credential; the vault tells them what to ask for."""

    home: Home
    name: str
    resource: str
    directory: str = ""

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        assert scopes == (f"{self.resource}/.default",)
        found = token(self.home, self.name, clock.now(), directory=self.directory)
        return AccessToken(found, int(NOW.timestamp()) + 10**9)


@dataclass(frozen=True)
class AsyncCredential:
    """The same, for clients that do not wait."""

    credential: Credential

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        return self.credential.get_token(*scopes, **options)

    async def close(self) -> None:
        """Have nothing to close."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


@dataclass(frozen=True)
class Vaults:
    """Running vaults, one process for all."""

    home: Home
    ports: Mapping[str, int]
    server: Server
    directories: Mapping[str, str] = field(default_factory=dict)  # that are not the operator's

    def url(self, vault: str) -> str:
        return f"https://{HOST}:{self.ports[vault]}"

    def credential(self, vault: str, name: str) -> Credential:
        at = self.directories.get(vault, "")
        return Credential(self.home, name, f"https://0.0.1:{self.ports[vault]}", at)

    def keys(self, vault: str, name: str) -> KeyClient:
        return KeyClient(self.url(vault), self.credential(vault, name))

    def secrets(self, vault: str, name: str) -> SecretClient:
        return SecretClient(self.url(vault), self.credential(vault, name))

    def call(self, vault: str, name: str, method: str, path: str, body: Any = None) -> Any:
        """Ask for what no client of Azure's knows."""
        link = http.client.HTTPSConnection(
            HOST, self.ports[vault], timeout=10, context=trusting(self.home)
        )
        who = token(self.home, name, clock.now(), directory=self.directories.get(vault, ""))
        headers = {"Authorization": f"Bearer {who}"}
        link.request(method, path, None if body is None else json.dumps(body), headers)
        found = link.getresponse()
        data = found.read()
        link.close()
        return found.status, json.loads(data) if data else None


@contextmanager
def running_vaults(
    home: Home,
    *names: str,
    more: Sequence[str] = (),
    directories: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Vaults]:
    """Run the server with these vaults, some of which may believe another directory."""
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    options = ["--home", str(home.path), *more]
    for name, directory in directories.items():
        options += ["--directory", f"{name}={directory}"]
    options += [word for name, port in ports.items() for word in ("--vault", f"{name}={port}")]
    health = (ports[names[-1]], trusting(home))
    with running("devstack.vault", options, health, home.path / "vault.log") as server:
        yield Vaults(home, ports, server, directories)
