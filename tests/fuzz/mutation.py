"""A mutation that JSON documents survive: it changes a value and spells the whole canonically.

Without it, nearly every change of a byte ends at "not canonical", and no parser behind is reached.
"""

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from cleanroom.canonical import canonical
from cleanroom.errors import CleanroomError

type _Bytewise = Callable[[bytes, int], bytes]
type _Place = tuple[Any, Any]
"""A list or object, and an index or name in it."""

_JSON_SHARE = 0.7  # of mutations, where the bytes are JSON
_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 255, 2**31, 2**53 - 1, -(2**53) + 1),
    *("", "a", "A", "\x00", "\u202e", "\ud7ff", "\U0001f600", "x" * 300, "AA==", "0.5", "1e9"),
    *("sha256:" + "0" * 64, "2026-11-21T09:30:00Z", "9999-12-31T23:59:60Z", "decimal(38,38)"),
    *("https://a.vault.azure.net/keys/k", "https://[::1]/", "text", "sql", "north", "room"),
    *([], {}, [[]], [{}], {"kind": "bytes"}),
)


def mutated(data: bytes, most: int, seed: int, bytewise: _Bytewise) -> bytes:
    """Change a value of JSON and keep it canonical; other bytes, and some JSON, bytewise."""
    chance = random.Random(seed)  # noqa: S311  # has to be the same again
    if chance.random() < _JSON_SHARE:
        try:
            value = json.loads(data)
            places = list(_places(value))
            if places:
                for _ in range(chance.randint(1, 3)):
                    _change(*chance.choice(places), places, chance)
                changed = canonical(value, "mutation")
                if len(changed) <= most:
                    return changed
        except (ValueError, RecursionError, CleanroomError):
            pass
    return bytewise(data, most)


def _places(value: Any) -> Iterator[_Place]:
    steps: Any = ()
    if isinstance(value, dict):
        steps = list(value)
    elif isinstance(value, list):
        steps = range(len(value))
    for step in steps:
        yield value, step
        yield from _places(value[step])


def _change(above: Any, step: Any, places: list[_Place], chance: random.Random) -> None:
    """Replace, copy, remove or add a value; the place may be gone already."""
    try:
        old = above[step]
    except (IndexError, KeyError):
        return
    other = chance.choice(_VALUES)
    if chance.random() < 1 / 2:
        from_above, from_step = chance.choice(places)
        try:
            other = json.loads(json.dumps(from_above[from_step]))  # a copy: no value holds itself
        except (IndexError, KeyError):
            return
    match chance.randrange(5):
        case 0:
            del above[step]
        case 1 if isinstance(above, list):
            above.insert(step, other)
        case 1:
            above[chance.choice(("a", "kind", "zz"))] = other
        case 2 if isinstance(old, str) and old:
            cut = chance.randrange(len(old))
            above[step] = old[:cut] + chance.choice(("", "a", "-", "0", "\u00e9")) + old[cut + 1 :]
        case 2 if type(old) is int:
            above[step] = old + chance.choice((-1, 1, -old, old, 1 << 32))
        case _:
            above[step] = other
