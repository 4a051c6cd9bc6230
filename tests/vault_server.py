"""A key vault of one key on the loopback, for the genuine clients: HTTPS, tokens, get and sign.

It speaks the little of Key Vault's REST API (7.x) that signing needs. Tokens come the way that App
Service hands them out (IDENTITY_ENDPOINT), so that no client looks for another machine.
"""

import json
import ssl
import threading
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, cast

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    Prehashed,
    decode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from party import clock

HOST = "127.0.0.1"
_POLL = 0.02  # seconds between two looks whether to stop
VERSION = "0123456789abcdef0123456789abcdef"


@dataclass
class Vault:
    """What the vault holds and how it answers."""

    key: ec.EllipticCurvePrivateKey
    refuses: frozenset[str] = frozenset()  # of "get", "sign"
    lies: dict[str, object] = field(default_factory=dict)  # what it answers instead to these
    signs_with: ec.EllipticCurvePrivateKey | None = None  # another key than the one it shows
    port: int = 0
    asked: list[str] = field(default_factory=list)

    @property
    def key_uri(self) -> str:
        return f"azurekms://{HOST}:{self.port}/keys/signing"

    def jwk(self) -> dict[str, object]:
        numbers = self.key.public_key().public_numbers()
        size = (self.key.curve.key_size + 7) // 8
        return {
            "kid": f"https://{HOST}:{self.port}/keys/signing/{VERSION}",
            "kty": "EC",
            "crv": f"P-{self.key.curve.key_size}",
            "key_ops": ["sign", "verify"],
            "x": _text(numbers.x.to_bytes(size, "big")),
            "y": _text(numbers.y.to_bytes(size, "big")),
        }

    def sign(self, digest: bytes) -> bytes:
        key = self.signs_with or self.key
        r, s = decode_dss_signature(key.sign(digest, ec.ECDSA(Prehashed(SHA256()))))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


class _Server(ThreadingHTTPServer):
    vault: Vault


class _Handler(BaseHTTPRequestHandler):
    @property
    def vault(self) -> Vault:
        return cast("_Server", self.server).vault

    def do_GET(self) -> None:
        if self.path.startswith("/token"):
            answer = {"access_token": "token", "expires_on": "4102444800", "token_type": "Bearer"}
            self._answer(200, answer | {"resource": "vault"})
        elif self._may("get"):
            honest = {"key": self.vault.jwk(), "attributes": {"enabled": True}}
            self._answer(200, self.vault.lies.get("get", honest))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self._may("sign"):
            digest = _bytes(json.loads(body)["value"])
            honest = {"kid": self.vault.jwk()["kid"], "value": _text(self.vault.sign(digest))}
            self._answer(200, self.vault.lies.get("sign", honest))

    def _may(self, action: str) -> bool:
        if "Authorization" not in self.headers:
            # The client accepts a resource only if the vault's host ends in it.
            resource = f"https://{HOST.partition('.')[2]}:{self.vault.port}"
            challenge = f'Bearer authorization="https://{HOST}/tenant", resource="{resource}"'
            self._answer(401, {"error": {"code": "Unauthorized"}}, challenge)
            return False
        self.vault.asked.append(f"{action} {self.path.partition('?')[0]}")
        if action in self.vault.refuses:
            self._answer(403, {"error": {"code": "Forbidden", "message": "no"}})
            return False
        return True

    def _answer(self, status: int, body: object, challenge: str = "") -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        if challenge:
            self.send_header("WWW-Authenticate", challenge)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Leave stderr to the tests."""


@contextmanager
def serving(vault: Vault, folder: Path) -> Iterator[dict[str, str]]:
    """Serve a vault, and give the environment in which the clients find and trust it."""
    certificate = folder / "vault-certificate.pem"
    server, tokens = _Server((HOST, 0), _Handler), _Server((HOST, 0), _Handler)
    server.vault = tokens.vault = vault
    vault.port = server.server_port
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(_certified(certificate))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threads = [
        threading.Thread(target=one.serve_forever, args=(_POLL,)) for one in (server, tokens)
    ]
    for thread in threads:
        thread.start()
    try:
        yield {
            "REQUESTS_CA_BUNDLE": str(certificate),
            "IDENTITY_ENDPOINT": f"http://{HOST}:{tokens.server_port}/token",
            "IDENTITY_HEADER": "header",
        }
    finally:
        for one, thread in zip((server, tokens), threads, strict=True):
            one.shutdown()
            thread.join()
            one.server_close()


def _certified(path: Path) -> Path:
    """Write a certificate for the loopback, and its key, into one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(clock.now() - timedelta(days=1))
        .not_valid_after(clock.now() + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(HOST))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, SHA256())
    )
    path.write_bytes(
        made.public_bytes(Encoding.PEM)
        + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    return path


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
