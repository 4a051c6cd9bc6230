"""Files on a party's machine: read bounded, write whole or not at all.

- `Output` never shows a half file under the final name. Where the file system allows, the bytes
  live in a nameless file until the end, so that not even `kill -9` leaves plaintext behind.
- `private` refuses key files that others can read.
"""

import contextlib
import errno
import os
import secrets
import shlex
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from cleanroom.errors import CleanroomError, Malformed, Unavailable
from party.errors import Usage

LARGEST_DOCUMENT = 4 << 20
PIPE = Path("-")
published: list[Path] = []
"""Outputs that got their name, or may have, since the command began: for whoever interrupts it."""

_NOT_SUPPORTED = (errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL)


@contextlib.contextmanager
def translated(path: Path | str) -> Iterator[None]:
    """Turn the operating system's refusals into ours, naming the file."""
    try:
        yield
    except FileNotFoundError as error:
        raise Usage(f"{path}: there is no such file or folder") from error
    except FileExistsError as error:
        raise Usage(f"{path}: it exists already").with_hint(
            "name another output with --output, or replace it with --force"
        ) from error
    except IsADirectoryError as error:
        raise Usage(f"{path}: expected a file, got a folder") from error
    except NotADirectoryError as error:
        raise Usage(f"{path}: a part of the path is not a folder") from error
    except PermissionError as error:
        raise Usage(f"{path}: this user may not open it") from error
    except OSError as error:
        raise _device(path, error) from error
    except ValueError as error:  # of a path that no system call takes
        if "\0" not in str(path):
            raise
        raise Usage(f"{str(path)!r}: expected a path, which holds no NUL") from error


def _device(path: Path | str, error: OSError) -> CleanroomError:
    if error.errno == errno.ENAMETOOLONG:
        return Usage(f"{path}: the name is too long for the file system")
    if error.errno == errno.ELOOP:
        return Usage(f"{path}: the links in it lead round in a circle")
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return Unavailable(f"{path}: no space left, nothing was written").with_hint(
            "make room, or name an output on another disk with --output"
        )
    return Unavailable(f"{path}: {os.strerror(error.errno or 0).lower()}")


@dataclass(frozen=True, slots=True)
class Identity:
    """Which file it is, in which state; another file, or a later state, has another identity."""

    device: int
    inode: int
    size: int
    modified: int  # nanoseconds since 1970
    changed: int  # the same, but nobody can set it back

    @classmethod
    def of(cls, found: os.stat_result) -> Self:
        """Take what the file system says of an open file, or of a path."""
        return cls(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)

    def check(self, now: os.stat_result, path: Path) -> None:
        """Refuse another file in its place, and one that was written to."""
        if Identity.of(now) != self:
            raise changed(f"{path}: the source")


@contextlib.contextmanager
def unchanged(path: Path) -> Iterator[Identity]:
    """Hold a file while it is read; if it changed, refuse that, whatever else seems wrong."""
    with translated(path), path.open("rb") as file:
        identity = Identity.of(os.fstat(file.fileno()))
        try:
            yield identity
        except CleanroomError:
            identity.check(path.stat(), path)
            raise
        identity.check(path.stat(), path)


def changed(source: str) -> Unavailable:
    """Refuse a source whose parts may not belong together."""
    return Unavailable(f"{source} changed while it was read; nothing was written").with_hint(
        "seal it again when nobody writes to it"
    )


def keep_apart(outputs: Mapping[str, Path], inputs: Mapping[str, Path | int]) -> None:
    """Refuse to write over what is read (paths or open files), or two things to one place."""
    taken = list(inputs.items())
    for what, path in outputs.items():
        if path == PIPE:
            raise Usage(f"{what}: expected a file's name, got '-'")
        for other, where in taken:
            if _same(path, where):
                raise Usage(f"{what}: {path} is {other}")
        taken.append((what, path))


def check_free(path: Path, *, force: bool) -> None:
    """Refuse an output that exists, before any work is done for it."""
    if not force:
        with translated(path):
            if os.path.lexists(path):
                raise FileExistsError(path)


def _same(left: Path, right: Path | int) -> bool:
    ours, theirs = _status(left), _status(right)
    if ours and theirs:
        return os.path.samestat(ours, theirs)
    if isinstance(right, int):
        return False
    with translated("the current folder"):  # which may be gone
        return left.resolve() == right.resolve()


def _status(file: Path | int) -> os.stat_result | None:
    if isinstance(file, int):
        return os.fstat(file)
    with translated(file):
        try:
            return file.stat()
        except FileNotFoundError:
            return None


def read_document(path: Path, limit: int = LARGEST_DOCUMENT) -> bytes:
    """Read a small file whole; one over the limit is refused unread."""
    with translated(path), path.open("rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise Malformed(str(path), f"a document of at most {limit} bytes", "more")
    return data


def private(path: Path) -> bytes:
    """Read a private key file that nobody but its owner can read."""
    with translated(path), path.open("rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        data = file.read(LARGEST_DOCUMENT)
    if b"PUBLIC KEY" in data:
        raise Malformed(str(path), "a private key", "a public one").with_hint(
            "give the file without .pub in its name"
        )
    if mode & 0o077:
        raise Usage(f"{path}: a private key that others may read (mode {mode:04o})").with_hint(
            f"chmod 600 {shlex.quote(str(path))}"
        )
    return data


class Output:
    """A file that appears under its name when it is complete; use it with `with`."""

    def __init__(self, path: Path, *, force: bool, mode: int = 0o666) -> None:
        self.path = path
        self.published = False
        self._force = force
        self._mode = mode
        self._aside: Path | None = None
        self._fd = -1

    def __enter__(self) -> Self:
        with translated(self.path):
            self._check()
            self._fd = self._open()
        return self

    def _check(self) -> None:
        """Refuse a name that cannot be given, now and not when the work is done."""
        try:
            self.path.lstat()
        except FileNotFoundError:
            return
        if self.path.is_dir():
            raise IsADirectoryError(self.path)
        if not self._force:
            raise FileExistsError(self.path)
        if self.path.exists() and not self.path.is_file():  # /dev/null stays what it is
            raise Usage(f"{self.path}: expected a file, got a device or a pipe")

    def _open(self) -> int:
        folder = self.path.parent
        if hasattr(os, "O_TMPFILE"):
            try:
                return os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, self._mode)
            except OSError as error:
                if error.errno not in _NOT_SUPPORTED or not folder.is_dir():
                    raise
        self._aside = self._aside_name()
        return os.open(self._aside, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, self._mode)

    def _aside_name(self) -> Path:
        return self.path.with_name(f".{secrets.token_hex(8)}.part")

    @property
    def fd(self) -> int:
        """The open file."""
        return self._fd

    def write_at(self, data: bytes | memoryview, offset: int) -> None:
        """Write all of it; safe from any thread."""
        view = memoryview(data)
        with translated(self.path):
            while view:
                written = os.pwrite(self._fd, view, offset)
                view, offset = view[written:], offset + written

    def __exit__(
        self,
        kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                with translated(self.path):
                    os.fsync(self._fd)
                    published.append(self.path)  # before, as an interrupt may come in between
                    self._publish()
                    self.published = True
        finally:
            os.close(self._fd)
            if self._aside is not None:
                self._aside.unlink(missing_ok=True)

    def withdraw(self) -> None:
        """Take the file away again, if it got its name."""
        if self.published:
            self.path.unlink(missing_ok=True)
            published.remove(self.path)

    def _publish(self) -> None:
        """Give the complete file its name: atomically, and over another only if told to."""
        if self._force:
            if self._aside is None:
                self._aside = self._aside_name()
                self._link_nameless(self._aside)
            self._aside.replace(self.path)
        elif self._aside is None:
            self._link_nameless(self.path)
        else:
            os.link(self._aside, self.path)

    def _link_nameless(self, target: Path) -> None:
        # src_dir_fd makes Python call linkat(), which can follow the link in /proc to the file.
        root = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.link(f"/proc/self/fd/{self._fd}", target, src_dir_fd=root, follow_symlinks=True)
        finally:
            os.close(root)


def write_document(path: Path, data: bytes, *, force: bool, mode: int = 0o666) -> None:
    """Write a small file whole or not at all."""
    with Output(path, force=force, mode=mode) as output:
        output.write_at(data, 0)
