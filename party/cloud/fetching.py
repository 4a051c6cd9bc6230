"""Small documents by HTTPS: no redirect is followed, and no answer is larger than it may be."""

from http import HTTPStatus

import requests

from cleanroom.errors import PolicyRefused, Unavailable

_CONNECT, _ANSWER = 5.0, 30.0  # seconds
_LARGEST = 8 << 20
_CHUNK = 1 << 16
_REFUSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


class Session(requests.Session):
    """Sends what it is told to, and nothing of its own.

    `requests` would read the body of a redirect whole even if it does not follow it, and put a name
    and password of ~/.netrc in the place of a token.
    """

    def __init__(self) -> None:
        super().__init__()
        self.auth = _as_it_is

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Know of no redirects."""


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def get(url: str, bearer: str = "") -> bytes:
    """Fetch a document."""
    headers = {"Accept": "application/json"}
    headers |= {"Authorization": f"Bearer {bearer}"} if bearer else {}
    try:
        with (
            Session() as session,
            session.get(
                url,
                headers=headers,
                timeout=(_CONNECT, _ANSWER),
                allow_redirects=False,
                stream=True,
            ) as found,
        ):
            if found.status_code in _REFUSED:
                raise PolicyRefused(f"{url}: does not let you").with_hint(
                    "you need the role Reader there; are you signed in as the right one?"
                )
            if found.status_code != HTTPStatus.OK:
                raise Unavailable(f"{url}: answered with HTTP status {found.status_code}")
            return _bounded(found, url)
    except requests.RequestException as error:
        raise Unavailable(f"{url}: does not answer").with_hint(
            "is the address right, and is there a network?"
        ) from error


def _bounded(found: requests.Response, url: str) -> bytes:
    data = bytearray()
    for chunk in found.iter_content(_CHUNK):
        data += chunk
        if len(data) > _LARGEST:
            raise Unavailable(f"{url}: sent more than {_LARGEST} bytes")
    return bytes(data)
