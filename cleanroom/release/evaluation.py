"""Whether a genuine token meets a release policy (docs/spec/release-policy.md §4).

- A claim that is not there meets nothing, not even `notEquals`; only `exists` asks about absence.
- Text is compared exactly; numbers with numbers; lists and objects with nothing.
- A vault decides by its own reading. This one is for whoever wants to know before, or afterwards.
"""

import operator
from collections.abc import Callable, Mapping

from cleanroom.attestation.token import TokenClaims
from cleanroom.errors import PolicyRefused
from cleanroom.fields import shown
from cleanroom.release.policy import (
    AllOf,
    AnyOf,
    Clause,
    Condition,
    Leaf,
    ReleasePolicy,
    scalar_text,
)

_MOST_SHOWN = 5  # leaves that an error message lists; each may have a long claim and value

_COMPARE: dict[str, Callable[[int, int], bool]] = {
    "less": operator.lt,
    "lessOrEquals": operator.le,
    "greater": operator.gt,
    "greaterOrEquals": operator.ge,
}


def check(policy: ReleasePolicy, token: TokenClaims) -> None:
    """Refuse a token that does not meet the policy, and say which leaves failed first."""
    failed = unmet(policy, token)
    if failed:
        more = len(failed) - _MOST_SHOWN
        rest = (f"and {more} more",) if more > 0 else ()
        raise PolicyRefused("release policy: " + "; ".join((*failed[:_MOST_SHOWN], *rest)))


def unmet(policy: ReleasePolicy, token: TokenClaims) -> tuple[str, ...]:
    """Tell which leaves failed, of every clause; nothing failed if the policy is met."""
    return _any([_unmet_clause(clause, token) for clause in policy.clauses])


def _unmet_clause(clause: Clause, token: TokenClaims) -> tuple[str, ...]:
    if clause.authority != token.issuer:
        return (f"issuer: expected {clause.authority}, got {token.issuer}",)
    return _unmet(clause.condition, token.claims)


def _unmet(condition: Condition, claims: Mapping[str, object]) -> tuple[str, ...]:
    match condition:
        case AllOf(parts):
            return tuple(failed for part in parts for failed in _unmet(part, claims))
        case AnyOf(parts):
            return _any([_unmet(part, claims) for part in parts])
        case leaf:
            found = _claim(leaf.claim, claims)
            if _meets(found, leaf):
                return ()
            got = "nothing" if found is None else shown(found)
            return (f"{leaf.claim}: expected {leaf.operator} {leaf.value}, got {got}",)


def _any(parts: list[tuple[str, ...]]) -> tuple[str, ...]:
    return () if () in parts else tuple(failed for part in parts for failed in part)


def _claim(path: str, claims: Mapping[str, object]) -> object:
    found: object = claims
    for name in path.split("."):
        if not isinstance(found, Mapping):  # into lists there is no path
            return None
        found = found.get(name)
    return found


def _meets(found: object, leaf: Leaf) -> bool:
    if leaf.operator == "exists":
        return (found is not None) == (leaf.value == "true")
    if leaf.operator in _COMPARE:
        if not isinstance(found, int) or isinstance(found, bool):
            return False
        return _COMPARE[leaf.operator](found, int(leaf.value))
    text = scalar_text(found)
    return text is not None and (text == leaf.value) == (leaf.operator == "equals")
