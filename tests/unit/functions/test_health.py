"""A load balancer learns that the app is loaded, and nothing else."""

import json

import azure.functions as func

from cleanroom import __version__
from function_app import app

# As the Functions host does it: once, from the app that it loads.
FUNCTIONS = {function.get_function_name(): function for function in app.get_functions()}


def ask(headers: dict[str, str] | None = None) -> func.HttpResponse:
    request = func.HttpRequest(
        "GET", "https://host/api/health/live", headers=headers or {}, body=b""
    )
    answer = FUNCTIONS["live"].get_user_function()(request)
    assert isinstance(answer, func.HttpResponse)
    return answer


def test_a_live_app_says_so_with_its_version() -> None:
    answer = ask()

    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    assert json.loads(answer.get_body()) == {"status": "live", "version": __version__}


def test_anybody_may_ask_and_only_ask() -> None:
    (trigger,) = [
        binding.get_dict_repr()
        for binding in FUNCTIONS["live"].get_bindings()
        if binding.type == "httpTrigger"
    ]

    assert trigger["route"] == "health/live"
    assert trigger["authLevel"] == func.AuthLevel.ANONYMOUS
    assert [str(method).rpartition(".")[2] for method in trigger["methods"]] == ["GET"]


def test_the_answer_is_the_same_for_everybody() -> None:
    assert ask({"Authorization": "Bearer x"}).get_body() == ask().get_body()
