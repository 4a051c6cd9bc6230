"""The functions host, asked over HTTP as clients and Event Grid ask it."""

import http.client
import json
import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, ClassVar

import pytest

from tests.ports.devstack.functions_apps import APPS, Hosted, hosted

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Topic(BaseHTTPRequestHandler):
    """A topic's endpoint that keeps what it is sent."""

    received: ClassVar[list[tuple[str, dict[str, str], Any]]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.received.append((self.path, dict(self.headers), body))
        self.send_response(200 if body[0].get("id") != "refuse" else 400)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def topic() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Topic)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/api/events"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, topic: str) -> Iterator[Hosted]:
    settings = {
        "SCHEDULE": "0 0 */6 * * *",
        "TOPIC_ENDPOINT": topic,
        "TOPIC_KEY": "a topic's key",
        "AzureWebJobs.asleep.Disabled": "true",
    }
    folder = tmp_path_factory.mktemp("everyday")
    with hosted(APPS / "everyday", folder, settings) as running:
        yield running


# --- HTTP


def test_a_function_sees_the_request(host: Hosted) -> None:
    headers = {"X-Agent": "me", "traceparent": TRACE}

    reply = host.ask("POST", "/api/echo/12/a%20b?x=1&x=2&empty=", "body", headers)

    seen = reply.json()
    assert (reply.status, reply.headers["Content-Type"]) == (202, "application/json")
    assert seen.pop("invocation")
    assert seen == {
        "method": "POST",
        "url": f"http://127.0.0.1:{host.port}/api/echo/12/a%20b?x=1&x=2&empty=",
        "params": {"x": "1,2"},
        "route": {"id": "12", "rest": "a b"},
        "agent": "me",
        "body": "body",
        "trace": TRACE,
        "name": "echo",
    }


def test_a_trace_begins_where_none_came(host: Hosted) -> None:
    seen = host.ask("GET", "/API/Echo/1").json()

    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-00", str(seen["trace"]))
    assert seen["route"] == {"id": "1"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        pytest.param("GET", "/api/echo/x", 404, id="constraint"),
        pytest.param("PUT", "/api/echo/1", 404, id="method"),
        pytest.param("GET", "/api/unknown", 404, id="no route"),
        pytest.param("GET", "/echo/1", 404, id="no prefix"),
        pytest.param("OPTIONS", "/api/echo/1", 404, id="options that are not listed"),
        pytest.param("OPTIONS", "/api/files/known", 200, id="options that are listed"),
        pytest.param("GET", "/", 200, id="home page"),
        pytest.param("POST", "/", 404, id="only a page"),
        pytest.param("GET", "/api/broken", 500, id="function that raises"),
        pytest.param("GET", "/api/silly", 500, id="status that there is not"),
        pytest.param("GET", "/api/asleep", 404, id="disabled"),
    ],
)
def test_statuses_are_those_of_the_cloud(host: Hosted, method: str, path: str, status: int) -> None:
    assert host.ask(method, path).status == status


def test_a_failure_says_nothing_to_the_caller_and_all_to_the_log(host: Hosted) -> None:
    reply = host.ask("PATCH", "/api/broken")

    assert (reply.status, reply.body) == (500, b"")
    host.wait_for_log("ValueError: cannot PATCH")


def test_the_more_precise_route_goes_first(host: Hosted) -> None:
    known = host.ask("GET", "/api/files/known")
    other = host.ask("GET", "/api/files/a%2Fb/c")
    none = host.ask("GET", "/api/files")

    assert (known.body, known.headers["X-Method"]) == (b"\x00\x01", "GET")
    assert (other.body, none.body) == (b"a%2Fb/c", b"nothing")


def test_a_head_request_has_no_body(host: Hosted) -> None:
    reply = host.ask("HEAD", "/api/files/known")

    assert (reply.body, reply.headers["X-Method"]) == (b"", "HEAD")


def test_cookies_are_set_each_by_itself(host: Hosted) -> None:
    cookies = host.ask("GET", "/api/files/x").headers.get_all("Set-Cookie")

    assert cookies == [
        "a=1; max-age=60; path=/files; samesite=lax; httponly",
        "b=2; expires=Fri, 01 Jan 2027 00:00:00 GMT; domain=example.com; path=/; secure",
    ]


def test_a_text_is_plain_text(host: Hosted) -> None:
    reply = host.ask("GET", "/api/quiet")

    assert (reply.status, reply.body) == (200, b"")
    assert reply.headers["Content-Type"] == "text/plain; charset=utf-8"


def test_a_body_may_come_in_pieces(host: Hosted) -> None:
    pieces = iter([b"x" * 100_000] * 30)

    assert host.ask("PUT", "/api/sizes", pieces).body == b"3000000"


def test_a_body_is_bounded(host: Hosted) -> None:
    too_long = {"Content-Length": str((100 << 20) + 1)}

    refused = host.ask("PUT", "/api/sizes", headers=too_long)

    assert refused.status == 413
    assert host.ask("PUT", "/api/sizes", b"x").body == b"1"


def test_a_body_of_unknown_length_is_bounded(host: Hosted) -> None:
    link = http.client.HTTPConnection("127.0.0.1", host.port, timeout=20)
    pieces = iter([b"x" * (1 << 20)] * 101)

    with closing(link), suppress(ConnectionError):
        link.request("PUT", "/api/sizes", pieces)
        assert link.getresponse().status == 413

    assert host.ask("PUT", "/api/sizes", b"x").body == b"1"


def test_requests_run_beside_each_other(host: Hosted) -> None:
    with ThreadPoolExecutor(3) as pool:
        bodies = list(pool.map(lambda method: host.ask(method, "/api/meet").body, ["GET"] * 3))

    assert bodies == [b"met by GET"] * 3


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param(b"GET /api/quiet HTTP/1.1\r\nHost: x\r\nX-A: \xff\r\n\r\n", 400, id="header"),
        pytest.param(b"GET /api/%ff%zz HTTP/1.1\r\nHost: x\r\n\r\n", 404, id="escapes"),
        pytest.param(b"GET //a/../b HTTP/1.1\r\nHost: x\r\n\r\n", 404, id="slashes"),
        pytest.param(b"GET http://x/api/quiet HTTP/1.1\r\nHost: x\r\n\r\n", 200, id="absolute"),
        pytest.param(b"nonsense\r\n\r\n", 400, id="no HTTP"),
        pytest.param(b"GET / HTTP/1.1\r\nX: " + b"x" * 99_999 + b"\r\n\r\n", 400, id="long"),
    ],
)
def test_odd_requests_cost_one_answer(host: Hosted, sent: bytes, status: int) -> None:
    with socket.create_connection(("127.0.0.1", host.port), timeout=10) as link:
        link.sendall(sent)
        answer = link.recv(1000)

    assert answer.split()[1] == str(status).encode()
    assert "Traceback" not in host.log().replace("ERROR broken: Traceback", "")


def test_an_outcome_that_cannot_be_told_is_a_failure(host: Hosted) -> None:
    assert host.ask("GET", "/api/odd").status == 500


# --- keys


@pytest.mark.parametrize(
    ("path", "key", "status"),
    [
        pytest.param("/api/guarded", None, 401, id="none"),
        pytest.param("/api/guarded", "own/guarded", 200, id="its own"),
        pytest.param("/api/guarded", "own/GUARDED", 401, id="no key of anything"),
        pytest.param("/api/guarded", "default", 200, id="of the host"),
        pytest.param("/api/guarded", "master", 200, id="master"),
        pytest.param("/api/guarded", "own/echo", 401, id="of another"),
        pytest.param("/api/guarded", "eventgrid_extension", 401, id="of an extension"),
        pytest.param("/api/root", "own/only_master", 401, id="its own, for admins"),
        pytest.param("/api/root", "default", 401, id="of the host, for admins"),
        pytest.param("/api/root", "master", 200, id="master, for admins"),
    ],
)
def test_a_function_opens_with_its_keys(
    host: Hosted, path: str, key: str | None, status: int
) -> None:
    headers = {"x-functions-key": host.home.secret(f"functions/{key}")} if key else {}

    reply = host.ask("GET", path, headers=headers)

    assert reply.status == status


def test_a_key_may_stand_in_the_query(host: Hosted) -> None:
    key = host.home.secret("functions/own/guarded")

    assert host.ask("GET", f"/api/guarded?code={key}").status == 200
    assert host.ask("GET", f"/api/guarded?code={key}x").status == 401


# --- Event Grid


def test_both_handshakes_are_answered(host: Hosted) -> None:
    validation = [{"id": "1", "data": {"validationCode": "code", "validationUrl": "https://x"}}]
    kind = {"aeg-event-type": "SubscriptionValidation"}
    origin = {"WebHook-Request-Origin": "eventgrid.azure.net"}
    path = host.webhook("on_cloud_event")

    grid = host.ask("POST", path, json.dumps(validation), kind)
    cloud = host.ask("OPTIONS", path, headers=origin)

    assert (grid.status, grid.json()) == (200, {"validationResponse": "code"})
    assert (cloud.status, cloud.headers["WebHook-Allowed-Origin"]) == (200, "eventgrid.azure.net")
    assert cloud.headers["WebHook-Allowed-Rate"]


def deliver(host: Hosted, function: str, events: object) -> int:
    headers = {"aeg-event-type": "Notification"}
    return host.ask("POST", host.webhook(function), json.dumps(events), headers).status


def cloud_event(id_: str, data: object) -> dict[str, object]:
    fixed = {"specversion": "1.0", "source": "/s", "type": "T", "subject": "who"}
    return fixed | {"id": id_, "data": data, "time": "2026-11-21T09:00:00.1234567Z"}


def test_a_cloud_event_runs_its_function(host: Hosted) -> None:
    assert deliver(host, "on_cloud_event", cloud_event("c1", {"n": 1})) == 202

    (found,) = [one for one in host.recorded("cloud") if one["id"] == "c1"]
    assert (found["type"], found["data"], found["subject"]) == ("T", {"n": 1}, "who")


def test_the_trace_of_a_cloud_event_is_an_extension_and_not_the_invocation_s(host: Hosted) -> None:
    event = cloud_event("traced", {}) | {"traceparent": TRACE, "tracestate": "a=b"}

    assert deliver(host, "on_cloud_event", event) == 202

    (found,) = [one for one in host.recorded("cloud") if one["id"] == "traced"]
    assert found["extensions"] == {"traceparent": TRACE, "tracestate": "a=b"}
    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-00", str(found["trace"]))


def test_each_event_of_an_array_runs_its_function(host: Hosted) -> None:
    events = [
        {"id": id_, "topic": "/t", "subject": "s", "eventType": "E", "data": {"i": id_}}
        | {"eventTime": "2026-11-21T09:00:00Z", "dataVersion": "1", "metadataVersion": "1"}
        for id_ in ("g1", "g2", "g3")
    ]

    assert deliver(host, "on_grid_event", events) == 202

    assert sorted(str(one["id"]) for one in host.recorded("grid")) == ["g1", "g2", "g3"]


def test_one_event_that_fails_fails_the_delivery(host: Hosted) -> None:
    events = [cloud_event("f1", {}), cloud_event("f2", {"bad": True}), cloud_event("f3", {})]

    assert deliver(host, "on_cloud_event", events) == 500

    seen = {one["id"] for one in host.recorded("cloud")}
    assert {"f1", "f2", "f3"} <= seen


@pytest.mark.parametrize(
    ("function", "key", "kind", "body", "status"),
    [
        pytest.param("gone", "eventgrid_extension", "Notification", "[{}]", 404, id="unknown"),
        pytest.param("echo", "eventgrid_extension", "Notification", "[{}]", 404, id="of HTTP"),
        pytest.param("on_cloud_event", "default", "Notification", "[{}]", 401, id="host key"),
        pytest.param("on_cloud_event", "on_cloud_event", "Notification", "[{}]", 401, id="own key"),
        pytest.param("on_cloud_event", "master", "Unsubscribe", "", 202, id="unsubscribe"),
        pytest.param("on_cloud_event", "master", "Notification", "{", 400, id="no JSON"),
        pytest.param("on_cloud_event", "master", "Notification", "[]", 400, id="no events"),
        pytest.param("on_cloud_event", "master", "Notification", "[1]", 400, id="no objects"),
        pytest.param("on_cloud_event", "master", "SubscriptionValidation", "[{}]", 400, id="code"),
        pytest.param("on_cloud_event", "master", "", "[{}]", 400, id="no kind"),
    ],
)
def test_a_webhook_takes_only_what_event_grid_sends(
    host: Hosted, function: str, key: str, kind: str, body: str, status: int
) -> None:
    reply = host.ask("POST", host.webhook(function, key), body, {"aeg-event-type": kind})

    assert reply.status == status


def test_a_handshake_without_an_origin_is_refused(host: Hosted) -> None:
    assert host.ask("OPTIONS", host.webhook("on_cloud_event")).status == 400


def test_an_output_publishes_events(host: Hosted) -> None:
    grid = {"id": "1", "subject": "s", "eventType": "E", "data": {}, "dataVersion": "1"}
    cloud = cloud_event("o1", {})

    assert host.ask("POST", "/api/publish", json.dumps(grid)).status == 202
    assert host.ask("POST", "/api/publish", json.dumps([cloud, cloud])).status == 202

    (path, headers, one), (_, cloud_headers, two) = Topic.received[-2:]
    assert (path, one, two) == ("/api/events?api-version=2018-01-01", [grid], [cloud, cloud])
    assert headers["aeg-sas-key"] == "a topic's key"
    assert headers["Content-Type"] == "application/json"
    assert cloud_headers["Content-Type"].startswith("application/cloudevents-batch+json")


@pytest.mark.parametrize("body", ["no JSON", '[{"id": "refuse"}]'], ids=["form", "topic"])
def test_an_output_that_cannot_be_written_fails_the_invocation(host: Hosted, body: str) -> None:
    assert host.ask("POST", "/api/publish", body).status == 500


# --- admin


def test_the_host_tells_its_status(host: Hosted) -> None:
    reply = host.ask("GET", "/admin/host/status", headers=host.master())

    assert reply.json()["state"] == "Running"
    assert host.ask("GET", "/admin/host/ping").status == 200


def test_functions_are_listed(host: Hosted) -> None:
    listed = json.loads(host.ask("GET", "/admin/functions", headers=host.master()).body)
    one = host.ask("GET", "/admin/functions/ECHO", headers=host.master()).json()

    assert one in listed
    assert one["name"] == "echo"
    assert one["invoke_url_template"] == (
        f"http://127.0.0.1:{host.port}/api/echo/{{id:int}}/{{rest?}}"
    )
    assert [each["name"] for each in listed if each["isDisabled"]] == ["asleep"]


def test_a_timer_is_fired_by_hand(host: Hosted) -> None:
    assert host.fire("timed").status == 202

    found = host.wait_for("timed", 2)  # once at start
    assert [one["past_due"] for one in found] == [False, False]


def test_a_run_by_hand_is_not_repeated(host: Hosted) -> None:
    assert host.fire("stubborn").status == 202

    host.wait_for_log("stubborn failed")
    assert [(one["attempt"], one["most"]) for one in host.recorded("stubborn")] == [(0, 0)]


@pytest.mark.parametrize(
    ("name", "given", "text"),
    [
        pytest.param("on_cloud_event", cloud_event("by-hand", {}), "by-hand", id="event"),
        pytest.param("on_grid_event", '{"id": "by-text", "data": {}}', "by-text", id="text"),
        pytest.param("quiet", "x", "hello to POST", id="http"),
    ],
)
def test_any_trigger_is_fired_by_hand(host: Hosted, name: str, given: object, text: str) -> None:
    assert host.fire(name, given).status == 202

    host.wait_for_text(text)


@pytest.mark.parametrize(
    ("method", "path", "body", "keyed", "status"),
    [
        pytest.param("GET", "/admin/host/status", "", False, 401, id="no key"),
        pytest.param("POST", "/admin/functions/timed", "{}", False, 401, id="fire without key"),
        pytest.param("GET", "/admin/host/unknown", "", True, 404, id="unknown path"),
        pytest.param("POST", "/admin/functions/unknown", "{}", True, 404, id="unknown function"),
        pytest.param("POST", "/admin/functions/timed", "", True, 400, id="no body"),
        pytest.param("POST", "/admin/functions/timed", "[]", True, 400, id="no object"),
        pytest.param("POST", "/admin/functions/on_cloud_event", "{}", True, 400, id="no event"),
        pytest.param(
            "POST", "/admin/functions/quiet", '{"input": "\\ud800"}', True, 400, id="half a letter"
        ),
        pytest.param("DELETE", "/admin/functions/timed", "", True, 404, id="other method"),
    ],
)
def test_the_admin_api_refuses(
    host: Hosted, method: str, path: str, body: str, keyed: bool, status: int
) -> None:
    headers = host.master() if keyed else {}

    assert host.ask(method, path, body, headers).status == status


# --- logs


def test_the_log_has_a_line_for_each_invocation_and_the_apps_own_words(host: Hosted) -> None:
    assert host.ask("GET", "/api/quiet").status == 200

    host.wait_for_log("the app says hello to GET")
    assert re.search(r"INFO quiet succeeded \(id [0-9a-f-]{36}, \d+ ms\)", host.log())
    assert "host.json: nobody here knows 'strangeSection'" in host.log()


def test_no_key_is_in_the_log(host: Hosted) -> None:
    secrets = ["a topic's key", *host.master().values()]

    assert host.ask("GET", "/api/root", headers=host.master()).status == 200

    assert not [secret for secret in secrets if secret in host.log()]
