"""The functions host while apps change, crash, overrun, and while the host itself ends."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from devstack.functions_host.command import main
from tests.ports.devstack.functions_apps import (
    APPS,
    MODULE,
    Hosted,
    hosted,
    write_app,
    write_settings,
)

HEAD = "import azure.functions as func\n\napp = func.FunctionApp()\n\n"
IN_SERVICE = "in service"
VERSION = """
import time

@app.route(route="version", auth_level=func.AuthLevel.ANONYMOUS)
def version(req: func.HttpRequest) -> str:
    time.sleep(float(req.params.get("wait", "0")))
    return "VERSION"
"""
BUSY = """
import os, threading, time

@app.route(route="spin", auth_level=func.AuthLevel.ANONYMOUS)
async def spin(req: func.HttpRequest) -> str:
    while True:
        pass

@app.route(route="sleep", auth_level=func.AuthLevel.ANONYMOUS)
def sleep(req: func.HttpRequest) -> str:
    time.sleep(30)
    return "late"

@app.route(route="nap", auth_level=func.AuthLevel.ANONYMOUS)
def nap(req: func.HttpRequest) -> str:
    time.sleep(0.35)
    return "rested"

@app.route(route="die", auth_level=func.AuthLevel.ANONYMOUS)
def die(req: func.HttpRequest) -> str:
    os._exit(1)

@app.route(route="pid", auth_level=func.AuthLevel.ANONYMOUS)
def pid(req: func.HttpRequest) -> str:
    return str(os.getpid())
"""
BUSY_HOST = {
    "functionTimeout": "00:00:00.5",
    "extensions": {"http": {"maxConcurrentRequests": 1, "maxOutstandingRequests": 2}},
}
TIMER = """
import json, os

@app.timer_trigger(arg_name="t", schedule="SCHEDULE")
def t(t: func.TimerRequest) -> None:
    with open(os.environ["RECORD"], "a") as file:
        file.write(json.dumps({"kind": "t", "due": t.past_due}) + "\\n")
"""
RETRY = """
import json, os

@app.timer_trigger(arg_name="t", schedule="01:00:00", run_on_startup=True)
@app.retry(strategy="exponential_backoff", max_retry_count="2", minimum_interval="00:00:00",
           maximum_interval="00:00:01")
def t(t: func.TimerRequest, context: func.Context) -> None:
    retry = context.retry_context
    with open(os.environ["RECORD"], "a") as file:
        file.write(json.dumps({"kind": "t", "n": retry.retry_count, "m": retry.max_retry_count}))
        file.write("\\n")
    raise ValueError("again")
"""


@dataclass(frozen=True)
class Watched:
    """A host that looks whether its app changes."""

    host: Hosted
    app: Path

    def write(self, code: str) -> None:
        """Change the app."""
        (self.app / "function_app.py").write_text(HEAD + code)

    def version(self) -> bytes:
        """Ask which version of the app is in service."""
        return self.host.ask("GET", "/api/version").body

    def wait_for(self, version: str) -> None:
        """Change the version, and wait until it is in service."""
        before = self.host.log().count(IN_SERVICE)
        self.write(VERSION.replace("VERSION", version))
        self.host.wait_for_log(IN_SERVICE, before + 1)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    app = write_app(folder / "app", VERSION.replace("VERSION", "one"))
    with hosted(app, folder, {}, ["--watch"]) as running:
        yield Watched(running, app)


def test_a_changed_app_takes_its_place_and_no_request_is_lost(watched: Watched) -> None:
    before = watched.version()
    ask = watched.host.ask
    with ThreadPoolExecutor(6) as pool:
        slow = pool.submit(ask, "GET", "/api/version?wait=1.5")
        changed = pool.submit(watched.wait_for, "two")
        steady = [pool.submit(ask, "GET", f"/api/version?wait=0.0{n % 9}") for n in range(100)]
        answers = [one.result().body for one in steady]
        changed.result()

    assert before != b"two"
    assert {before, b"two"} >= set(answers)
    assert slow.result().body == before
    assert watched.version() == b"two"


def test_an_app_that_does_not_load_replaces_none(watched: Watched) -> None:
    before = watched.version()
    watched.write("\n\nimport nowhere\n")
    watched.host.wait_for_log("function_app.py, line 7: expected an app that loads, got")

    kept = watched.version()
    watched.wait_for("three")

    assert before != b"three"
    assert kept == before
    assert watched.version() == b"three"


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosted]:
    folder = tmp_path_factory.mktemp("busy")
    app = write_app(folder / "app", BUSY, BUSY_HOST)
    with hosted(app, folder, {}) as running:
        yield running


@pytest.mark.parametrize("path", ["/api/spin", "/api/sleep"], ids=["holds the loop", "a thread"])
def test_a_function_that_overruns_costs_its_worker(busy: Hosted, path: str) -> None:
    worker = busy.ask("GET", "/api/pid").body

    assert busy.ask("GET", path).status == 500

    busy.wait_for_log("timeout value of 00:00:00.5000000 exceeded by function")
    assert busy.ask("GET", "/api/pid").body != worker


def test_more_requests_than_may_wait_are_sent_away(busy: Hosted) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda path: busy.ask("GET", path).status, ["/api/nap"] * 4))

    assert sorted(answers) == [200, 200, 429, 429]


def test_a_worker_that_dies_is_replaced_and_requests_wait(busy: Hosted) -> None:
    assert busy.ask("GET", "/api/die").status == 500

    assert busy.ask("GET", "/api/pid").status == 200


def test_a_stop_lets_requests_end(tmp_path: Path) -> None:
    app = write_app(tmp_path / "app", VERSION)
    with hosted(app, tmp_path, {}) as running, ThreadPoolExecutor(1) as pool:
        slow = pool.submit(running.ask, "GET", "/api/version?wait=0.5")
        assert running.ask("GET", "/api/version").status == 200

        running.server.stop()

        assert slow.result().body == b"VERSION"


# --- timers


def test_a_timer_that_was_due_while_nobody_ran_is_past_due(tmp_path: Path) -> None:
    app = write_app(tmp_path / "app", TIMER.replace("SCHEDULE", "0 0 0 1 1 *"))
    kept = tmp_path / "home" / "functions" / "timers" / "t.json"
    with hosted(app, tmp_path, {}) as running:
        (worker,) = psutil.Process(running.server.process.pid).children()
        running.server.kill()
        worker.wait(10)  # it ends with its host, even so
        status = json.loads(kept.read_text())
        kept.write_text(json.dumps(status | {"Next": "2026-01-01T00:00:00+00:00"}))
        before = running.recorded("t")

        running.server.restart()

        assert before == []
        assert running.wait_for("t", 1) == [{"kind": "t", "due": True}]
        running.server.stop()
        assert json.loads(kept.read_text())["Next"] > "2026-11"


def test_a_timer_runs_by_its_schedule_in_one_host_only(tmp_path: Path) -> None:
    app = write_app(tmp_path / "app", TIMER.replace("SCHEDULE", "*/1 * * * * *"))
    other = tmp_path / "other"
    other.mkdir()
    (other / "home").symlink_to(tmp_path / "home")
    with hosted(app, tmp_path, {}) as first, hosted(app, other, {}) as second:
        first.wait_for("t", 1)
        assert second.recorded("t") == []

        first.server.stop()

        assert second.wait_for("t", 1)[0]["due"] is False


def test_a_timer_that_fails_is_repeated_by_its_rule(tmp_path: Path) -> None:
    app = write_app(tmp_path / "app", RETRY)
    with hosted(app, tmp_path, {}) as running:
        found = running.wait_for("t", 3)

    assert [(one["n"], one["m"]) for one in found[:3]] == [(0, 2), (1, 2), (2, 2)]


# --- refusals, and the check


type Check = Callable[..., tuple[int, str, str]]


@pytest.fixture
def checked(capfd: pytest.CaptureFixture[str]) -> Check:
    """The command within this process; the app's worker is one of its own."""

    def check(app: Path, *options: str, settings: Path | None = None) -> tuple[int, str, str]:
        given = ["--settings", str(settings)] if settings else []
        code = main(["--check", "--app", str(app), *options, *given])
        return code, *capfd.readouterr()

    return check


@pytest.mark.parametrize(
    ("code", "line"),
    [
        pytest.param(
            '@app.queue_trigger(arg_name="m", queue_name="q", connection="C")\n'
            "def f(m: func.QueueMessage) -> None: ...",
            "function f, binding m (queueTrigger): expected a trigger that this host can run",
            id="unknown trigger",
        ),
        pytest.param(
            "def missing() -> None:\n    import nowhere\n\n\nmissing()",
            "function_app.py, line 6: expected an app that loads, got ModuleNotFoundError",
            id="import error",
        ),
        pytest.param("raise SystemExit", "function_app.py: expected an app", id="ends itself"),
    ],
)
def test_what_cannot_be_hosted_is_refused_in_one_line(
    tmp_path: Path, checked: Check, code: str, line: str
) -> None:
    app = write_app(tmp_path / "app", code)

    ended, _, err = checked(app)

    assert ended == 2
    assert err.splitlines()[-1].startswith(f"cleanroom-dev: {line}")


def test_the_check_tells_what_is_in_an_app(tmp_path: Path, checked: Check) -> None:
    settings = tmp_path / "settings.json"
    queues = ("QUEUE", "SLOW", "MANY", "BINARY", "JUDGED", "FORGOTTEN")
    names = dict.fromkeys((*queues, "TOPIC", "OTHER_TOPIC", "SUBSCRIPTION"), "x")
    off = {"AzureWebJobs.on_slow.Disabled": "1", "BUS": "s", "IDENTITY": "s"}
    write_settings(settings, names | off)

    ended, out, _ = checked(APPS / "messages", settings=settings)

    rows = [line.split() for line in out.splitlines()]
    assert ended == 0
    assert rows == [
        ["function", "trigger", "runs", "on", "outputs"],
        ["on_message", "serviceBusTrigger", "x", "-"],
        ["on_dead_letter", "serviceBusTrigger", "x/$DeadLetterQueue", "-"],
        ["on_dead_letter_in_small_letters", "serviceBusTrigger", "x/$deadletterqueue", "-"],
        [
            *("on_dead_letter_of_a_subscription", "serviceBusTrigger"),
            *("x/judge/$DeadLetterQueue", "-"),
        ],
        ["on_topic", "serviceBusTrigger", "x/x", "-"],
        ["on_slow", "serviceBusTrigger", "disabled", "-"],
        ["on_many", "serviceBusTrigger", "x", "-"],
        ["on_binary", "serviceBusTrigger", "x", "-"],
        ["send", "httpTrigger", "POST", "/api/send", "(anonymous)", "serviceBus,", "serviceBus"],
        ["returned", "timerTrigger", "0", "0", "0", "1", "1", "*", "serviceBus"],
    ]


def test_the_check_tells_it_in_json(tmp_path: Path) -> None:
    events = '@app.event_grid_trigger(arg_name="e")\ndef on(e: func.CloudEvent) -> None: ...'
    app = write_app(tmp_path / "app", events, {"strange": 1})

    command = [sys.executable, "-m", MODULE, "--check", "--app", str(app), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    found = json.loads(done.stdout)
    assert [one["name"] for one in found["functions"]] == ["on"]
    assert found["warnings"] == [done.stderr.splitlines()[-1].removeprefix("cleanroom-dev: ")]
