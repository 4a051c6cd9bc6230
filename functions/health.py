"""Tell a load balancer that the app is loaded."""

import json

import azure.functions as func

from cleanroom import __version__

blueprint = func.Blueprint()


@blueprint.route("health/live", methods=("GET",), auth_level=func.AuthLevel.ANONYMOUS)
def live(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001  # the worker wants it named
    """Answer as long as the process does; says nothing of what it depends on."""
    body = json.dumps({"status": "live", "version": __version__})
    return func.HttpResponse(body, mimetype="application/json")
