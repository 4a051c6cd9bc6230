"""The control plane's HTTP API (docs/spec/http-api.md), as a party asks it.

Nothing that it answers is trusted: documents are verified by whoever uses them, and the rest is
shown as what it is, the operator's word. A token goes to the one address only: no redirect is
followed.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote

import requests

from cleanroom.canonical import parse_json
from cleanroom.contract import LARGEST as LARGEST_CONTRACT
from cleanroom.contract import Contract
from cleanroom.dsse import LARGEST_ENVELOPE
from cleanroom.errors import CleanroomError, PolicyRefused, Tampered, Unavailable
from cleanroom.fields import matching, optional, text
from cleanroom.ids import Digest
from party import views
from party.cloud import fetching
from party.errors import Usage

_CONNECT, _ANSWER = 5.0, 60.0  # seconds
_LARGEST = 4 << 20
_CHUNK = 1 << 16
_PAGE, _MOST_PAGES = 100, 1000
_LEAST_WRONG = 300  # of statuses: redirects are none of ours
_ANSWERED = "the control plane's answer"
_LARGEST_DETAIL = 300
_url = matching(r"https://[!-~]{1,4000}", "an https URL")
_HINTS = {
    "unauthenticated": "is the profile's audience right, and are you signed in as this party?",
    "forbidden": "which party are you? --profile",
    "inputs_waiting": "cleanroom status ROOM says which data waits; cleanroom drop brings it",
    "not_in_force": "cleanroom status ROOM says who has yet to approve",
    "no_contract": "cleanroom propose contract.yaml comes first",
    "limit_reached": "the contract's limits.runs: wait for the next period",
}


class Api:
    """Asks in the name of one party."""

    def __init__(self, url: str, token: Callable[[], str]) -> None:
        self._url = url
        self._token = token
        self._session = fetching.Session()
        self._bearer = ""
        self._known: dict[str, tuple[str, bytes]] = {}

    def rooms(self) -> list[str]:
        """Name the rooms of the party."""
        found: list[str] = []
        for page in self._pages("rooms", "rooms"):
            found += views.rooms(page, _ANSWERED)
        return found

    def room(self, room: str) -> views.Room:
        """Tell of a room."""
        answer = self._get(f"rooms/{room}", f"room {room!r}")
        found = views.Room.parse(_json(answer), _ANSWERED)
        if found.name != room:
            raise Tampered(f"the control plane: told of the room {found.name!r}, not of {room!r}")
        return found

    def propose(self, contract: Contract) -> bool:
        """Propose a contract; tell whether it was new."""
        answer = self._ask(
            "POST",
            f"rooms/{contract.room}/contracts",
            f"room {contract.room!r}",
            contract.to_bytes(),
        )
        return answer.status == HTTPStatus.CREATED

    def contract(self, room: str, digest: Digest) -> Contract:
        """Fetch a contract, and see that it is the one of this name."""
        path = f"rooms/{room}/contracts/{digest.hex}"
        data = self._get(path, f"contract {digest}", LARGEST_CONTRACT)
        if not digest.matches(data):
            raise Tampered(f"the control plane: sent another document than {digest}")
        return Contract.parse(data, f"contract {digest}")

    def deliver(self, room: str, digest: Digest, party: str, envelope: bytes) -> None:
        """Hand in a party's word."""
        path = f"rooms/{room}/contracts/{digest.hex}/approvals/{party}"
        self._ask("PUT", path, f"contract {digest}", envelope)

    def jobs(self, room: str, most: int) -> list[views.Line]:
        """List a room's latest jobs, the newest first."""
        found: list[views.Line] = []
        for page in self._pages(f"rooms/{room}/jobs", "jobs", limit=min(most, _PAGE)):
            found += views.lines(page, _ANSWERED)
            if len(found) >= most:
                break
        return found[:most]

    def job(self, room: str, job: Digest) -> views.Job:
        """Tell of a job."""
        path = f"rooms/{room}/jobs/{job.hex}"
        found = views.Job.parse(_json(self._get(path, f"job {job}")), _ANSWERED)
        if found.job != job:
            raise Tampered(f"the control plane: told of the job {found.job}, not of {job}")
        return found

    def run(
        self, room: str, contract: Digest, parameters: Mapping[str, object], key: str
    ) -> Digest:
        """Ask for a run."""
        body = json.dumps({"contract": contract.text, "parameters": dict(parameters), "id": key})
        answer = self._ask("POST", f"rooms/{room}/jobs", f"room {room!r}", body.encode())
        return Digest.parse(views.named(_json(answer.body), "job", _ANSWERED), _ANSWERED)

    def receipt(self, room: str, job: Digest) -> bytes:
        """Fetch a receipt."""
        path = f"rooms/{room}/jobs/{job.hex}/receipt"
        return self._get(path, f"the receipt of job {job}", LARGEST_ENVELOPE)

    def result_url(self, room: str, job: Digest, output: str) -> str:
        """Ask for a URL that reads a sealed result."""
        path = f"rooms/{room}/jobs/{job.hex}/results/{output}"
        found = views.named(_json(self._get(path, f"the result of job {job}")), "url", _ANSWERED)
        return _url(found, _ANSWERED)

    def _pages(self, path: str, name: str, limit: int = _PAGE) -> Iterator[object]:
        """Follow a list from page to page, as far as the caller goes."""
        after = ""
        for _ in range(_MOST_PAGES):
            more = f"&after={quote(after, safe='')}" if after else ""
            found = _json(self._get(f"{path}?limit={limit}{more}", path))
            yield views.named(found, name, _ANSWERED)
            following = optional(text(4096))(views.named(found, "next", _ANSWERED), _ANSWERED)
            if following is None:
                return
            after = following

    def _get(self, path: str, what: str, largest: int = _LARGEST) -> bytes:
        """Get what may have been got before: it is not sent again as long as it is the same."""
        etag, body = self._known.get(path, ("", b""))
        answer = self._ask("GET", path, what, largest=largest, etag=etag)
        if answer.status == HTTPStatus.NOT_MODIFIED:
            return body
        if answer.etag:
            self._known[path] = answer.etag, answer.body
        return answer.body

    def _ask(
        self,
        method: str,
        path: str,
        what: str,
        body: bytes | None = None,
        *,
        largest: int = _LARGEST,
        etag: str = "",
    ) -> "_Answer":
        answer = self._send(method, path, body, largest, etag)
        if answer.status == HTTPStatus.UNAUTHORIZED:  # a token's life may have ended meanwhile
            self._bearer = ""
            answer = self._send(method, path, body, largest, etag)
        if not (answer.status < _LEAST_WRONG or answer.status == HTTPStatus.NOT_MODIFIED):
            raise _refusal(answer, what)
        return answer

    def _send(
        self, method: str, path: str, body: bytes | None, largest: int, etag: str
    ) -> "_Answer":
        self._bearer = self._bearer or self._token()
        headers = {"Authorization": f"Bearer {self._bearer}"}
        headers |= {"Content-Type": "application/json"} if body is not None else {}
        headers |= {"If-None-Match": etag} if etag else {}
        try:
            with self._session.request(
                method,
                f"{self._url}/{path}",
                data=body,
                headers=headers,
                timeout=(_CONNECT, _ANSWER),
                allow_redirects=False,
                stream=True,
            ) as found:
                data = _bounded(found, largest)
                return _Answer(found.status_code, found.headers.get("ETag", ""), data)
        except requests.RequestException as error:
            raise Unavailable(f"{self._url}: the control plane does not answer").with_hint(
                "is the address right, and does it run? on the dev stack: cleanroom-dev status"
            ) from error


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    etag: str
    body: bytes


def _bounded(found: requests.Response, largest: int) -> bytes:
    data = bytearray()
    for chunk in found.iter_content(_CHUNK):
        data += chunk
        if len(data) > largest:
            raise Unavailable(f"the control plane: sent more than {largest} bytes")
    return bytes(data)


def _json(data: bytes) -> object:
    return parse_json(data, _ANSWERED, _LARGEST)


def _refusal(answer: _Answer, what: str) -> CleanroomError:
    """Turn a problem into an error of ours, with what to do about it."""
    code, detail = _problem(answer.body)
    hint = _HINTS.get(code, "")
    said = f"{what}: {detail or code or f'status {answer.status}'}"
    match answer.status:
        case HTTPStatus.NOT_FOUND:
            return Usage(f"{what}: there is none of this name that you may see").with_hint(
                "cleanroom status names your rooms; a contract must be proposed before all else"
            )
        case HTTPStatus.UNAUTHORIZED:
            return PolicyRefused(f"{what}: the control plane does not take your token").with_hint(
                hint or _HINTS["unauthenticated"]
            )
        case HTTPStatus.CONFLICT | HTTPStatus.FORBIDDEN | HTTPStatus.TOO_MANY_REQUESTS:
            return PolicyRefused(said).with_hint(hint)
        case HTTPStatus.UNPROCESSABLE_ENTITY:
            kind = Tampered if code == "tampered" else PolicyRefused
            return kind(said).with_hint(hint)
        case status if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return Usage(said)
        case _:
            return Unavailable(said).with_hint("try again; if it stays: ask the operator")


def _problem(body: bytes) -> tuple[str, str]:
    """Read a problem's code and detail; what is none has neither."""
    try:
        found = parse_json(body, "problem", _LARGEST)
    except CleanroomError:
        return "", ""
    if not isinstance(found, dict):
        return "", ""
    code, detail = str(found.get("code", "")), str(found.get("detail", ""))
    return code[:_LARGEST_DETAIL], detail[:_LARGEST_DETAIL]
