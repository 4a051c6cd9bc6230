"""Routes: templates of ASP.NET against paths."""

import pytest

from cleanroom.errors import Malformed
from devstack.functions_host.routes import compiled, readable


@pytest.mark.parametrize(
    ("template", "path", "params"),
    [
        pytest.param("a/b", "/api/a/b", {}, id="literal"),
        pytest.param("a/B", "/API/A/b", {}, id="in any case"),
        pytest.param("a/b", "/api/a/b/c", None, id="more"),
        pytest.param("a/{b}", "/api/a/x", {"b": "x"}, id="parameter"),
        pytest.param("a/{b}", "/api/a/x/y", None, id="one segment"),
        pytest.param("a/{b}", "/api/a", None, id="missing"),
        pytest.param("a/{b}", "/api/a/x%2Fy", {"b": "x%2Fy"}, id="escaped slash"),
        pytest.param("a/{b}", "/api/a/%C3%BC%20", {"b": "\u00fc "}, id="escaped"),
        pytest.param("a/{b?}", "/api/a", {}, id="optional"),
        pytest.param("a/{b?}", "/api/a/x", {"b": "x"}, id="optional and there"),
        pytest.param("a/{b=7}", "/api/a", {"b": "7"}, id="default"),
        pytest.param("a/{b=7}", "/api/a/8", {"b": "8"}, id="instead of the default"),
        pytest.param("{*rest}", "/api/a/b", {"rest": "a/b"}, id="rest"),
        pytest.param("{**rest}", "/api", {}, id="no rest"),
        pytest.param("f/{name}.{kind}", "/api/f/a.csv", {"name": "a", "kind": "csv"}, id="parts"),
        pytest.param("{n:int}", "/api/-12", {"n": "-12"}, id="int"),
        pytest.param("{n:int}", "/api/x", None, id="no int"),
        pytest.param("{n:long:min(5)}", "/api/5", {"n": "5"}, id="two constraints"),
        pytest.param("{n:long:min(5)}", "/api/4", None, id="below"),
        pytest.param("{n:max(5)}", "/api/6", None, id="above"),
        pytest.param("{n:range(2,3)}", "/api/3", {"n": "3"}, id="range"),
        pytest.param("{n:range(2,3)}", "/api/x", None, id="no number"),
        pytest.param("{n:bool}", "/api/TRUE", {"n": "TRUE"}, id="bool"),
        pytest.param("{n:alpha}", "/api/a1", None, id="alpha"),
        pytest.param("{n:length(2)}", "/api/ab", {"n": "ab"}, id="length"),
        pytest.param("{n:length(2,3)}", "/api/abcd", None, id="lengths"),
        pytest.param("{n:minlength(2)}", "/api/a", None, id="too short"),
        pytest.param("{n:maxlength(2)}", "/api/abc", None, id="too long"),
        pytest.param("{n:guid}", "/api/x", None, id="no guid"),
        pytest.param(
            "{n:guid}",
            "/api/0af76519-16cd-43dd-8448-eb211c80319c",
            {"n": "0af76519-16cd-43dd-8448-eb211c80319c"},
            id="guid",
        ),
        pytest.param("{n:int?}", "/api", {}, id="nothing to constrain"),
    ],
)
def test_a_template_matches_its_paths(
    template: str, path: str, params: dict[str, str] | None
) -> None:
    route = compiled("api", template, "f")

    assert route.match(readable(path)) == params


@pytest.mark.parametrize(
    "template",
    [
        pytest.param("a/{b", id="open"),
        pytest.param("a/b}", id="close"),
        pytest.param("a/*", id="star"),
        pytest.param("{a?}/b", id="optional inside"),
        pytest.param("{*a}/b", id="rest inside"),
        pytest.param("x{a?}", id="optional part"),
        pytest.param("{a:unknown}", id="unknown constraint"),
        pytest.param("{a:length}", id="no number"),
        pytest.param("{a:length(x)}", id="no numeral"),
        pytest.param("{a:int(3)}", id="number too many"),
        pytest.param("{a}/{a}", id="one name twice"),
        pytest.param("{1a}", id="no name"),
    ],
)
def test_a_template_that_means_nothing_is_refused(template: str) -> None:
    with pytest.raises(Malformed):
        compiled("api", template, "f")


@pytest.mark.parametrize("template", ["admin/x", "Runtime", "devstack/health"])
def test_the_hosts_own_routes_are_taken(template: str) -> None:
    with pytest.raises(Malformed, match="not the host's own"):
        compiled("", template, "f")


def test_more_precise_templates_go_first() -> None:
    templates = ["{*all}", "{x}", "{x:int}", "{x}.{y}", "a", "{*all:int}", "a/{x}", "a/b"]

    routes = sorted((compiled("", one, "f") for one in templates), key=lambda r: r.precedence)

    assert [route.template for route in routes] == [
        *("a", "a/b", "a/{x}", "{x:int}", "{x}.{y}", "{x}", "{*all:int}", "{*all}")
    ]


def test_routes_that_differ_in_names_only_are_alike() -> None:
    one, two = compiled("api", "A/{b:int}/{*c}", "f"), compiled("api", "a/{d:int}/{*e}", "g")

    assert one.shape == two.shape


def test_an_empty_template_is_the_root() -> None:
    route = compiled("", "/", "f")

    assert route.match(readable("/")) == {}
    assert route.match(readable("/x")) is None
