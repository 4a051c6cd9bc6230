"""All templates of infra/, as they are or as a test would have one of them be."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.infra.bicep import Module, Resource, Template, load

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
OPERATOR, PARTY = "main.bicep", "party/main.bicep"


@dataclass(frozen=True)
class Tree:
    """Templates by their name below infra/."""

    templates: Mapping[str, Template]

    def used(self, template: Template, module: Module) -> Template | None:
        """Find the file that a module is."""
        path = (template.path.parent / module.path).resolve()
        return self.templates.get(path.relative_to(INFRA).as_posix())

    def deployed(self, name: str) -> dict[str, Template]:
        """Give a template and all that it uses."""
        found = {name: self.templates[name]}
        for module in found[name].modules.values():
            used = self.used(found[name], module)
            if used is not None:
                found |= self.deployed(used.path.relative_to(INFRA).as_posix())
        return found

    def resources(self, name: str, *kinds: str) -> Iterator[tuple[str, Resource]]:
        """Give what a deployment makes, of some kinds or all; not what it only refers to."""
        for file, template in self.deployed(name).items():
            for resource in template.resources.values():
                if not resource.existing and (not kinds or resource.kind in kinds):
                    yield file, resource

    def changed(self, file: str, old: str, new: str) -> "Tree":
        """Give the tree with one place written differently."""
        source = (INFRA / file).read_text()
        assert source.count(old) >= 1, f"{file} does not hold {old!r}"
        planted = load(INFRA / file, source.replace(old, new, 1).encode())
        return Tree({**self.templates, file: planted})


@cache
def tree() -> Tree:
    """Read all files once."""
    files = sorted(INFRA.rglob("*.bicep"))
    return Tree({file.relative_to(INFRA).as_posix(): load(file) for file in files})
