"""A folder as a tar archive that depends on nothing but its files.

Names are in order; owners are root; times are one time; a file may be read by all, and run by all
if its owner may. What is neither a file, a folder nor a link is refused.
"""

import io
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path

EPOCH = 1_767_225_600  # 2026-01-01: of everything in an image
_FOLDER, _PLAIN, _RUN, _LINK = 0o755, 0o644, 0o755, 0o777


def archive(folder: Path) -> bytes:
    """Pack what is in a folder."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path in _ordered(folder):
            _add(tar, path, path.relative_to(folder).as_posix())
    return packed.getvalue()


def _ordered(folder: Path) -> Iterator[Path]:
    yield from sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).as_posix())


def _add(tar: tarfile.TarFile, path: Path, name: str) -> None:
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        entry = _entry(name, tarfile.SYMTYPE, _LINK)
        entry.linkname = path.readlink().as_posix()
        tar.addfile(entry)
    elif stat.S_ISDIR(mode):
        tar.addfile(_entry(f"{name}/", tarfile.DIRTYPE, _FOLDER))
    elif stat.S_ISREG(mode):
        entry = _entry(name, tarfile.REGTYPE, _RUN if mode & stat.S_IXUSR else _PLAIN)
        entry.size = path.stat().st_size
        with path.open("rb") as file:
            tar.addfile(entry, file)
    else:
        raise ValueError(f"{name}: neither a file, a folder nor a link")


def _entry(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.mtime = kind, mode, EPOCH
    entry.uname = entry.gname = ""
    return entry
