"""What the audit makes of checkov's report."""

import re

import yaml

from tests.infra.audit.__main__ import HERE, judged


def test_what_fails_without_a_reason_is_named() -> None:
    assert list(judged({"A", "B"}, 0, {"A"})) == ["B fails, and nobody said why it may"]


def test_a_reason_that_is_needed_no_more_is_named() -> None:
    assert list(judged({"A"}, 0, {"A", "B"})) == ["B fails no more: take its reason away"]


def test_a_file_that_was_not_read_is_not_passed_over() -> None:
    assert list(judged({"A"}, 2, {"A"})) == ["checkov could not read 2 files"]


def test_each_reason_is_for_one_check_and_says_something() -> None:
    reasons = yaml.safe_load((HERE / "reasons.yaml").read_text())

    assert {name for name in reasons if not re.fullmatch(r"CKV_(AZURE|K8S)_\d+", name)} == set()
    assert all(reason.strip() for reason in reasons.values())


def test_every_tool_of_the_audit_has_a_hash() -> None:
    entries = re.split(r"\n(?=[a-z0-9])", (HERE / "requirements.txt").read_text())

    assert [one for one in entries if "==" in one.splitlines()[0] and "--hash" not in one] == []
