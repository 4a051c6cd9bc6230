"""The client of an attestation service, against the service and against what goes wrong."""

import gzip
import json
import socket
import time
from collections.abc import Callable

import pytest
import trustme

from cleanroom.attestation.token import verify
from cleanroom.errors import CleanroomError, Malformed, Unattested, Unavailable
from devstack.attestation.server import AttestationServer
from runner.attest.authority import AttestationService, ContainerProof, from_url64
from tests.attesting import LEEWAY, Guest, genuine, opened, sealing_key
from tests.builders import NOW
from tests.hardware import group, paravisor
from tests.ports.scripted import HOST, Reply, Scripted, scripted

RUNTIME = b'{"keys":[]}'
PATIENCE, PAUSE = 5.0, 0.01
TOKEN = Reply(body=b'{"token":"a.b.c"}')


def client(url: str, patience: float = PATIENCE) -> AttestationService:
    return AttestationService(url, patience, PAUSE)


def proof(*, endorsed: bool = True, runtime: bytes = RUNTIME) -> ContainerProof:
    found = group().evidence(RUNTIME)
    return ContainerProof(
        found.report, found.chain, runtime, found.endorsement if endorsed else None
    )


def attest(url: str, patience: float = PATIENCE) -> str:
    service = client(url, patience)
    try:
        return service.attest_container(proof())
    finally:
        service.close()


# --- the service


@pytest.mark.parametrize(
    ("endorsed", "compliance"), [(True, "azure-compliant-uvm"), (False, "azure-compliant-cvm")]
)
def test_a_container_gets_a_token_that_verifies(
    attestation: AttestationServer, endorsed: bool, compliance: str
) -> None:
    service = client(attestation.url)

    token = service.attest_container(proof(endorsed=endorsed))

    found = verify(token, service.keys(), NOW, LEEWAY)
    assert (found.issuer, found.snp().compliance) == (attestation.url, compliance)
    service.close()


def test_a_machine_gets_a_sealed_token(attestation: AttestationServer) -> None:
    service = client(attestation.url)

    answer = service.attest_guest(Guest.of(paravisor()).information())

    token = opened(answer, sealing_key())
    assert verify(token, service.keys(), NOW, LEEWAY).attestation_type == "azurevm"
    service.close()


def test_evidence_that_is_refused_is_unattested(attestation: AttestationServer) -> None:
    service = client(attestation.url)

    with pytest.raises(Unattested) as refused:
        service.attest_container(proof(runtime=b"{}"))

    assert str(refused.value) == f"{attestation.url}: refused the evidence (AttestationFailed)"
    service.close()


def test_a_service_whose_certificate_nobody_trusts_is_not_asked() -> None:
    with scripted(TOKEN, ca=trustme.CA()) as server:
        with pytest.raises(Unavailable, match=r"does not answer$"):
            attest(server.url)

        assert server.asked == []


# --- what it sends


def test_a_request_names_version_and_client(ca: trustme.CA) -> None:
    with scripted(TOKEN, ca=ca) as server:
        assert attest(server.url) == "a.b.c"

    (asked,) = server.asked
    assert (asked.method, asked.path) == ("POST", "/attest/SevSnpVm?api-version=2022-08-01")
    assert asked.headers["Content-Type"] == "application/json"
    assert asked.headers["Accept"] == "application/json"
    assert asked.headers["User-Agent"].startswith("cleanroom/")
    assert set(json.loads(asked.body)) == {"report", "runtimeData"}


# --- what goes wrong


def body_of(error: object) -> bytes:
    return json.dumps({"error": error}).encode()


@pytest.mark.parametrize("status", [400, 401, 403])
@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param(body_of({"code": "Bad1", "message": "secret"}), "Bad1", id="a code"),
        pytest.param(body_of({"code": "two words"}), "no code", id="text as code"),
        pytest.param(body_of({"code": "A" * 65}), "no code", id="long code"),
        pytest.param(body_of({"code": 7}), "no code", id="number as code"),
        pytest.param(body_of("text"), "no code", id="text as error"),
        pytest.param(b"[]", "no code", id="a list"),
        pytest.param(b"\xff", "no code", id="no text"),
        pytest.param(b"[" * 100_000, "no code", id="deep"),
    ],
)
def test_of_a_refusal_only_the_code_is_told(
    ca: trustme.CA, status: int, body: bytes, code: str
) -> None:
    with (
        scripted(Reply(status, body), ca=ca) as server,
        pytest.raises(Unattested, match=rf"^{server.url}: refused the evidence \({code}\)$"),
    ):
        attest(server.url)


@pytest.mark.parametrize(
    ("reply", "error", "message"),
    [
        pytest.param(Reply(404), Unavailable, "answered with HTTP status 404", id="not found"),
        pytest.param(
            Reply(302, headers=(("Location", "https://other.example/"),)),
            Unavailable,
            "answered with HTTP status 302",
            id="redirect",
        ),
        pytest.param(
            Reply(307, headers=(("Location", "/attest/SevSnpVm"),)),
            Unavailable,
            "answered with HTTP status 307",
            id="redirect to itself",
        ),
        pytest.param(Reply(0), Unavailable, "does not answer", id="hung up"),
        pytest.param(Reply(body=b"{", length=9), Unavailable, "does not answer", id="cut answer"),
        pytest.param(
            Reply(body=b"no gzip", headers=(("Content-Encoding", "gzip"),)),
            Unavailable,
            "does not answer",
            id="broken compression",
        ),
        pytest.param(Reply(body=b"token"), Malformed, "expected JSON in UTF-8", id="garbage"),
        pytest.param(Reply(body=b"[]"), Malformed, "expected an object with a token", id="a list"),
        pytest.param(Reply(body=b"{}"), Malformed, "expected an object with a token", id="none"),
        pytest.param(
            Reply(body=b'{"token":7}'),
            Malformed,
            "expected an object with a token",
            id="a number as token",
        ),
        pytest.param(
            Reply(body=b" " * ((1 << 20) + 1)),
            Malformed,
            "expected an answer of at most 1048576 bytes",
            id="too large",
        ),
        pytest.param(
            Reply(body=gzip.compress(bytes(1 << 26)), headers=(("Content-Encoding", "gzip"),)),
            Malformed,
            "expected an answer of at most 1048576 bytes",
            id="too large when it is unpacked",
        ),
    ],
)
def test_a_strange_answer_is_refused_after_one_request(
    ca: trustme.CA, reply: Reply, error: type[CleanroomError], message: str
) -> None:
    with scripted(reply, ca=ca) as server:
        with pytest.raises(error) as refused:
            attest(server.url)

        assert message in str(refused.value)
        assert str(refused.value).startswith(server.url)
        assert len(server.asked) == 1


@pytest.mark.parametrize("status", [500, 503, 504])
def test_a_failing_service_is_asked_four_times(ca: trustme.CA, status: int) -> None:
    with scripted(Reply(status), ca=ca) as server:
        with pytest.raises(Unavailable, match=f"answered with HTTP status {status}$"):
            attest(server.url)

        assert len(server.asked) == 4


def test_a_service_that_recovers_is_believed(ca: trustme.CA) -> None:
    with scripted(Reply(503), Reply(500), TOKEN, ca=ca) as server:
        assert attest(server.url) == "a.b.c"


def test_a_service_cannot_make_us_wait_for_long(
    ca: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)

    with scripted(Reply(503, headers=(("Retry-After", "86400"),)), TOKEN, ca=ca) as server:
        attest(server.url)

    assert waited == [5.0]


def test_a_service_that_is_not_there_is_unavailable() -> None:
    with socket.socket() as unused:
        unused.bind((HOST, 0))
        url = f"https://{HOST}:{unused.getsockname()[1]}"

    with pytest.raises(Unavailable, match=f"^{url}/attest/SevSnpVm.*: does not answer$"):
        attest(url)


def test_a_service_that_says_nothing_is_not_waited_for() -> None:
    with socket.create_server((HOST, 0)) as silent:
        url = f"https://{HOST}:{silent.getsockname()[1]}"

        with pytest.raises(Unavailable, match=r"does not answer$"):
            attest(url, patience=0.2)


# --- keys


def configuration(server: Scripted, **changes: object) -> Reply:
    value = {"issuer": server.url, "jwks_uri": f"{server.url}/certs"} | changes
    return Reply(body=json.dumps(value).encode())


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        pytest.param(
            lambda _: {"jwks_uri": "https://other.example/certs"},
            Unattested,
            "expected an address at",
            id="keys elsewhere",
        ),
        pytest.param(
            lambda _: {"issuer": "https://other.example"},
            Unattested,
            ".issuer: expected",
            id="another issuer",
        ),
        pytest.param(
            lambda url: {"jwks_uri": url.replace("https", "http") + "/certs"},
            Malformed,
            "expected an https URL",
            id="keys in the clear",
        ),
        pytest.param(lambda _: {}, Malformed, "/certs: expected a field 'keys'", id="no keys"),
    ],
)
def test_keys_are_fetched_from_the_pinned_address_only(
    ca: trustme.CA,
    change: Callable[[str], dict[str, object]],
    error: type[CleanroomError],
    message: str,
) -> None:
    with scripted(ca=ca) as server:
        server.replies = [configuration(server, **change(server.url)), Reply(body=b"{}")]
        service = client(server.url)

        with pytest.raises(error) as refused:
            service.keys()

        assert message in str(refused.value)
        service.close()


# --- base64


@pytest.mark.parametrize("text", ["-_8", "-_8="])
def test_base64_for_urls_has_padding_or_not(text: str) -> None:
    assert from_url64(text, "x") == b"\xfb\xff"


@pytest.mark.parametrize("text", ["A", "A!==", "é", "A=A="], ids=["cut", "sign", "letter", "mid"])
def test_what_is_not_base64_for_urls_is_refused(text: str) -> None:
    with pytest.raises(Malformed, match=r"^x: expected base64 for URLs$"):
        from_url64(text, "x")


def test_a_token_of_another_service_does_not_verify(attestation: AttestationServer) -> None:
    service = client(attestation.url)
    token = service.attest_container(proof())
    service.close()

    with pytest.raises(Unattested, match=r"^token\.header\.kid: expected a key of"):
        genuine(token)
