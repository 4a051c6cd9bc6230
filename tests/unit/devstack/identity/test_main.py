"""The command's options."""

from pathlib import Path

import pytest

from devstack.home import Home
from devstack.identity.main import Named, directory_of, main


def test_secrets_and_ids_are_those_that_the_stack_derives(tmp_path: Path) -> None:
    home = Home.at(tmp_path)

    named = [Named("north", ("party:north",)), Named("runner"), Named("north", ("party:north",))]

    directory = directory_of(home, 8440, named)

    assert [one.caller.name for one in directory.identities] == ["north", "runner"]
    assert directory.identities[0].secret == home.secret("identity/north")
    assert directory.identities[0].caller.object_id == home.object_id("north")
    assert [one.roles for one in directory.identities] == [("party:north",), ()]
    assert directory.issuer.url == f"http://127.0.0.1:8440/{home.object_id('tenant')}"


def test_an_identity_may_be_named_with_its_role() -> None:
    assert Named.parse("north") == Named("north")
    assert Named.parse("north=party:north") == Named("north", ("party:north",))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param([], "--home", id="no folder"),
        pytest.param(["--home", "h"], "--identity", id="nobody"),
        pytest.param(["--home", "h", "--identity", "A b"], "expected letters a to z", id="name"),
        pytest.param(["--home", "h", "--identity", "a="], "or such a name=role", id="no role"),
        pytest.param(["--home", "h", "--identity", "a=b c"], "a name=role, got", id="odd role"),
    ],
)
def test_what_makes_no_sense_is_said(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(options)

    assert message in capsys.readouterr().err
