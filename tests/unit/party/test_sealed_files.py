"""What `seal` checks before it writes, and how a manifest is put into words."""

import json
import os
import sys
from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cleanroom.errors import CleanroomError, Malformed
from cleanroom.ids import Digest
from cleanroom.rules import ReviewedRule
from cleanroom.schema import Column
from cleanroom.seal.content import CsvTable, Dialect, Table
from cleanroom.seal.manifest import DatasetOrigin, Manifest, ResultOrigin
from party import sealed_files
from party.errors import Usage
from party.sealed_files import Order
from tests.builders import DIGEST, NOW, Keys
from tests.sealing import Parts, seal_bytes

VAULT = "https://north.vault.azure.net/secrets/customers"
DIALECT = Dialect(
    delimiter=",",
    quote='"',
    escape='"',
    header=True,
    null="",
    date_format="",
    timestamp_format="",
)
COLUMNS = (Column("a", "text", nullable=False), Column("b", "int64", nullable=True))

type OrderOf = Callable[..., Order]


@pytest.fixture
def order(tmp_path: Path, north: Keys, south: Keys) -> OrderOf:
    """Order to seal a file of the folder, with changes."""
    north.write(tmp_path, "north")
    south.write(tmp_path, "south")
    (tmp_path / "file").write_bytes(b"content")
    whole = Order(
        source=str(tmp_path / "file"),
        output=None,
        party="north",
        dataset="customers",
        sign_with=str(tmp_path / "north.signing.pem"),
        readers=(tmp_path / "south.reader.pub.pem",),
        version=None,
        kind=None,
        types=(),
        delimiter=None,
        header=None,
        null=None,
        rule=None,
        region_size="64 KiB",
        keep_key_at=None,
        wrapped_key_to=None,
        force=False,
    )
    return lambda **changes: replace(whole, **changes)


def manifest_of(keys: Keys, **changes: Any) -> Manifest:
    sealed = seal_bytes(b"plain", keys, **changes)
    return Manifest.parse(Parts.of(sealed).payload, "manifest")


def words(keys: Keys, **changes: Any) -> dict[str, str]:
    summed_up = sealed_files.summary(manifest_of(keys, **changes))
    return {name: str(said) for name, said in summed_up}


# --- sealing


def test_the_file_is_sealed_beside_itself(order: OrderOf, tmp_path: Path) -> None:
    made = sealed_files.seal(order(), NOW)

    assert made.path == tmp_path / "file.sealed"
    assert made.manifest.to_bytes() == Parts.of(made.path.read_bytes()).payload
    assert (made.manifest.created, made.manifest.media_type) == (NOW, "application/octet-stream")


def test_the_version_is_the_second_of_sealing_unless_given(order: OrderOf) -> None:
    timed = sealed_files.seal(order(), NOW + timedelta(microseconds=999_999))
    given = sealed_files.seal(order(version=3, force=True), NOW)

    assert timed.manifest.origin == DatasetOrigin("north", "customers", int(NOW.timestamp()))
    assert given.manifest.origin == DatasetOrigin("north", "customers", 3)


def test_the_last_equals_sign_parts_a_column_from_its_type(order: OrderOf, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("a=b,c\n1,2\n")

    made = sealed_files.seal(
        order(source=str(tmp_path / "table.csv"), types=("a=b=int64",), header=True), NOW
    )

    assert isinstance(made.manifest.content, CsvTable)
    assert made.manifest.content.columns[0] == Column("a=b", "int64", nullable=False)


def test_a_key_kept_apart_opens_what_was_sealed(
    order: OrderOf, tmp_path: Path, south: Keys
) -> None:
    made = sealed_files.seal(order(keep_key_at=VAULT, wrapped_key_to=tmp_path / "wrapped"), NOW)

    wrapped = b64decode((tmp_path / "wrapped").read_text(), validate=True)
    assert len(south.unwrap(wrapped)) == 32
    assert sealed_files.summary(made.manifest)[6] == (
        "readers",
        f"{south.reader.id}\nkey at {VAULT}",
    )


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        pytest.param({"party": "North"}, Usage, r"^--party: expected a name", id="party"),
        pytest.param({"dataset": ""}, Usage, r"^--dataset: expected a name", id="dataset"),
        pytest.param({"version": -1}, Usage, r"^--version: expected a whole", id="version"),
        pytest.param({"version": 0}, Usage, r"^--version: expected a whole", id="version zero"),
        pytest.param({"version": 2**53}, Usage, r"^--version: expected a whole", id="huge version"),
        pytest.param(
            {"region_size": "1 KiB"}, Usage, r"^--region-size: expected", id="small regions"
        ),
        pytest.param(
            {"region_size": "128 MiB"}, Usage, r"^--region-size: expected", id="large regions"
        ),
        pytest.param(
            {"region_size": "3 MiB"}, Usage, r"^--region-size: expected a power", id="odd regions"
        ),
        pytest.param({"source": "-"}, Usage, r"^--output: a pipe has no name", id="pipe"),
        pytest.param(
            {"source": "-", "output": Path("out"), "kind": "csv"},
            Usage,
            r"^--as: a pipe can only be read once",
            id="table in a pipe",
        ),
        pytest.param({"types": ("a",)}, Usage, r"^--type: expected NAME=TYPE", id="type"),
        pytest.param({"types": ("a=text",)}, Usage, r"plain bytes have no columns", id="no column"),
        pytest.param({"keep_key_at": VAULT}, Usage, r"go together$", id="no file for the key"),
        pytest.param(
            {"wrapped_key_to": Path("a")}, Usage, r"go together$", id="no secret for the key"
        ),
        pytest.param(
            {"keep_key_at": VAULT, "wrapped_key_to": Path("a"), "readers": ()},
            Usage,
            r"^--keep-key-at: expected one reader",
            id="key for nobody",
        ),
        pytest.param(
            {"keep_key_at": VAULT.replace("https", "http"), "wrapped_key_to": Path("a")},
            Usage,
            r"^--keep-key-at: expected a Key Vault secret",
            id="no vault",
        ),
        pytest.param({"readers": ()}, Malformed, r"^manifest\.readers: expected 1", id="nobody"),
    ],
)
def test_what_makes_no_sense_is_refused_and_leaves_nothing(
    changes: dict[str, Any],
    kind: type[CleanroomError],
    message: str,
    order: OrderOf,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    made = order(**changes)
    before = sorted(tmp_path.iterdir())

    with pytest.raises(kind, match=message):
        sealed_files.seal(made, NOW)

    assert sorted(tmp_path.iterdir()) == before


def test_a_reader_named_twice_is_refused(order: OrderOf, tmp_path: Path) -> None:
    readers = (tmp_path / "south.reader.pub.pem",) * 2

    with pytest.raises(Usage, match=r"^--for: expected each reader once$"):
        sealed_files.seal(order(readers=readers), NOW)

    assert not (tmp_path / "file.sealed").exists()


def test_a_source_that_is_its_own_output_is_refused(order: OrderOf, tmp_path: Path) -> None:
    (tmp_path / "other").hardlink_to(tmp_path / "file")

    with pytest.raises(Usage, match=r"^--output: .*other is the source$"):
        sealed_files.seal(order(output=tmp_path / "other", force=True), NOW)

    assert (tmp_path / "file").read_bytes() == b"content"


def test_a_pipe_by_name_is_refused_without_waiting_for_a_writer(
    order: OrderOf, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(Usage, match=r"pipe: expected a file, got a device or a pipe$"):
        sealed_files.seal(order(source=str(tmp_path / "pipe")), NOW)

    assert not (tmp_path / "pipe.sealed").exists()


def test_a_closed_stdin_is_nothing_to_seal(
    order: OrderOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = (tmp_path / "file").open()
    closed.close()
    monkeypatch.setattr(sys, "stdin", closed)

    with pytest.raises(Usage, match=r"^-: nothing to read on stdin$"):
        sealed_files.seal(order(source="-", output=tmp_path / "out"), NOW)

    assert not (tmp_path / "out").exists()


# --- in words


def test_a_file_of_plain_bytes_is_summed_up(north: Keys) -> None:
    said = words(north)

    assert list(said) == [
        "dataset",
        "version",
        "created",
        "size",
        "content",
        "rule",
        "readers",
        "digest",
        "words",
    ]
    assert (said["dataset"], said["version"]) == ("north/customers", "1")
    assert (said["created"], said["size"]) == ("2026-11-21T09:30:00Z", "5 bytes")
    assert said["content"] == "application/octet-stream"
    assert said["rule"] == "none (the contract's decides)"
    assert said["readers"] == north.reader.id.text


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        pytest.param(CsvTable(COLUMNS, 1234, DIALECT), "csv", id="csv"),
        pytest.param(Table("parquet", COLUMNS, 1234), "parquet", id="parquet"),
        pytest.param(Table("jsonl", COLUMNS, 1234), "jsonl", id="jsonl"),
    ],
)
def test_a_table_is_summed_up_with_its_columns(
    content: CsvTable | Table, kind: str, north: Keys
) -> None:
    said = words(north, content=content)

    assert said["content"] == f"{kind}, 1,234 rows"
    assert said["columns"] == "a  text\nb  int64?"


def test_a_rule_is_said_in_words(north: Keys) -> None:
    rule = ReviewedRule(("a",), None, ("south",))

    said = words(north, content=CsvTable(COLUMNS, 1, DIALECT), rule=rule)

    assert said["rule"].startswith("whatever the program computes")
    assert said["rule"].endswith("south")


def test_a_result_is_named_by_its_job(north: Keys) -> None:
    said = words(north, origin=ResultOrigin(Digest(DIGEST), "totals"))

    assert (said["result"], said["of job"]) == ("totals", DIGEST)
    assert "dataset" not in said


def test_as_json_the_manifest_is_as_it_was_signed(north: Keys) -> None:
    manifest = manifest_of(north)

    shown = sealed_files.as_json(manifest)

    assert sorted(shown) == ["digest", "manifest", "words"]
    assert (shown["digest"], shown["words"]) == (manifest.digest.text, manifest.digest.words)
    assert shown["manifest"] == json.loads(manifest.to_bytes())
