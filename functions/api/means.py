"""What the API needs beside the control plane's own parts, put together once for a process."""

import asyncio
import time
from dataclasses import dataclass

from functions import clock, parts
from functions.api.issuer import Issuer
from functions.api.links import Links
from functions.api.members import Members
from functions.api.readiness import Readiness, checks
from functions.parts import Parts


@dataclass(frozen=True, slots=True)
class Means:
    """Everything that an answer is made with."""

    parts: Parts
    issuer: Issuer | None  # without one, the function's key opens
    members: Members
    links: Links
    readiness: Readiness


def assemble(given: Parts) -> Means:
    """Make the parts; nothing is asked for over the network yet."""
    directory = given.settings.directory
    issuer = Issuer(directory, given.session, time.monotonic) if directory else None
    return Means(
        given,
        issuer,
        Members(given.rooms, given.control),
        Links(given.accounts.service(), clock.now),
        Readiness(checks(given, issuer), time.monotonic),
    )


_made: dict[int, Means] = {}


def get() -> Means:
    """Return the parts of the running event loop."""
    loop = id(asyncio.get_running_loop())
    if loop not in _made:
        _made[loop] = assemble(parts.get())
    return _made[loop]
