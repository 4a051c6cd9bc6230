"""BlobCreated and BlobDeleted, as Azure Storage sends them to Event Grid in CloudEvents 1.0.

- The subject has the blob's name as it is, the url has it percent-encoded.
- The same commit has the same id, whoever tells of it and however often.
"""

import json
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Self
from urllib.parse import quote

from devstack.storage.changes import CREATED, Blob, Change

CONTENT_TYPE = "application/cloudevents-batch+json; charset=utf-8"
_SEQUENCER_DIGITS = 48
_NO_GUID = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class Account:
    """How events name the storage account: its resource id, and its address."""

    resource: str
    url: str

    @classmethod
    def named(cls, name: str, subscription: str, url: str) -> Self:
        """Name an account of the stack's only resource group."""
        group = f"/subscriptions/{subscription}/resourceGroups/cleanroom-dev"
        return cls(f"{group}/providers/Microsoft.Storage/storageAccounts/{name}", f"{url}/{name}")


@dataclass(frozen=True, slots=True)
class Properties:
    """What a blob is: what events tell of it beside its name."""

    etag: str  # without quotes
    content_type: str
    content_length: int
    blob_type: str


@dataclass(frozen=True, slots=True)
class Commit:
    """A change that took place."""

    blob: Blob
    api: str
    event_type: str
    properties: Properties
    request_id: str
    client_request_id: str
    at: str

    @classmethod
    def of(cls, change: Change, properties: Properties, request_id: str, now: datetime) -> Self:
        """Say that a change took place; of a deletion, the properties are those that were."""
        return cls(
            change.blob,
            change.api,
            change.event_type,
            properties,
            request_id,
            change.client_request_id,
            now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f0Z"),  # tens of nanoseconds
        )

    def to_json(self) -> str:
        """Write it down; `parse_commit` reads it."""
        return json.dumps(asdict(self))


def parse_commit(written: str) -> Commit:
    """Read what `Commit.to_json` wrote."""
    fields = json.loads(written)
    blob, properties = Blob(**fields.pop("blob")), Properties(**fields.pop("properties"))
    return Commit(blob=blob, properties=properties, **fields)


def cloud_event(commit: Commit, sequence: int, account: Account) -> dict[str, object]:
    """Tell of a commit; later ones of the same blob have a greater sequencer, compared as text."""
    blob, properties = commit.blob, commit.properties
    subject = f"/blobServices/default/containers/{blob.container}/blobs/{blob.name}"
    identity = _guid(account.resource, subject, commit.event_type, properties.etag)
    data: dict[str, object] = {
        "api": commit.api,
        "clientRequestId": commit.client_request_id or _NO_GUID,
        "requestId": commit.request_id,
    }
    if commit.event_type == CREATED:
        data["eTag"] = properties.etag
    data["contentType"] = properties.content_type
    if commit.event_type == CREATED:
        data["contentLength"] = properties.content_length
    data |= {
        "blobType": properties.blob_type,
        "url": f"{account.url}/{blob.container}/{quote(blob.name)}",
        "sequencer": f"{sequence:0{_SEQUENCER_DIGITS}X}",
        "storageDiagnostics": {"batchId": _guid(identity, "batch")},
    }
    return {
        "specversion": "1.0",
        "id": identity,
        "source": account.resource,
        "type": commit.event_type,
        "subject": subject,
        "time": commit.at,
        "data": data,
    }


def batch(commits: Sequence[tuple[int, Commit]], account: Account) -> bytes:
    """Write a body for Event Grid."""
    return json.dumps([cloud_event(commit, number, account) for number, commit in commits]).encode()


def _guid(*of: str) -> str:
    return str(uuid.UUID(bytes=sha256("\n".join(of).encode("utf-8", "replace")).digest()[:16]))
