"""An app that reads and writes blobs, and hears and tells of events."""

import json
import os
from pathlib import Path
from typing import Any

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


def record(kind: str, **what: Any) -> None:
    with Path(os.environ["RECORD"]).open("a") as file:
        file.write(json.dumps({"kind": kind} | what) + "\n")


@app.route(route="copies/{name}", methods=["POST"])
@app.blob_input(
    arg_name="source", path="source/{name}", connection="STORE", data_type=func.DataType.STRING
)
@app.blob_output(arg_name="sink", path="%SINK%/{name}", connection="IDENTITY")
def copy(req: func.HttpRequest, source: str, sink: func.Out[str]) -> func.HttpResponse:
    if source is None:
        return func.HttpResponse(req.route_params["name"], status_code=404)
    sink.set(source.upper())
    return func.HttpResponse(source)


@app.route(route="sizes/{name}", methods=["GET"])
@app.blob_input(arg_name="source", path="source/{name}", connection="IDENTITY")
def size(req: func.HttpRequest, source: func.InputStream) -> str:
    return f"{req.method} {len(source.read())}"


@app.event_grid_trigger(arg_name="event")
@app.blob_output(arg_name="sink", path="%SINK%/{subject}/{data.kind}", connection="STORE")
def hear(event: func.CloudEvent, sink: func.Out[bytes]) -> None:
    record("heard", id=event.id, data=event.get_json())
    sink.set(b"heard")


@app.route(route="tell", methods=["POST"])
@app.event_grid_output(
    arg_name="topic", topic_endpoint_uri="TOPIC_ENDPOINT", topic_key_setting="TOPIC_KEY"
)
def tell(req: func.HttpRequest, topic: func.Out[str]) -> func.HttpResponse:
    topic.set(req.get_body().decode())
    return func.HttpResponse(status_code=202)


@app.route(route="tell-as-identity", methods=["POST"])
@app.event_grid_output(arg_name="topic", connection="GRID")
def tell_as_identity(req: func.HttpRequest, topic: func.Out[str]) -> func.HttpResponse:
    topic.set(req.get_body().decode())
    return func.HttpResponse(status_code=202)
