"""What the service says of itself."""

from http import HTTPStatus

from functions.api import openapi, operations, views
from functions.api.door import KEYED, Answer, Asked, saying, serves
from functions.api.problems import Problem

_DOCUMENT = openapi.document(keyed=KEYED)


@serves(operations.READY)
async def ready(asked: Asked) -> Answer | Problem:
    """Tell whether everything is there."""
    found = await asked.means.readiness.ask()
    status = HTTPStatus.OK if all(found.values()) else HTTPStatus.SERVICE_UNAVAILABLE
    return saying(views.readiness(found), status, {"Cache-Control": "no-store"})


@serves(operations.OPENAPI)
async def document(_: Asked) -> Answer | Problem:
    """Return the OpenAPI document."""
    return saying(_DOCUMENT)
