"""Storage as a party uses it: it drops its sealed files, and reads what a room's papers are.

A location comes from a contract, which others may have written: a file goes only where the party's
own profile says that its files go. Whatever answers there gets a token for storage and for nothing
else, no redirect is followed, and an answer that is none is an error like any other.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from azure.core.credentials import AccessToken, TokenCredential
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
    ServiceRequestError,
)
from azure.storage.blob import BlobClient

from cleanroom.errors import CleanroomError, PolicyRefused, Unavailable
from party.cloud import identity
from party.errors import Usage
from party.files import translated

PATIENCE: dict[str, Any] = {
    "retry_total": 2,
    "initial_backoff": 1,  # seconds: a person waits, and the SDK's own are fifteen
    "increment_base": 2,
    "random_jitter_range": 1,
    "permit_redirects": False,
}
_BLOCK = 8 << 20
_FORBIDDEN = (401, 403)
_SCOPE = "https://storage.azure.com/.default"
_STRANGE = (AttributeError, IndexError, KeyError, TypeError, ValueError)
"""What the clients raise at an answer that is not of storage's API, or at an odd address."""


@dataclass(frozen=True, slots=True)
class ForStorage:
    """A credential that is good for storage only.

    The clients do what a challenge says: a server that is no storage could ask for a token of the
    party's vault, and be the party there.
    """

    credential: TokenCredential
    directory: str | None = None
    """In which directory of identities to ask; none is the one where the party is signed in."""

    def get_token(self, *scopes: str, **_options: object) -> AccessToken:
        """Get a token for storage, of the directory that was set, whatever a challenge names."""
        if scopes != (_SCOPE,):
            raise PolicyRefused("the storage asks for a token that is for something else")
        return self.credential.get_token(_SCOPE, tenant_id=self.directory)


def upload(file: Path, url: str, credential: ForStorage, progress: Callable[[int], object]) -> None:
    """Drop a file where nothing is yet, whole or not at all."""
    seen = 0

    def told(done: int, _total: int | None) -> None:
        nonlocal seen
        progress(done - seen)
        seen = done

    with (
        _speaking(url),
        _client(url, credential) as blob,
        translated(file),
        file.open("rb") as data,
    ):
        try:
            blob.upload_blob(data, length=file.stat().st_size, overwrite=False, progress_hook=told)
        except ResourceExistsError as error:
            raise Usage(f"{url}: is there already").with_hint(
                "a version is dropped once; seal the file anew for a later one"
            ) from error


def read(url: str, credential: ForStorage, largest: int) -> bytes | None:
    """Read a small blob; nothing if it is not there."""
    with _speaking(url), _client(url, credential) as blob:
        try:
            found = blob.download_blob(offset=0, length=largest + 1)
            data: bytes = found.readall()
        except ResourceNotFoundError:
            return None
    if len(data) > largest:
        raise Unavailable(f"{_shown(url)}: is larger than {largest} bytes")
    return data


def download(url: str, write_at: Callable[[bytes, int], object]) -> None:
    """Read a blob of any size from a URL that is signed."""
    with _speaking(url), _client(url, None) as blob:
        offset = 0
        for chunk in blob.download_blob().chunks():
            write_at(chunk, offset)
            offset += len(chunk)


def _client(url: str, credential: ForStorage | None) -> BlobClient:
    return BlobClient.from_blob_url(
        url,
        credential,
        max_block_size=_BLOCK,
        max_single_put_size=_BLOCK,
        **PATIENCE,
    )


def _shown(url: str) -> str:
    """Name a blob without the signature that would let others read it."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an address that is none"
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


@contextlib.contextmanager
def _speaking(url: str) -> Iterator[None]:
    where = _shown(url)
    try:
        yield
    except CleanroomError:
        raise
    except ResourceNotFoundError as error:
        raise Unavailable(f"{where}: there is no such container or blob").with_hint(
            "the operator makes containers; is the contract's location right?"
        ) from error
    except ClientAuthenticationError as error:
        raise _not_let_in(error, where) from error
    except ServiceRequestError as error:
        raise Unavailable(f"{where}: the storage does not answer").with_hint(
            "is there a network? on the dev stack: cleanroom-dev status"
        ) from error
    except HttpResponseError as error:
        raise _not_let_in(error, where) from error
    except (AzureError, OSError, *_STRANGE) as error:
        raise Unavailable(f"{where}: was not read or written") from error


def _not_let_in(error: HttpResponseError, where: str) -> CleanroomError:
    if error.status_code in _FORBIDDEN:
        return PolicyRefused(f"{where}: the storage does not let you").with_hint(
            "you need Storage Blob Data Contributor on your container; which party are you?"
        )
    if error.status_code is None:
        return identity.not_signed_in(where)
    return Unavailable(f"{where}: the storage did not do it").with_hint("try again")
