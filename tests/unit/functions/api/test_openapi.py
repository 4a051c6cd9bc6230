"""The description is made of the table of operations, and says all that they can answer."""

import json
import re
from typing import Any

import pytest

from functions.api import openapi, operations
from functions.api.operations import Operation
from functions.api.problems import KINDS

DOCUMENT: dict[str, Any] = json.loads(json.dumps(openapi.document(keyed=False)))


def described(operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = DOCUMENT["paths"][f"/{operation.path}"][operation.method.lower()]
    return found


def test_every_operation_is_described_once() -> None:
    names = [
        one["operationId"] for methods in DOCUMENT["paths"].values() for one in methods.values()
    ]

    assert sorted(names) == sorted(one.id for one in operations.ALL)


def test_every_reference_leads_somewhere() -> None:
    names = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(DOCUMENT)))

    assert names == set(DOCUMENT["components"]["schemas"])


@pytest.mark.parametrize("operation", operations.ALL, ids=lambda one: one.id)
def test_every_problem_of_an_operation_is_described(operation: Operation) -> None:
    described_problems = {
        code
        for status, answer in described(operation)["responses"].items()
        for code in re.findall(r"[a-z_]{6,}", answer["description"].partition(": ")[2])
        if int(status) == int(KINDS[code].status)
    }

    assert described_problems == {str(code) for code in operation.problems}


@pytest.mark.parametrize("operation", operations.ALL, ids=lambda one: one.id)
def test_all_but_what_is_open_needs_a_token(operation: Operation) -> None:
    is_open = operation in (operations.READY, operations.OPENAPI)

    assert described(operation)["security"] == ([] if is_open else [{"token": []}])


def test_without_a_directory_a_key_is_needed() -> None:
    schemes: Any = openapi.document(keyed=True)["components"]

    assert list(schemes["securitySchemes"]) == ["function_key"]


def test_parameters_of_a_path_are_all_described() -> None:
    for operation in operations.ALL:
        named = [one["name"] for one in described(operation)["parameters"] if one["in"] == "path"]

        assert named == re.findall(r"\{(\w+)\}", operation.path)
