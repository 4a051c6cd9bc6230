"""Compact JWS, made: RS256 over a header and claims. `cleanroom.jose` reads them."""

import json
from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from cleanroom.jose import base64url_text


def signed(
    header: Mapping[str, object], claims: Mapping[str, object], key: rsa.RSAPrivateKey
) -> str:
    """Sign claims under a header, which says RS256."""
    said = ".".join(base64url_text(json.dumps(part).encode()) for part in (header, claims))
    signature = key.sign(said.encode("ascii"), padding.PKCS1v15(), SHA256())
    return f"{said}.{base64url_text(signature)}"
