"""Each operator as it is documented: what it takes, what it leaves, what it ignores."""

from typing import Any

import pytest

from cleanroom.errors import Malformed
from devstack.eventgrid.events import Event, Schema
from devstack.eventgrid.filters import OPERATORS, AdvancedFilter, EventFilter


def event(**data: object) -> Event:
    document = {"id": "1", "source": "/s", "type": "T", "subject": "/Blobs/a.CSV", "data": data}
    return Event(Schema.CLOUD_EVENTS, {**document, "priority": 5})


def advanced(operator: str, key: str = "data.x", **given: object) -> AdvancedFilter:
    return AdvancedFilter.parse({"operatorType": operator, "key": key, **given}, "filter")


@pytest.mark.parametrize(
    ("operator", "given", "taken", "left"),
    [
        ("NumberIn", {"values": [5, 1.5]}, [5, 1.5, 5.0], [2, "5", True, None]),
        ("NumberNotIn", {"values": [41, 0]}, [1, None, "41"], [41, 0.0]),
        ("NumberLessThan", {"value": 100}, [99, -1.5], [100, 101, None, "1"]),
        ("NumberLessThanOrEquals", {"value": 100}, [99, 100], [100.5, None]),
        ("NumberGreaterThan", {"value": 20}, [21, 20.5], [20, 19, None]),
        ("NumberGreaterThanOrEquals", {"value": 30}, [30, 31], [29, None, False]),
        ("NumberInRange", {"values": [[3.1, 9.9], [30, 40]]}, [3.1, 9.9, 35], [2, 20, None, "5"]),
        ("NumberNotInRange", {"values": [[3, 9], [30, 40]]}, [2, 20, None], [3, 9, 35]),
        ("BoolEquals", {"value": True}, [True], [False, 1, "true", None]),
        ("BoolEquals", {"value": False}, [False], [True, 0, None]),
        ("StringContains", {"values": ["soft", "AZ"]}, ["Microsoft", "azure"], ["x", 5, None]),
        ("StringNotContains", {"values": ["con", "fab"]}, ["aws", ""], ["Contoso", None]),
        ("StringBeginsWith", {"values": ["event", "m"]}, ["Event hubs", "M"], ["an event", None]),
        ("StringNotBeginsWith", {"values": ["event"]}, ["an event"], ["EVENT", None]),
        ("StringEndsWith", {"values": ["jpg", "png"]}, ["a.PNG"], ["a.png.txt", None]),
        ("StringNotEndsWith", {"values": ["jpg"]}, ["a.png"], ["a.JPG", None]),
        ("StringIn", {"values": ["contoso", "x"]}, ["Contoso", "x"], ["contos", 1, None]),
        ("StringNotIn", {"values": ["aws"]}, ["azure", None, 1], ["AWS"]),
        ("IsNullOrUndefined", {}, [None], [0, "", False, []]),
        ("IsNotNull", {}, [0, "", False, []], [None]),
    ],
)
def test_an_operator_takes_what_it_should(
    operator: str, given: dict[str, Any], taken: list[object], left: list[object]
) -> None:
    one = advanced(operator, **given)

    assert all(one.matches(event(x=value), on_arrays=False) for value in taken)
    assert not any(one.matches(event(x=value), on_arrays=False) for value in left)


@pytest.mark.parametrize("operator", OPERATORS)
def test_what_is_not_there_is_as_what_is_null(operator: str) -> None:
    given: dict[str, Any] = {
        "BoolEquals": {"value": True},
        "NumberInRange": {"values": [[1, 2]]},
        "NumberNotInRange": {"values": [[1, 2]]},
    }
    number = {"values": [1]} if operator.endswith("In") else {"value": 1}
    usual = number if operator.startswith("Number") else {"values": ["x"]}
    one = advanced(operator, **given.get(operator, usual))

    absent = one.matches(event(), on_arrays=True)

    assert absent == one.matches(event(x=None), on_arrays=True)
    assert absent == (operator in ("NumberNotIn", "NumberNotInRange", "StringNotIn"))


@pytest.mark.parametrize(
    ("operator", "given", "taken", "left"),
    [
        ("StringIn", {"values": ["a"]}, [["x", "A"], ["a", 1]], [["x"], [], [1]]),
        ("StringNotIn", {"values": ["a"]}, [["x"], [], [1]], [["x", "a"]]),
        ("NumberGreaterThan", {"value": 3}, [[1, 5]], [[1, 2], ["5"]]),
        ("BoolEquals", {"value": True}, [[False, True]], [[False]]),
    ],
)
def test_any_element_of_an_array_counts_if_arrays_do(
    operator: str, given: dict[str, Any], taken: list[object], left: list[object]
) -> None:
    one = advanced(operator, **given)

    assert all(one.matches(event(x=value), on_arrays=True) for value in taken)
    assert not any(one.matches(event(x=value), on_arrays=True) for value in left)
    assert not advanced("StringIn", values=["a"]).matches(event(x=["a"]), on_arrays=False)


def test_the_number_of_an_extension_attribute_is_text_for_operators_of_text() -> None:
    assert advanced("StringBeginsWith", "priority", values=["5"]).matches(event(), on_arrays=False)
    assert advanced("NumberIn", "priority", values=[5]).matches(event(), on_arrays=False)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"operatorType": "Like", "key": "k", "values": ["x"]}, id="operator"),
        pytest.param({"operatorType": "StringIn", "key": "", "values": ["x"]}, id="key"),
        pytest.param({"operatorType": "StringIn", "key": "k", "values": []}, id="no values"),
        pytest.param({"operatorType": "StringIn", "key": "k", "value": "x"}, id="value"),
        pytest.param({"operatorType": "StringIn", "key": "k", "values": [1]}, id="number"),
        pytest.param({"operatorType": "StringIn", "key": "k", "values": ["x" * 513]}, id="long"),
        pytest.param({"operatorType": "NumberIn", "key": "k", "values": ["1"]}, id="text"),
        pytest.param({"operatorType": "NumberIn", "key": "k", "values": [True]}, id="truth"),
        pytest.param({"operatorType": "NumberLessThan", "key": "k", "values": [1]}, id="values"),
        pytest.param({"operatorType": "NumberInRange", "key": "k", "values": [[1]]}, id="range"),
        pytest.param({"operatorType": "BoolEquals", "key": "k", "value": 1}, id="no truth"),
        pytest.param({"operatorType": "IsNotNull", "key": "k", "value": 1}, id="needless"),
    ],
)
def test_a_filter_that_is_none_is_refused(raw: object) -> None:
    with pytest.raises(Malformed):
        AdvancedFilter.parse(raw, "filter")


@pytest.mark.parametrize(
    ("raw", "taken"),
    [
        ({}, True),
        ({"includedEventTypes": None, "advancedFilters": None}, True),
        ({"includedEventTypes": ["All"]}, True),
        ({"includedEventTypes": ["T", "U"]}, True),
        ({"includedEventTypes": ["U"]}, False),
        ({"subjectBeginsWith": "/blobs/", "subjectEndsWith": ".csv"}, True),
        ({"subjectBeginsWith": "/blobs/", "isSubjectCaseSensitive": True}, False),
        ({"subjectEndsWith": ".CSV", "isSubjectCaseSensitive": True}, True),
        ({"subjectEndsWith": ".txt"}, False),
    ],
)
def test_a_filter_asks_for_type_and_subject(raw: object, taken: bool) -> None:
    assert EventFilter.parse(raw, "filter").matches(event()) == taken


def test_every_filter_has_to_hold() -> None:
    both = [
        {"operatorType": "StringContains", "key": "Subject", "values": ["blobs"]},
        {"operatorType": "NumberIn", "key": "data.x", "values": [1]},
    ]
    one = EventFilter.parse({"advancedFilters": both}, "filter")

    assert one.matches(event(x=1))
    assert not one.matches(event(x=2))


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param([], id="no object"),
        pytest.param({"subjectBeginWith": "x"}, id="misspelled"),
        pytest.param({"isSubjectCaseSensitive": "yes"}, id="no truth"),
        pytest.param(
            {"advancedFilters": [{"operatorType": "IsNotNull", "key": "k"}] * 26}, id="26 filters"
        ),
        pytest.param(
            {
                "advancedFilters": [
                    {"operatorType": "NumberIn", "key": "k", "values": [1] * 13},
                    {"operatorType": "NumberIn", "key": "k", "values": [1] * 13},
                ]
            },
            id="26 values",
        ),
    ],
)
def test_what_is_no_filter_is_refused(raw: object) -> None:
    with pytest.raises(Malformed):
        EventFilter.parse(raw, "filter")
