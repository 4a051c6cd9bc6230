"""The command: serve an app, or only check that it could be served."""

import argparse
import json
import logging
import sys
from pathlib import Path

from aiohttp import web as http

from devstack import web
from devstack.functions_host.app import App, Source, load
from devstack.functions_host.functions import (
    Function,
    HttpTrigger,
    ServiceBusTrigger,
    TimerTrigger,
)
from devstack.functions_host.host import LARGEST_BODY, Host
from devstack.home import HOST, Home, default_path


def main(arguments: list[str]) -> int:
    """Run the command."""
    options = _parser().parse_args(arguments)
    source = Source(options.app.resolve(), options.settings, options.port, options.watch)
    if options.check:
        return web.run(lambda: _check(source, as_json=options.json))
    return web.run(lambda: _serve(Home.at(options.home), source, options.patience))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m devstack.functions_host", description="Run a function app on this machine."
    )
    parser.add_argument("--home", type=Path, default=default_path(), help="folder of the stack")
    parser.add_argument("--port", type=int, default=7071)
    parser.add_argument("--app", type=Path, required=True, help="folder of function_app.py")
    parser.add_argument("--settings", type=Path, help="a file shaped like local.settings.json")
    parser.add_argument(
        "--patience", type=float, default=10, help="seconds for what runs when told to stop"
    )
    parser.add_argument("--watch", action="store_true", help="load the app again when it changes")
    parser.add_argument("--check", action="store_true", help="say what is in the app, and end")
    parser.add_argument("--json", action="store_true", help="say it in JSON")
    return parser


async def _serve(home: Home, source: Source, patience: float) -> None:
    logging.getLogger("azure").setLevel(logging.WARNING)  # each frame, each request
    host = Host(home, source, patience)
    app = http.Application(client_max_size=LARGEST_BODY)
    app.router.add_route("*", "/{path:.*}", host.answer)
    app.on_startup.append(lambda _: host.start())
    app.on_shutdown.append(lambda _: host.leave())
    app.on_cleanup.append(lambda _: host.close())
    await web.serve([web.Site(app, source.port, None)], "functions")


async def _check(source: Source, *, as_json: bool) -> None:
    app = await load(source)
    await app.worker.close(0)
    sys.stdout.write(_json(app) if as_json else _table(app))
    for warning in app.host.warnings:
        sys.stderr.write(f"cleanroom-dev: {warning}\n")


def _json(app: App) -> str:
    found = [
        {"name": one.name, "disabled": one.disabled, "bindings": one.bindings}
        for one in app.functions
    ]
    return json.dumps({"functions": found, "warnings": app.host.warnings}, indent=2) + "\n"


def _table(app: App) -> str:
    rows = [("function", "trigger", "runs on", "outputs"), *map(_row, app.functions)]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    lines = ["  ".join((*map(str.ljust, row, widths), row[3])).rstrip() for row in rows]
    return "\n".join(lines) + "\n"


def _row(function: Function) -> tuple[str, str, str, str]:
    outputs = [str(one.get("type")) for one in function.bindings if one.get("direction") == "OUT"]
    named = ", ".join(sorted(name for name in outputs if name != "http")) or "-"
    return function.name, function.kind, _place(function), named


def _place(function: Function) -> str:
    if function.disabled:
        return "disabled"
    match function.trigger:
        case HttpTrigger(_, _, methods, level) as trigger:
            url = trigger.url(f"http://{HOST}").removeprefix(f"http://{HOST}")
            return f"{','.join(sorted(methods)) or 'any'} {url} ({level.value})"
        case TimerTrigger(_, schedule):
            return schedule.text
        case ServiceBusTrigger(_, entity):
            return str(entity)
        case _:
            return "events"
