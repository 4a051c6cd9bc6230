"""A second reader of the sealed file, written from docs/spec/sealed-file.md alone."""

import base64
import json
from hashlib import sha256
from typing import Any

from blake3 import blake3
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)

MAGIC = bytes.fromhex("897365616c65640d0a1a0a01")
TYPE = "application/vnd.cleanroom.sealed.v1+json"


def demand(holds: bool) -> None:
    if not holds:
        raise ValueError("refused")


def parse(data: bytes) -> Any:
    """Canonical JSON: sorted keys, no spaces, nothing twice (our texts need no odd escapes)."""
    value = json.loads(data)
    spelled = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    demand(spelled.encode() == data)
    return value


def open_sealed(file: bytes, owner: bytes, reader: rsa.RSAPrivateKey) -> bytes:
    demand(file[-12:] == MAGIC)  # 1
    length = int.from_bytes(file[-16:-12], "big")
    demand(0 < length <= min(1_402_200, len(file) - 16))
    start = len(file) - 16 - length
    envelope = parse(file[start:-16])  # 2
    demand(envelope["payloadType"] == TYPE and len(envelope["signatures"]) == 1)
    payload = base64.b64decode(envelope["payload"])
    (signature,) = envelope["signatures"]
    demand(signature["keyid"] == f"sha256:{sha256(owner).hexdigest()}")
    pae = f"DSSEv1 {len(TYPE)} {TYPE} {len(payload)} ".encode() + payload
    key = load_der_public_key(owner)
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify(base64.b64decode(signature["sig"]), pae, ec.ECDSA(SHA256()))
    manifest = parse(payload)  # 3
    demand(manifest["format"] == "cleanroom/sealed/v1" and manifest["cipher"] == "AES-256-GCM")
    size, region = manifest["layout"]["plaintext_size"], manifest["layout"]["region_size"]
    count = -(-size // region)
    demand(count == manifest["layout"]["region_count"] and count <= 1 << 20)
    table = file[start - 32 * count : start]
    demand(size + 48 * count == start)  # 4
    demand(manifest["regions"] == f"blake3:{blake3(table).hexdigest()}")  # 5
    der = reader.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    wanted = f"sha256:{sha256(der).hexdigest()}"  # 7
    (wrapped,) = [entry["wrapped"] for entry in manifest["readers"] if entry["reader"] == wanted]
    oaep = padding.OAEP(padding.MGF1(SHA256()), SHA256(), None)
    cipher = AESGCM(reader.decrypt(base64.b64decode(wrapped), oaep))
    plain, file_id = b"", base64.b64decode(manifest["file_id"])
    for i in range(count):  # 8
        stored = file[i * (region + 16) : min((i + 1) * (region + 16), size + 16 * count)]
        demand(blake3(stored).digest() == table[32 * i : 32 * i + 32])
        plain += cipher.decrypt(i.to_bytes(12, "big"), stored, file_id + i.to_bytes(8, "big"))
    return plain
