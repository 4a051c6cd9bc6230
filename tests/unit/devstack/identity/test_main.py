"""The command's options."""

from pathlib import Path

import pytest

from devstack.home import Home
from devstack.identity.main import directory_of, main


def test_secrets_and_ids_are_those_that_the_stack_derives(tmp_path: Path) -> None:
    home = Home.at(tmp_path)

    directory = directory_of(home, 8440, ["north", "runner", "north"])

    assert [one.caller.name for one in directory.identities] == ["north", "runner"]
    assert directory.identities[0].secret == home.secret("identity/north")
    assert directory.identities[0].caller.object_id == home.object_id("north")
    assert directory.issuer.url == f"http://127.0.0.1:8440/{home.object_id('tenant')}"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param([], "--home", id="no folder"),
        pytest.param(["--home", "h"], "--identity", id="nobody"),
        pytest.param(["--home", "h", "--identity", "A b"], "expected letters a to z", id="name"),
    ],
)
def test_what_makes_no_sense_is_said(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(options)

    assert message in capsys.readouterr().err
