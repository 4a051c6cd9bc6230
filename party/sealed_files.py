"""What `seal` and `inspect` do around the engine: gather, check, and put into words."""

import os
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cleanroom import ids
from cleanroom.canonical import parse_json
from cleanroom.dsse import LARGEST_PAYLOAD
from cleanroom.errors import CleanroomError, Unavailable
from cleanroom.fields import base64_text, instant_text, integer
from cleanroom.keys import ReaderKey
from cleanroom.rules import Rule, check_columns
from cleanroom.schema import Column
from cleanroom.seal.content import Bytes
from cleanroom.seal.layout import region_size
from cleanroom.seal.manifest import DatasetOrigin, Manifest, VaultKey
from cleanroom.urls import vault_secret_url
from party import console, keyfiles, quantities, signers, tabular
from party.errors import Usage, option
from party.files import Output, keep_apart
from party.opening import opened
from party.sealing import Label, Reader
from party.sealing import seal as seal_regions

_PIPE = "-"
_OWNER_ONLY = 0o600
_HEADER_FOUND = "line 1, found out: these names stand in the clear (--no-header if it is data)"
# What may well hold a table that we do not read.
_TABLE_LIKE = {".json", ".xls", ".xlsx", ".ods", ".gz", ".bz2", ".xz", ".zst", ".zip", ".avro"}


@dataclass(frozen=True, slots=True)
class Agreed:
    """What a contract expects of a dataset: its columns, and the room key to seal it for."""

    columns: tuple[Column, ...]
    room_key: ReaderKey


@dataclass(frozen=True, slots=True)
class Order:
    """What a person asked `seal` to do."""

    source: str  # a path, or - for stdin
    party: str
    dataset: str
    sign_with: str
    output: Path | None = None
    readers: tuple[Path, ...] = ()
    version: int | None = None
    kind: str | None = None
    types: tuple[str, ...] = ()
    delimiter: str | None = None
    header: bool | None = None
    null: str | None = None
    rule: Path | None = None
    region_size: str = "4 MiB"
    keep_key_at: str | None = None
    wrapped_key_to: Path | None = None
    force: bool = False
    agreed: Agreed | None = None

    @property
    def path(self) -> Path | None:
        """The file to seal; None means: stdin. A file may be called `./-`."""
        return None if self.source == _PIPE else Path(self.source)


@dataclass(frozen=True, slots=True)
class Made:
    """A sealed file, where it is, and what its owner may want to know of how it was read."""

    path: Path
    manifest: Manifest
    header_found: bool
    unread_table: bool


def seal(order: Order, now: datetime) -> Made:
    """Check all that was asked before a byte is written; then seal."""
    origin = DatasetOrigin(
        option(ids.name, order.party, "--party"),
        option(ids.name, order.dataset, "--dataset"),
        int(now.timestamp())
        if order.version is None
        else option(integer(1), order.version, "--version"),
    )
    given = option(quantities.size, order.region_size, "--region-size")
    size = option(region_size, given, "--region-size")
    if order.path is None and order.kind not in (None, "bytes"):
        raise Usage("--as: a pipe can only be read once, so its columns cannot be recorded")
    target = _target(order)
    readers = _readers(order)
    identity = signers.identity(order.sign_with)
    rule = _rule(order.rule) if order.rule else None
    described = _described(order)
    if rule is not None and not isinstance(described.content, Bytes):
        known = frozenset(column.name for column in described.content.columns)
        check_columns(rule, known, str(order.rule))
    label = Label(origin, now, described.media_type, described.content, rule, size)
    with _source(order.path) as source, _outputs(order, target) as (output, key_output):
        _check_unchanged(described, source, order.source)
        total = os.fstat(source).st_size if order.path else None
        with console.progress(f"sealing {Path(order.source).name}", total) as progress:
            start = _position(source) if order.path is None else 0
            sealed = seal_regions(
                source, output, label, readers, identity.signer, progress, start=start
            )
        _check_unchanged(described, source, order.source)
        if key_output is not None:
            (wrapped,) = sealed.kept_apart.values()
            key_output.write_at(base64_text(wrapped).encode("ascii"), 0)
    unread = order.kind is None and Path(order.source).suffix.lower() in _TABLE_LIKE
    return Made(target, sealed.manifest, described.header_found, unread)


@contextmanager
def _outputs(order: Order, target: Path) -> Iterator[tuple[Output, Output | None]]:
    """Have the sealed file, and the wrapped key if it is kept apart; they appear in this order.

    So nothing replaces the wrapped key of a sealed file that is there, until the new one is too.
    """
    output = Output(target, force=order.force)
    key_output = None
    if order.wrapped_key_to is not None:
        key_output = Output(order.wrapped_key_to, force=order.force, mode=_OWNER_ONLY)
    try:
        with key_output or nullcontext(), output:  # the last is the first to end
            yield output, key_output
    except CleanroomError as error:
        if not output.published:
            raise
        raise Unavailable(f"{target} is written, but its wrapped key is not: {error}").with_hint(
            "nobody can open it without that key; seal it again with --force"
        ) from error


def _rule(path: Path) -> Rule:
    from party import contracts  # a contract's whole vocabulary, which most files do without

    return contracts.load_rule(path)


def _target(order: Order) -> Path:
    if order.output is not None:
        target = order.output
    elif order.path is None:
        raise Usage("--output: a pipe has no name to derive one from")
    else:
        target = order.path.parent / f"{order.path.name}.sealed"
    outputs = {"--output": target}
    if order.wrapped_key_to is not None:
        outputs["--wrapped-key-to"] = order.wrapped_key_to
    inputs: dict[str, Path | int] = {"the source": order.path or _stdin()}
    inputs |= {f"the reader's key {path}": path for path in order.readers}
    if order.rule is not None:
        inputs["the rule"] = order.rule
    if "://" not in order.sign_with:
        inputs["the signing key"] = Path(order.sign_with)
    keep_apart(outputs, inputs)
    return target


def _readers(order: Order) -> tuple[Reader, ...]:
    if (order.keep_key_at is None) != (order.wrapped_key_to is None):
        raise Usage("--keep-key-at and --wrapped-key-to go together")
    if order.keep_key_at is None:
        readers = tuple(Reader(keyfiles.reader_key(path), None) for path in order.readers)
        if order.agreed is not None:
            readers = (Reader(order.agreed.room_key, None), *readers)
        if len({reader.key.id for reader in readers}) < len(readers):
            raise Usage("--for: expected each reader once")
        return readers
    if len(order.readers) != 1:
        raise Usage("--keep-key-at: expected one reader, because a secret holds one wrapped key")
    url = option(vault_secret_url, order.keep_key_at, "--keep-key-at")
    return (Reader(keyfiles.reader_key(order.readers[0]), url),)


def _described(order: Order) -> tabular.Description:
    if order.path is None:
        return tabular.Description(Bytes(), "application/octet-stream", None)
    agreed = order.agreed.columns if order.agreed else ()
    types = {column.name: column.type for column in agreed}
    for given in order.types:
        name, equals, kind = given.rpartition("=")
        if not equals:
            raise Usage(f"--type: expected NAME=TYPE, got {given!r}")
        types[name] = kind
    header = order.header
    if header is None and agreed and tabular.is_csv(order.path, order.kind):
        header = True  # a contract names columns
    wish = tabular.DialectWish(order.delimiter, header, order.null)
    return tabular.agreed(tabular.describe(order.path, order.kind, types, wish), agreed)


def _check_unchanged(described: tabular.Description, source: int, path: str) -> None:
    """Refuse to seal anything but the very bytes that were described."""
    if described.identity is not None:
        described.identity.check(os.fstat(source), Path(path))


def _stdin() -> int:
    if sys.stdin is None or sys.stdin.closed:  # before we began
        raise Usage("-: nothing to read on stdin")
    return sys.stdin.fileno()


@contextmanager
def _source(path: Path | None) -> Iterator[int]:
    if path is None:
        yield _stdin()
        return
    with opened(path) as fd:
        yield fd


def _position(stdin: int) -> int:
    """Tell where a file stands that came by `<`: whoever had it before us may have read some."""
    return os.lseek(stdin, 0, os.SEEK_CUR) if stat.S_ISREG(os.fstat(stdin).st_mode) else 0


def summary(manifest: Manifest, *, header_found: bool = False) -> list[tuple[str, object]]:
    """Put a manifest into words, and say if nobody but us took its first line for a header."""
    origin, content = manifest.origin, manifest.content
    rows: list[tuple[str, object]] = []
    if isinstance(origin, DatasetOrigin):
        rows += [("dataset", f"{origin.party}/{origin.dataset}"), ("version", origin.version)]
    else:
        rows += [("result", origin.output), ("of job", origin.job)]
    rows.append(("created", instant_text(manifest.created)))
    rows.append(("size", quantities.size_text(manifest.layout.plaintext_size)))
    if isinstance(content, Bytes):
        rows.append(("content", manifest.media_type))
    else:
        rows.append(("content", f"{content.kind}, {content.rows:,} rows"))
        rows.append(
            (
                "columns",
                "\n".join(
                    f"{column.name}  {column.type}{'?' if column.nullable else ''}"
                    for column in content.columns
                ),
            )
        )
    if header_found:
        rows.append(("header", _HEADER_FOUND))
    rows.append(("rule", _rule_text(manifest.rule)))
    rows.append(
        (
            "readers",
            "\n".join(
                reader.reader.text
                + (f"\nkey at {reader.secret}" if isinstance(reader, VaultKey) else "")
                for reader in manifest.readers
            ),
        )
    )
    rows += [("digest", manifest.digest), ("words", manifest.digest.words)]
    return rows


def _rule_text(rule: Rule | None) -> str:
    if rule is None:
        return "none (the contract's decides)"
    from party.explaining import rule_text as in_words  # knows a contract's whole vocabulary

    return in_words(rule).removeprefix("rule: ")


def as_json(manifest: Manifest) -> Mapping[str, object]:
    """Give the manifest as it was signed, and its digest."""
    payload = parse_json(manifest.to_bytes(), "manifest", LARGEST_PAYLOAD)
    return {"digest": manifest.digest.text, "words": manifest.digest.words, "manifest": payload}
