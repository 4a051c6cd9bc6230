"""Who may do what: signatures, passwords, identities' tokens."""

from base64 import b64encode
from datetime import UTC, datetime
from hashlib import sha256
from hmac import digest
from pathlib import Path
from urllib.parse import quote_plus

import pytest

from devstack import tokens
from devstack.bus.access import EVERYTHING, LISTEN, ROOT, SEND, Access, Claim
from devstack.bus.config import AccessRule
from devstack.home import Home
from tests.unit.devstack.bus.engine import NOW

UNTIL = NOW // 1000 + 60
AUDIENCE = "sb://127.0.0.1:5672/queue"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home.at(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def access(home: Home) -> Access:
    return Access.of(home, (AccessRule("sender", frozenset({SEND})),))


def signature(
    home: Home, resource: str = AUDIENCE, until: str = str(UNTIL), rule: str = ROOT
) -> str:
    """Sign as the SDKs do."""
    spelled = quote_plus(resource)
    key = home.secret(f"bus/{rule}").encode()
    signed = b64encode(digest(key, f"{spelled}\n{until}".encode(), sha256)).decode()
    return f"SharedAccessSignature sr={spelled}&sig={quote_plus(signed)}&se={until}&skn={rule}"


def test_a_signature_gives_the_rights_of_its_key(home: Home, access: Access) -> None:
    assert access.claim(AUDIENCE, signature(home), NOW) == Claim("queue", EVERYTHING, UNTIL * 1000)
    by_sender = access.claim(AUDIENCE, signature(home, rule="sender"), NOW)
    assert isinstance(by_sender, Claim)
    assert by_sender.rights == {SEND}


def test_a_signature_for_all_is_good_for_each(home: Home, access: Access) -> None:
    found = access.claim(f"{AUDIENCE}/$management", signature(home, "sb://127.0.0.1/"), NOW)

    assert found == Claim("queue", EVERYTHING, UNTIL * 1000)


def test_spelling_of_the_resource_does_not_matter(home: Home, access: Access) -> None:
    token = signature(home).replace("%2F", "%2f")
    signed = access.claim(AUDIENCE, token, NOW)

    assert isinstance(signed, str)  # what was signed is the text of the token
    assert "InvalidSignature" in signed


BAD = {
    "a key of another name": ("skn=RootManage", "skn=Other", "InvalidSignature"),
    "another time": (f"se={UNTIL}", f"se={UNTIL + 1}", "InvalidSignature"),
    "no time": (f"se={UNTIL}", "se=soon", "InvalidSignature"),
    "a time of many digits": (f"se={UNTIL}", "se=" + "9" * 5000, "InvalidSignature"),
    "another resource": ("queue", "other", "InvalidSignature"),
    "a signature that is no base64": ("sig=", "sig=%21", "MalformedToken"),
    "half a name": ("skn=", "s=", "InvalidSignature"),
}


@pytest.mark.parametrize(("old", "new", "error"), BAD.values(), ids=BAD)
def test_a_changed_signature_is_refused(
    home: Home, access: Access, old: str, new: str, error: str
) -> None:
    found = access.claim(AUDIENCE, signature(home).replace(old, new, 1), NOW)

    assert isinstance(found, str)
    assert found.startswith(error)


def test_a_signature_expires(home: Home, access: Access) -> None:
    found = access.claim(AUDIENCE, signature(home), UNTIL * 1000)

    assert found == "ExpiredToken: The token is expired."


def test_a_signature_for_another_entity_is_refused(home: Home, access: Access) -> None:
    found = access.claim("sb://127.0.0.1/queue2", signature(home), NOW)

    assert found == "InvalidAudience: The token is good for another resource."


def test_a_token_of_absurd_length_is_refused(access: Access) -> None:
    assert access.claim(AUDIENCE, "x" * 100_000, NOW) == "MalformedToken: The token is too long."


def token(home: Home, audience: str) -> str:
    issuer = tokens.Issuer("http://127.0.0.1/t", home.directory(), home.token_key())
    caller = tokens.Caller("runner", home.object_id("runner"))
    return issuer.issue(caller, audience, datetime.fromtimestamp(NOW / 1000, UTC))


def test_an_identity_may_do_all(home: Home, access: Access) -> None:
    found = access.claim(AUDIENCE, token(home, tokens.SERVICE_BUS), NOW)

    assert isinstance(found, Claim)
    assert (found.path, found.rights) == ("queue", EVERYTHING)


def test_a_token_for_another_service_is_refused(home: Home, access: Access) -> None:
    found = access.claim(AUDIENCE, token(home, tokens.STORAGE), NOW)

    assert isinstance(found, str)
    assert found.startswith("InvalidToken")


def test_a_key_is_a_password_too(home: Home, access: Access) -> None:
    secret = home.secret("bus/sender").encode()

    found = access.by_password(b"\0sender\0" + secret, NOW)

    assert found is not None
    assert (found.path, found.rights) == ("", frozenset({SEND}))


@pytest.mark.parametrize("response", [b"", b"\0sender", b"\0sender\0no", b"\0other\0x", b"\xff\0"])
def test_a_wrong_password_is_refused(access: Access, response: bytes) -> None:
    assert access.by_password(response, NOW) is None


def test_a_claim_covers_what_is_under_it() -> None:
    claim = Claim("topic", frozenset({LISTEN}), NOW)

    assert claim.covers("topic/subscriptions/one")
    assert not claim.covers("topic2")
    assert Claim("", EVERYTHING, NOW).covers("anything")


def test_homes_have_keys_of_their_own(home: Home, access: Access, tmp_path: Path) -> None:
    other = Access.of(Home.at(tmp_path), ())

    assert isinstance(other.claim(AUDIENCE, signature(home), NOW), str)
    assert isinstance(access.claim(AUDIENCE, signature(home), NOW), Claim)
