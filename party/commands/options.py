"""Options that the online commands have in common."""

from typing import Annotated

import typer

Profile = Annotated[
    str | None,
    typer.Option(
        "--profile",
        envvar="CLEANROOM_PROFILE",
        show_envvar=False,
        help="As which party: a profile's name or file (CLEANROOM_PROFILE).",
    ),
]
CONTRACT = "contract.yaml or .json; or the room, for its latest contract, or ROOM/DIGEST."
