"""The command refuses in a line what it cannot serve."""

import pytest

from devstack.vault.main import main


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param([], "--vault", id="none"),
        pytest.param(["--vault", "north"], "expected NAME=PORT", id="no port"),
        pytest.param(["--vault", "north=70000"], "expected NAME=PORT", id="port"),
        pytest.param(["--vault", "../a=8451"], "expected NAME=PORT", id="name"),
        pytest.param(["--vault", "a=8451", "--vault", "a=8452"], "each vault once", id="twice"),
    ],
)
def test_what_makes_no_sense_is_said_in_a_line(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--home", "nowhere", *options])

    assert caught.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
