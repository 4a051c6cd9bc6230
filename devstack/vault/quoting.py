"""What the log of releases quotes of a token: the claims that the key's policy asks for."""

from collections.abc import Iterator, Mapping

from cleanroom.attestation.token import TokenClaims
from cleanroom.release.policy import Condition, Leaf, ReleasePolicy, scalar_text

_MOST = 64
_LONGEST = 256


def claims_asked_for(policy: ReleasePolicy, token: TokenClaims) -> Mapping[str, str | None]:
    """Give each claim that the policy has of this authority; one that is not there is nothing."""
    leaves = [
        leaf.claim
        for clause in policy.clauses
        if clause.authority == token.issuer
        for leaf in _leaves(clause.condition)
    ]
    return {claim: _text(claim, token.claims) for claim in list(dict.fromkeys(leaves))[:_MOST]}


def _leaves(condition: Condition) -> Iterator[Leaf]:
    if isinstance(condition, Leaf):
        yield condition
        return
    for part in condition.parts:
        yield from _leaves(part)


def _text(path: str, claims: Mapping[str, object]) -> str | None:
    found: object = claims
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    text = scalar_text(found)
    return None if text is None else text[:_LONGEST]
