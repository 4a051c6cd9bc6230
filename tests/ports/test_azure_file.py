"""The environment file of tests that run against Azure, and what is wrong with a bad one."""

import re

import pytest

from cleanroom.errors import Malformed
from tests.ports import azure
from tests.ports.azure import of_service, parse
from tests.test_dev_guide import GUIDE

BUS = "Endpoint=sb://a.servicebus.windows.net/;SharedAccessKeyName=n;SharedAccessKey=c2VjcmV0"
STORAGE = "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=c2VjcmV0;EndpointSuffix=b.net"
WHOLE = f"""\
# of our subscription for tests

SERVICEBUS_ROOT={BUS}
SERVICEBUS_SENDER={BUS}
SERVICEBUS_LISTENER = {BUS}
SERVICEBUS_NAMESPACE=a.servicebus.windows.net
STORAGE_CONNECTION={STORAGE}
VAULT_URL=https://a.vault.azure.net
VAULT_TIER=premium
EVENTGRID_TOPIC=https://a.westeurope-1.eventgrid.azure.net/api/events
EVENTGRID_KEY=c2VjcmV0
"""


def test_a_whole_file_is_read() -> None:
    found = parse(WHOLE.encode())

    assert set(found) == set(azure.NAMES)
    assert found["SERVICEBUS_LISTENER"] == BUS
    assert found["STORAGE_CONNECTION"] == STORAGE


@pytest.mark.parametrize("text", [azure.__doc__, GUIDE.read_text()], ids=["here", "guide"])
def test_every_name_is_documented(text: str) -> None:
    assert set(azure.NAMES) <= set(re.findall(r"[A-Z]+_[A-Z]+", text))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        pytest.param("c2VjcmV0", "line 2: expected NAME=VALUE", id="no name"),
        pytest.param("c2VjcmV0==", "line 2: expected NAME=VALUE", id="a key without its name"),
        pytest.param("export VAULT_TIER=premium", "line 2: expected NAME=VALUE", id="a command"),
        pytest.param(
            "VAULT_URI=https://a",
            r"line 2: expected one of SERVICEBUS_ROOT, .*, got VAULT_URI$",
            id="no such name",
        ),
        pytest.param(
            "VAULT_TIER=standard\nVAULT_TIER=premium",
            "line 3: expected VAULT_TIER once",
            id="twice",
        ),
        pytest.param(
            "VAULT_TIER=", "line 2: VAULT_TIER: expected premium or standard", id="no value"
        ),
        pytest.param(
            f'SERVICEBUS_ROOT="{BUS}"',
            "line 2: SERVICEBUS_ROOT: expected a connection string .*, without quotes$",
            id="quotes",
        ),
        pytest.param(
            "STORAGE_CONNECTION=BlobEndpoint=https://a;SharedAccessSignature=c2VjcmV0",
            "expected a connection string with AccountName and AccountKey",
            id="a signature in place of the key",
        ),
        pytest.param(
            "VAULT_URL=http://a.vault.azure.net", "expected an https URL", id="not encrypted"
        ),
        pytest.param(
            "EVENTGRID_TOPIC=https://a.westeurope-1.eventgrid.azure.net",
            "expected an https URL that ends with /api/events",
            id="a host in place of the endpoint",
        ),
    ],
)
def test_a_bad_line_is_refused_by_its_number_and_keeps_its_secret(line: str, message: str) -> None:
    with pytest.raises(Malformed, match=message) as refused:
        parse(f"# first\n{line}\n".encode())

    assert "c2VjcmV0" not in str(refused.value)


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(Malformed, match="a file of text in UTF-8"):
        parse(b"\xff\xfe")


def test_a_service_has_what_is_said_of_it_or_nothing() -> None:
    given = parse(b"EVENTGRID_TOPIC=https://a.b/api/events\nEVENTGRID_KEY=c2VjcmV0\n")

    assert of_service("EVENTGRID", given) == given
    assert of_service("VAULT", given) == {}


def test_a_service_of_which_a_part_is_said_is_refused() -> None:
    given = parse(f"SERVICEBUS_ROOT={BUS}\nSERVICEBUS_SENDER={BUS}\n".encode())

    with pytest.raises(Malformed, match="SERVICEBUS_LISTENER and SERVICEBUS_NAMESPACE too"):
        of_service("SERVICEBUS", given)
