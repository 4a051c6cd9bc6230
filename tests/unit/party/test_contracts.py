"""A contract as people write it becomes the one that is meant, or is refused with its line."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from cleanroom.contract import LARGEST, Contract
from cleanroom.errors import Malformed
from cleanroom.ids import Digest
from cleanroom.requirements import Pcrs
from cleanroom.rules import ReviewedRule
from cleanroom.walls import Wall
from party import contracts
from party.errors import Usage
from tests.builders import DIGEST, HEX, Keys, contract, dataset, party, triggers

AS_WRITTEN = """\
# a comment
room: room
purpose: Find fraud.
parties:
  - name: north
    signing_key: north.signing.pub.pem
    room_key:
      url: https://north.vault.azure.net/keys/room-key
      public: north.reader.pub.pem
      authority: https://sharedweu.weu.attest.azure.net
  - name: south
    signing_key: south.signing.pub.pem
runners:
  - platform: simulated
    code: {kind: pcrs, values: [{index: 4, sha256: HEX}]}
    minimum_svn: {product: Milan, fmc: 0, bootloader: 4, tee: 0, snp: 24, microcode: 219}
datasets:
  - alias: a
    owner: north
    dataset: customers
    location: https://account.blob.core.windows.net/datasets/room/a
    columns: {customer: text, amount: 'decimal(12,2)?'}
    rule: {kind: reviewed, hidden: [customer], threshold: null, readers: [south]}
    versions: {minimum: 3, maximum_age: 30 days}
program:
  language: sql
  source: {file: program.sql}
  parameters:
    - {name: since, type: date}
    - {name: segment, type: text, choices: [no, 'yes']}
result:
  name: result
  format: csv
  columns:
    total: int64?
  maximum_rows: 100
  readers: [{party: south, key: south.reader.pub.pem}]
triggers: {on_request: true}
limits: {seconds: 10 minutes, memory: 2 GiB, runs: 4, period: month, expires: 2027-12-31T00:00:00Z}
"""


@pytest.fixture
def written(tmp_path: Path, north: Keys, south: Keys) -> Path:
    """A contract with every comfort, its keys and its program beside it."""
    (tmp_path / "keys").mkdir()
    north.write(tmp_path, "north")
    south.write(tmp_path, "south")
    (tmp_path / "program.sql").write_bytes(b"select 1\r\nfrom a\n")
    path = tmp_path / "contract.yaml"
    path.write_text(AS_WRITTEN.replace("HEX", HEX))
    return path


def spoilt(written: Path, before: str, after: str) -> Path:
    text = written.read_text()
    assert before in text
    written.write_bytes(text.replace(before, after, 1).encode())
    return written


def load_yaml(folder: Path, text: str | bytes) -> Contract:
    path = folder / "contract.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return contracts.load(path)


def minimal(north: Keys, south: Keys, **changes: Any) -> dict[str, Any]:
    """The fields that nothing is assumed for."""
    found = contract(north, south) | changes
    for name in ("format", "sequence", "previous"):
        del found[name]
    return found


# --- what is meant


def test_keys_are_read_from_the_files_that_are_named(
    written: Path, north: Keys, south: Keys
) -> None:
    found = contracts.load(written)

    first, second = found.parties
    assert (first.signing_key, second.signing_key) == (north.signing, south.signing)
    assert first.room_key
    assert first.room_key.public == north.reader
    assert found.result.readers[0].key == south.reader


def test_what_is_absent_by_nature_is_filled_in(written: Path) -> None:
    found = contracts.load(written)

    assert (found.sequence, found.previous, found.parties[1].room_key) == (1, None, None)
    assert found.datasets[0].versions.only is None
    assert (found.triggers.on_approval, found.triggers.schedule) == (False, None)
    assert [parameter.minimum for parameter in found.program.parameters] == [None, None]


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"on_arrival": True}, id="on_arrival"),
        pytest.param({"on_approval": True}, id="on_approval"),
        pytest.param({"on_request": True}, id="on_request"),
        pytest.param({"schedule": "0 6 * * 1"}, id="schedule"),
    ],
)
def test_triggers_that_are_not_named_are_off(
    given: dict[str, Any], tmp_path: Path, north: Keys, south: Keys
) -> None:
    found = load_yaml(tmp_path, yaml.safe_dump(minimal(north, south, triggers=given)))

    assert found.triggers.to_dict() == triggers(**given)


def test_walls_are_demanded_if_they_are_named(written: Path) -> None:
    without = contracts.load(written).runners[0]
    path = spoilt(
        written, "  - platform: simulated\n", "  - platform: simulated\n    walls: [net]\n"
    )

    found = contracts.load(path).runners[0]

    assert (without.walls, found.walls) == (frozenset[Wall](), frozenset({Wall.NET}))


def test_columns_say_whether_they_may_be_empty(written: Path) -> None:
    columns = contracts.load(written).datasets[0].columns

    assert [(column.name, column.type, column.nullable) for column in columns] == [
        ("customer", "text", False),
        ("amount", "decimal(12,2)", True),
    ]


def test_quantities_are_read_with_their_units(written: Path) -> None:
    found = contracts.load(written)

    assert (found.limits.seconds, found.limits.memory) == (600, 2 << 30)
    assert found.datasets[0].versions.maximum_age == 30 * 86400


def test_the_program_is_the_file_with_line_feeds(written: Path) -> None:
    source = contracts.load(written).program.source

    assert source.to_dict() == {"kind": "inline", "text": "select 1\nfrom a\n"}


def test_words_that_other_yaml_takes_for_something_else_stay_text(written: Path) -> None:
    found = contracts.load(written)

    assert found.program.parameters[1].choices == ("no", "yes")
    assert isinstance(found.runners[0].code, Pcrs)


@pytest.mark.parametrize(
    ("spelled", "meant"),
    [
        pytest.param("no", "no", id="no"),
        pytest.param("on", "on", id="on"),
        pytest.param("True", "True", id="True"),
        pytest.param("1:30", "1:30", id="sexagesimal"),
        pytest.param("0.5", "0.5", id="fraction"),
        pytest.param("1e3", "1e3", id="exponent"),
        pytest.param("2026-11-21", "2026-11-21", id="date"),
        pytest.param("0x10", "0x10", id="hexadecimal"),
        pytest.param("010", "010", id="octal"),
        pytest.param("1_000", "1_000", id="underscore"),
        pytest.param("+1", "+1", id="plus"),
        pytest.param("-0", "-0", id="minus zero"),
        pytest.param(".inf", ".inf", id="infinity"),
        pytest.param("'1'", "1", id="quoted number"),
    ],
)
def test_what_is_no_plain_number_is_text(
    spelled: str, meant: str, tmp_path: Path, north: Keys, south: Keys
) -> None:
    text = yaml.safe_dump(minimal(north, south, purpose="PURPOSE"))

    found = load_yaml(tmp_path, text.replace("PURPOSE", spelled))

    assert found.purpose == meant


def test_no_comfort_is_needed(tmp_path: Path, north: Keys, south: Keys) -> None:
    value = contract(north, south)

    found = load_yaml(tmp_path, json.dumps(value))

    assert found == Contract.from_value(value, "contract")


def test_a_canonical_document_is_read_as_it_is(tmp_path: Path, north: Keys, south: Keys) -> None:
    agreed = Contract.from_value(contract(north, south), "contract")
    (tmp_path / "contract.json").write_bytes(agreed.to_bytes())

    assert contracts.load(tmp_path / "contract.json") == agreed


def test_a_document_that_is_not_canonical_is_refused(
    tmp_path: Path, north: Keys, south: Keys
) -> None:
    (tmp_path / "contract.json").write_text(json.dumps(contract(north, south)))

    with pytest.raises(Malformed, match=r"expected canonical JSON"):
        contracts.load(tmp_path / "contract.json")


def test_a_sealed_program_is_named_by_its_digest(tmp_path: Path, north: Keys, south: Keys) -> None:
    source = {"kind": "sealed", "owner": "north", "manifest": DIGEST}
    program = {"language": "onnx", "source": source}

    found = load_yaml(tmp_path, yaml.safe_dump(minimal(north, south, program=program)))

    assert found.program.source.to_dict() == source


def test_a_later_contract_names_the_one_before(tmp_path: Path, north: Keys, south: Keys) -> None:
    later = minimal(north, south) | {"sequence": 2, "previous": DIGEST}

    assert load_yaml(tmp_path, yaml.safe_dump(later)).previous == Digest(DIGEST)


def test_a_mark_of_utf_8_at_the_start_says_nothing(written: Path, tmp_path: Path) -> None:
    (tmp_path / "marked.yaml").write_bytes(b"\xef\xbb\xbf" + written.read_bytes())

    assert contracts.load(tmp_path / "marked.yaml").digest == contracts.load(written).digest


def test_two_ways_to_write_a_contract_have_one_digest(written: Path, tmp_path: Path) -> None:
    found = contracts.load(written)
    (tmp_path / "contract.json").write_bytes(found.to_bytes())

    assert contracts.load(tmp_path / "contract.json").digest == found.digest


def test_the_contract_may_be_named_from_another_folder(
    written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absolute = contracts.load(written).digest
    monkeypatch.chdir(written.parent.parent)

    assert contracts.load(Path(written.parent.name) / written.name).digest == absolute


# --- YAML that is refused


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        pytest.param("a: &x 1\nb: *x\n", 2, "aliases (*name) are not allowed", id="alias"),
        pytest.param("a: &x [*x]\n", 1, "aliases (*name) are not allowed", id="endless alias"),
        pytest.param("a: 1\n<<: &x {}\n<<: {}\n", 3, "a field stands twice", id="merge keys"),
        pytest.param("a: 1\na: 2\n", 2, "a field stands twice", id="field twice"),
        pytest.param("a: 1\n'a': 2\n", 2, "a field stands twice", id="field twice, once quoted"),
        pytest.param("1: a\n'1': b\n", 2, "a field stands twice", id="field twice as number"),
        pytest.param("a: {b: 1, b: 1}\n", 1, "a field stands twice", id="field twice inside"),
        pytest.param("[a]: 1\n", 1, "has no plain name", id="list for a name"),
        pytest.param("{a: 1}: 1\n", 1, "has no plain name", id="object for a name"),
        pytest.param("a: !mine b\n", 1, "tags (!name) are not allowed", id="own tag"),
        pytest.param("a: ! b\n", 1, "tags (!name) are not allowed", id="tag without a name"),
        pytest.param("a: 1\nb: !!int x\n", 2, "tags (!name) are not allowed", id="no number"),
        pytest.param("a: !!str 7\n", 1, "tags (!name) are not allowed", id="text after all"),
        pytest.param("a: !!set {b}\n", 1, "tags (!name) are not allowed", id="set"),
        pytest.param("!!map {a: 1}\n", 1, "tags (!name) are not allowed", id="tag of it all"),
        pytest.param("!!str a: 1\n", 1, "tags (!name) are not allowed", id="tag of a name"),
        pytest.param(
            "a: !!python/object/apply:os.system [x]\n",
            1,
            "tags (!name) are not allowed",
            id="Python tag",
        ),
        pytest.param("a: 1\n---\na: 2\n", 2, "but found another document", id="two documents"),
        pytest.param("a: b: c\n", 1, "mapping values are not allowed here", id="no YAML"),
        pytest.param("a: [1\n", 2, "expected ',' or ']', but got", id="open list"),
        pytest.param("a: '1\n", 2, "found unexpected end of stream", id="open text"),
        pytest.param("a:\n\t- 1\n", 2, "found character '\\t'", id="tab"),
        pytest.param("a: %b\n", 1, "found character '%'", id="directive in the middle"),
    ],
)
def test_yaml_with_surprises_is_refused_with_its_line(
    text: str, line: int, problem: str, tmp_path: Path
) -> None:
    path = tmp_path / "contract.yaml"

    with pytest.raises(
        Malformed, match=rf"^{path}, line {line}: expected YAML, got .*{re.escape(problem)}"
    ):
        load_yaml(tmp_path, text)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"a: \xff\n", id="not UTF-8"),
        pytest.param("a: é\n".encode("latin-1"), id="Latin-1"),
        pytest.param(b"[" * 5000, id="too deep"),
        pytest.param(b"{a: " * 5000, id="too deep in objects"),
        pytest.param("a: 1\n".encode("utf-16"), id="UTF-16"),
    ],
)
def test_what_is_no_yaml_at_all_is_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "contract.yaml"

    with pytest.raises(Malformed, match=rf"^{path}: expected YAML in UTF-8$"):
        load_yaml(tmp_path, data)


@pytest.mark.parametrize(
    ("character", "name"),
    [
        pytest.param("\0", "U+0000", id="zero byte"),
        pytest.param("\x1b", "U+001B", id="terminal command"),
        pytest.param("\r", "U+000D", id="bare carriage return"),
        pytest.param("\r\r", "U+000D", id="two carriage returns"),
        pytest.param("\x85", "U+0085", id="next line"),
        pytest.param("\u2028", "U+2028", id="line separator"),
        pytest.param("\u2029", "U+2029", id="paragraph separator"),
        pytest.param("\u202e", "U+202E", id="turned direction"),
        pytest.param("\u200b", "U+200B", id="no width"),
        pytest.param("\ufeff", "U+FEFF", id="mark in the middle"),
    ],
)
def test_what_a_reader_of_the_yaml_cannot_see_is_refused_with_its_line(
    character: str, name: str, written: Path
) -> None:
    hidden = f"purpose: Find fraud. # a comment{character}sequence: 2"
    path = spoilt(written, "purpose: Find fraud.", hidden)

    with pytest.raises(Malformed) as caught:
        contracts.load(path)

    expected = f"{path}, line 3: expected only characters that can be seen, got {name}"
    assert str(caught.value) == expected


def test_an_editors_line_ends_and_tabs_say_nothing(written: Path, tmp_path: Path) -> None:
    text = written.read_bytes().replace(b"# a comment", b"#\ta comment")
    (tmp_path / "edited.yaml").write_bytes(text.replace(b"\n", b"\r\n"))

    assert contracts.load(tmp_path / "edited.yaml").digest == contracts.load(written).digest


def test_what_looks_like_a_field_that_lacks_is_named_where_it_stands(written: Path) -> None:
    path = spoilt(written, "minimum_svn: {product", "minimum_svn: {produkt")

    with pytest.raises(Malformed) as caught:
        contracts.load(path)

    expected = f"{path}.runners[0].minimum_svn: expected a field 'product', got 'produkt'"
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("text", "got"),
    [
        pytest.param("", "nothing", id="empty"),
        pytest.param("# nothing yet\n", "nothing", id="only a comment"),
        pytest.param("room\n", "text", id="text"),
        pytest.param("- room\n", "a list", id="list"),
        pytest.param("7\n", "a number", id="number"),
    ],
)
def test_yaml_that_is_no_object_is_refused(text: str, got: str, tmp_path: Path) -> None:
    with pytest.raises(Malformed, match=rf"expected an object with named fields, got {got}$"):
        load_yaml(tmp_path, text)


def test_a_contract_that_is_too_large_is_refused_unread(tmp_path: Path) -> None:
    with pytest.raises(Malformed, match=rf"expected a document of at most {LARGEST} bytes"):
        load_yaml(tmp_path, "#" * (LARGEST + 1))


# --- fields that are refused


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        pytest.param(
            "room: room", "rooms: room", ": expected a field 'room', got 'rooms'", id="missing"
        ),
        pytest.param(
            "room: room", "room: room\nmore: 1", ": expected no other field, got 'more'", id="more"
        ),
        pytest.param(
            "room: room",
            "room: room\n<<: {a: 1}",
            ": expected no other field, got '<<'",
            id="merge",
        ),
        pytest.param(
            "room: room", "room: room\nformat: v2", ".format: expected 'cleanroom", id="format"
        ),
        pytest.param(
            "hidden: [customer], ", "", ".datasets[0].rule: expected a field", id="gap in a rule"
        ),
        pytest.param(
            "minimum: 3, ", "", ".datasets[0].versions: expected a field 'minimum'", id="no minimum"
        ),
        pytest.param(
            "runs: 4", "runs: four", ".limits.runs: expected a whole number", id="no number"
        ),
        pytest.param(
            "runs: 4", "runs: 4.0", ".limits.runs: expected a whole number", id="a fraction"
        ),
        pytest.param(
            "on_request: true",
            "on_request: yes",
            ".triggers.on_request: expected true or false",
            id="yes",
        ),
        pytest.param(
            "on_request: true", "on_request: false", ".triggers: expected at least one", id="never"
        ),
        pytest.param(
            "on_request: true",
            "on_request: true, on_arrival: true",
            ".triggers: expected only 'on_request' for a program with parameters",
            id="parameters that nobody gives",
        ),
        pytest.param(
            "10 minutes", "10 parsecs", ".limits.seconds: expected a duration", id="odd duration"
        ),
        pytest.param("2 GiB", "2 GB", ".limits.memory: expected a size", id="odd size"),
        pytest.param(
            "30 days",
            "soon",
            ".datasets[0].versions.maximum_age: expected a duration",
            id="odd age",
        ),
        pytest.param(
            "customer: text",
            "customer: 7",
            ".datasets[0].columns.customer: expected a type such as text",
            id="number for a type",
        ),
        pytest.param(
            "customer: text",
            "customer: {type: text}",
            ".datasets[0].columns.customer: expected a type such as text",
            id="object for a type",
        ),
        pytest.param(
            "total: int64?", "total: int64??", ".result.columns[0].type: expected", id="twice empty"
        ),
        pytest.param(
            "{file: program.sql}",
            "{file: 7}",
            ".program.source.file: expected the name of a file",
            id="number for a file",
        ),
        pytest.param(
            "{file: program.sql}",
            "{file: program.sql, kind: inline}",
            ".program.source: expected a field 'text'",
            id="file and more",
        ),
        pytest.param(
            "{file: program.sql}",
            "program.sql",
            ".program.source: expected an object with named fields, got text",
            id="file without saying so",
        ),
        pytest.param(
            "signing_key: north.signing.pub.pem",
            "signing_key: north.signing.pub",
            ".parties[0].signing_key: expected standard base64",
            id="no key",
        ),
        pytest.param(
            "signing_key: north.signing.pub.pem",
            "signing_key: 7",
            ".parties[0].signing_key: expected base64",
            id="number for a key",
        ),
        pytest.param(
            "triggers: {on_request: true}",
            "triggers: on_request",
            ".triggers: expected an object",
            id="text for triggers",
        ),
        pytest.param(
            "parties:\n", "parties: none\nothers:\n", ".parties: expected a list", id="no list"
        ),
    ],
)
def test_a_field_that_is_not_understood_is_named(
    before: str, after: str, message: str, written: Path
) -> None:
    path = spoilt(written, before, after)

    with pytest.raises(Malformed) as caught:
        contracts.load(path)

    assert str(caught.value).startswith(f"{path}{message}")


# --- files that are named


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("program.sql", "missing.sql", id="program"),
        pytest.param("north.signing.pub.pem", "missing.pem", id="signing key"),
        pytest.param("north.reader.pub.pem", "missing.pem", id="room key"),
        pytest.param("south.reader.pub.pem", "missing.pem", id="reader key"),
    ],
)
def test_a_file_that_is_not_there_is_named(before: str, after: str, written: Path) -> None:
    path = spoilt(written, before, after)

    with pytest.raises(Usage, match=rf"^{path.parent / after}: there is no such file or folder$"):
        contracts.load(path)


def test_a_folder_is_no_program(written: Path) -> None:
    path = spoilt(written, "program.sql", "keys")

    with pytest.raises(Usage, match=r"keys: expected a file, got a folder$"):
        contracts.load(path)


def test_a_program_is_text(written: Path) -> None:
    (written.parent / "program.sql").write_bytes(b"\xff\xfe")

    with pytest.raises(Malformed, match=r"program\.sql: expected a program in UTF-8$"):
        contracts.load(written)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("../private.txt", id="folder above"),
        pytest.param("..", id="folder above itself"),
        pytest.param("keys/a.sql", id="folder below"),
        pytest.param("/etc/passwd", id="absolute"),
        pytest.param("/dev/zero", id="device"),
        pytest.param("..\\private.txt", id="folder above on Windows"),
        pytest.param(".env", id="hidden file"),
        pytest.param("", id="nothing"),
        pytest.param("a\0.sql", id="zero byte"),
        pytest.param("a\ud800.sql", id="half a character"),
        pytest.param("a\nb.sql", id="line feed"),
        pytest.param("a\u202eb.sql", id="turned direction"),
    ],
)
@pytest.mark.parametrize(
    ("before", "ending", "field"),
    [
        pytest.param("program.sql", "", ".program.source.file", id="program"),
        pytest.param("north.signing.pub.pem", "/.pem", ".parties[0].signing_key", id="signing"),
        pytest.param("north.reader.pub.pem", "/.pem", ".parties[0].room_key.public", id="room"),
        pytest.param("south.reader.pub.pem", "/.pem", ".result.readers[0].key", id="reader"),
    ],
)
def test_only_a_bare_name_names_a_file(
    before: str, ending: str, field: str, name: str, written: Path
) -> None:
    path = spoilt(written, before, json.dumps(name + ending))

    with pytest.raises(Malformed) as caught:
        contracts.load(path)

    expected = "expected the bare name of a file beside the contract, got "
    assert str(caught.value).startswith(f"{path}{field}: {expected}")


def test_a_link_beside_the_contract_may_not_lead_away(written: Path, tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    for file in tmp_path.glob("*.*"):
        file.rename(inside / file.name)
    (tmp_path / "private.txt").write_text("private")
    (inside / "program.sql").unlink()
    (inside / "program.sql").symlink_to(tmp_path / "private.txt")

    with pytest.raises(Malformed, match=r"source\.file: .* got a link that leads away$"):
        contracts.load(inside / written.name)


def test_a_link_beside_the_contract_may_stay_there(written: Path) -> None:
    (written.parent / "link.sql").symlink_to("program.sql")
    before = contracts.load(written).digest

    assert contracts.load(spoilt(written, "program.sql", "link.sql")).digest == before


def test_a_program_is_no_pipe(written: Path) -> None:
    os.mkfifo(written.parent / "pipe")

    with pytest.raises(Malformed, match=r"source\.file: .* got a device or a pipe$"):
        contracts.load(spoilt(written, "program.sql", "pipe"))


def test_a_private_key_is_no_program(written: Path) -> None:
    with pytest.raises(Malformed, match=r"signing\.pem: expected a program, got a private key$"):
        contracts.load(spoilt(written, "program.sql", "north.signing.pem"))


def test_the_files_that_were_read_are_told(written: Path) -> None:
    found = contracts.read(written).files

    assert sorted({path.name for path in found}) == [
        "north.reader.pub.pem",
        "north.signing.pub.pem",
        "program.sql",
        "south.reader.pub.pem",
        "south.signing.pub.pem",
    ]
    assert {path.parent for path in found} == {written.parent}


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        pytest.param(
            "north.signing.pub.pem", "north.signing.pem", "got a private key$", id="private key"
        ),
        pytest.param(
            "north.signing.pub.pem",
            "north.reader.pub.pem",
            "expected an ECDSA P-256 public key$",
            id="reader key that signs",
        ),
        pytest.param(
            "north.reader.pub.pem",
            "north.signing.pub.pem",
            "expected an RSA public key",
            id="signing key that reads",
        ),
    ],
)
def test_a_key_of_another_kind_is_refused(
    before: str, after: str, message: str, written: Path
) -> None:
    path = spoilt(written, before, after)

    with pytest.raises(Malformed, match=message):
        contracts.load(path)


# --- rules


def test_a_rule_is_read_from_a_file_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "rule.yaml"
    path.write_text("kind: reviewed\nhidden: [a]\nthreshold: null\nreaders: [north]\n")

    assert contracts.load_rule(path) == ReviewedRule(("a",), None, ("north",))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("kind: reviewed\n", r": expected a field 'hidden'$", id="nothing assumed"),
        pytest.param(
            "kind: reviewed\nhiden: []\n", r": expected a field 'hidden', got 'hiden'$", id="typo"
        ),
        pytest.param("kind: any\n", r"\.kind: expected 'aggregation' or", id="unknown kind"),
        pytest.param("kind: *x\n", r", line 1: expected YAML, got aliases", id="alias"),
        pytest.param("", r": expected an object with named fields, got nothing$", id="empty"),
    ],
)
def test_a_rule_that_is_not_understood_is_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "rule.yaml"
    path.write_text(text)

    with pytest.raises(Malformed, match=f"^{path}{message}"):
        contracts.load_rule(path)


def test_a_rule_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(Usage, match=r"there is no such file or folder$"):
        contracts.load_rule(tmp_path / "rule.yaml")


def test_what_the_parties_bring_is_checked_as_in_any_contract(
    tmp_path: Path, north: Keys, south: Keys
) -> None:
    parties = [party("north", north), party("south", south, room_key=None)]
    text = yaml.safe_dump(minimal(north, south, parties=parties, datasets=[dataset("a", "south")]))

    with pytest.raises(Malformed, match=r"datasets\[0\]\.owner: expected a party with a room key"):
        load_yaml(tmp_path, text)
