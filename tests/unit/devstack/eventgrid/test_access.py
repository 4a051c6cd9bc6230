"""Who may publish: what a key, a signature and a token have to be."""

import base64
import hmac
from datetime import UTC, datetime, timedelta
from urllib.parse import quote_plus

import pytest
from azure.eventgrid import generate_sas
from cryptography.hazmat.primitives.asymmetric import rsa

from cleanroom.errors import Malformed, PolicyRefused, Unattested
from devstack import tokens
from devstack.eventgrid.access import NOTHING, Publishing, Sender
from devstack.tokens import Caller, Issuer

KEY = "a2V5IG9mIHRoZSB0b3BpYw=="
OTHER = "YW5vdGhlciBrZXkgYWx0b2dldGhlcg=="
NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
PATH = "/topics/outcomes/api/events"
URL = f"https://127.0.0.1:8442{PATH}"


@pytest.fixture(scope="module")
def token_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture
def topic(token_key: rsa.RSAPrivateKey) -> Publishing:
    return Publishing("outcomes", PATH, KEY, frozenset({"runner"}), token_key.public_key(), "t")


def test_a_key_comes_in_a_header_or_in_the_query(topic: Publishing) -> None:
    topic.check({"aeg-sas-key": KEY}, {}, NOW)
    topic.check({}, {"aeg-sas-key": KEY}, NOW)


def signed(expiry: object = LATER, resource: str = URL, key: str = KEY) -> str:
    return str(generate_sas(resource, key, expiry))  # type: ignore[arg-type]  # any text does


def american(moment: datetime) -> str:
    return moment.strftime("%m/%d/%Y %I:%M:%S %p")


@pytest.mark.parametrize(
    "expiry",
    [
        pytest.param(LATER, id="with a zone"),
        pytest.param(LATER.replace(tzinfo=None), id="without"),
        pytest.param(LATER.isoformat(), id="ISO 8601"),
        pytest.param(american(LATER), id="as .NET writes it"),
    ],
)
def test_a_signature_comes_in_either_header(topic: Publishing, expiry: object) -> None:
    topic.check({"aeg-sas-token": signed(expiry)}, {}, NOW)
    topic.check({"Authorization": f"SharedAccessSignature {signed(expiry)}"}, {}, NOW)


def test_a_signature_may_be_quoted_as_forms_are(topic: Publishing) -> None:
    unsigned = f"r={quote_plus(URL)}&e={quote_plus(str(LATER))}"
    mac = hmac.digest(base64.b64decode(KEY), unsigned.encode(), "sha256")

    topic.check({"aeg-sas-token": f"{unsigned}&s={quote_plus(base64.b64encode(mac))}"}, {}, NOW)


@pytest.mark.parametrize("resource", ["https://127.0.0.1:8442", "https://x/topics/outcomes/"])
def test_a_signature_for_what_is_above_covers_the_topic(topic: Publishing, resource: str) -> None:
    topic.check({"aeg-sas-token": signed(resource=resource)}, {}, NOW)


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        pytest.param({}, NOTHING, id="nothing"),
        pytest.param({"aeg-sas-key": OTHER}, "not a key of this topic", id="another key"),
        pytest.param({"aeg-sas-key": "\udce4"}, "not a key", id="odd bytes"),
        pytest.param({"aeg-sas-token": "x"}, "is not r=", id="no signature"),
        pytest.param({"aeg-sas-token": "r=a&x=b&s=c"}, "is not r=", id="other fields"),
        pytest.param({"aeg-sas-token": "r=\udce4&e=b&s=c"}, "does not match", id="odd signature"),
        pytest.param({"aeg-sas-token": signed(key=OTHER)}, "does not match", id="other key"),
        pytest.param({"aeg-sas-token": signed() + "x"}, "does not match", id="changed"),
        pytest.param(
            {"aeg-sas-token": signed(resource="https://x/topics/out")}, "resource", id="other topic"
        ),
        pytest.param({"aeg-sas-token": signed(NOW)}, "expired", id="expired"),
        pytest.param({"aeg-sas-token": signed("soon")}, "not a time", id="no time"),
        pytest.param({"Authorization": "Bearer"}, "not acceptable", id="no token"),
        pytest.param({"Authorization": "Bearer a.b.c"}, "not acceptable", id="bad token"),
        pytest.param({"Authorization": "Basic x"}, "not acceptable", id="another scheme"),
        pytest.param({"Authorization": "Bearer \udce4"}, "not acceptable", id="odd token"),
    ],
)
def test_who_may_not_is_told_why(topic: Publishing, headers: dict[str, str], reason: str) -> None:
    with pytest.raises(Unattested, match=reason):
        topic.check(headers, {}, NOW)


def bearer(key: rsa.RSAPrivateKey, name: str, audience: str = tokens.EVENT_GRID) -> dict[str, str]:
    token = Issuer("http://127.0.0.1:8440/t", "t", key).issue(Caller(name, name), audience, NOW)
    return {"Authorization": f"Bearer {token}"}


def test_an_identity_needs_the_role(topic: Publishing, token_key: rsa.RSAPrivateKey) -> None:
    topic.check(bearer(token_key, "runner"), {}, NOW)

    with pytest.raises(PolicyRefused, match="OUTCOMES"):
        topic.check(bearer(token_key, "north"), {}, NOW)


def test_a_sender_is_one_of_all_topics_or_of_one() -> None:
    everywhere, there = Sender.parse("runner"), Sender.parse("north:parties")

    assert (everywhere.identity, everywhere.covers("parties")) == ("runner", True)
    assert (there.identity, there.covers("parties"), there.covers("cleanroom")) == (
        *("north", True),
        False,
    )


@pytest.mark.parametrize("spelled", ["", ":parties", "north:"])
def test_a_sender_that_is_none_is_refused(spelled: str) -> None:
    with pytest.raises(Malformed, match="--sender"):
        Sender.parse(spelled)


def test_a_token_for_another_service_is_none(
    topic: Publishing, token_key: rsa.RSAPrivateKey
) -> None:
    with pytest.raises(Unattested, match="not acceptable"):
        topic.check(bearer(token_key, "runner", tokens.STORAGE), {}, NOW)
