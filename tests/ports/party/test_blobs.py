"""Storage that is none, or is somebody else's: it gets no more than a token for storage."""

import gc
from dataclasses import dataclass, field
from typing import Any

import pytest
import trustme
from azure.core.credentials import AccessToken

from cleanroom.errors import CleanroomError, PolicyRefused, Unavailable
from party.cloud import blobs
from party.cloud.blobs import ForStorage
from party.cloud.containers import may_list
from tests.ports.scripted import Reply, scripted

STORAGE = "https://storage.azure.com/.default"
TO_A_VAULT = (
    "Bearer authorization_uri=https://login.microsoftonline.com/elsewhere/oauth2/authorize"
    " resource_id=https://vault.azure.net"
)
TO_A_DIRECTORY = (
    "Bearer authorization_uri=https://login.microsoftonline.com/elsewhere/oauth2/authorize"
    " resource_id=https://storage.azure.com"
)
CHALLENGE = Reply(401, b"", (("WWW-Authenticate", TO_A_VAULT),))


@dataclass
class Anybody:
    """An identity that would get a token for anything, and says for what it was asked."""

    asked: list[str] = field(default_factory=list)
    directories: list[str | None] = field(default_factory=list)

    def get_token(self, *scopes: str, tenant_id: str | None = None, **_options: Any) -> AccessToken:
        self.asked += scopes
        self.directories.append(tenant_id)
        return AccessToken(f"for {scopes[0]}", 1 << 33)


def test_a_token_for_something_else_is_not_asked_for(ca: trustme.CA) -> None:
    us = Anybody()
    with scripted(CHALLENGE, ca=ca) as server:
        with pytest.raises(PolicyRefused, match="a token that is for something else"):
            blobs.read(f"{server.url}/account/rooms/name", ForStorage(us), 100)
        with pytest.raises(PolicyRefused, match="a token that is for something else"):
            may_list(f"{server.url}/account/rooms", ForStorage(us))

    assert set(us.asked) == {STORAGE}
    assert {one.headers["Authorization"] for one in server.asked} == {f"Bearer for {STORAGE}"}


@pytest.mark.parametrize("directory", [None, "11111111-2222-4333-8444-555555555555"])
def test_a_token_is_of_the_directory_that_was_set_whatever_a_challenge_names(
    directory: str | None, ca: trustme.CA
) -> None:
    us = Anybody()
    challenge = Reply(401, b"", (("WWW-Authenticate", TO_A_DIRECTORY),))
    with scripted(challenge, ca=ca) as server, pytest.raises(CleanroomError):
        blobs.read(f"{server.url}/account/rooms/name", ForStorage(us, directory), 100)

    assert set(us.directories) == {directory}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_leads_elsewhere(status: int, ca: trustme.CA) -> None:
    with scripted(Reply(200, b"secret")) as elsewhere:
        away = Reply(status, b"", (("Location", f"{elsewhere.url}/account/rooms/name"),))
        with scripted(away, ca=ca) as server:
            url = f"{server.url}/account/rooms/name"
            with pytest.raises(CleanroomError):
                blobs.download(f"{url}?sig=secret", lambda _data, _offset: None)
            with pytest.raises(CleanroomError):
                blobs.read(url, ForStorage(Anybody()), 100)

    assert elsewhere.asked == []


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # the clients' connection
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param((), id="no range"),
        pytest.param((("Content-Range", "bytes x"),), id="no numbers"),
        pytest.param((("Content-Range", "bytes 0-2/many"),), id="no size"),
    ],
)
def test_an_answer_that_is_none_is_said_to_be(
    headers: tuple[tuple[str, str], ...], ca: trustme.CA
) -> None:
    with (
        scripted(Reply(206, b"", headers), ca=ca) as server,
        pytest.raises(Unavailable, match=r"/account/name: was not read or written$"),
    ):
        blobs.download(f"{server.url}/account/name?sig=secret", lambda _data, _offset: None)

    gc.collect()  # while its warning is expected


@pytest.mark.parametrize("url", ["https://[x/a/b?sig=secret", "https://a?sig=secret"])
def test_an_address_that_is_none_is_said_to_be(url: str) -> None:
    with pytest.raises(Unavailable) as caught:
        blobs.download(url, lambda _data, _offset: None)

    assert "secret" not in str(caught.value)
