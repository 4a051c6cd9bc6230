"""Who a token says that its bearer is; tokens that say so falsely are tried on the whole app."""

import pytest

from functions.api.auth import LARGEST, OPERATOR, Caller, bearer, caller, key_id
from tests.tokens import encoded

NOBODY = Caller(operator=False, party=None)
NORTH = Caller(operator=False, party="north")


@pytest.mark.parametrize(
    ("roles", "expected"),
    [
        pytest.param(["operator"], OPERATOR, id="operator"),
        pytest.param(["party:north"], NORTH, id="party"),
        pytest.param(["party:north", "reader"], NORTH, id="party, and what is not ours"),
        pytest.param(["party:north", "party:north"], NORTH, id="said twice"),
        pytest.param(["party:north", "party:south"], NOBODY, id="two parties"),
        pytest.param([], NOBODY, id="none"),
        pytest.param(None, NOBODY, id="null"),
        pytest.param("operator", NOBODY, id="a text that is no list"),
        pytest.param("party:north", NOBODY, id="a party in a text"),
        pytest.param({"operator": 1}, NOBODY, id="an object"),
        pytest.param([1, None, ["operator"]], NOBODY, id="no texts"),
        pytest.param(["Operator"], NOBODY, id="another case"),
        pytest.param(["party:"], NOBODY, id="no name"),
        pytest.param(["party:north/../south"], NOBODY, id="a path"),
        pytest.param(["party:north\n"], NOBODY, id="a line end"),
        pytest.param(["my-party:north"], NOBODY, id="within another word"),
    ],
)
def test_roles_say_who_calls(roles: object, expected: Caller) -> None:
    assert caller({"roles": roles}) == expected


def test_no_roles_are_nobody() -> None:
    assert caller({}) == NOBODY


def test_a_party_acts_for_itself_and_the_operator_for_all() -> None:
    assert (NORTH.acts_for("north"), NORTH.acts_for("south")) == (True, False)
    assert (NOBODY.acts_for("north"), OPERATOR.acts_for("north")) == (False, True)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        pytest.param("Bearer a.b.c", "a.b.c", id="token"),
        pytest.param("bearer  a.b.c ", "a.b.c", id="spaces"),
        pytest.param(None, None, id="nothing"),
        pytest.param("", None, id="empty"),
        pytest.param("Bearer", None, id="no token"),
        pytest.param("Basic a.b.c", None, id="password"),
        pytest.param("Bearer a.b", None, id="two parts"),
        pytest.param("Bearer a.b.", None, id="no signature"),
        pytest.param("Bearer a.b.c,d", None, id="two tokens"),
        pytest.param("Bearer a.b." + "c" * LARGEST, None, id="too long"),
    ],
)
def test_a_token_is_taken_out_of_its_header(header: str | None, expected: str | None) -> None:
    assert bearer(header) == expected


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        pytest.param(f"{encoded({'alg': 'RS256', 'kid': 'one'})}.AA.AA", "one", id="key"),
        pytest.param(f"{encoded({'alg': 'RS256'})}.AA.AA", None, id="no key"),
        pytest.param(f"{encoded({'alg': 'RS256', 'kid': 1})}.AA.AA", None, id="a number"),
        pytest.param(f"{encoded([])}.AA.AA", None, id="no object"),
        pytest.param("AA.AA.AA", None, id="no JSON"),
    ],
)
def test_a_token_names_the_key_that_it_claims(token: str, expected: str | None) -> None:
    assert key_id(token) == expected
