"""Release policies to start from, and any policy at all."""

import json
from typing import Any

from hypothesis import strategies as st

from cleanroom.release.policy import (
    NUMERIC,
    TEXT,
    AllOf,
    AnyOf,
    Clause,
    Condition,
    Leaf,
    ReleasePolicy,
)
from tests.tokens import ISSUER

OTHER_ISSUER = "https://attest.example"


def value(*conditions: Any, kind: str = "allOf") -> dict[str, Any]:
    return {"version": "1.0.0", "anyOf": [{"authority": ISSUER, kind: list(conditions)}]}


def parsed(raw: object) -> ReleasePolicy:
    return ReleasePolicy.parse(json.dumps(raw).encode(), "x")


def policy(*conditions: Any, kind: str = "allOf") -> ReleasePolicy:
    """Give a policy of one clause, out of conditions as a policy spells them."""
    return parsed(value(*conditions, kind=kind))


# Few names and values, so that random claims meet random policies now and then.
NAMES = st.sampled_from(["a", "b", "a.c", "a.c.d"])
LEAVES = (
    st.builds(Leaf, NAMES, st.sampled_from(TEXT), st.sampled_from(["true", "0", "1", "x", ""]))
    | st.builds(Leaf, NAMES, st.sampled_from(NUMERIC), st.integers(-1, 2).map(str))
    | st.builds(Leaf, NAMES, st.just("exists"), st.sampled_from(["true", "false"]))
)


def groups(inner: st.SearchStrategy[Condition]) -> st.SearchStrategy[AllOf | AnyOf]:
    parts = st.lists(inner, min_size=1, max_size=3).map(tuple)
    return st.builds(AllOf, parts) | st.builds(AnyOf, parts)


CONDITIONS: st.SearchStrategy[Condition] = groups(LEAVES) | groups(groups(LEAVES) | LEAVES)
CLAUSES = st.builds(Clause, st.sampled_from([ISSUER, OTHER_ISSUER]), groups(CONDITIONS | LEAVES))
POLICIES = st.builds(ReleasePolicy, st.lists(CLAUSES, min_size=1, max_size=3).map(tuple))

SCALARS: st.SearchStrategy[Any] = st.sampled_from(
    [True, False, None, 0, 1, 2, "true", "0", "1", "x", "", []]
)
INNER = st.fixed_dictionaries({"d": SCALARS})
CLAIMS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "a": SCALARS | st.fixed_dictionaries({}, optional={"c": SCALARS | INNER}),
        "b": SCALARS,
    },
)
