"""As whom a party asks where: the operator's directory is not always its own."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from azure.core.credentials import AccessToken

from party.cloud import identity
from party.online import Online
from party.profiles import Profile

DIRECTORY = "11111111-2222-4333-8444-555555555555"
ROOMS = "https://operator.blob.core.windows.net/rooms"


@dataclass
class Anybody:
    """An identity that notes in which directory it is asked for a token."""

    directories: list[str | None] = field(default_factory=list)

    def get_token(self, *scopes: str, tenant_id: str | None = None, **_options: Any) -> AccessToken:
        self.directories.append(tenant_id)
        return AccessToken(f"for {scopes[0]}", 1 << 33)


@pytest.mark.parametrize(
    ("url", "directory"),
    [
        pytest.param(f"{ROOMS}/room/file", DIRECTORY, id="the rooms"),
        pytest.param(
            "https://operator.blob.core.windows.net/datasets-north", DIRECTORY, id="their account"
        ),
        pytest.param("https://north.blob.core.windows.net/datasets", None, id="its own account"),
        pytest.param(
            "https://operator.blob.core.windows.net.elsewhere.net/rooms", None, id="a longer name"
        ),
    ],
)
def test_the_account_of_the_rooms_is_asked_in_the_operators_directory(
    url: str, directory: str | None
) -> None:
    online = Online(Profile("north", rooms=ROOMS, directory=DIRECTORY))
    vars(online)["credential"] = Anybody()

    assert online.storage(url).directory == directory


@pytest.mark.parametrize("profile", [Profile("north", rooms=ROOMS), Profile("north")])
def test_who_names_no_directory_asks_in_its_own(profile: Profile) -> None:
    online = Online(profile)
    vars(online)["credential"] = Anybody()

    assert online.storage(f"{ROOMS}/room/file").directory is None


@pytest.mark.parametrize("directory", [None, DIRECTORY])
def test_the_control_planes_token_is_of_the_directory_that_is_named(directory: str | None) -> None:
    us = Anybody()

    assert identity.token(us, "api://cleanroom", directory) == "for api://cleanroom/.default"
    assert us.directories == [directory]
