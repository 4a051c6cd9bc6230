"""Rules that run: who may import whom, how small the trusted core is, which errors there are."""

import ast
import importlib
import inspect
import io
import pkgutil
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from cleanroom.errors import CleanroomError, Disposition
from tests.trusted_core import MOST_LINES, TRUSTED_CORE

ROOT = Path(__file__).parents[1]

MAY_IMPORT = {
    "cleanroom": set[str](),
    "functions": {"cleanroom"},
    "runner": {"cleanroom"},
    "party": {"cleanroom"},
    "devstack": {"cleanroom"},
}
PURE = {"blake3", "cbor2", "cryptography", "rfc8785"}
# What `cleanroom` may take from the standard library: none of it reads, writes, waits or asks the
# time. A module that is missing here may be added if that is true of it too.
HARMLESS = {
    *("abc", "base64", "binascii", "collections", "contextlib", "dataclasses", "datetime"),
    *("decimal", "enum", "functools", "hashlib", "hmac", "io", "ipaddress", "itertools", "json"),
    *("math", "operator", "re", "struct", "types", "typing", "unicodedata", "urllib.parse", "zlib"),
}
EFFECTS = {"open", "print", "input", "exec", "eval", "breakpoint", "__import__"}
CLOCKS = {"now", "utcnow", "today"}

LONGEST_MODULE = 400
LONGER = {"cleanroom/contract.py": "one document, which is read in one piece"}

# Classes of exceptions that are not ours to raise at others, and why they exist.
PRIVATE = {
    "cleanroom.canonical._NotOurs": "carries a message out of a hook of the json module",
    "party.console.ReaderGone": "unwinds when nobody reads the result, past every handler too",
    "party.main._Terminated": "unwinds after a signal, past every handler of ordinary errors",
}

# Split, so that this file does not hold what it looks for.
REGISTRIES = (
    *("pypi" + ".org", "pythonhosted" + ".org", "npmjs" + ".org", "npmjs" + ".com"),
    *("crates" + ".io", "proxy.golang" + ".org", "rubygems" + ".org"),
)
OUR_MACHINES = re.compile(r"(?<![\w.\-])/(?:" + "wo" + "rk|ho" + "me)/")


def product() -> Iterator[Path]:
    for package in MAY_IMPORT:
        yield from sorted((ROOT / package).rglob("*.py"))


def name_of(file: Path) -> str:
    """Name a file of the tree, or the module that it is."""
    return file.relative_to(ROOT).as_posix()


def module_of(file: Path) -> str:
    return name_of(file).removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_bytes(), str(file))


def imports(file: Path) -> Iterator[str]:
    """Name everything that a file imports anywhere in it, as `module` or as `module.name`."""
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_of(name: str, modules: set[str]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Find modules that import each other, in their order; none, if there are none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


# --- who may import whom


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_packages_import_only_what_they_may(package: str) -> None:
    forbidden = set(MAY_IMPORT) - MAY_IMPORT[package] - {package}
    forbidden |= {"tests", "bench", "tools", "examples", "function_app"}

    bad = {
        f"{name_of(file)} imports {name}"
        for file in (ROOT / package).rglob("*.py")
        for name in imports(file)
        if is_of(name, forbidden)
    }

    assert not bad


def test_the_app_imports_only_the_control_plane() -> None:
    ours = {name for name in imports(ROOT / "function_app.py") if is_of(name, set(MAY_IMPORT))}

    assert {name.partition(".")[0] for name in ours} == {"functions"}


def test_the_core_takes_only_what_does_no_input_or_output() -> None:
    bad = {
        f"{name_of(file)} imports {name}"
        for file in (ROOT / "cleanroom").rglob("*.py")
        for name in imports(file)
        if not is_of(name, {"cleanroom"} | PURE | HARMLESS)
    }

    assert not bad


def test_the_core_calls_nothing_that_reads_writes_or_asks_the_time() -> None:
    bad = {
        f"{name_of(file)}, line {node.lineno}"
        for file in (ROOT / "cleanroom").rglob("*.py")
        for node in ast.walk(tree(file))
        if isinstance(node, ast.Call)
        and (
            (isinstance(node.func, ast.Name) and node.func.id in EFFECTS)
            or (isinstance(node.func, ast.Attribute) and node.func.attr in CLOCKS)
        )
    }

    assert not bad


def test_harmless_modules_are_of_the_standard_library() -> None:
    assert {name.partition(".")[0] for name in HARMLESS} <= sys.stdlib_module_names


def test_no_import_is_relative() -> None:
    bad = {
        f"{name_of(file)}, line {node.lineno}"
        for file in product()
        for node in ast.walk(tree(file))
        if isinstance(node, ast.ImportFrom) and node.level
    }

    assert not bad


def test_no_import_is_only_for_the_type_checker() -> None:
    bad = {name_of(file) for file in product() if b"TYPE_CHECKING" in file.read_bytes()}

    assert not bad


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_no_modules_import_each_other_in_a_circle(package: str) -> None:
    files = {module_of(file): file for file in (ROOT / package).rglob("*.py")}
    graph = {
        module: {
            name if name in files else name.rpartition(".")[0]
            for name in imports(file)
            if is_of(name, {package})
        }
        for module, file in files.items()
    }

    assert circle(graph) == []


def test_a_circle_of_imports_is_found() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) in (["b", "c", "b"], ["c", "b", "c"])
    assert circle({"a": {"b"}, "b": {"c"}, "c": set()}) == []


# --- the trusted core


def lines_of_code(file: Path) -> int:
    """Count the lines that hold code: no blank lines, comments or docstrings."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(file.read_text()).readline):
        if token.string.strip() and token.type not in (tokenize.COMMENT, tokenize.ENDMARKER):
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines - docstring_lines(file))


def docstring_lines(file: Path) -> set[int]:
    found: set[int] = set()
    for node in ast.walk(tree(file)):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if ast.get_docstring(node) is not None:
            found.update(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    return found


def test_lines_of_code_are_counted_without_what_explains_them(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text(
        '"""A docstring.\n\nof three lines."""\n\n# a comment\nX = 1  # counts\n\n\n'
        'def f() -> str:\n    """Another."""\n    return """a\n\nb"""\n'
    )

    assert lines_of_code(tmp_path / "code.py") == 5


def test_the_trusted_core_stays_small() -> None:
    counted = {name_of(file): lines_of_code(file) for file in TRUSTED_CORE}

    assert counted
    assert sum(counted.values()) <= MOST_LINES


def test_the_trusted_core_is_there() -> None:
    assert [name_of(file) for file in TRUSTED_CORE if not file.is_file()] == []


def test_modules_stay_short_enough_to_read() -> None:
    lengths = {name_of(file): len(file.read_text().splitlines()) for file in product()}

    longer = {name for name, length in lengths.items() if length > LONGEST_MODULE}

    assert longer == set(LONGER)


# --- errors


def exceptions() -> dict[str, type[BaseException]]:
    """Find every exception class that the product defines, wherever it stands in a module."""
    found: dict[str, type[BaseException]] = {}
    for package in MAY_IMPORT:
        path = [str(ROOT / package)]
        names = [info.name for info in pkgutil.walk_packages(path, f"{package}.")]
        for name in [package, *names]:
            module = importlib.import_module(name)
            for _, item in inspect.getmembers(module, inspect.isclass):
                if issubclass(item, BaseException) and item.__module__ == name:
                    found[f"{name}.{item.__qualname__}"] = item
    return found


def test_every_error_is_one_of_ours() -> None:
    others = {name for name, kind in exceptions().items() if not issubclass(kind, CleanroomError)}

    assert others == set(PRIVATE)


def test_no_handler_elsewhere_takes_a_private_exception_for_an_ordinary_error() -> None:
    kinds = exceptions()

    shared = [name for name in PRIVATE if not name.rpartition(".")[2].startswith("_")]

    assert [name for name in shared if issubclass(kinds[name], Exception)] == []


def test_every_error_has_a_code_of_its_own_and_a_disposition() -> None:
    ours = [
        kind
        for kind in exceptions().values()
        if issubclass(kind, CleanroomError) and kind is not CleanroomError
    ]

    codes = [kind.code for kind in ours]

    assert len(codes) == len(set(codes))
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", code) for code in codes)
    assert all(isinstance(kind.disposition, Disposition) for kind in ours)


def test_no_error_hides_inside_a_function_or_class() -> None:
    names = {name.rpartition(".")[2] for name in exceptions()}
    classes = {
        node.name: name_of(file)
        for file in product()
        for node in ast.walk(tree(file))
        if isinstance(node, ast.ClassDef)
        and any(
            isinstance(base, ast.Name)
            and (base.id in names or base.id.endswith(("Error", "Exception")))
            for base in node.bases
        )
    }

    assert set(classes) <= names


# --- the tree


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"],  # noqa: S607  # whichever git there is
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    files = [ROOT / name for name in listed.split("\0") if name]
    return [file for file in files if file.is_file()]


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    """Every file of the tree as text, with what is no UTF-8 replaced."""
    return {name_of(file): file.read_bytes().decode("utf-8", "replace") for file in tracked()}


def test_no_file_names_a_package_registry(texts: dict[str, str]) -> None:
    bad = {
        f"{name} holds {host}"
        for name, text in texts.items()
        for host in REGISTRIES
        if host in text
    }

    assert not bad


def test_no_file_holds_a_path_of_our_machines(texts: dict[str, str]) -> None:
    bad = {
        f"{name} holds {found[0]}"
        for name, text in texts.items()
        if (found := OUR_MACHINES.search(text))
    }

    assert not bad


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("/" + "work/main", True, id="path"),
        pytest.param('"/' + 'home/me"', True, id="quoted path"),
        pytest.param("https://example.com/" + "home/a", False, id="part of a URL"),
        pytest.param("frame" + "work/main", False, id="part of a word"),
        pytest.param("./" + "work/main", False, id="relative path"),
    ],
)
def test_only_absolute_paths_are_of_our_machines(text: str, found: bool) -> None:
    assert bool(OUR_MACHINES.search(text)) == found
