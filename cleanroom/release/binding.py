"""Where evidence carries the contract, and the key that will sign the receipt.

Both must be hashed into the hardware's report, and the contract must stand where a release policy
can name it. A policy compares whole values and knows the contract only, so what changes from job to
job stands elsewhere (docs/spec/release-policy.md §1).
"""

import hashlib
import hmac

from cryptography.hazmat.primitives.asymmetric import rsa

from cleanroom.attestation.acceptable import Claims
from cleanroom.attestation.cvm import CvmClaims
from cleanroom.attestation.evidence import LARGEST_RUNTIME_DATA
from cleanroom.canonical import canonical, parse_json
from cleanroom.errors import Malformed, Unattested
from cleanroom.fields import shown
from cleanroom.ids import Digest
from cleanroom.jose import json_object, jwk

CONTRACT = (
    "cleanroom-contract"  # members of a container's runtime data; a policy's path has no dots
)
RECEIPT_KEY = "cleanroom-receipt-key"
_USER_DATA_TAG = b"cleanroom contract v1".ljust(32, b"\0")
_QUOTE_TAG = b"cleanroom quote v1\0"


def user_data(contract: Digest) -> bytes:
    """Give the 64 bytes that a virtual machine has its paravisor hash into the report."""
    return bytes.fromhex(contract.hex) + _USER_DATA_TAG


def contract_of(user_data: bytes) -> Digest | None:
    """Read the contract out of user data, if it is ours."""
    contract, tag = user_data[:32], user_data[32:]
    return Digest(f"sha256:{contract.hex()}") if tag == _USER_DATA_TAG else None


def qualifying_data(contract: Digest, receipt_key: Digest) -> bytes:
    """Give the 32 bytes that a virtual machine has its TPM sign in a quote."""
    whole = _QUOTE_TAG + bytes.fromhex(contract.hex) + bytes.fromhex(receipt_key.hex)
    return hashlib.sha256(whole).digest()


def runtime_data(contract: Digest, receipt_key: Digest, wrapping: rsa.RSAPublicKey) -> bytes:
    """Give the JSON whose SHA-256 a container puts into the report: both, and the wrapping key."""
    key = jwk(wrapping) | {"key_ops": ["encrypt"]}
    value = {CONTRACT: contract.text, RECEIPT_KEY: receipt_key.text, "keys": [key]}
    return canonical(value, "runtime data")


def check_bound(claims: Claims, contract: Digest, receipt_key: Digest) -> None:
    """Refuse genuine evidence that was made for another contract, or another receipt."""
    if isinstance(claims, CvmClaims):
        _check_same("contract in the user data", claims.user_data, user_data(contract))
        wanted = qualifying_data(contract, receipt_key)
        _check_same("contract and key in the quote", claims.quote.nonce, wanted)
        return
    said = json_object(
        parse_json(claims.runtime_data, "runtime data", LARGEST_RUNTIME_DATA), "runtime data"
    )
    for member, expected in ((CONTRACT, contract), (RECEIPT_KEY, receipt_key)):
        if said.get(member) != expected.text:
            raise Unattested(f"{member}: expected {expected}, got {shown(said.get(member))}")


def contract_bound(claims: Claims) -> Digest | None:
    """Tell which contract genuine evidence was made for, if it says so in our way."""
    if isinstance(claims, CvmClaims):
        return None if claims.user_data is None else contract_of(claims.user_data)
    try:
        said = json_object(
            parse_json(claims.runtime_data, "runtime data", LARGEST_RUNTIME_DATA), ""
        )
        return Digest.parse(said.get(CONTRACT), CONTRACT)
    except Malformed:
        return None


def _check_same(what: str, found: bytes | None, expected: bytes) -> None:
    if found is None or not hmac.compare_digest(found, expected):
        got = "nothing" if found is None else found.hex()
        raise Unattested(f"the {what} is {got}, expected {expected.hex()}")
