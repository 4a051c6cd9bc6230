"""Claims are made by the function that verified them, and by nothing else in the product."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
PACKAGES = ("cleanroom", "functions", "party", "runner", "devstack")
MAKERS = {
    "SnpClaims": "cleanroom/attestation/snp.py",
    "CvmClaims": "cleanroom/attestation/cvm.py",
    "ContainerClaims": "cleanroom/attestation/container.py",
    "Endorsement": "cleanroom/attestation/uvm.py",
    "Endorser": "cleanroom/attestation/amd.py",
    "Grant": "cleanroom/attestation/acceptable.py",
    "Quote": "cleanroom/attestation/tpm.py",
}


def calls(name: str, maker: str) -> list[str]:
    """Find the files that call this, but those that have a class of their own by that name."""
    found = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            text = path.read_text()
            if name not in text:  # parsing takes long
                continue
            tree = ast.parse(text)
            if path != ROOT / maker and _defines(tree, name):
                continue
            names = {name, *_aliases(tree, name)}
            for node in ast.walk(tree):
                called = node.func if isinstance(node, ast.Call) else None
                if (isinstance(called, ast.Name) and called.id in names) or (
                    isinstance(called, ast.Attribute) and called.attr == name
                ):
                    found.append(path.relative_to(ROOT).as_posix())
    return found


def _defines(tree: ast.AST, name: str) -> bool:
    return any(isinstance(node, ast.ClassDef) and node.name == name for node in ast.walk(tree))


def _aliases(tree: ast.AST, name: str) -> set[str]:
    return {
        alias.asname
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name == name and alias.asname
    }


@pytest.mark.parametrize(("name", "maker"), MAKERS.items())
def test_one_place_makes_each_kind_of_claims(name: str, maker: str) -> None:
    assert [path for path in calls(name, maker) if not path.startswith("devstack/")] == [maker]
