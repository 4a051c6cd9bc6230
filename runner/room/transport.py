"""HTTP towards services that may lie: no answer is longer than what was asked for.

- A download of a range gets at most the bytes of the range, and says before how many come.
- Nothing is decompressed: a kilobyte could become a gigabyte.
- Everything else (errors, listings, answers of vaults) has one bound.
- No cookies, no redirects, no passwords out of a file: an answer changes no later request.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
from azure.core.pipeline.transport import RequestsTransport
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPConnectionPool

from cleanroom.errors import Tampered

LARGEST_ANSWER = 4 << 20
BODY = "body_to"
"""The option of a request that names the `Body` to give its answer's to."""
_RANGE = re.compile(r"bytes=(\d+)-(\d+)")
_CHUNK = 1 << 16
_BLOCK = 1 << 23  # bytes that the SDK asks for at once; by 4 KiB, as it does, a region takes long
_OK, _FIRST_ERROR = 200, 300


class _Adapter(HTTPAdapter):
    """Looks once for the connections to a host, and how they are secured: nothing of it changes."""

    def __init__(self) -> None:
        super().__init__()
        self._pools: dict[str, HTTPConnectionPool] = {}

    def get_connection_with_tls_context(
        self,
        request: requests.PreparedRequest,
        verify: Any,  # noqa: ANN401  # as `_settings` found them
        proxies: Any = None,  # noqa: ANN401
        cert: Any = None,  # noqa: ANN401
    ) -> HTTPConnectionPool:
        """Give the connections to a request's host."""
        origin = _origin(str(request.url))
        pool = self._pools.get(origin)
        if pool is None:
            pool = super().get_connection_with_tls_context(request, verify, proxies, cert)
            super().cert_verify(pool, str(request.url), verify, cert)
            self._pools[origin] = pool
        return pool

    def cert_verify(self, *_: object) -> None:
        """Do nothing: the connections were told when they were found."""


class _Session(requests.Session):
    """Sends what the SDK made, without what sessions are for: that costs as much as the rest."""

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[str, Mapping[str, Any]] = {}
        self.mount("https://", _Adapter())

    def request(
        self,
        method: str | bytes,
        url: str | bytes,
        *_given: object,
        **given: Any,  # noqa: ANN401  # what `RequestsTransport` gives
    ) -> requests.Response:
        """Send a request, and look at the answer's head before any of its body is read."""
        request = _prepared(str(method), str(url), given)
        to = self._settings(str(url), given["verify"])
        response = self.get_adapter(str(url)).send(
            request, stream=True, timeout=given["timeout"], cert=given["cert"], **to
        )
        streamed = bool(given.get("stream")) and _OK <= response.status_code < _FIRST_ERROR
        try:
            _check_head(response, _most(request), streamed=streamed)
            if streamed and BODY in given:
                given[BODY].take(response)
            elif not streamed:
                response._content = _body(response)  # noqa: SLF001  # there is no other door
        except BaseException:
            response.close()
            raise
        return response

    def _settings(self, url: str, verify: bool | str) -> Mapping[str, Any]:
        """Say which roots to trust and which proxy to use, as the environment has it, once."""
        origin = _origin(url)
        if origin not in self._known:
            found = self.merge_environment_settings(origin, {}, None, verify, None)
            self._known[origin] = {"verify": found["verify"], "proxies": found["proxies"]}
        return self._known[origin]


def transport(patience: float) -> RequestsTransport:
    """Make a transport; `patience` is for a connection, and for each part of an answer."""
    return RequestsTransport(
        session=_Session(),
        session_owner=True,
        connection_timeout=patience,
        read_timeout=patience,
        connection_data_block_size=_BLOCK,
    )


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _prepared(method: str, url: str, given: Mapping[str, Any]) -> requests.PreparedRequest:
    """Take what the SDK made as it is, if it is plain: quoted, with bytes or text."""
    request, body = requests.PreparedRequest(), given["data"]
    body = body.encode() if isinstance(body, str) else body
    if given["files"] or not isinstance(body, bytes | None):
        request.prepare(method, url, given["headers"], given["files"], body)
        return request
    request.method, request.url, request.body = method, url, body
    request.headers = CaseInsensitiveDict(given["headers"])
    if body is not None:
        request.headers["Content-Length"] = str(len(body))
    return request


def _most(request: requests.PreparedRequest) -> int:
    asked = _RANGE.fullmatch(str(request.headers.get("x-ms-range", "")))
    return int(asked[2]) - int(asked[1]) + 1 if asked else LARGEST_ANSWER


def _check_head(response: requests.Response, most: int, *, streamed: bool) -> None:
    if not streamed:  # such as an error's text
        most = LARGEST_ANSWER
    head = response.headers
    if head.get("Content-Encoding", "identity") != "identity":
        raise Tampered("an answer is compressed, and nothing asked for that")
    length = head.get("Content-Length", "")
    if streamed and ("Transfer-Encoding" in head or not length.isdecimal()):
        raise Tampered("an answer does not say how long it is")
    if length.isdecimal() and int(length) > most:
        raise Tampered("an answer is longer than what was asked for")


def _body(response: requests.Response) -> bytes:
    body = bytearray()
    for chunk in response.iter_content(_CHUNK):
        body += chunk
        if len(body) > LARGEST_ANSWER:
            raise Tampered("an answer is longer than what was asked for")
    return bytes(body)
