"""Profiles: found by name, in the shell, or as the only one; kept without secrets."""

import stat
from pathlib import Path

import pytest

from cleanroom.errors import CleanroomError, Malformed
from party import profiles
from party.errors import Usage
from party.profiles import Profile

RUNNERS = (
    '[{"platform":"aci","code":{"kind":"host-data","value":"' + "ab" * 32 + '","utility_vm_svn":1},'
    '"minimum_svn":{"product":"Milan","fmc":0,"bootloader":4,"tee":0,"snp":24,"microcode":219},'
    '"walls":["net"],"debug":false}]'
)
SHELL = {
    "CLEANROOM_PARTY_NAME": "north",
    "CLEANROOM_PARTY_API": "http://127.0.0.1:7071/api",
    "CLEANROOM_PARTY_AUDIENCE": "api://cleanroom",
    "CLEANROOM_PARTY_DIRECTORY": "11111111-2222-4333-8444-555555555555",
    "CLEANROOM_PARTY_VAULT": "https://127.0.0.1:8451",
    "CLEANROOM_PARTY_AUTHORITY": "https://127.0.0.1:8441",
    "CLEANROOM_PARTY_DATASETS": "https://127.0.0.1:10000/cleanroom/datasets-north",
    "CLEANROOM_PARTY_ROOMS": "https://127.0.0.1:10000/cleanroom/rooms",
    "CLEANROOM_PARTY_RUNNERS": RUNNERS,
    "CLEANROOM_PARTY_SYNTHETIC_ROOT": '/a "root"/ é.pem',
}


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the profiles, and a shell that says nothing."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name in [*SHELL, "CLEANROOM_PROFILE"]:
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "cleanroom"


def keep(config: Path, *names: str) -> None:
    for name in names:
        profiles.write(
            Profile(name, vault=f"https://{name}.vault.azure.net"), config / f"{name}.toml"
        )


def test_a_profile_reads_back_as_it_was_written(config: Path) -> None:
    made = profiles.from_environment(SHELL).asking_as({"AZURE_CLIENT_ID": "é\\"})

    profiles.write(made, config / "north.toml")

    assert profiles.find("north") == made
    assert made.runners[0].platform == "aci"


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_a_profile_that_others_may_change_is_not_believed(mode: int, config: Path) -> None:
    keep(config, "north")
    (config / "north.toml").chmod(mode)

    with pytest.raises(Usage, match="a profile that others may change") as caught:
        profiles.find("north")

    assert caught.value.hint == f"chmod 600 {config}/north.toml"


def test_a_profile_is_for_its_owners_eyes_only(config: Path) -> None:
    keep(config, "north")

    assert stat.S_IMODE((config / "north.toml").stat().st_mode) == 0o600
    assert stat.S_IMODE(config.stat().st_mode) == 0o700


def test_the_one_that_is_named_wins_over_the_shell(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(config, "south", "north")
    monkeypatch.setenv("CLEANROOM_PARTY_NAME", "west")

    assert profiles.find("south").name == "south"
    assert profiles.find(str(config / "south.toml")).name == "south"


def test_the_shell_wins_over_the_only_one(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(config, "north")
    monkeypatch.setenv("CLEANROOM_PARTY_NAME", "west")

    assert profiles.find(None).name == "west"


def test_the_only_one_is_meant(config: Path) -> None:
    keep(config, "north")

    assert profiles.find(None).name == "north"
    assert profiles.perhaps(None) == profiles.find("north")


def test_of_several_one_must_be_named(config: Path) -> None:
    keep(config, "north", "south")

    with pytest.raises(Usage, match=r"which party are you.*north, south") as caught:
        profiles.find(None)

    assert caught.value.hint == "--profile north, or export CLEANROOM_PROFILE=north"
    assert profiles.perhaps(None) is None


def test_without_any_it_is_said_how_to_begin() -> None:
    with pytest.raises(Usage, match="there is no profile yet") as caught:
        profiles.find(None)

    assert "cleanroom init" in caught.value.hint
    assert "cleanroom-dev env" in caught.value.hint
    assert profiles.perhaps(None) is None


def test_one_that_is_not_there_is_refused_with_those_that_are(config: Path) -> None:
    keep(config, "north", "south")

    with pytest.raises(Usage, match="no profile 'west'; there are: north, south") as caught:
        profiles.find("west")

    assert caught.value.hint == "cleanroom init west"


def test_what_a_profile_does_not_say_is_asked_for_by_name() -> None:
    with pytest.raises(Usage, match=r"the profile of 'north' does not say which vault") as caught:
        Profile("north", api="https://a.b/api").need("api", "vault")

    assert caught.value.hint == "cleanroom init north --vault ..."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("name = ", "TOML", id="no TOML"),
        pytest.param("\xff", "TOML", id="no UTF-8"),
        pytest.param("", "a name of 1 to 63", id="nobody"),
        pytest.param('name = "north"\nvalut = "a"', "no other field, got 'valut'", id="misspelled"),
        pytest.param('name = "north"\nvault = "http://a.b"', "vault.azure.net", id="no TLS"),
        pytest.param('name = "north"\napi = "http://a.b/api"', "this machine", id="token in clear"),
        pytest.param(
            'name = "north"\n[identity]\nAZURE_CLIENT_SECRET = "a"', "one of AZURE_", id="secret"
        ),
        pytest.param('name = "north"\nidentity = 1', "a table", id="no table"),
    ],
)
def test_what_is_no_profile_is_refused(text: str, expected: str, config: Path) -> None:
    config.mkdir()
    (config / "north.toml").write_bytes(text.encode("latin-1"))

    with pytest.raises(CleanroomError, match=expected):
        profiles.find("north")


# --- who asks


def test_what_says_who_asks_is_remembered_and_secrets_are_not() -> None:
    shell = {"AZURE_CLIENT_ID": "a", "AZURE_CLIENT_SECRET": "b", "HOME": "c", "NO_PROXY": ""}

    assert profiles.asking(shell) == {"AZURE_CLIENT_ID": "a"}


def test_a_secret_that_is_for_this_machine_is_remembered() -> None:
    shell = {"IDENTITY_ENDPOINT": "http://127.0.0.1:8440/msi/token", "IDENTITY_HEADER": "a"}

    assert profiles.asking(shell) == shell


def test_a_secret_of_a_machine_in_the_cloud_is_not_remembered() -> None:
    shell = {"IDENTITY_ENDPOINT": "http://169.254.129.2:8081/msi/token", "IDENTITY_HEADER": "a"}

    assert profiles.asking(shell) == {}


# --- beginning


def test_whoever_begins_is_named_by_the_command_or_by_the_shell(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Usage, match="missing: PARTY"):
        profiles.begun(None, None)
    for name, value in SHELL.items():
        monkeypatch.setenv(name, value)

    found, path = profiles.begun(None, None)

    assert (found, path) == (profiles.from_environment(SHELL), config / "north.toml")


def test_what_was_kept_stays_unless_it_is_said_anew(config: Path) -> None:
    keep(config, "north")

    found, _ = profiles.begun(None, "north")
    changed = found.given({"api": "https://a.b/api", "vault": None})

    assert (changed.api, changed.vault) == ("https://a.b/api", "https://north.vault.azure.net")
    with pytest.raises(Malformed, match="--vault: expected"):
        found.given({"vault": "north"})


def test_the_shell_of_one_party_says_nothing_of_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in SHELL.items():
        monkeypatch.setenv(name, value)

    found, _ = profiles.begun(None, "south")

    assert found == Profile("south")


def test_a_profile_of_another_is_not_gone_on_with(config: Path, tmp_path: Path) -> None:
    keep(config, "north")

    with pytest.raises(Usage, match="is the profile of 'north', not of 'south'"):
        profiles.begun(str(config / "north.toml"), "south")

    assert profiles.begun(str(tmp_path / "new.toml"), "south") == (
        Profile("south"),
        tmp_path / "new.toml",
    )
