"""The errors only a command line has."""

from cleanroom.errors import CleanroomError, Disposition


class Usage(CleanroomError):
    """The command cannot be carried out as it was given."""

    code = "usage"
    disposition = Disposition.REJECT
