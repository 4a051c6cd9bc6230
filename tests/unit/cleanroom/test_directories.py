"""A token is asked for in the own directory or an allowed one, and for nobody else's service."""

from collections.abc import Mapping

import pytest

from cleanroom.directories import EXCHANGE, MOST, STORAGE, Directories, refused
from cleanroom.errors import Malformed, PolicyRefused

OURS, BANK, INSURER, APP = (f"{digit * 8}-1111-4111-8111-111111111111" for digit in "abcd")
VAULT = "https://vault.azure.net/.default"
KNOWN = Directories(OURS, frozenset({BANK, INSURER}), APP)


def parse(values: Mapping[str, str]) -> Directories:
    return Directories.parse(values.get, "P_")


def test_settings_name_all_three() -> None:
    values = {"DIRECTORY": OURS, "DIRECTORIES": f"{BANK}, {INSURER},", "APPLICATION": APP}

    assert parse(values) == KNOWN


def test_no_settings_are_no_directories() -> None:
    assert parse({"DIRECTORIES": ""}) == Directories(None, frozenset(), None)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        pytest.param({"DIRECTORIES": BANK, "APPLICATION": APP}, "P_DIRECTORY: ", id="no own"),
        pytest.param({"DIRECTORIES": BANK, "DIRECTORY": OURS}, "P_APPLICATION: ", id="no app"),
        pytest.param({"DIRECTORY": OURS.upper()}, "P_DIRECTORY: ", id="capitals"),
        pytest.param({"APPLICATION": "cleanroom"}, "P_APPLICATION: ", id="a name"),
        pytest.param(
            {"DIRECTORIES": "common", "DIRECTORY": OURS, "APPLICATION": APP},
            r"P_DIRECTORIES\[0\]: ",
            id="all directories",
        ),
        pytest.param(
            {"DIRECTORIES": OURS, "DIRECTORY": OURS, "APPLICATION": APP},
            "P_DIRECTORIES: expected other directories than its own",
            id="the own one twice",
        ),
        pytest.param(
            {"DIRECTORIES": ",".join([BANK] * (MOST + 1)), "DIRECTORY": OURS, "APPLICATION": APP},
            "P_DIRECTORIES: expected 0 to 64",
            id="too many",
        ),
    ],
)
def test_settings_of_another_shape_are_refused(values: dict[str, str], message: str) -> None:
    with pytest.raises(Malformed, match=f"^{message}"):
        parse(values)


@pytest.mark.parametrize(
    ("known", "named", "other"),
    [
        pytest.param(KNOWN, OURS, None, id="own"),
        pytest.param(KNOWN, OURS.upper(), None, id="own in capitals"),
        pytest.param(KNOWN, None, None, id="none named"),
        pytest.param(KNOWN, "", None, id="nothing named"),
        pytest.param(KNOWN, BANK, BANK, id="allowed"),
        pytest.param(KNOWN, BANK.upper(), BANK, id="allowed in capitals"),
        pytest.param(Directories(), BANK, None, id="no directories set"),
    ],
)
def test_a_directory_is_the_own_one_or_an_allowed_one(
    known: Directories, named: str | None, other: str | None
) -> None:
    assert known.other([VAULT], named) == other


@pytest.mark.parametrize(
    "known", [KNOWN, Directories(OURS)], ids=["others are allowed", "none is allowed"]
)
@pytest.mark.parametrize("named", [APP, "common", f"{BANK}/", "a\nb" * 1000])
def test_any_other_directory_is_refused_by_its_name(known: Directories, named: str) -> None:
    with pytest.raises(PolicyRefused) as caught:
        known.other([VAULT], named)

    said = str(caught.value)
    assert said.startswith(f"directory '{named[:1]}")
    assert len(said) < 200
    assert "\n" not in said


@pytest.mark.parametrize("known", [KNOWN, Directories()], ids=["directories", "none set"])
@pytest.mark.parametrize("named", [OURS, BANK, None])
def test_the_token_that_stands_for_the_identity_is_for_no_service(
    known: Directories, named: str | None
) -> None:
    with pytest.raises(PolicyRefused, match="for something else"):
        known.other([EXCHANGE], named)


@pytest.mark.parametrize("scopes", [[VAULT], [STORAGE, VAULT], [], [f"{STORAGE}/"]])
@pytest.mark.parametrize("named", [OURS, BANK])
def test_a_token_for_storage_is_for_storage_only(scopes: list[str], named: str) -> None:
    assert KNOWN.other([STORAGE], OURS, STORAGE) is None

    with pytest.raises(PolicyRefused, match="for something else"):
        KNOWN.other(scopes, named, STORAGE)


def test_of_what_a_directory_says_its_code_is_repeated() -> None:
    text = "Authentication failed: AADSTS7000229: The client application x is missing\nTrace ID: y"

    assert str(refused(BANK, text)) == (
        f"directory {BANK}: gives our application no token (AADSTS7000229)"
    )
    assert str(refused(BANK, "alice")) == f"directory {BANK}: gives our application no token"
