"""Every template is one that Bicep and Azure would take, as far as that shows without them."""

import json
import re

import pycep
import pytest

from tests.infra import shapes, symbols
from tests.infra.tree import INFRA, OPERATOR, PARTY, ROOT, tree

_SECOND = pycep.BicepParser()  # the one that checkov has: what it cannot read, checkov passes over
FILES = sorted(tree().templates)
AZD = {"AZURE_ENV_NAME", "AZURE_LOCATION", "AZURE_PRINCIPAL_ID"}


@pytest.mark.parametrize("name", FILES)
def test_names_are_declared_used_and_of_the_modules(name: str) -> None:
    assert symbols.problems(tree().templates[name], tree()) == []


@pytest.mark.parametrize("name", FILES)
def test_a_second_parser_reads_it_too(name: str) -> None:
    assert _SECOND.parse(file_path=INFRA / name)


@pytest.mark.parametrize("name", FILES)
def test_resources_are_of_azures_types(name: str) -> None:
    resources = tree().templates[name].resources.values()

    assert [wrong for each in resources for wrong in shapes.problems(each)] == []


def test_every_template_is_part_of_a_deployment() -> None:
    deployed = {*tree().deployed(OPERATOR), *tree().deployed(PARTY)}

    assert deployed == set(FILES)


def test_the_two_deployments_share_no_file() -> None:
    assert not set(tree().deployed(OPERATOR)) & set(tree().deployed(PARTY))


def test_no_module_comes_from_a_registry() -> None:
    paths = {module.path for each in tree().templates.values() for module in each.modules.values()}

    assert {path for path in paths if path.startswith(("br", "ts"))} == set()


def test_no_compiled_template_is_in_the_tree() -> None:
    assert list(INFRA.rglob("main.json")) == []


def test_parameters_take_what_azd_or_the_operator_knows() -> None:
    text = (INFRA / "main.parameters.json").read_text()
    names = set(re.findall(r"\$\{(\w+)=?", text))

    assert {name for name in names if not name.startswith("CLEANROOM_")} <= AZD
    assert json.loads(text)["contentVersion"] == "1.0.0.0"


def test_variables_of_the_environment_are_explained_in_the_guide() -> None:
    names = set(re.findall(r"\$\{(CLEANROOM_\w+)", (INFRA / "main.parameters.json").read_text()))
    guide = (ROOT / "docs" / "guides" / "azure.md").read_text()

    assert {name for name in names if name not in guide} == set()


def test_types_that_are_not_in_the_snapshot_are_no_types() -> None:
    resource = next(iter(tree().templates["modules/budget.bicep"].resources.values()))

    assert shapes.problems(resource, {}) == [
        "budget: Microsoft.Consumption/budgets is no type that we can check"
    ]
