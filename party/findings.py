"""What `cleanroom doctor` finds: one thing, whether it is as it must be, and what to do if not."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cleanroom.errors import CleanroomError, PolicyRefused
from party import console


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    wrong: str | None = None
    mend: str = ""

    @property
    def said(self) -> str:
        """Say it in a line, and how to mend it in a second."""
        if self.wrong is None:
            return "ok"
        return f"{self.wrong}\nmend: {self.mend}" if self.mend else self.wrong

    def to_dict(self) -> dict[str, object]:
        """Spell it for programs."""
        return {"what": self.what, "ok": self.wrong is None, "wrong": self.wrong, "mend": self.mend}


def looked_at(what: str, look: Callable[[], object]) -> Finding:
    """Look, and turn what is refused or does not answer into a finding."""
    try:
        look()
    except CleanroomError as error:
        return Finding(what, str(error), error.hint)
    return Finding(what)


def same(what: str, found: object, expected: object, mend: str) -> Finding:
    """Compare what is there with what must be."""
    if found == expected:
        return Finding(what)
    got = "nothing" if found is None else repr(found)
    return Finding(what, f"expected {expected!r}, got {got}", mend)


def report(name: str, found: Sequence[Finding], *, as_json: bool) -> None:
    """Show everything, what is wrong first; raises if something is."""
    wrong = [each for each in found if each.wrong is not None]
    right = [each for each in found if each.wrong is None]
    headline = f"{name}: {len(wrong)} of {len(found)} to mend" if wrong else f"{name}: all is well"
    console.result(
        headline,
        [(each.what, each.said) for each in (*wrong, *right)],
        {"ok": not wrong, "findings": [each.to_dict() for each in found]} if as_json else None,
    )
    if wrong:
        raise PolicyRefused(f"{name}: {len(wrong)} of {len(found)} to mend")
