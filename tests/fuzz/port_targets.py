"""The servers of the stack as subjects of an attack: started, with genuine requests as seeds."""

import json
import os
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from urllib.parse import quote

from azure.servicebus import ServiceBusClient, ServiceBusMessage

from devstack import tokens
from devstack.hardware.machine import Machine
from devstack.home import HOST, Home
from devstack.storage import azurite
from tests.attesting import SNP_VM, container_request
from tests.buses import Bus, running_bus
from tests.fuzz import wire
from tests.fuzz.recording import recording
from tests.fuzz.subjects import Client, bearer, seed
from tests.fuzz.watching import Port, Subject
from tests.servers import Server, free_ports, running, trusting

type Start = Callable[[Path], AbstractContextManager[Subject]]

_PATIENCE = 30.0  # seconds
_POLL = 0.05
_JSON = {"Content-Type": "application/json"}


@contextmanager
def identity(folder: Path) -> Iterator[Subject]:
    """The directory: tokens for whoever knows a secret."""
    home = Home.at(folder / "home")
    (port,) = free_ports(1)
    client = Client(port, None)
    secret = {"X-IDENTITY-HEADER": home.secret("identity/north")}
    path = "/msi/token?api-version=2019-08-01&resource=https%3A%2F%2Fvault.azure.net"
    tenant = f"/{home.object_id('tenant')}"
    seeds = [
        seed("GET", path, secret),
        seed("GET", f"{path}&client_id={home.object_id('north')}", secret),
        seed("GET", f"{tenant}/discovery/keys", {}),
        seed("GET", f"{tenant}/.well-known/openid-configuration", {}),
    ]

    def genuine() -> None:
        assert "access_token" in client.json("GET", path, secret)

    options = ["--port", str(port), "--identity", "north"]
    with _server("identity", home, options, (port, None)) as server:
        yield Subject(server, [Port(port, None, seeds)], genuine)


@contextmanager
def attestation(folder: Path) -> Iterator[Subject]:
    """The attestation service: evidence in, tokens out."""
    home = Home.at(folder / "home")
    (port,) = free_ports(1)
    tls = trusting(home)
    client = Client(port, tls)
    group = Machine.of(home).launched(b"package policy\n", None)
    body = json.dumps(container_request(group.evidence(b'{"keys":[]}'))).encode()
    guest = "/attest/AzureGuest?api-version=2020-10-01"
    seeds = [
        seed("POST", SNP_VM, _JSON, body),
        seed("POST", guest, _JSON, b'{"AttestationInfo":"e30"}'),
        seed("GET", "/certs", {}),
        seed("GET", "/.well-known/openid-configuration", {}),
    ]

    def genuine() -> None:
        assert "token" in json.loads(client.ask("POST", SNP_VM, _JSON, body))

    with _server("attestation", home, ["--port", str(port)], (port, tls)) as server:
        yield Subject(server, [Port(port, tls, seeds)], genuine)


@contextmanager
def vault(folder: Path) -> Iterator[Subject]:
    """A vault: keys, secrets, releases."""
    home = Home.at(folder / "home")
    (port,) = free_ports(1)
    tls = trusting(home)
    client, headers = Client(port, tls), bearer(home, "north", tokens.KEY_VAULT)
    version = "api-version=7.6"
    key = {"kty": "RSA", "key_size": 2048, "key_ops": ["sign", "verify", "wrapKey", "unwrapKey"]}

    def spelled(method: str, path: str, body: object = None) -> bytes:
        content = b"" if body is None else json.dumps(body).encode()
        return seed(method, f"{path}?{version}", headers, content)

    def genuine() -> None:
        found = client.json("GET", f"/secrets/kept?{version}", headers)
        assert found["value"] == "genuine"

    with _server("vault", home, ["--vault", f"north={port}"], (port, tls)) as server:
        client.json("PUT", f"/secrets/kept?{version}", headers, {"value": "genuine"})
        made = client.json("POST", f"/keys/kept/create?{version}", headers, key)
        named = made["key"]["kid"].partition("/keys/")[2]
        signed = {"alg": "RS256", "value": "A" * 43}
        seeds = [
            spelled("GET", "/secrets/kept"),
            spelled("PUT", "/secrets/other", {"value": "v", "attributes": {"enabled": True}}),
            spelled("GET", "/keys"),
            spelled("GET", f"/keys/{named}"),
            spelled("POST", "/keys/other/create", {"kty": "EC", "crv": "P-256"}),
            spelled("PUT", "/keys/brought", {"key": {"kty": "RSA", "n": "AQAB", "e": "AQAB"}}),
            spelled("PATCH", f"/keys/{named}", {"attributes": {"enabled": True}, "tags": {}}),
            spelled("POST", f"/keys/{named}/sign", signed),
            spelled("POST", f"/keys/{named}/wrapkey", {"alg": "RSA-OAEP-256", "value": "AAAA"}),
            spelled("POST", f"/keys/{named}/release", {"target": "a.b.c", "enc": "RSA_AES"}),
        ]
        yield Subject(server, [Port(port, tls, seeds)], genuine)


@contextmanager
def eventgrid(folder: Path) -> Iterator[Subject]:
    """Event Grid: what is published, and who subscribes to it."""
    home = Home.at(folder / "home")
    port, nobody = free_ports(2)
    tls = trusting(home)
    client = Client(port, tls)
    control = {"Authorization": f"Bearer {home.secret('eventgrid/control')}", **_JSON}
    key = {"aeg-sas-key": home.secret("eventgrid/fuzzed"), **_JSON}
    publish = "/topics/fuzzed/api/events?api-version=2018-01-01"
    event = {
        "id": "1",
        "type": "made",
        "source": "/fuzz",
        "specversion": "1.0",
        "subject": "a",
        "time": "2026-11-21T09:30:00Z",
        "data": {"key": 1.5},
    }
    cloud = {**key, "Content-Type": "application/cloudevents-batch+json; charset=utf-8"}
    bound = {
        "destination": {
            "endpointType": "ServiceBusQueue",
            "properties": {"resourceId": "/queues/q"},
        },
        "filter": {
            "subjectBeginsWith": "a",
            "advancedFilters": [
                {"operatorType": "NumberIn", "key": "data.key", "values": [1, 2]},
                {"operatorType": "StringContains", "key": "subject", "values": ["a"]},
            ],
        },
        "retryPolicy": {"maxDeliveryAttempts": 1, "eventTimeToLiveInMinutes": 1},
    }
    topic = {"properties": {"inputSchema": "CloudEventSchemaV1_0"}}
    place = "/devstack/topics/fuzzed"
    seeds = [
        seed("POST", publish, cloud, json.dumps([event, {**event, "id": "2"}]).encode()),
        seed("POST", publish, key, json.dumps([event]).encode()),
        seed("PUT", f"{place}/subscriptions/s", control, json.dumps(bound).encode()),
        seed("GET", f"{place}/subscriptions/s", control),
        seed("PUT", "/devstack/topics/other", control, json.dumps(topic).encode()),
        seed("POST", "/devstack/idle?timeout=0", control),
    ]

    def genuine() -> None:
        client.json("PUT", place, control, topic)
        client.ask("POST", publish, cloud, json.dumps([event]).encode())

    gone = ["--bus", f"{HOST}:{nobody}", "--storage", f"https://{HOST}:{nobody}/cleanroom"]
    options = ["--port", str(port), "--patience", "1", *gone]
    with _server("eventgrid", home, options, (port, tls)) as server:
        yield Subject(server, [Port(port, tls, seeds)], genuine)


@contextmanager
def storage(folder: Path) -> Iterator[Subject]:
    """Storage: the front, with Azurite behind it."""
    home = Home.at(folder / "home")
    port, behind, nobody = free_ports(3)
    tls = trusting(home)
    client, token = Client(port, tls), bearer(home, "runner", tokens.STORAGE)
    headers = {"Authorization": token["Authorization"], "x-ms-version": "2025-05-05"}
    block = {**headers, "x-ms-blob-type": "BlockBlob", "Content-Type": "text/plain"}
    place = "/cleanroom/fuzzed"
    blocks = b"<?xml version='1.0'?><BlockList><Latest>MQ==</Latest></BlockList>"
    seeds = [
        seed("PUT", f"{place}/a", block, b"content"),
        seed("GET", f"{place}/kept", headers),
        seed("GET", f"{place}/kept", {**headers, "Range": "bytes=1-3"}),
        seed("GET", f"{place}?restype=container&comp=list&prefix=a&maxresults=5", headers),
        seed("PUT", f"{place}/b?comp=block&blockid=MQ%3D%3D", headers, b"part"),
        seed("PUT", f"{place}/b?comp=blocklist", headers, blocks),
        seed("PUT", "/cleanroom/other?restype=container", headers),
        seed("DELETE", f"{place}/a", headers),
        seed("PUT", f"{place}/c", {**block, "Transfer-Encoding": "chunked"}),
        seed("OPTIONS", f"{place}/a", {"Origin": "null"}),
    ]

    def genuine() -> None:
        client.ask("PUT", f"{place}/kept", block, b"genuine")
        assert client.ask("GET", f"{place}/kept", headers) == b"genuine"

    options = ["--port", str(port), "--azurite-port", str(behind)]
    options += ["--eventgrid", f"https://{HOST}:{nobody}"]
    with (
        _azurite(home, behind),
        _server("storage", home, options, (port, tls)) as server,
    ):
        client.ask("PUT", f"{place}?restype=container", headers, b"")
        yield Subject(server, [Port(port, tls, seeds)], genuine)


@contextmanager
def _azurite(home: Home, port: int) -> Iterator[None]:
    """Run Azurite in memory; it is not what is attacked."""
    start = azurite.start(home, port, in_memory=True)
    process = subprocess.Popen(
        start.command, env=os.environ | start.environment, stdout=subprocess.DEVNULL
    )
    try:
        until = time.monotonic() + _PATIENCE
        while not _listens(port):
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(_POLL)
        yield
    finally:
        process.kill()
        process.wait(_PATIENCE)


def _listens(port: int) -> bool:
    with socket.socket() as link:
        return link.connect_ex((HOST, port)) == 0


@contextmanager
def functions(folder: Path) -> Iterator[Subject]:
    """The functions host: an app's functions, webhooks, the admin's calls."""
    home = Home.at(folder / "home")
    (port,) = free_ports(1)
    client = Client(port, None)
    master = {"x-functions-key": home.secret("functions/master"), **_JSON}
    code = quote(home.secret("functions/eventgrid_extension"), safe="")
    hook = f"/runtime/webhooks/eventgrid?functionName=received&code={code}"
    told = {"aeg-event-type": "Notification", "Content-Type": "application/cloudevents+json"}
    event = {"id": "1", "type": "made", "source": "/fuzz", "specversion": "1.0", "data": {}}
    validation = [
        {
            "id": "1",
            "topic": "t",
            "subject": "",
            "dataVersion": "1",
            "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
            "eventTime": "2026-11-21T09:30:00Z",
            "data": {"validationCode": "a"},
        }
    ]
    asks = {**_JSON, "aeg-event-type": "SubscriptionValidation"}
    seeds = [
        seed("GET", "/api/echo/3/a/b?c=d", {"Cookie": "a=b", "X-Forwarded-For": "1.2.3.4"}),
        seed("POST", "/api/echo/3/a", {"Content-Type": "text/plain"}, b"body"),
        seed("GET", "/api/guarded", master),
        seed("POST", hook, told, json.dumps(event).encode()),
        seed("POST", hook, asks, json.dumps(validation).encode()),
        seed("OPTIONS", hook, {"WebHook-Request-Origin": "eventgrid"}),
        seed("GET", "/admin/functions", master),
        seed("POST", "/admin/functions/tick", master, b'{"input":""}'),
    ]

    def genuine() -> None:
        assert client.ask("POST", "/api/echo/3/a", {}, b"genuine") == b"7 0"

    options = ["--port", str(port), "--app", str(Path(__file__).with_name("app"))]
    with _server("functions_host", home, options, (port, None)) as server:
        yield Subject(server, [Port(port, None, seeds)], genuine)


@contextmanager
def bus(folder: Path) -> Iterator[Subject]:
    """The bus: AMQP, with and without TLS, as the genuine client speaks it; and its control API."""
    short = {"DefaultMessageTimeToLive": "PT5S", "LockDuration": "PT5S", "MaxDeliveryCount": 3}
    with running_bus(folder) as made:
        queue, kept = made.control.queue(**short), made.control.queue(**short)
        said = _conversations(made, queue)
        control = {"Authorization": f"Bearer {made.home.secret('bus/control')}", **_JSON}
        topic = "/devstack/topics/fuzzed"
        rule = {
            "FilterType": "Sql",
            "SqlFilter": {"SqlExpression": "a IN ('b', 'c') AND NOT (d > 1.5 OR e LIKE 'f%')"},
            "Action": {"SqlExpression": "SET g = h + 1; REMOVE i"},
        }
        properties = json.dumps(short).encode()
        requests = [
            seed("PUT", "/devstack/queues/other", control, properties),
            seed("GET", "/devstack/queues/other", control),
            seed("GET", "/devstack/entities", control),
            seed("PUT", topic, control, b"{}"),
            seed("PUT", f"{topic}/subscriptions/s", control, properties),
            seed("PUT", f"{topic}/subscriptions/s/rules/r", control, json.dumps(rule).encode()),
            seed("DELETE", f"{topic}/subscriptions/s/rules/r", control),
        ]
        ports = [
            Port(made.port, None, said, wire.amqp),
            Port(made.tls_port, trusting(made.home), said, wire.amqp),
            Port(made.control.port, None, requests),
        ]
        yield Subject(made.server, ports, lambda: _exchange(made.connection_string(), kept))


def _conversations(made: Bus, queue: str) -> list[bytes]:
    """Record what the genuine client says when it sends, receives, completes and peeks."""
    with recording(made.port) as relay:
        through = made.connection_string().replace(f":{made.port};", f":{relay.port};")
        _exchange(through, queue)
    return [bytes(one) for one in relay.conversations]


def _exchange(connection: str, queue: str) -> None:
    message = ServiceBusMessage(b"genuine", application_properties={"a": "b", "d": 2})
    with ServiceBusClient.from_connection_string(connection) as client:
        with client.get_queue_sender(queue, keep_alive=0) as sender:
            sender.send_messages(message)
        with client.get_queue_receiver(queue, keep_alive=0) as receiver:
            receiver.peek_messages(1)
            (found,) = receiver.receive_messages(1, max_wait_time=_PATIENCE)
            receiver.complete_message(found)


def _server(
    name: str, home: Home, options: list[str], health: tuple[int, ssl.SSLContext | None]
) -> AbstractContextManager[Server]:
    all_options = ["--home", str(home.path), *options]
    return running(f"devstack.{name}", all_options, health, home.path.with_name(f"{name}.log"))


PORTS: dict[str, Start] = {
    "identity": identity,
    "attestation": attestation,
    "vault": vault,
    "storage": storage,
    "bus": bus,
    "eventgrid": eventgrid,
    "functions": functions,
}
