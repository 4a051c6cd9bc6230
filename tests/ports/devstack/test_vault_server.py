"""The vaults' server: what was acknowledged stays, and no client and no authority can hurt it."""

import asyncio
import http.client
import json
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.keyvault.keys import KeyClient, KeyReleasePolicy

from cleanroom.jose import jwk
from devstack import clock
from devstack.home import HOST, Home
from devstack.vault.authorities import Authorities
from devstack.vault.releasing import Wanted
from tests.servers import free_ports, trusting
from tests.tokens import AUTHORITY_KEY, OTHER_KEY, container, header, signed
from tests.vaults import Credential, Vaults, policy, running_vaults

TYPE = {"claim": "x-ms-attestation-type", "equals": "sevsnpvm"}
UNVERIFIED = "Target environment attestation statement cannot be verified."


@pytest.fixture(scope="module")
def vaults(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vaults]:
    home = Home.at(tmp_path_factory.mktemp("home"))
    with running_vaults(home, "north", "south", "spoiled") as made:
        yield made


@pytest.fixture(autouse=True)
def trusted(vaults: Vaults, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(vaults.home.authority_file))
    monkeypatch.setenv("NO_PROXY", HOST)


@contextmanager
def linked(vaults: Vaults, vault: str = "north") -> Iterator[http.client.HTTPSConnection]:
    tls = trusting(vaults.home)
    link = http.client.HTTPSConnection(HOST, vaults.ports[vault], timeout=10, context=tls)
    yield link
    link.close()


# --- clients


def test_without_a_token_the_real_challenge_is_given(vaults: Vaults) -> None:
    with linked(vaults) as link:
        link.request("GET", "/keys?api-version=7.4", headers={"x-ms-client-request-id": "mine"})
        found = link.getresponse()
        body = json.loads(found.read())

    assert found.status == 401
    assert found.headers["WWW-Authenticate"].startswith('Bearer authorization="https://')
    assert found.headers["Content-Type"] == "application/json; charset=utf-8"
    assert found.headers["Cache-Control"] == "no-cache"
    assert found.headers["x-ms-client-request-id"] == "mine"
    assert len(found.headers["x-ms-request-id"]) == 36
    assert body["error"]["code"] == "Unauthorized"


def test_a_token_of_another_stack_does_not_authenticate(vaults: Vaults, tmp_path: Path) -> None:
    resource = vaults.credential("north", "north").resource
    other = Credential(Home.at(tmp_path / "other"), "north", resource)

    with (
        KeyClient(vaults.url("north"), other) as client,
        pytest.raises(ClientAuthenticationError, match="Unauthorized") as caught,
    ):
        client.get_key("a")

    assert caught.value.status_code == 401


def test_an_owner_has_no_say_in_another_vault(vaults: Vaults) -> None:
    with vaults.keys("south", "north") as client, pytest.raises(HttpResponseError) as caught:
        client.create_ec_key("a")

    assert caught.value.error is not None
    assert caught.value.error.innererror == {"code": "ForbiddenByRbac"}
    assert vaults.call("south", "north", "GET", "/devstack/audit")[0] == 403


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="no TLS"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", id="half a hello"),
        pytest.param(bytes(4096), id="zeros"),
    ],
)
def test_what_is_no_handshake_hurts_nobody(data: bytes, vaults: Vaults) -> None:
    with socket.create_connection((HOST, vaults.ports["north"]), timeout=10) as link:
        link.sendall(data)

        assert vaults.call("north", "north", "GET", "/devstack/roles")[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        pytest.param("GET", "/" + "a" * 9000, b"", id="long path"),
        pytest.param("GET", "/keys/%ff%00?api-version=%ff", b"", id="no UTF-8"),
        pytest.param("GET", "/%2e%2e/%2e%2e/stack.key?api-version=7.4", b"", id="path upwards"),
        pytest.param("PUT", "/secrets/a?api-version=7.4", b"[" * 100_000, id="deep"),
        pytest.param("PUT", "/secrets/a?api-version=7.4", b'{"value":' + b"9" * 5000, id="number"),
        pytest.param("PUT", "/secrets/a?api-version=7.4", b"\xff\xfe", id="no text"),
        pytest.param("POST", "/keys/a/create?api-version=7.4", b'{"kty":["EC"]}', id="list"),
        pytest.param("POST", "/keys/a//sign?api-version=7.4", b'{"alg":{}}', id="object"),
        pytest.param("PROPFIND", "/keys?api-version=7.4", b"", id="method"),
    ],
)
def test_what_makes_no_sense_is_refused_and_leaves_no_trace(
    method: str, path: str, body: bytes, vaults: Vaults
) -> None:
    before = vaults.server.log.read_text()
    token = vaults.credential("north", "north").get_token(
        f"{vaults.credential('north', 'north').resource}/.default"
    )

    with linked(vaults) as link:
        link.request(method, path, body, {"Authorization": f"Bearer {token.token}"})
        found = link.getresponse()
        found.read()

    assert 400 <= found.status < 500
    assert vaults.server.log.read_text() == before


# --- durability


def test_what_was_acknowledged_outlives_a_crash(vaults: Vaults) -> None:
    role = {"identity": "auditor", "role": "Key Vault Reader", "scope": "/"}
    with vaults.keys("south", "south") as keys, vaults.secrets("south", "south") as secrets:
        key = keys.create_ec_key("kept")
        secrets.set_secret("kept", "value")
        keys.create_ec_key("gone")
        keys.begin_delete_key("gone", _polling_interval=0).wait()
        vaults.call("south", "south", "PUT", "/devstack/roles/auditor", role)

        vaults.server.kill()
        vaults.server.restart()

        assert keys.get_key("kept").id == key.id
        assert secrets.get_secret("kept").value == "value"
        assert keys.get_deleted_key("gone").recovery_id
    with vaults.keys("south", "auditor") as auditor:
        assert [each.name for each in auditor.list_properties_of_keys()] == ["kept"]


def test_files_are_their_owners_and_hold_no_key_in_the_clear(vaults: Vaults) -> None:
    with vaults.secrets("north", "north") as secrets:
        secrets.set_secret("hidden", "not to be found on the disk")

    folder = vaults.home.path / "vault" / "north"
    contents = b"".join(path.read_bytes() for path in folder.iterdir())

    assert folder.stat().st_mode & 0o777 == 0o700
    assert b"not to be found on the disk" not in contents


def test_a_row_that_was_changed_is_an_error_of_the_server(vaults: Vaults) -> None:
    with vaults.secrets("spoiled", "spoiled") as secrets:
        secrets.set_secret("a", "value")
    file = sqlite3.connect(vaults.home.path / "vault" / "spoiled" / "vault.sqlite")
    with file:
        file.execute("UPDATE versions SET sealed = zeroblob(99)")
    file.close()

    found = vaults.call("spoiled", "spoiled", "GET", "/secrets/a?api-version=7.4")

    error = {"code": "InternalError", "message": "The server encountered an internal error."}
    assert found == (500, {"error": error})
    log = vaults.server.log.read_text()
    assert "vault spoiled: a row is not what was stored there" in log
    assert "Traceback" not in log


# --- authorities


class Pages(BaseHTTPRequestHandler):
    """An authority that answers as a test tells it to."""

    server: "Authority"

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        status, body = self.server.answer(self.path)
        self.send_response(status)
        if status == 302:
            self.send_header("Location", f"{self.server.url}/elsewhere")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Leave stderr to the tests."""


class Authority(ThreadingHTTPServer):
    """Its key set, and what it was asked."""

    def __init__(self, home: Home) -> None:
        super().__init__((HOST, 0), Pages)
        self.url = f"https://{HOST}:{self.server_port}"
        self.asked: list[str] = []
        self.keys = {"a+key=": AUTHORITY_KEY}
        self.spoiled: Callable[[str], tuple[int, bytes] | None] = lambda _: None
        self.socket = home.tls().wrap_socket(self.socket, server_side=True)

    def answer(self, path: str) -> tuple[int, bytes]:
        spoiled = self.spoiled(path)
        if spoiled:
            return spoiled
        if path.startswith("/.well-known"):
            return 200, json.dumps({"jwks_uri": f"{self.url}/certs"}).encode()
        keys = [jwk(key.public_key()) | {"kid": name} for name, key in self.keys.items()]
        return 200, json.dumps({"keys": keys}).encode()

    def token(self, name: str = "a+key=", hours_ago: int = 0) -> str:
        issued = int(clock.now().timestamp()) - 3600 * hours_ago
        times = {"iat": issued, "nbf": issued, "exp": issued + 3600, "iss": self.url}
        return signed(header(kid=name), container() | times, self.keys[name])

    def handle_error(self, *_: Any) -> None:
        """Leave stderr to the tests."""


@pytest.fixture
def authority(vaults: Vaults) -> Iterator[Authority]:
    made = Authority(vaults.home)
    thread = threading.Thread(target=made.serve_forever, args=(0.02,))
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.fixture
def name(vaults: Vaults, authority: Authority) -> str:
    """A key for whoever that authority speaks well of."""
    found = f"key-{authority.server_port}"
    value = json.dumps(policy(TYPE, authority=authority.url)).encode()
    with vaults.keys("north", "north") as client:
        client.create_key(found, "EC-HSM", exportable=True, release_policy=KeyReleasePolicy(value))
    return found


@pytest.fixture
def runner(vaults: Vaults) -> Iterator[KeyClient]:
    with vaults.keys("north", "runner") as made:
        yield made


def test_an_authoritys_keys_are_fetched_once(
    authority: Authority, name: str, runner: KeyClient
) -> None:
    for _ in range(3):
        runner.release_key(name, authority.token())

    assert authority.asked == ["/.well-known/openid-configuration", "/certs"]


def test_an_expired_token_convinces_nobody(
    authority: Authority, name: str, runner: KeyClient
) -> None:
    with pytest.raises(HttpResponseError, match=UNVERIFIED) as caught:
        runner.release_key(name, authority.token(hours_ago=2))

    assert caught.value.status_code == 403


def test_made_up_key_ids_do_not_ask_again_and_again(
    authority: Authority, name: str, runner: KeyClient
) -> None:
    runner.release_key(name, authority.token())
    authority.keys["new"] = OTHER_KEY
    for _ in range(5):
        with pytest.raises(HttpResponseError, match=UNVERIFIED):
            runner.release_key(name, authority.token("new"))

    assert len(authority.asked) == 2
    assert runner.release_key(name, authority.token()).value


@pytest.mark.parametrize(
    "spoiled",
    [
        pytest.param(lambda _: (500, b""), id="failing"),
        pytest.param(lambda _: (302, b""), id="redirecting"),
        pytest.param(lambda _: (200, b"<html>"), id="no JSON"),
        pytest.param(lambda _: (200, b"{}"), id="nothing"),
        pytest.param(lambda _: (200, b" " * (1 << 20)), id="large"),
        pytest.param(
            lambda path: (
                (200, b'{"jwks_uri":"https://other.example/certs"}') if "well" in path else None
            ),
            id="keys elsewhere",
        ),
        pytest.param(lambda path: None if "well" in path else (200, b'{"keys":[]}'), id="no keys"),
    ],
)
def test_an_authority_that_answers_nonsense_convinces_nobody(
    spoiled: Any, authority: Authority, name: str, runner: KeyClient
) -> None:
    authority.spoiled = spoiled

    with pytest.raises(HttpResponseError, match=UNVERIFIED) as caught:
        runner.release_key(name, authority.token())

    assert caught.value.status_code == 403
    assert "/elsewhere" not in authority.asked


def test_an_authority_that_is_not_there_convinces_nobody(vaults: Vaults, runner: KeyClient) -> None:
    (port,) = free_ports(1)
    url = f"https://{HOST}:{port}"
    value = json.dumps(policy(TYPE, authority=url)).encode()
    with vaults.keys("north", "north") as client:
        client.create_key(
            "lonely", "EC-HSM", exportable=True, release_policy=KeyReleasePolicy(value)
        )
    claims = container() | {"iss": url}

    with pytest.raises(HttpResponseError, match=UNVERIFIED):
        runner.release_key("lonely", signed(header(), claims, AUTHORITY_KEY))


@pytest.mark.parametrize(("pause", "asked"), [(0.0, 4), (60.0, 2)], ids=["later", "at once"])
def test_a_key_id_that_is_new_is_asked_for_after_a_pause(
    pause: float, asked: int, authority: Authority, vaults: Vaults
) -> None:
    async def ask() -> list[bool]:
        async with Authorities(trusting(vaults.home), pause) as known:
            await known.keys(Wanted(authority.url, "a+key="))
            authority.keys["new"] = OTHER_KEY
            found = await known.keys(Wanted(authority.url, "new"))
            return ["new" in found.keys, Wanted(authority.url, "a+key=") in known.at_hand()]

    assert asyncio.run(ask()) == [asked == 4, True]
    assert len(authority.asked) == asked


def test_keys_that_are_known_outlive_a_failure(authority: Authority, vaults: Vaults) -> None:
    async def ask() -> bool:
        async with Authorities(trusting(vaults.home), 0.0) as known:
            await known.keys(Wanted(authority.url, "a+key="))
            authority.spoiled = lambda _: (500, b"")
            await known.keys(Wanted(authority.url, "new"))
            return Wanted(authority.url, "a+key=") in known.at_hand()

    assert asyncio.run(ask())


def test_many_authorities_are_not_kept(authority: Authority, vaults: Vaults) -> None:
    first = Wanted(authority.url, "a+key=")
    others = [Wanted(f"https://{HOST}:{port}", None) for port in free_ports(64)]

    async def ask() -> None:
        async with Authorities(trusting(vaults.home)) as known:
            await known.keys(first)
            await asyncio.gather(*(known.keys(other) for other in others))
            await known.keys(first)

    asyncio.run(ask())

    assert len(authority.asked) == 4


# --- the command


def test_a_port_that_is_taken_is_named(vaults: Vaults) -> None:
    port = vaults.ports["north"]
    command = [sys.executable, "-m", "devstack.vault", "--home", str(vaults.home.path)]

    done = subprocess.run(
        [*command, "--vault", f"other={port}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    assert done.returncode == 5
    assert f"port {port}: cannot be used" in done.stderr
    assert "Traceback" not in done.stderr
