"""What a newcomer meets before anything runs: each error says what to do."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack.home import HOST, Home
from tests.commands import Here
from tests.directories import running_directory
from tests.servers import Server, free_ports

ONLINE = [
    ["propose", "contract.yaml"],
    ["approve", "room"],
    ["revoke", "room"],
    ["drop", "table.csv", "room"],
    ["status"],
    ["watch", "room"],
    ["results", "room"],
    ["open", "room"],
    ["contract", "run", "room"],
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home.at(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def directory(home: Home) -> Iterator[Server]:
    with running_directory(home, ["north"], home.path / "identity.log") as made:
        yield made


def shell(home: Home, port: int, **changes: str) -> dict[str, str]:
    """Be a party whose identity is known on this port, and whose services are all away."""
    (away,) = free_ports(1)
    return {
        "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
        "IDENTITY_ENDPOINT": f"http://{HOST}:{port}/msi/token",
        "IDENTITY_HEADER": home.secret("identity/north"),
        "NO_PROXY": HOST,
        "CLEANROOM_PARTY_NAME": "north",
        "CLEANROOM_PARTY_API": f"http://{HOST}:{away}/api",
        "CLEANROOM_PARTY_AUDIENCE": "api://cleanroom",
        "CLEANROOM_PARTY_VAULT": f"https://{HOST}:{away}",
        "CLEANROOM_PARTY_AUTHORITY": f"https://{HOST}:{away}",
        "CLEANROOM_PARTY_DATASETS": f"https://{HOST}:{away}/cleanroom/datasets-north",
    } | changes


def become(patch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    """Have this process be what a shell with these variables is."""
    for name, value in variables.items():
        patch.setenv(name, value)


@pytest.fixture
def us(home: Home, directory: Server, cleanroom: Here, monkeypatch: pytest.MonkeyPatch) -> Here:
    become(monkeypatch, shell(home, directory.health[0]))
    return cleanroom


@pytest.mark.parametrize("command", ONLINE, ids=" ".join)
def test_without_a_profile_it_is_said_how_to_begin(command: list[str], cleanroom: Here) -> None:
    code, message, hint = cleanroom(*command).refusal

    assert (code, message) == (1, "which party are you? there is no profile yet")
    assert hint.startswith("cleanroom init PARTY --vault URL")


def test_of_several_profiles_one_is_to_be_named(cleanroom: Here, folder: Path) -> None:
    (folder / "config" / "cleanroom").mkdir(parents=True)
    for name in ("north", "south"):
        (folder / "config" / "cleanroom" / f"{name}.toml").write_text(f'name = "{name}"\n')

    assert cleanroom("status").refusal == (
        1,
        "which party are you? there are profiles of north, south",
        "--profile north, or export CLEANROOM_PROFILE=north",
    )
    assert cleanroom("status", "--profile", "west").refusal == (
        1,
        "--profile: there is no profile 'west'; there are: north, south",
        "cleanroom init west",
    )


def test_what_a_profile_lacks_is_named(cleanroom: Here, folder: Path) -> None:
    (folder / "north.toml").write_text('name = "north"\n')

    assert cleanroom("status", "--profile", "north.toml").refusal == (
        1,
        "the profile of 'north' does not say where the control plane is (api)",
        "cleanroom init north --api ...",
    )


def test_who_begins_without_a_vault_is_asked_for_one(cleanroom: Here) -> None:
    assert cleanroom("init", "north", "--room", "room").refusal == (
        1,
        "the profile of 'north' does not say which vault is its own (vault)",
        "cleanroom init north --vault ...",
    )


def test_a_vault_must_be_one(cleanroom: Here) -> None:
    code, message, _ = cleanroom("init", "north", "--vault", "http://a").refusal

    assert code == 2
    assert message == "--vault: expected https://name.vault.azure.net, got 'http://a'"


def test_who_is_not_signed_in_is_told_how_to(
    home: Home, cleanroom: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    (nobody,) = free_ports(1)
    become(monkeypatch, shell(home, nobody))

    code, message, hint = cleanroom("status").refusal

    assert (code, message) == (5, "api://cleanroom: no identity to ask with")
    assert hint.startswith("az login; on the dev stack: eval")


def test_somebody_whom_the_directory_does_not_know_is_told_so(
    home: Home, directory: Server, cleanroom: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    become(monkeypatch, shell(home, directory.health[0], IDENTITY_HEADER="somebody"))

    code, message, _ = cleanroom("status").refusal

    assert (code, message) == (5, "api://cleanroom: no identity to ask with")


def test_a_control_plane_that_is_away_is_named(us: Here) -> None:
    for command in (["status"], ["propose", "contract.yaml"], ["watch", "room"]):
        code, message, hint = us(*command).refusal

        assert code == 5
        assert message.endswith("/api: the control plane does not answer")
        assert "cleanroom-dev status" in hint


def test_a_vault_that_is_away_is_named(us: Here) -> None:
    for command in (["init", "--room", "room"], ["approve", "contract.yaml", "--yes"]):
        code, message, hint = us(*command).refusal

        assert code == 5
        assert message.endswith(": the vault does not answer")
        assert "cleanroom-dev status" in hint


def test_who_is_no_party_of_a_contract_is_told_its_parties(
    us: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLEANROOM_PARTY_NAME", "west")

    for command in (["approve", "contract.yaml"], ["revoke", "contract.yaml"]):
        assert us(*command).refusal == (
            1,
            "'west' is no party of this contract; its parties are north, south",
            "which party are you? --profile",
        )


@pytest.mark.parametrize(
    "command", [["propose"], ["approve"], ["drop", "table.csv"]], ids=lambda c: c[0]
)
def test_a_contract_that_has_expired_is_refused_before_anything_else(
    command: list[str], us: Here, folder: Path
) -> None:
    value = json.loads((folder / "contract.yaml").read_text())
    value["limits"]["expires"] = "2020-01-01T00:00:00Z"
    (folder / "contract.yaml").write_text(json.dumps(value))

    assert us(*command, "contract.yaml").refusal == (
        3,
        "the contract expired at <time>",
        "propose one that follows it, with a later limits.expires",
    )


@pytest.mark.parametrize(
    ("file", "message"),
    [
        pytest.param("missing.csv", "missing.csv: there is no such file or folder", id="missing"),
        pytest.param(".", ".: expected a file, got a folder", id="folder"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(file: str, message: str, us: Here) -> None:
    assert us("drop", file, "contract.yaml").refusal[:2] == (1, message)


def test_a_place_that_is_not_the_partys_own_gets_no_file(us: Here) -> None:
    code, message, hint = us("drop", "table.csv", "contract.yaml").refusal

    assert code == 3
    assert message.startswith("the contract wants your files at https://account.blob.core.windows")
    assert hint == "if that place is yours: cleanroom init --datasets URL"


def test_a_room_is_explained_online_and_a_file_is_not(us: Here) -> None:
    assert us("explain", "room").refusal[0] == 5
    assert "sum leave, each over at least 10" in us("explain", "contract.yaml").text


def test_an_explanation_is_for_whom_it_is_meant(cleanroom: Here) -> None:
    shown = cleanroom("explain", "contract.yaml", "--party", "south", "--json").json

    told = {one["about"]: one["text"] for one in shown["sentences"]}
    assert told["from b"].startswith("of your rows")
    assert shown["contract"]["room"] == "room"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(
            ["approve", "room", "-o", "a.json"],
            "--output: a word is written to a file only with --sign-with",
            id="output",
        ),
        pytest.param(
            ["approve", "room", "--party", "south"],
            "--party: you are 'north' here, not 'south'",
            id="party",
        ),
        pytest.param(
            ["open", "missing.csv"],
            "missing.csv: there is no such file, and no room is called so",
            id="no file",
        ),
        pytest.param(
            ["approve", "Room", "--yes"],
            "Room: there is no such file, and no room is called so",
            id="no room",
        ),
        pytest.param(
            ["status", "../room"],
            "ROOM: expected a name of 1 to 63 lower-case letters, digits and single hyphens,"
            " starting with a letter, got '../room'",
            id="path",
        ),
        pytest.param(
            ["explain", "room/ab"],
            "CONTRACT: expected 64 lower-case hexadecimal digits, got 'ab'",
            id="digest",
        ),
        pytest.param(
            ["open", "room/xyz"],
            "expected ROOM/JOB with 6 or more digits of a job, got 'room/xyz'",
            id="job",
        ),
        pytest.param(
            ["approve", "contract.yaml", "--expires", "yesterday"],
            "--expires: expected a duration such as 90 days, got 'yesterday'",
            id="until",
        ),
    ],
)
def test_what_cannot_be_meant_is_a_matter_of_usage(
    arguments: list[str], message: str, us: Here
) -> None:
    code, said, _ = us(*arguments).refusal

    assert (code, said) == (1, message)


def test_errors_are_objects_for_programs(us: Here) -> None:
    ran = us("status", "--json")

    assert ran.json_error["code"] == "unavailable"
    assert ran.json_error["hint"]
