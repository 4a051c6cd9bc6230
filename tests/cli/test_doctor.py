"""`cleanroom doctor operator`: what it wants to be told, before it asks anybody."""

import pytest

from cleanroom.errors import PolicyRefused
from party.findings import Finding, report, same
from tests.commands import Here

ID = "00000000-0000-4000-8000-000000000001"


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (("--subscription", "mine", "--group", "rg"), "--subscription"),
        (("--subscription", ID, "--group", "a/b"), "--group"),
        (
            ("--subscription", ID, "--group", "rg", "--management", "http://example.com"),
            "--management",
        ),
    ],
)
def test_odd_places_are_not_asked(given: tuple[str, ...], named: str, cleanroom: Here) -> None:
    code, message, _ = cleanroom("doctor", "operator", *given).refusal

    assert (code, message.partition(":")[0]) == (1, named)


def test_a_runner_is_named_by_its_object_id(cleanroom: Here) -> None:
    code, message, _ = cleanroom(
        *("doctor", "vault", "--subscription", ID, "--group", "rg", "--runner", "me")
    ).refusal

    assert (code, message.partition(":")[0]) == (1, "--runner")


def test_nobody_who_is_not_signed_in_asks(cleanroom: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")

    code, message, hint = cleanroom(
        "doctor", "operator", "--subscription", ID, "--group", "rg"
    ).refusal

    assert (code, message) == (5, "https://management.azure.com: no identity to ask with")
    assert hint.startswith("az login")


def test_what_is_wrong_comes_first_and_ends_as_a_refusal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = [Finding("one"), same("two", None, 5, "azd provision"), same("three", 1, 1, "")]

    with pytest.raises(PolicyRefused, match="rg: 1 of 3 to mend"):
        report("rg", found, as_json=False)

    assert capsys.readouterr().out == (
        "rg: 1 of 3 to mend\n"
        "  two    expected 5, got nothing\n"
        "         mend: azd provision\n"
        "  one    ok\n"
        "  three  ok\n"
    )
