"""Which hosts are called, and where a location is."""

import pytest

from cleanroom.errors import PolicyRefused
from runner.room.places import Hosts, Place

HOSTS = Hosts((".vault.azure.net", "127.0.0.1", "one.example"))


@pytest.mark.parametrize(
    "url",
    [
        "https://north.vault.azure.net/keys/a",
        "https://a.b.vault.azure.net",
        "https://127.0.0.1:8443/keys/a",
        "https://one.example",
    ],
)
def test_a_host_that_is_named_is_called(url: str) -> None:
    HOSTS.check(url)


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("https://vault.azure.net", id="the parent"),
        pytest.param("https://evilvault.azure.net", id="a neighbour"),
        pytest.param("https://north.vault.azure.net.evil.example", id="a longer name"),
        pytest.param("https://two.example", id="another"),
        pytest.param("https://a.one.example", id="below one that is alone"),
        pytest.param("https://169.254.169.254/metadata", id="the cloud's own"),
        pytest.param("https://", id="none"),
    ],
)
def test_any_other_host_is_refused(url: str) -> None:
    with pytest.raises(PolicyRefused, match="not among the hosts"):
        HOSTS.check(url)


@pytest.mark.parametrize(
    ("location", "place"),
    [
        pytest.param(
            "https://a.blob.core.windows.net/datasets/room/name",
            Place("https://a.blob.core.windows.net", "datasets", "room/name/"),
            id="Azure",
        ),
        pytest.param(
            "https://a.blob.core.windows.net/datasets",
            Place("https://a.blob.core.windows.net", "datasets", ""),
            id="a container",
        ),
        pytest.param(
            "https://127.0.0.1:10000/account/datasets/room",
            Place("https://127.0.0.1:10000/account", "datasets", "room/"),
            id="an address",
        ),
    ],
)
def test_a_location_is_a_folder_of_a_container_of_an_account(location: str, place: Place) -> None:
    assert Place.parse(location) == place


def test_a_location_without_a_container_is_refused() -> None:
    with pytest.raises(PolicyRefused, match="names no container"):
        Place.parse("https://127.0.0.1:10000/account")
