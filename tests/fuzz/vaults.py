"""A vault with certificates of its own, and an attestation authority, that sign anything."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from cleanroom.attestation.token import Authority
from cleanroom.release import response
from cleanroom.release.response import Asked, Released, VaultTrust
from cleanroom.release.wrapping import Wrapping
from tests.builders import NOW
from tests.fuzz.machines import rsa_key
from tests.tokens import ISSUER, Certified, certified, encoded, signed

HOST = "north.vault.azure.net"
KEY = f"https://{HOST}/keys/room-key"
VERSION = "0f" * 16
ENC = "RSA_AES_KEY_WRAP_256"
ASKED = Asked(KEY, None, Wrapping.SHA256, "6e6f6e6365")
AUTHORITY_KEY = "wrapping"  # one key more would show nothing more


@cache
def chain() -> tuple[Certified, ...]:
    """Certify the vault by way of another authority."""
    root = certified("root", key=rsa_key("vault root"))
    between = certified("between", root, key=rsa_key("vault between"))
    return certified("vault.azure.net", between, hosts=(HOST,), key=rsa_key("vault")), between, root


def x5c() -> list[str]:
    """Spell the certificates as the header of an answer does."""
    return [each.x5c for each in chain()]


def payload() -> dict[str, Any]:
    """Give the answer that a real vault gives; what it has in base64url is not so spelled yet."""
    policy = {
        "version": "1.0.0",
        "anyOf": [{"authority": ISSUER, "allOf": [{"claim": "a", "equals": "x"}]}],
    }
    key_hsm = {"header": {"alg": "dir", "enc": ENC}, "ciphertext": encoded(bytes(300))}
    key = {"kid": f"{KEY}/{VERSION}", "kty": "RSA-HSM", "key_hsm": key_hsm}
    request = {"api-version": "7.4", "enc": ENC, "kid": KEY, "nonce": ASKED.nonce}
    release_policy = {"data": policy, "immutable": False}
    return {
        "request": request,
        "response": {"key": {"key": key, "release_policy": release_policy}},
    }


def spelled(value: Any) -> Any:
    """Spell in base64url what an answer holds in it."""
    if isinstance(value, list):
        return [spelled(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: encoded(item)
        if name in ("key_hsm", "data") and isinstance(item, dict)
        else spelled(item)
        for name, item in value.items()
    }


def answer(header: Mapping[str, object], body: object = None) -> str:
    """Sign an answer; the header given comes over the usual one."""
    head = {"alg": "RS256", "kid": "0F" * 20, "typ": "JWT", "x5c": x5c()} | dict(header)
    return signed(head, spelled(payload()) if body is None else body, rsa_key("vault"))


def read(text: str) -> Released:
    """Read it as who asked."""
    return response.verify(text, ASKED, VaultTrust((chain()[-1].der,), HOST), NOW)


def authority() -> Authority:
    """Give the authority whose tokens are believed."""
    return Authority(ISSUER, {"a+key=": rsa_key(AUTHORITY_KEY).public_key()})
