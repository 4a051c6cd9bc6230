"""Every error of ours says, by its class, what becomes of the work."""

import importlib
import inspect
import pkgutil
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from cleanroom.errors import CleanroomError, Disposition, Malformed

PACKAGES = ("cleanroom", "devstack", "functions", "party", "runner")
DOCUMENTED = Path(__file__).parents[3] / "docs" / "spec" / "errors.md"
CONTROL_FLOW = {
    "cleanroom.canonical._NotOurs",
    "party.console.ReaderGone",
    "party.main._Terminated",
}


def modules() -> Iterator[ModuleType]:
    for package in map(importlib.import_module, PACKAGES):
        yield package
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            yield importlib.import_module(found.name)


def our_errors() -> set[type[BaseException]]:
    return {
        item
        for module in modules()
        for _, item in inspect.getmembers(module, inspect.isclass)
        if issubclass(item, BaseException) and item.__module__.split(".")[0] in PACKAGES
    }


def coded() -> list[type[CleanroomError]]:
    return [
        error
        for error in our_errors()
        if issubclass(error, CleanroomError) and error is not CleanroomError
    ]


def documented_codes() -> set[str]:
    rows = [line for line in DOCUMENTED.read_text("utf-8").splitlines() if line.startswith("|")]
    return set(re.findall(r"`([a-z_]+)`", "\n".join(rows)))


def test_every_exception_class_of_ours_is_a_cleanroom_error() -> None:
    others = {error for error in our_errors() if not issubclass(error, CleanroomError)}

    names = {f"{error.__module__}.{error.__qualname__}" for error in others}

    assert names <= CONTROL_FLOW


def test_the_search_for_exception_classes_finds_those_of_every_package() -> None:
    names = {error.__qualname__ for error in our_errors()}

    assert {"CleanroomError", "Malformed", "Usage", "_Terminated", "_NotOurs"} <= names


def test_every_code_belongs_to_one_class() -> None:
    codes = Counter(error.code for error in coded())

    assert codes.most_common(1)[0][1] == 1


def test_every_class_has_a_code_of_its_own_in_lower_case() -> None:
    codes = [vars(error).get("code", "inherited!") for error in coded()]

    assert [code for code in codes if not re.fullmatch(r"[a-z][a-z_]{0,62}", code)] == []


def test_every_class_says_what_becomes_of_the_work() -> None:
    dispositions = {error.disposition for error in coded()}

    assert dispositions <= set(Disposition)


def test_every_code_stands_in_a_table_of_the_specification() -> None:
    codes = {error.code for error in coded()}

    assert codes - documented_codes() == set()


@pytest.mark.parametrize(
    ("error", "message"),
    [
        pytest.param(Malformed("x.y", "a list"), "x.y: expected a list", id="expected"),
        pytest.param(
            Malformed("x.y", "a list", "text"), "x.y: expected a list, got text", id="and got"
        ),
    ],
)
def test_a_malformed_value_is_told_by_place_and_expectation(error: Malformed, message: str) -> None:
    assert str(error) == message


def test_an_error_has_no_hint_until_it_is_given_one() -> None:
    error = Malformed("file", "a public key")

    hinted = error.with_hint("give the other file")

    assert hinted is error
    assert hinted.hint == "give the other file"
    assert Malformed("file", "a public key").hint == ""
