"""The documents and the code agree: commands, options, error codes, targets, links."""

import hashlib
import re
import shlex
import subprocess
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer

from cleanroom.errors import CleanroomError, Disposition
from party.main import EXIT_CODES, app
from tests.test_architecture import exceptions

ROOT = Path(__file__).parents[1]
COMMAND = "cleanroom"
NONE = "\N{EN DASH}"
SETTLED = {
    Disposition.REJECT: "dead-lettered",
    Disposition.REFUSE: "completed",
    Disposition.FAIL: "completed",
    Disposition.RETRY: "given back, tried again",
}
OUTCOME = {
    Disposition.REJECT: "failed",
    Disposition.REFUSE: "refused",
    Disposition.FAIL: "failed",
    Disposition.RETRY: NONE,
}

_FENCE = re.compile(r"^ *(```+|~~~+)[^\n]*\n(.*?)^ *\1 *$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_LINK = re.compile(
    r"\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)|^\[[^\]]+\]:\s+<?([^\s>]+)", re.MULTILINE
)
_HTML_LINK = re.compile(r"<(?:a|img)\b[^>]*?\b(?:href|src|srcset)=\"([^\"]+)\"", re.IGNORECASE)
_HEADING = re.compile(r"^ {0,3}#{1,6}\s+(.+?)\s*#*\s*$", re.MULTILINE)
_ID = re.compile(r"\b(?:id|name)=\"([^\"]+)\"")
_END_OF_COMMAND = re.compile(r"[|&;<>()]+")


def documents() -> list[Path]:
    """List what is in the tree, or about to be: files that nobody ignores."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    found = sorted({ROOT / name for name in listed.split("\0") if name})
    return [file for file in found if file.is_file()]


every_document = pytest.mark.parametrize(
    "file", documents(), ids=lambda file: file.relative_to(ROOT).as_posix()
)


@dataclass(frozen=True)
class Markdown:
    """A document taken apart as far as the tests need it."""

    blocks: list[str]
    inline: list[str]
    prose: str  # without any code

    @classmethod
    def of(cls, text: str) -> "Markdown":
        blocks = [match[2] for match in _FENCE.finditer(text)]
        rest = _FENCE.sub("", text)
        return cls(blocks, _INLINE.findall(rest), _INLINE.sub("", rest))

    def lines(self) -> Iterator[str]:
        """Give the lines of code, each command on one."""
        for block in self.blocks:
            yield from re.sub(r"\\\n\s*", " ", block).splitlines()
        yield from self.inline

    def commands(self, name: str) -> Iterator[list[str]]:
        """Give the words of every command that begins with this name."""
        for line in self.lines():
            found = re.match(rf"\s*(?:\$\s+|>\s+)?{name}\s+(.*)", line)
            if found:
                yield words(found[1])


def words(line: str) -> list[str]:
    """Split as a shell does, up to the end of the command; what no shell takes, at its spaces."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        found = list(lexer)
    except ValueError:  # an apostrophe
        found = line.split()
    ends = (i for i, word in enumerate(found) if _END_OF_COMMAND.fullmatch(word))
    return found[: next(ends, None)]


def unknown(given: list[str]) -> list[str]:
    """Name the commands and options among these words that do not exist."""
    at: Any = typer.main.get_command(app)
    bad: list[str] = []
    for word in given:
        if word.startswith("-") and word != "-":
            known = {option for one in at.params for option in one.opts + one.secondary_opts}
            name = word.partition("=")[0]
            if name not in known | {"--help"}:
                bad.append(name)
        elif hasattr(at, "commands"):
            if word not in at.commands:
                return [*bad, word]
            at = at.commands[word]
    return bad


def anchors(text: str) -> set[str]:
    """Name every place of a document that can be linked to, as GitHub does."""
    found = set(_ID.findall(text))
    for heading in _HEADING.findall(_FENCE.sub("", text)):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = "".join(
            "-" if c == " " else c
            for c in shown
            if c in " -_" or unicodedata.category(c)[0] in "LNM"
        )
        number = 0
        while (name := f"{slug}-{number}" if number else slug) in found:
            number += 1
        found.add(name)
    return found


def broken(file: Path, target: str) -> bool:
    if re.match(r"[a-z][a-z0-9+.-]*:", target):
        return False  # on the network
    path, _, anchor = target.partition("#")
    there = (file.parent / path) if path else file
    if not there.exists() or not there.resolve().is_relative_to(ROOT):
        return True
    return bool(anchor) and there.suffix == ".md" and anchor not in anchors(there.read_text())


# --- the parts above


@pytest.mark.parametrize(
    ("line", "bad"),
    [
        pytest.param("seal a.csv --party north -f", [], id="good"),
        pytest.param("seal - --party=north", [], id="pipe"),
        pytest.param("contract check contract.yaml -o a.json", [], id="sub-command"),
        pytest.param("--version", [], id="option of all"),
        pytest.param("keys new --help", [], id="help"),
        pytest.param("inspect a --json | jq .digest", [], id="piped on"),
        pytest.param("inspect a > b --nope", [], id="redirected"),
        pytest.param("seal a --nope", ["--nope"], id="unknown option"),
        pytest.param("seal a --nope=1", ["--nope"], id="unknown option with a value"),
        pytest.param("prepare a", ["prepare"], id="unknown command"),
        pytest.param("keys list", ["list"], id="unknown sub-command"),
        pytest.param("--nope seal", ["--nope"], id="unknown option of all"),
        pytest.param("seal it's --nope", ["--nope"], id="apostrophe"),
    ],
)
def test_unknown_commands_and_options_are_found(line: str, bad: list[str]) -> None:
    assert unknown(words(line)) == bad


def test_commands_are_found_in_blocks_and_in_lines() -> None:
    text = (
        "a `cleanroom keys new x`\n```sh\n$ cleanroom seal \\\n    a  # b\nls\n```\ncleanroom no\n"
    )

    found = list(Markdown.of(text).commands(COMMAND))

    assert found == [["seal", "a"], ["keys", "new", "x"]]


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("## 1. Fields", "1-fields"),
        ("# What it *is*, really", "what-it-is-really"),
        ("### `cleanroom seal` & co.", "cleanroom-seal--co"),
        ("# A [link](b.md)", "a-link"),
        ("# Größe", "größe"),
    ],
)
def test_headings_are_named_as_github_names_them(heading: str, anchor: str) -> None:
    assert anchors(f"{heading}\n") == {anchor}


def test_a_heading_that_stands_twice_has_two_names() -> None:
    assert anchors("# A\n# A\n") == {"a", "a-1"}


# --- every document


@every_document
def test_every_command_and_option_exists(file: Path) -> None:
    found = Markdown.of(file.read_text())

    bad = [
        f"{COMMAND} {' '.join(given)}: {' '.join(wrong)}"
        for given in found.commands(COMMAND)
        if (wrong := unknown(given))
    ]

    assert not bad


@every_document
def test_every_target_of_make_exists(file: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    named = {
        word
        for given in Markdown.of(file.read_text()).commands("make")
        for word in given
        if not word.startswith("-") and "=" not in word
    }

    assert named <= targets


@every_document
def test_every_link_leads_somewhere(file: Path) -> None:
    prose = Markdown.of(file.read_text()).prose
    links = [first or second for first, second in _LINK.findall(prose)]

    bad = [link for link in links + _HTML_LINK.findall(prose) if broken(file, link)]

    assert not bad


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        pytest.param("README.md", False, id="file"),
        pytest.param("docs/spec", False, id="folder"),
        pytest.param("docs/spec/contract.md#1-fields", False, id="heading"),
        pytest.param("https://example.com/missing#here", False, id="network"),
        pytest.param("docs/spec/missing.md", True, id="no file"),
        pytest.param("docs/spec/contract.md#nowhere", True, id="no heading"),
        pytest.param("#nowhere", True, id="no heading here"),
        pytest.param("../outside", True, id="outside"),
    ],
)
def test_broken_links_are_found(target: str, expected: bool) -> None:
    assert broken(ROOT / "README.md", target) == expected


# --- docs/spec/errors.md


def documented() -> dict[str, list[str]]:
    """Read the table of codes: what becomes of a job's message, its outcome, the exit code."""
    text = (ROOT / "docs" / "spec" / "errors.md").read_text()
    rows = re.findall(r"^\| `([a-z_]+)` \|(.*)\|$", text, re.MULTILINE)
    return {code: [cell.strip() for cell in cells.split("|")[1:]] for code, cells in rows}


def ours() -> dict[str, type[CleanroomError]]:
    return {
        kind.code: kind
        for kind in exceptions().values()
        if issubclass(kind, CleanroomError) and kind is not CleanroomError
    }


def test_every_error_code_is_documented_and_no_other() -> None:
    assert set(documented()) == set(ours()) | {"internal"}


def test_every_exit_code_is_documented_as_it_is() -> None:
    exits = {code: cells[2] for code, cells in documented().items()}

    assert exits == {code: str(EXIT_CODES.get(code, NONE)) for code in exits}
    assert set(EXIT_CODES) <= set(exits)


def test_what_becomes_of_a_message_is_documented_as_it_is() -> None:
    job_errors = {code: kind for code, kind in ours().items() if code != "usage"}

    becomes = {code: documented()[code][:2] for code in job_errors}

    assert becomes == {
        code: [SETTLED[kind.disposition], OUTCOME[kind.disposition]]
        for code, kind in job_errors.items()
    }


@pytest.mark.parametrize("code", [130, 141, 143])
def test_the_exit_codes_of_interruptions_are_documented(code: int) -> None:
    text = (ROOT / "docs" / "spec" / "errors.md").read_text()

    assert re.search(rf"\b{code}\b", text)


@pytest.mark.parametrize(
    "text", sorted((ROOT / "docs" / "diagrams").glob("*.dot")), ids=lambda text: text.stem
)
def test_every_diagram_is_drawn_from_its_text_as_it_is(text: Path) -> None:
    image = ROOT / "docs" / "images" / text.with_suffix(".svg").name

    first = image.read_text("utf-8").splitlines()[0]

    assert f"sha256:{hashlib.sha256(text.read_bytes()).hexdigest()}" in first, "run make diagrams"
