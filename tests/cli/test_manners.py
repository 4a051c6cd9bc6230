"""How the command talks whatever is asked of it: usage, help, version, completion."""

import json
import re

import pytest

from cleanroom import __version__
from tests.commands import Here, apart, shell

COMMANDS = [
    ["init"],
    ["propose"],
    ["explain"],
    ["approve"],
    ["revoke"],
    ["seal"],
    ["drop"],
    ["status"],
    ["watch"],
    ["results"],
    ["open"],
    ["verify"],
    ["inspect"],
    ["keys", "new"],
    ["keys", "show"],
    ["contract", "new"],
    ["contract", "run"],
    ["contract", "check"],
    ["contract", "digest"],
    ["contract", "show"],
]

MANY = ["drop"], ["contract", "new"], ["contract", "run"]
"""Commands that take more than one argument, or none."""
NONE_NEEDED = ["init"], ["status"], ["contract", "new"]

commands = pytest.mark.parametrize("command", COMMANDS, ids=" ".join)


def help_of(command: list[str]) -> str:
    return f"cleanroom {' '.join(command)} --help"


def test_the_version_is_one_line(cleanroom: Here) -> None:
    assert cleanroom("--version").text == f"cleanroom {__version__}\n"


@commands
def test_every_command_explains_itself(command: list[str], cleanroom: Here) -> None:
    ran = cleanroom(*command, "--help")

    assert (ran.code, ran.err) == (0, "")
    assert f"Usage: cleanroom {' '.join(command)} [OPTIONS]" in ran.words


@pytest.mark.parametrize(
    "group", [[], ["keys"], ["contract"]], ids=["cleanroom", "keys", "contract"]
)
def test_a_group_without_a_command_lists_them(group: list[str], cleanroom: Here) -> None:
    ran = cleanroom(*group)

    assert (ran.code, ran.err) == (1, "")
    assert all(
        re.search(rf"\b{command[-1]}\b", ran.words) for command in COMMANDS if command[:-1] == group
    )


@commands
def test_an_unknown_option_is_refused(command: list[str], cleanroom: Here) -> None:
    ran = cleanroom(*command, "--no-such-option")

    code, message, hint = ran.refusal
    assert (code, hint) == (1, help_of(command))
    assert message.startswith("no such option: --no-such-option")


@pytest.mark.parametrize("command", [c for c in COMMANDS if c not in NONE_NEEDED], ids=" ".join)
def test_a_missing_argument_is_named(command: list[str], cleanroom: Here) -> None:
    ran = cleanroom(*command)

    code, message, hint = ran.refusal
    assert (code, hint) == (1, help_of(command))
    assert re.match(r"missing: \[?[A-Z]+", message)


@pytest.mark.parametrize("command", [c for c in COMMANDS if c not in MANY], ids=" ".join)
def test_one_argument_too_many_is_refused(command: list[str], cleanroom: Here) -> None:
    required = {
        "seal": ["--party=a", "--dataset=a", "--sign-with=a", "--for=a"],
        "open": ["--from=a", "--with=a"],
        "approve": ["--party=a", "--sign-with=a"],
        "revoke": ["--party=a", "--sign-with=a"],
    }

    ran = cleanroom(*command, *required.get(command[0], []), "one", "two")

    assert ran.code == 1
    assert ran.refusal[1] in (
        "got unexpected extra argument(s) (two)",
        "expected one file, or sealed, approval, receipt or evidence and one file",
    )


@pytest.mark.parametrize(
    ("command", "missing"),
    [
        pytest.param(["seal", "a"], "--party, --dataset, --sign-with, --for", id="seal"),
        pytest.param(["seal", "--for", "a"], "FILE", id="file"),
        pytest.param(["open", "a.sealed"], "--from, --with", id="open"),
        pytest.param(["approve", "a", "--sign-with", "a"], "--party", id="approve"),
        pytest.param(["revoke"], "CONTRACT", id="revoke"),
        pytest.param(["drop"], "FILE, CONTRACT", id="drop"),
    ],
)
def test_everything_that_is_missing_is_named(
    command: list[str], missing: str, cleanroom: Here
) -> None:
    assert cleanroom(*command).refusal == (1, f"missing: {missing}", help_of(command[:1]))


@pytest.mark.parametrize(
    ("command", "message", "hint"),
    [
        pytest.param(["nonsense"], "no such command 'nonsense'", "cleanroom --help", id="command"),
        pytest.param(
            ["keys", "nonsense"],
            "no such command 'nonsense'",
            "cleanroom keys --help",
            id="sub-command",
        ),
        pytest.param(
            ["seal", "--party"],
            "option '--party' requires an argument",
            "cleanroom --help",
            id="no value",
        ),
    ],
)
def test_what_is_not_understood_is_one_line(
    command: list[str], message: str, hint: str, cleanroom: Here
) -> None:
    assert cleanroom(*command).refusal == (1, message, hint)


@pytest.mark.parametrize(
    ("command", "more"),
    [
        pytest.param(["keys", "new"], ["a", "--bits", "many"], id="bits"),
        pytest.param(
            ["open"], ["a", "--from", "a", "--with", "a", "--at-least", "new"], id="at least"
        ),
    ],
)
def test_a_number_must_be_one(command: list[str], more: list[str], cleanroom: Here) -> None:
    code, message, hint = cleanroom(*command, *more).refusal

    assert (code, hint) == (1, help_of(command))
    assert message.startswith(f"invalid value for '{more[-2]}'")


@pytest.mark.parametrize(
    ("command", "code", "name"),
    [
        pytest.param(["inspect", "missing", "--json"], 1, "usage", id="usage"),
        pytest.param(["nonsense", "--json"], 1, "usage", id="no command"),
        pytest.param(["seal", "--json"], 1, "usage", id="no arguments"),
        pytest.param(["inspect", "table.csv", "--json"], 2, "malformed", id="malformed"),
    ],
)
def test_an_error_as_json_is_one_object_with_a_code(
    command: list[str], code: int, name: str, cleanroom: Here
) -> None:
    ran = cleanroom(*command)

    assert (ran.code, ran.out) == (code, "")
    assert list(json.loads(ran.err)) == ["error"]
    assert sorted(ran.json_error) == ["code", "hint", "message"]
    assert ran.json_error["code"] == name


def test_a_shell_can_complete_commands() -> None:
    ran = apart(
        env={"_CLEANROOM_COMPLETE": "complete_bash", "COMP_WORDS": "cleanroom c", "COMP_CWORD": "1"}
    )

    assert (ran.code, ran.out.split()) == (0, ["contract"])


def test_a_shell_can_complete_options() -> None:
    words = "cleanroom seal --si"

    ran = apart(
        env={"_CLEANROOM_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": "2"}
    )

    assert (ran.code, ran.out.split()) == (0, ["--sign-with"])


def test_completion_is_shown_for_the_shell_that_asks() -> None:
    ran = shell("cleanroom --show-completion")

    assert ran.code == 0
    assert "complete -o default -F _cleanroom_completion cleanroom" in ran.out


def test_the_completion_that_is_shown_works_in_bash() -> None:
    complete = "COMP_WORDS=(cleanroom ins) COMP_CWORD=1; _cleanroom_completion cleanroom"

    ran = shell(f'eval "$(cleanroom --show-completion)"; {complete}; echo "${{COMPREPLY[@]}}"')

    assert (ran.code, ran.out, ran.err) == (0, "inspect\n", "")
