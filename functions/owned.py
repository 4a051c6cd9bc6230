"""Blobs of our own account, one request each, through the genuine pipeline.

The storage client does much for each request that only large blobs and other accounts need, which
takes longer than the request itself. So single blobs of our own account are read and written by
requests of our own; with which token, and when to try again, is the pipeline's to say (ADR 52).
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import formatdate, parsedate_to_datetime
from http import HTTPStatus
from urllib.parse import quote

import aiohttp
from azure.core import AsyncPipelineClient
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.pipeline import AsyncPipeline
from azure.core.pipeline.policies import AsyncBearerTokenCredentialPolicy, AsyncRetryPolicy
from azure.core.pipeline.transport import AioHttpTransport
from azure.core.rest import AsyncHttpResponse, HttpRequest
from azure.storage.blob.aio import ContainerClient

from cleanroom.directories import STORAGE
from cleanroom.errors import Malformed, Unavailable
from functions.storing import Container, Found, Listed, bare

_VERSION = "2021-12-02"
_CONTENT = "application/json"
_CONNECTION, _ANSWER = 5, 20  # seconds; a function has 30 in all
_TRIES = 3
_OTHERS = ("BlobAlreadyExists", "BlobNotFound")  # what is there is not what was to be replaced
_GONE = (HTTPStatus.NOT_FOUND, HTTPStatus.PRECONDITION_FAILED)


class Account:
    """Our own account."""

    def __init__(
        self, url: str, credential: AsyncTokenCredential, session: aiohttp.ClientSession
    ) -> None:
        transport = AioHttpTransport(
            session=session,
            session_owner=False,
            connection_timeout=_CONNECTION,
            read_timeout=_ANSWER,
        )
        policies = [
            AsyncRetryPolicy(retry_total=_TRIES),
            AsyncBearerTokenCredentialPolicy(credential, STORAGE),
        ]
        self._url = url
        self._client: AsyncPipelineClient[HttpRequest, AsyncHttpResponse] = AsyncPipelineClient(
            url, pipeline=AsyncPipeline(transport, policies)
        )

    async def ask(
        self, method: str, path: str, headers: Mapping[str, str], content: bytes | None = None
    ) -> AsyncHttpResponse:
        """Make one request, and return whatever the service answers."""
        own = {"x-ms-version": _VERSION, "x-ms-date": formatdate(usegmt=True), **headers}
        request = HttpRequest(method, f"{self._url}/{quote(path)}", headers=own, content=content)
        return await self._client.send_request(request)


class Owned(Container):
    """One container of our own account."""

    def __init__(self, client: ContainerClient, account: Account) -> None:
        super().__init__(client)
        self._account = account

    async def read(self, name: str, most: int) -> Found | None:
        """Read a whole blob; none if there is none. One that is larger is not read further."""
        answer = await self._ask("read", "GET", name, {"x-ms-range": f"bytes=0-{most}"})
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return None
        self._expect("read", answer)
        if len(answer.content) > most:
            raise Malformed("blob", f"at most {most} bytes", "more")
        return Found(answer.content, bare(answer.headers["ETag"]), _modified(answer))

    async def part(self, name: str, etag: str, offset: int, length: int) -> bytes | None:
        """Read a part of one version of a blob; none if that version is gone."""
        range_ = {"x-ms-range": f"bytes={offset}-{offset + length - 1}", "If-Match": f'"{etag}"'}
        answer = await self._ask("read", "GET", name, range_)
        if answer.status_code in _GONE:
            return None
        return self._expect("read", answer).content

    async def look(self, name: str) -> Listed | None:
        """Say which version of a blob is there, if any."""
        answer = await self._ask("look", "HEAD", name, {})
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return None
        self._expect("look", answer)
        size = int(answer.headers["Content-Length"])
        return Listed(name, bare(answer.headers["ETag"]), _modified(answer), size)

    async def create(self, name: str, data: bytes) -> bool:
        """Write a blob unless there is one; say whether it was written."""
        return await self._put(name, data, {"If-None-Match": "*"}) is not None

    async def replace(self, name: str, data: bytes, etag: str | None) -> str | None:
        """Write a blob in place of one version, or of nothing; none if something else is there."""
        condition = {"If-None-Match": "*"} if etag is None else {"If-Match": f'"{etag}"'}
        return await self._put(name, data, condition)

    async def _put(self, name: str, data: bytes, condition: Mapping[str, str]) -> str | None:
        headers = {
            "Content-Length": str(len(data)),
            "Content-Type": _CONTENT,
            "x-ms-blob-type": "BlockBlob",
            **condition,
        }
        answer = await self._ask("write", "PUT", name, headers, data)
        other = answer.headers.get("x-ms-error-code") in _OTHERS
        if other or answer.status_code == HTTPStatus.PRECONDITION_FAILED:
            return None
        return bare(self._expect("write", answer).headers["ETag"])

    async def _ask(
        self,
        what: str,
        method: str,
        name: str,
        headers: Mapping[str, str],
        content: bytes | None = None,
    ) -> AsyncHttpResponse:
        with self._answers(what):
            return await self._account.ask(method, f"{self.name}/{name}", headers, content)

    def _expect(self, what: str, answer: AsyncHttpResponse) -> AsyncHttpResponse:
        """Refuse an answer that is none of those that mean something here."""
        if answer.status_code >= HTTPStatus.MULTIPLE_CHOICES:
            code = answer.headers.get("x-ms-error-code") or answer.status_code
            raise Unavailable(f"storage {self.name}: cannot {what} ({code})")
        return answer


def _modified(answer: AsyncHttpResponse) -> datetime:
    return parsedate_to_datetime(answer.headers["Last-Modified"]).astimezone(UTC)
