"""An app as loaded once: its functions, understood, and the worker that runs them.

A reload makes another one; nothing of the first is changed.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from cleanroom.errors import CleanroomError, Malformed
from devstack import clock
from devstack.functions_host import host_json, settings
from devstack.functions_host.bindings import Reader
from devstack.functions_host.channel import Channel
from devstack.functions_host.data import Failed, Index
from devstack.functions_host.functions import Function
from devstack.functions_host.host_json import HostJson
from devstack.functions_host.settings import Settings

_LARGEST = 1 << 20
_PLACE = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+)')


@dataclass(frozen=True, slots=True)
class Source:
    """Where an app comes from."""

    folder: Path
    settings: Path | None
    port: int
    watched: bool = False


@dataclass(frozen=True, slots=True)
class App:
    """A loaded app."""

    host: HostJson
    settings: Settings
    functions: tuple[Function, ...]
    files: tuple[str, ...]
    worker: Channel

    def function(self, name: str) -> Function | None:
        """Find a function by its name, in any case."""
        found = (one for one in self.functions if one.name.lower() == name.lower())
        return next(found, None)


async def load(source: Source) -> App:
    """Load an app, or refuse it in one line.

    1. Settings and host.json can be read.
    2. The worker library loads the app.
    3. This host can run all that is in it.
    """
    if not (source.folder / "function_app.py").is_file():
        raise Malformed(str(source.folder), "a folder with function_app.py")
    environment = settings.read(_file(source.settings), source.port, source.folder)  # 1
    host = host_json.parse(_content(source.folder / "host.json"), os.cpu_count() or 1)
    extra = {"PYTHONDONTWRITEBYTECODE": "1"} if source.watched else {}  # it would miss quick edits
    worker = await Channel.open(source.folder, dict(environment.values) | extra)
    try:
        found = await worker.index()  # 2
        if isinstance(found, Failed):
            raise _refused(source.folder, found)
        functions = Reader(environment, host, clock.now()).functions(found)  # 3
    except CleanroomError:
        await worker.kill()
        raise
    return App(host, environment, functions, _watched(source, found), worker)


def _refused(folder: Path, found: Failed) -> Malformed:
    """Say in one line why an app does not load, and where in it."""
    places = [one for one in _PLACE.finditer(found.trace) if _is_own(one["file"], folder)]
    message = found.message.partition(". Cannot find module.")[0].partition("\n")[0]
    if not places:
        return Malformed("function_app.py", "an app that loads", message)
    file = Path(places[-1]["file"]).relative_to(folder)
    return Malformed(f"{file}, line {places[-1]['line']}", "an app that loads", message)


def _is_own(file: str, folder: Path) -> bool:
    return Path(file).is_relative_to(folder) and "site-packages" not in file


def _watched(source: Source, found: Index) -> tuple[str, ...]:
    own = [source.folder / "host.json", *([source.settings] if source.settings else [])]
    return (*found.files, *map(str, own))


def _file(path: Path | None) -> Path | None:
    if path is not None and not path.is_file():
        raise Malformed(str(path), "a file of settings")
    return path


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST)
    except OSError as error:
        raise Malformed(str(path), "a file that can be read", error.strerror) from error
