"""Where evidence carries the contract: two implementations must find it at the same place."""

import hashlib
import json

from cleanroom.ids import Digest
from cleanroom.release.binding import contract_of, qualifying_data, runtime_data, user_data
from tests.builders import HEX
from tests.tokens import CONTRACT_DIGEST, WRAPPING_KEY, container, wrapping_jwk

KEY = Digest(f"sha256:{HEX}")


def test_user_data_is_the_digest_and_what_it_is() -> None:
    found = user_data(CONTRACT_DIGEST)

    assert found == b"\xab" * 32 + b"cleanroom contract v1" + bytes(11)
    assert contract_of(found) == CONTRACT_DIGEST


def test_other_user_data_is_of_no_contract() -> None:
    assert contract_of(bytes(64)) is None
    assert contract_of(user_data(CONTRACT_DIGEST)[:-1]) is None
    assert contract_of(user_data(CONTRACT_DIGEST) + b"\0") is None
    assert contract_of(b"\xab" * 64) is None


def test_a_quote_binds_contract_and_receipt_key() -> None:
    whole = b"cleanroom quote v1\0" + b"\xab" * 32 + b"\xcd" * 32

    assert qualifying_data(CONTRACT_DIGEST, KEY) == hashlib.sha256(whole).digest()
    assert qualifying_data(KEY, CONTRACT_DIGEST) != qualifying_data(CONTRACT_DIGEST, KEY)


def test_runtime_data_is_what_the_token_shows() -> None:
    found = runtime_data(CONTRACT_DIGEST, KEY, WRAPPING_KEY.public_key())

    assert json.loads(found) == container()["x-ms-runtime"]
    assert json.loads(found)["keys"] == [wrapping_jwk()]
    assert found.startswith(b'{"cleanroom-contract":"sha256:abab')
