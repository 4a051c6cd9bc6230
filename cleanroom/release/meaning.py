"""Whether two release policies mean the same (docs/spec/release-policy.md §5).

A vault gives back its own spelling, and parties write theirs. `equal` is sound: what it calls equal
is met by the same tokens. It sees through order, repetition, nesting of the same kind, lists of
one, and clauses of one authority; not through logic (`a or (a and b)`) or numbers (`> 3`, `>= 4`).
"""

from collections import defaultdict
from collections.abc import Iterable

from cleanroom.release.policy import AnyOf, Condition, Leaf, ReleasePolicy

type _Form = Leaf | tuple[type, frozenset[_Form]]


def equal(one: ReleasePolicy, other: ReleasePolicy) -> bool:
    """Tell whether both have one normal form; false means "not known to be equal"."""
    return _normal_policy(one) == _normal_policy(other)


def _normal_policy(policy: ReleasePolicy) -> dict[str, _Form]:
    by_authority = defaultdict[str, list[_Form]](list)
    for clause in policy.clauses:
        by_authority[clause.authority].append(_normal(clause.condition))
    return {authority: _joined(AnyOf, forms) for authority, forms in by_authority.items()}


def _normal(condition: Condition) -> _Form:
    if isinstance(condition, Leaf):
        return condition
    return _joined(type(condition), map(_normal, condition.parts))


def _joined(kind: type, forms: Iterable[_Form]) -> _Form:
    """Join normal forms: one of the same kind dissolves into its parts, one alone stays alone."""
    parts = set[_Form]()
    for form in forms:
        parts |= form[1] if isinstance(form, tuple) and form[0] is kind else {form}
    return parts.pop() if len(parts) == 1 else (kind, frozenset(parts))
