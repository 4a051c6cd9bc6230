"""An object of ARM: known fields only, of which many may be absent, and null is absent."""

from cleanroom.errors import Malformed
from cleanroom.fields import Fields, Parser, kind


class Given:
    """Takes typed values out of one object of ARM and refuses what is left over."""

    def __init__(self, raw: object, where: str) -> None:
        if not isinstance(raw, dict):
            raise Malformed(where, "an object with named fields", kind(raw))
        present = {name: value for name, value in raw.items() if value is not None}
        self._names = frozenset(present)
        self._fields = Fields(present, where)

    def take[T](self, name: str, parse: Parser[T]) -> T:
        """Take a field that must be there."""
        return self._fields.take(name, parse)

    def get[T, D](self, name: str, parse: Parser[T], default: D) -> T | D:
        """Take a field that may be there."""
        return self._fields.take(name, parse) if name in self._names else default

    def end(self) -> None:
        """Refuse fields that nobody took."""
        self._fields.end()


def anything(raw: object, _where: str) -> object:
    """Take a value as it is, to be read by whoever knows what it should be."""
    return raw
