"""The errors only a command line has."""

from cleanroom.errors import CleanroomError, Disposition, Malformed
from cleanroom.fields import Parser


class Usage(CleanroomError):
    """The command cannot be carried out as it was given."""

    code = "usage"
    disposition = Disposition.REJECT


def option[T](parse: Parser[T], raw: object, name: str) -> T:
    """Read what was given on the command line; what is wrong there is a matter of usage."""
    try:
        return parse(raw, name)
    except Malformed as error:
        raise Usage(str(error)) from error
