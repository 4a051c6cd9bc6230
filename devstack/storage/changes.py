"""Which blob a request is about, and whether it commits a change that events tell of.

- Committed are whole blobs only: staged blocks, metadata, tags, properties and leases are silent,
  and so is what happens to snapshots.
- Containers whose names start with `$` are the service's own, and silent.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import parse_qsl, unquote

CREATED = "Microsoft.Storage.BlobCreated"
DELETED = "Microsoft.Storage.BlobDeleted"

_VISIBLE = re.compile(r"[\x21-\x7e]*")
_URL = re.compile(r"https?://(?:127\.0\.0\.1|localhost)(?::[0-9]{1,5})?(/.*)", re.IGNORECASE)
_ONCE = ("comp", "restype", "snapshot")
"""What Azurite reads otherwise than we do if it is there twice."""
_COMMITS = ("x-ms-blob-type", "x-ms-copy-source")
_DOTS = re.compile(r"[/\\](?:\.|%2e){1,2}(?:[/\\]|\Z)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Blob:
    """A blob by name, percent-decoded."""

    container: str
    name: str


@dataclass(frozen=True, slots=True)
class Target:
    """What a request line names: `raw` is exactly what came, and what signatures are made over."""

    raw: str
    account: str
    container: str
    name: str
    query: Mapping[str, str]

    @classmethod
    def parse(cls, raw: str) -> Self | None:
        """Read a request target of the form /account/container/blob?query; or nothing.

        What says twice what is asked for is no target: Azurite would not take the same of the two.
        """
        path, _, query = raw.partition("?")
        if not path.startswith("/") or "#" in raw or not _VISIBLE.fullmatch(raw):
            return None
        parts = unquote(path[1:]).split("/", 2)  # decoded before it is split, as Azurite does
        account, container, name = parts + [""] * (3 - len(parts))
        pairs = [(key.lower(), value) for key, value in parse_qsl(query, keep_blank_values=True)]
        names, fields = [key for key, _ in pairs], dict(pairs)
        if any(names.count(key) > 1 for key in _ONCE):
            return None
        return cls(raw, account, container, name.replace("\\", "/"), fields)

    @property
    def blob(self) -> Blob:
        """Name the blob."""
        return Blob(self.container, self.name)

    def deletes_container(self, method: str) -> bool:
        """Say whether a request takes a container away, with all that is in it."""
        container = self.query.get("restype") == "container"
        return method == "DELETE" and container and "comp" not in self.query


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a whole blob that a request asks for, with what the request says of it."""

    blob: Blob
    api: str
    client_request_id: str
    content_type: str | None = None
    content_length: int | None = None
    blob_type: str | None = None

    @property
    def event_type(self) -> str:
        """Name the event that tells of it."""
        return DELETED if self.api == "DeleteBlob" else CREATED


def source_of(url: str) -> Target | None:
    """Read what a copy is made of out of its url, if Azurite cannot read it otherwise; or nothing.

    1. It is here: Azurite would ask whatever host a url names that has a signature.
    2. It has no segments of dots and no backslashes: Azurite would follow them elsewhere.
    3. It names a blob, and nothing of it.
    """
    found = _URL.fullmatch(url)
    target = Target.parse(found[1]) if found else None  # 1
    if target is None or "\\" in url or _DOTS.search(target.raw.partition("?")[0]):
        return None  # 2
    return None if {"comp", "restype"} & target.query.keys() else target  # 3


def unsigned(url: str) -> str:
    """Spell a source, which was checked, without its signature: Azurite tells it to all readers."""
    path, _, query = url.partition("?")
    kept = "&".join(part for part in query.split("&") if part.lower().startswith("snapshot="))
    return f"{path}?{kept}" if kept else path


def is_unclear(method: str, target: Target, headers: Mapping[str, str]) -> bool:
    """Say whether Azurite could commit, without our knowing, what a request asks for.

    It takes the operation for which most of the request speaks: so what speaks for another one
    beside `comp` is refused, as are versions, which it ignores.
    """
    if "versionid" in target.query or "X-HTTP-Method" in headers:
        return True
    commits = method == "DELETE" or any(name in headers for name in _COMMITS)
    return bool(target.name) and "comp" in target.query and commits


def change_of(method: str, target: Target, headers: Mapping[str, str]) -> Change | None:
    """Say what a request would commit; nothing, if it is one that events are silent about."""
    if not target.name or target.container.startswith("$"):
        return None
    client_request_id = headers.get("x-ms-client-request-id", "")
    if method == "DELETE":
        only_snapshots = headers.get("x-ms-delete-snapshots", "").lower() == "only"
        if target.query.get("snapshot") or only_snapshots:
            return None
        return Change(target.blob, "DeleteBlob", client_request_id)
    api = _written_by(target.query.get("comp"), headers) if method == "PUT" else None
    if api != "PutBlob" or "x-ms-copy-source" in headers:
        return None if api is None else Change(target.blob, api, client_request_id)
    blob_type = headers["x-ms-blob-type"]
    kind = headers.get("x-ms-blob-content-type") or headers.get("Content-Type")
    return Change(
        target.blob,
        api,
        client_request_id,
        kind or "application/octet-stream",
        _length(blob_type, headers),
        blob_type,
    )


def _written_by(comp: str | None, headers: Mapping[str, str]) -> str | None:
    if comp is not None:
        return "PutBlockList" if comp.lower() == "blocklist" else None
    if "x-ms-blob-type" in headers:
        return "PutBlob"
    return "CopyBlob" if "x-ms-copy-source" in headers else None


def _length(blob_type: str, headers: Mapping[str, str]) -> int | None:
    if blob_type == "AppendBlob":
        return 0
    name = "x-ms-blob-content-length" if blob_type == "PageBlob" else "Content-Length"
    spelled = headers.get(name, "")
    return int(spelled) if spelled.isascii() and spelled.isdigit() else None
