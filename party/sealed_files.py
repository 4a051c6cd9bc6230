"""What `seal` and `inspect` do around the engine: gather, check, and put into words."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cleanroom import ids
from cleanroom.canonical import parse_json
from cleanroom.dsse import LARGEST_PAYLOAD
from cleanroom.fields import base64_text, instant_text, integer
from cleanroom.rules import Rule, check_columns
from cleanroom.seal.content import Bytes
from cleanroom.seal.layout import region_size
from cleanroom.seal.manifest import DatasetOrigin, Manifest, VaultKey
from cleanroom.urls import vault_secret_url
from party import console, keyfiles, quantities, signers, tabular
from party.errors import Usage, option
from party.files import Output, keep_apart, write_document
from party.opening import opened
from party.sealing import Label, Reader
from party.sealing import seal as seal_regions

_PIPE = Path("-")
_OWNER_ONLY = 0o600


@dataclass(frozen=True, slots=True)
class Order:
    """What a person asked `seal` to do."""

    source: Path
    output: Path | None
    party: str
    dataset: str
    sign_with: str
    readers: tuple[Path, ...]
    version: int | None
    kind: str | None
    types: tuple[str, ...]
    delimiter: str | None
    header: bool | None
    null: str | None
    rule: Path | None
    region_size: str
    keep_key_at: str | None
    wrapped_key_to: Path | None
    force: bool


@dataclass(frozen=True, slots=True)
class Made:
    """A sealed file, and where it is."""

    path: Path
    manifest: Manifest


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
    target = _target(order)
    readers = _readers(order)
    identity = signers.identity(order.sign_with)
    rule = _rule(order.rule) if order.rule else None
    described = _described(order)
    if rule is not None and not isinstance(described.content, Bytes):
        known = frozenset(column.name for column in described.content.columns)
        check_columns(rule, known, str(order.rule))
    label = Label(origin, now, described.media_type, described.content, rule, size)
    with _source(order.source) as source:
        _check_unchanged(described, source, order.source)
        total = os.fstat(source).st_size if order.source != _PIPE else None
        with (
            console.progress(f"sealing {order.source.name}", total) as progress,
            Output(target, force=order.force) as output,
        ):
            sealed = seal_regions(source, output, label, readers, identity.signer, progress)
            _check_unchanged(described, source, order.source)
            if order.wrapped_key_to is not None:
                (wrapped,) = sealed.kept_apart.values()
                write_document(
                    order.wrapped_key_to,
                    base64_text(wrapped).encode("ascii"),
                    force=order.force,
                    mode=_OWNER_ONLY,
                )
    return Made(target, sealed.manifest)


def _rule(path: Path) -> Rule:
    from party import contracts  # a contract's whole vocabulary, which most files do without

    return contracts.load_rule(path)


def _target(order: Order) -> Path:
    if order.output is not None:
        target = order.output
    elif order.source == _PIPE:
        raise Usage("--output: a pipe has no name to derive one from")
    else:
        target = order.source.parent / f"{order.source.name}.sealed"
    outputs = {"--output": target}
    if order.wrapped_key_to is not None:
        outputs["--wrapped-key-to"] = order.wrapped_key_to
    inputs = {f"the reader's key {path}": path for path in order.readers}
    if order.source != _PIPE:
        inputs["the source"] = order.source
    if order.rule is not None:
        inputs["the rule"] = order.rule
    keep_apart(outputs, inputs | {"the signing key": Path(order.sign_with)})
    return target


def _readers(order: Order) -> tuple[Reader, ...]:
    if (order.keep_key_at is None) != (order.wrapped_key_to is None):
        raise Usage("--keep-key-at and --wrapped-key-to go together")
    if order.keep_key_at is None:
        readers = tuple(Reader(keyfiles.reader_key(path), None) for path in order.readers)
        if len({reader.key.id for reader in readers}) < len(readers):
            raise Usage("--for: expected each reader once")
        return readers
    if len(order.readers) != 1:
        raise Usage("--keep-key-at: expected one reader, because a secret holds one wrapped key")
    url = option(vault_secret_url, order.keep_key_at, "--keep-key-at")
    return (Reader(keyfiles.reader_key(order.readers[0]), url),)


def _described(order: Order) -> tabular.Description:
    if order.source == _PIPE:
        if order.kind not in (None, "bytes"):
            raise Usage("--as: a pipe can only be read once, so its columns cannot be recorded")
        return tabular.Description(Bytes(), "application/octet-stream", None)
    types: dict[str, str] = {}
    for given in order.types:
        name, equals, kind = given.rpartition("=")
        if not equals:
            raise Usage(f"--type: expected NAME=TYPE, got {given!r}")
        types[name] = kind
    wish = tabular.DialectWish(order.delimiter, order.header, order.null)
    return tabular.describe(order.source, order.kind, types, wish)


def _check_unchanged(described: tabular.Description, source: int, path: Path) -> None:
    """Refuse to seal anything but the very bytes that were described."""
    if described.identity is not None:
        described.identity.check(os.fstat(source), path)


@contextmanager
def _source(path: Path) -> Iterator[int]:
    if path == _PIPE:
        if sys.stdin is None or sys.stdin.closed:  # before we began
            raise Usage("-: nothing to read on stdin")
        yield sys.stdin.fileno()
        return
    with opened(path) as fd:
        yield fd


def summary(manifest: Manifest) -> list[tuple[str, object]]:
    """Put a manifest into words."""
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
    rows.append(("rule", manifest.rule.kind if manifest.rule else "none (the contract's decides)"))
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


def as_json(manifest: Manifest) -> Mapping[str, object]:
    """Give the manifest as it was signed, and its digest."""
    payload = parse_json(manifest.to_bytes(), "manifest", LARGEST_PAYLOAD)
    return {"digest": manifest.digest.text, "words": manifest.digest.words, "manifest": payload}
