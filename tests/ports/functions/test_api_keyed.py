"""The HTTP API without a directory: whoever has the functions' key is the operator."""

from collections.abc import Iterator

import pytest

from tests.apis import Api, Client, running_api
from tests.rooms import Place
from tests.stacks import RunningStack


@pytest.fixture(scope="module")
def api(services: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder = tmp_path_factory.mktemp("keyed")
    with running_api(services, folder, has_directory=False) as running:
        yield running


def test_the_functions_key_does_what_the_operator_may(api: Api, place: Place) -> None:
    room = place.room()

    answer = api.keyed().post(f"rooms/{room.name}/contracts", room.contract.to_bytes())

    assert answer.status_code == 201
    assert api.keyed().get(f"rooms/{room.name}").json()["room"] == room.name


@pytest.mark.parametrize("path", ["rooms", "rooms/any", "rooms/any/jobs"])
def test_without_the_key_the_host_lets_nobody_in(api: Api, path: str) -> None:
    assert Client(api.url).get(path).status_code == 401
    assert Client(api.url, {"x-functions-key": "x"}).get(path).status_code == 401
    assert api.being("operator").get(path).status_code == 401


def test_a_room_that_is_not_there_is_not_found(api: Api) -> None:
    assert api.keyed().get("rooms/no-such-room").status_code == 404


def test_health_and_description_are_for_all(api: Api) -> None:
    ready, document = Client(api.url).get("health/ready"), Client(api.url).get("openapi.json")

    assert set(ready.json()["dependencies"]) == {"storage", "bus", "events"}
    assert list(document.json()["components"]["securitySchemes"]) == ["function_key"]
