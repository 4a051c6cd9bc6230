"""The service's sockets: HTTPS only, bounded bodies, and no request that stops it."""

import http.client
import json
import socket
import ssl
from collections.abc import Iterator

import pytest
import trustme

from devstack.attestation.server import AttestationServer
from tests.attesting import SNP_VM, container_request
from tests.hardware import group

LARGEST = 1 << 20


@pytest.fixture
def link(attestation: AttestationServer, ca: trustme.CA) -> Iterator[http.client.HTTPSConnection]:
    context = ssl.create_default_context()
    ca.configure_trust(context)
    port = int(attestation.url.rpartition(":")[2])
    made = http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=context)
    yield made
    made.close()


def error(answer: http.client.HTTPResponse) -> tuple[int, str]:
    return answer.status, json.loads(answer.read())["error"]["message"]


def test_one_connection_serves_many_requests(link: http.client.HTTPSConnection) -> None:
    body = json.dumps(container_request(group().evidence(b"{}")))
    link.request("POST", SNP_VM, body)
    first = json.loads(link.getresponse().read())
    used = link.sock

    link.request("GET", "/certs")

    assert "token" in first
    assert "keys" in json.loads(link.getresponse().read())
    assert link.sock is used


def test_answers_are_json(link: http.client.HTTPSConnection) -> None:
    link.request("GET", "/certs")

    assert link.getresponse().headers["Content-Type"] == "application/json"


def test_the_configuration_names_the_address_that_was_asked(
    link: http.client.HTTPSConnection, attestation: AttestationServer
) -> None:
    link.request("GET", "/.well-known/openid-configuration")

    found = json.loads(link.getresponse().read())
    assert (found["issuer"], found["jwks_uri"]) == (attestation.url, f"{attestation.url}/certs")


def test_a_body_too_large_is_refused_unread(link: http.client.HTTPSConnection) -> None:
    link.putrequest("POST", SNP_VM)
    link.putheader("Content-Length", str(LARGEST + 1))
    link.endheaders()

    answer = link.getresponse()

    assert answer.headers["Connection"] == "close"
    assert error(answer) == (413, f"expected at most {LARGEST} bytes")


def test_a_body_in_chunks_is_read(link: http.client.HTTPSConnection) -> None:
    body = json.dumps(container_request(group().evidence(b"{}"))).encode()

    link.request("POST", SNP_VM, iter([body[:100], body[100:]]), encode_chunked=True)

    assert "token" in json.loads(link.getresponse().read())


def test_a_body_in_chunks_has_the_same_limit(link: http.client.HTTPSConnection) -> None:
    link.request("POST", SNP_VM, iter([bytes(LARGEST), b"\0"]), encode_chunked=True)

    assert error(link.getresponse()) == (413, f"expected at most {LARGEST} bytes")


@pytest.mark.parametrize(
    "length", ["-1", "1e3", "", "9" * 4301], ids=["below 0", "no digits", "none", "long"]
)
def test_a_body_of_no_size_is_refused(link: http.client.HTTPSConnection, length: str) -> None:
    link.putrequest("POST", SNP_VM)
    link.putheader("Content-Length", length)
    link.endheaders()

    with link.getresponse() as answer:
        assert (answer.status, answer.will_close) == (400, True)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "OPTIONS"])
def test_other_methods_are_refused(link: http.client.HTTPSConnection, method: str) -> None:
    link.request(method, SNP_VM)

    assert link.getresponse().status == 405


def test_a_client_that_shakes_no_hands_stops_nobody(
    link: http.client.HTTPSConnection,
    attestation: AttestationServer,
    capfd: pytest.CaptureFixture[str],
) -> None:
    port = int(attestation.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as silent:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
            plain.recv(100)
        link.request("GET", "/certs")

        assert link.getresponse().status == 200
        assert silent.fileno() > 0
    assert capfd.readouterr().err == ""
