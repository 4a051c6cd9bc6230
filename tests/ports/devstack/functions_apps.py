"""Functions hosts for tests: apps of ours, as processes, and what one asks them."""

import http.client
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from devstack.home import HOST, Home
from tests.servers import Server, free_ports, running

APPS = Path(__file__).parent / "apps"
MODULE = "devstack.functions_host"
_PATIENCE = 20.0


@dataclass(frozen=True)
class Reply:
    """An answer over HTTP."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> dict[str, object]:
        found = json.loads(self.body)
        assert isinstance(found, dict)
        return found


@dataclass(frozen=True)
class Hosted:
    """A running host, its home, and what its functions recorded."""

    server: Server
    home: Home
    port: int
    records: Path

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | str | Iterator[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        link = http.client.HTTPConnection(HOST, self.port, timeout=_PATIENCE)
        try:
            link.request(method, path, body, dict(headers or {}))
            found = link.getresponse()
            return Reply(found.status, found.headers, found.read())
        finally:
            link.close()

    def master(self) -> dict[str, str]:
        return {"x-functions-key": self.home.secret("functions/master")}

    def fire(self, name: str, given: object = None) -> Reply:
        body = json.dumps({"input": given})
        return self.ask("POST", f"/admin/functions/{name}", body, self.master())

    def webhook(self, function: str, key: str = "eventgrid_extension") -> str:
        code = quote(self.home.secret(f"functions/{key}"), safe="")
        return f"/runtime/webhooks/EventGrid?functionName={function}&code={code}"

    def recorded(self, kind: str) -> list[dict[str, object]]:
        text = self.records.read_text() if self.records.exists() else ""
        found = [json.loads(line) for line in text.splitlines()]
        return [one for one in found if one["kind"] == kind]

    def wait_for(self, kind: str, count: int) -> list[dict[str, object]]:
        """Wait until functions have recorded so much of a kind."""
        until = time.monotonic() + _PATIENCE
        while len(found := self.recorded(kind)) < count:
            assert time.monotonic() < until, f"{kind}: {found}: {self.log()[-2000:]}"
            time.sleep(0.02)
        return found

    def log(self) -> str:
        return self.server.log.read_text()

    def wait_for_text(self, text: str) -> None:
        """Wait until a function has recorded or logged something."""
        until = time.monotonic() + _PATIENCE
        while text not in self.log() + self.records.read_text():
            assert time.monotonic() < until, f"{text!r} is nowhere: {self.log()[-2000:]}"
            time.sleep(0.02)

    def wait_for_log(self, text: str, count: int = 1) -> None:
        until = time.monotonic() + _PATIENCE
        while self.log().count(text) < count:
            assert time.monotonic() < until, f"{text!r} is not in: {self.log()[-2000:]}"
            time.sleep(0.02)


@contextmanager
def hosted(
    app: Path,
    folder: Path,
    settings: Mapping[str, str],
    options: Sequence[str] = (),
    home: Path | None = None,
) -> Iterator[Hosted]:
    """Run an app until the block ends; in a home of its own, unless one is given."""
    home = home or folder / "home"
    (port,) = free_ports(1)
    records = folder / "records"
    file = folder / "settings.json"
    write_settings(file, {"RECORD": str(records)} | dict(settings))
    command = ["--home", str(home), "--port", str(port), "--app", str(app)]
    command += ["--settings", str(file), *options]
    with running(MODULE, command, (port, None), folder / "log") as server:
        yield Hosted(server, Home.at(home), port, records)


def write_settings(file: Path, values: Mapping[str, str]) -> None:
    file.write_text(json.dumps({"IsEncrypted": False, "Values": dict(values)}))


def write_app(folder: Path, code: str, host: Mapping[str, object] | None = None) -> Path:
    """Write an app of one file."""
    folder.mkdir(exist_ok=True)
    (folder / "host.json").write_text(json.dumps({"version": "2.0"} | dict(host or {})))
    head = "import azure.functions as func\n\napp = func.FunctionApp()\n\n"
    (folder / "function_app.py").write_text(head + code)
    return folder
