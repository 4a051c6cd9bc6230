"""The deployments keep their rules and agree with the code; each planted error is caught."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.infra import shapes, symbols
from tests.infra.agreement import AGREEMENTS
from tests.infra.rules import RULES, Rule
from tests.infra.tree import Tree, tree


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_deployments_keep_each_rule(rule: Rule) -> None:
    assert list(rule(tree())) == []


@pytest.mark.parametrize("agreement", AGREEMENTS, ids=lambda rule: rule.__name__)
def test_the_templates_say_what_the_code_says(agreement: Rule) -> None:
    assert list(agreement(tree())) == []


def everything(planted: Tree, file: str) -> Iterator[str]:
    """Give all that is wrong, as all tests together would."""
    template = planted.templates[file]
    yield from symbols.problems(template, planted)
    for resource in template.resources.values():
        yield from shapes.problems(resource)
    for rule in (*RULES, *AGREEMENTS):
        yield from rule(planted)


PLANTED = yaml.safe_load((Path(__file__).parent / "planted.yaml").read_text())


@pytest.mark.parametrize("planted", PLANTED, ids=lambda each: f"{each['file']}: {each['said']}")
def test_a_planted_error_is_caught(planted: dict[str, str]) -> None:
    changed = tree().changed(planted["file"], planted["right"], planted["wrong"])

    assert any(planted["said"] in each for each in everything(changed, planted["file"]))
