"""`cleanroom seal`: what it prints, what it writes, and everything that it refuses beforehand."""

import json
import os
import stat
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cleanroom.keys import DATA_KEY_BYTES
from tests.builders import Keys
from tests.commands import TABLE, Here, Ran, apart
from tests.sealing import Parts

WHO = ("--party", "north", "--dataset", "customers", "--sign-with", "north.signing.pem")
FOR = ("--for", "south.reader.pub.pem")
VAULT = "https://north.vault.azure.net/secrets/customers"
RULE = "kind: reviewed\nhidden: [customer]\nthreshold: null\nreaders: [south]\n"

type Seal = Callable[..., Ran]


@pytest.fixture
def seal(cleanroom: Here) -> Seal:
    """Seal the table for south, with more options or other ones."""
    return lambda *more, source="table.csv", who=WHO, for_=FOR: cleanroom(
        "seal", source, *who, *for_, *more
    )


def manifest(path: Path) -> dict[str, Any]:
    return Parts.of(path.read_bytes()).manifest


def test_a_sealed_table_is_summed_up(seal: Seal) -> None:
    ran = seal("--version", 7, "--type", "amount=decimal(12,2)")

    assert ran.text == (
        "sealed table.csv as table.csv.sealed\n"
        "  dataset  north/customers\n"
        "  version  7\n"
        "  created  <time>\n"
        "  size     46 bytes\n"
        "  content  csv, 2 rows\n"
        "  columns  customer  text\n"
        "           amount  decimal(12,2)\n"
        "  header   line 1, found out: these names stand in the clear (--no-header if it is data)\n"
        "  rule     none (the contract's decides)\n"
        "  readers  <digest>\n"
        "  digest   <digest>\n"
        "  words    <words>\n"
    )


def test_a_sealed_table_as_json_is_its_manifest(seal: Seal, folder: Path) -> None:
    made = seal("--json").json

    assert made["output"] == "table.csv.sealed"
    assert made["manifest"] == manifest(folder / "table.csv.sealed")
    assert sorted(made) == ["digest", "manifest", "output", "words"]


def test_the_version_is_the_time_unless_it_is_given(seal: Seal) -> None:
    first = seal("--json").json["manifest"]["origin"]["version"]
    second = seal("--json", "--force").json["manifest"]["origin"]["version"]

    assert 1_700_000_000 < first <= second


def test_a_table_is_described_as_its_owner_says(seal: Seal, folder: Path) -> None:
    (folder / "odd.txt").write_text("1;-\n2;x\n")
    options = ["--as", "csv", "--delimiter", ";", "--no-header", "--null", "-"]

    content = seal(*options, "--json", source="odd.txt").json["manifest"]["content"]

    assert [column["nullable"] for column in content["columns"]] == [False, True]
    assert {name: content["dialect"][name] for name in ("delimiter", "header", "null")} == {
        "delimiter": ";",
        "header": False,
        "null": "-",
    }


def test_a_rule_is_sealed_with_the_table(seal: Seal, folder: Path) -> None:
    (folder / "rule.yaml").write_text(RULE)

    ran = seal("--rule", "rule.yaml")

    assert "\n  rule     whatever the program computes" in ran.text
    assert manifest(folder / "table.csv.sealed")["rule"]["hidden"] == ["customer"]


def test_a_rule_names_columns_as_the_table_spells_them(seal: Seal, folder: Path) -> None:
    (folder / "upper.csv").write_text("Customer,Amount\nx,1\n")
    (folder / "rule.yaml").write_text(RULE.replace("customer", "Customer"))

    ran = seal("--rule", "rule.yaml", source="upper.csv")

    assert ran.code == 0
    assert manifest(folder / "upper.csv.sealed")["rule"]["hidden"] == ["Customer"]


def test_every_reader_is_named(seal: Seal, north: Keys, south: Keys) -> None:
    ran = seal("--for", "north.reader.pub.pem")

    assert f"  readers  {south.reader.id}\n           {north.reader.id}\n" in ran.out


def test_the_region_size_can_be_chosen(seal: Seal, folder: Path) -> None:
    (folder / "large").write_bytes(bytes(200_000))

    layout = seal("--region-size", "64 KiB", "--json", source="large").json["manifest"]["layout"]

    assert layout == {"plaintext_size": 200_000, "region_size": 65_536, "region_count": 4}


def test_a_pipe_is_sealed_as_plain_bytes(folder: Path) -> None:
    ran = apart("seal", "-", *WHO, *FOR, "-o", "pipe.sealed", stdin=TABLE.encode())

    assert ran.text.startswith("sealed - as pipe.sealed\n")
    assert "  size     46 bytes\n  content  application/octet-stream\n" in ran.out
    assert manifest(folder / "pipe.sealed")["content"] == {"kind": "bytes"}


def test_an_empty_pipe_is_sealed_too(folder: Path) -> None:
    ran = apart("seal", "-", *WHO, *FOR, "--as", "bytes", "-o", "pipe.sealed")

    assert ran.code == 0
    assert manifest(folder / "pipe.sealed")["layout"]["plaintext_size"] == 0


def test_a_key_for_the_vault_is_kept_apart(seal: Seal, folder: Path) -> None:
    ran = seal("--keep-key-at", VAULT, "--wrapped-key-to", "wrapped.txt")

    (reader,) = manifest(folder / "table.csv.sealed")["readers"]
    assert f"           key at {VAULT}\n" in ran.text
    assert (reader["secret"], "wrapped" in reader) == (VAULT, False)


def test_a_key_kept_apart_is_for_its_owner_only(seal: Seal, folder: Path, south: Keys) -> None:
    seal("--keep-key-at", VAULT, "--wrapped-key-to", "wrapped.txt")

    wrapped = folder / "wrapped.txt"
    assert stat.S_IMODE(wrapped.stat().st_mode) == 0o600
    assert wrapped.read_text().isascii()
    assert len(south.unwrap(b64decode(wrapped.read_text()))) == DATA_KEY_BYTES


# --- outputs that exist


def test_an_output_that_exists_is_left_alone(seal: Seal, folder: Path) -> None:
    (folder / "table.csv.sealed").write_text("theirs")

    ran = seal()

    assert ran.refusal == (
        1,
        "table.csv.sealed: it exists already",
        "name another output with --output, or replace it with --force",
    )
    assert (folder / "table.csv.sealed").read_text() == "theirs"


def test_an_output_that_exists_is_replaced_if_told_to(seal: Seal, folder: Path) -> None:
    (folder / "table.csv.sealed").write_text("theirs")

    ran = seal("-f")

    assert ran.code == 0
    assert manifest(folder / "table.csv.sealed")["origin"]["party"] == "north"


def test_no_wrapped_key_is_no_sealed_file(seal: Seal, folder: Path) -> None:
    (folder / "wrapped.txt").write_text("theirs")

    ran = seal("--keep-key-at", VAULT, "--wrapped-key-to", "wrapped.txt")

    assert ran.refusal[:2] == (1, "wrapped.txt: it exists already")
    assert not (folder / "table.csv.sealed").exists()


def test_the_source_is_never_the_output(seal: Seal, folder: Path) -> None:
    ran = seal("-o", "table.csv", "--force")

    assert ran.refusal == (1, "--output: table.csv is the source", "")
    assert (folder / "table.csv").read_text() == TABLE


def test_the_source_under_another_name_is_never_the_output(seal: Seal, folder: Path) -> None:
    (folder / "link").symlink_to("table.csv")

    ran = seal("-o", "link", "--force")

    assert ran.refusal == (1, "--output: link is the source", "")
    assert (folder / "link").is_symlink()


@pytest.mark.parametrize(
    ("output", "wrapped", "message"),
    [
        pytest.param("out", "table.csv", "--wrapped-key-to: table.csv is the source", id="source"),
        pytest.param("out", "out", "--wrapped-key-to: out is --output", id="each other"),
        pytest.param("out", "./out", "--wrapped-key-to: out is --output", id="in other words"),
        pytest.param("table.csv", "w", "--output: table.csv is the source", id="output"),
    ],
)
def test_a_wrapped_key_has_a_place_of_its_own(
    output: str, wrapped: str, message: str, seal: Seal, folder: Path
) -> None:
    before = {path: path.read_bytes() for path in folder.iterdir()}
    kept_apart = ("--keep-key-at", VAULT, "--wrapped-key-to", wrapped)

    ran = seal("-o", output, *kept_apart, "--force")

    assert ran.refusal == (1, message, "")
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_the_result_of_a_file_with_a_nasty_name_cannot_command_a_terminal(
    seal: Seal, folder: Path
) -> None:
    (folder / "a\x1b[31m.csv").write_text(TABLE)

    ran = seal(source="a\x1b[31m.csv")

    assert ran.text.startswith("sealed a\\x1b[31m.csv as a\\x1b[31m.csv.sealed\n")


# --- what is refused before a byte is written


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        pytest.param(
            ["--party", "North"],
            1,
            "--party: expected a name of 1 to 63 lower-case letters, digits and single hyphens,"
            " starting with a letter, got 'North'",
            id="party",
        ),
        pytest.param(
            ["--dataset", "a b"],
            1,
            "--dataset: expected a name of 1 to 63 lower-case letters, digits and single hyphens,"
            " starting with a letter, got 'a b'",
            id="dataset",
        ),
        pytest.param(
            ["--version", "-1"],
            1,
            "--version: expected a whole number of at least 1, got -1",
            id="negative version",
        ),
        pytest.param(
            ["--version", "0"],
            1,
            "--version: expected a whole number of at least 1, got 0",
            id="version zero",
        ),
        pytest.param(
            ["--region-size", "3 MiB"],
            1,
            "--region-size: expected a power of two, got 3145728",
            id="odd region size",
        ),
        pytest.param(
            ["--region-size", "much"],
            1,
            "--region-size: expected a size such as 4 MiB, got 'much'",
            id="no region size",
        ),
        pytest.param(
            ["--type", "amount"], 1, "--type: expected NAME=TYPE, got 'amount'", id="no type"
        ),
        pytest.param(
            ["--type", "nope=text"],
            1,
            "table.csv: there is no column 'nope', only customer, amount",
            id="type of no column",
        ),
        pytest.param(
            ["--as", "excel"],
            1,
            "table.csv: no kind 'excel', only csv, parquet, jsonl and bytes",
            id="unknown kind",
        ),
        pytest.param(
            ["--as", "parquet"], 2, "table.csv: expected an undamaged Parquet file", id="other kind"
        ),
        pytest.param(
            ["--as", "bytes", "--type", "amount=text"],
            1,
            "table.csv: plain bytes have no columns to give a type",
            id="type of plain bytes",
        ),
        pytest.param(
            ["--as", "bytes", "--delimiter", ";"],
            1,
            "table.csv: only CSV has a delimiter, a header and a null text, not bytes",
            id="delimiter of plain bytes",
        ),
        pytest.param(
            ["--rule", "missing"], 1, "missing: there is no such file or folder", id="no rule"
        ),
        pytest.param(
            ["--rule", "contract.yaml"],
            2,
            "contract.yaml: expected a field 'kind'",
            id="a contract for a rule",
        ),
        pytest.param(
            ["--keep-key-at", VAULT],
            1,
            "--keep-key-at and --wrapped-key-to go together",
            id="nowhere to write the wrapped key",
        ),
        pytest.param(
            ["--wrapped-key-to", "wrapped.txt"],
            1,
            "--keep-key-at and --wrapped-key-to go together",
            id="no place for the wrapped key",
        ),
        pytest.param(
            ["--wrapped-key-to", "w", "--keep-key-at", "http://north/secrets/a"],
            1,
            "--keep-key-at: expected a Key Vault secret, such as"
            " https://name.vault.azure.net/secrets/name, got 'http://north/secrets/a'",
            id="no vault",
        ),
        pytest.param(
            ["--wrapped-key-to", "w", "--keep-key-at", VAULT, "--for", "north.reader.pub.pem"],
            1,
            "--keep-key-at: expected one reader, because a secret holds one wrapped key",
            id="one secret for two readers",
        ),
        pytest.param(
            ["--for", "south.reader.pub.pem"],
            1,
            "--for: expected each reader once",
            id="reader named twice",
        ),
        pytest.param(
            ["--for", "missing"], 1, "missing: there is no such file or folder", id="no reader"
        ),
        pytest.param(
            ["--sign-with", "missing"],
            1,
            "missing: there is no such file or folder",
            id="no signer",
        ),
        pytest.param(
            ["--sign-with", "gcpkms://a"],
            2,
            "--sign-with: expected a key file or azurekms://..., got 'gcpkms://a'",
            id="another cloud",
        ),
        pytest.param(
            ["--sign-with", "azurekms://north/key"],
            2,
            "--sign-with: expected azurekms://vault.vault.azure.net/keys/name, got"
            " 'https://north/key'",
            id="no key in the vault",
        ),
        pytest.param(
            ["-o", "missing/a"], 1, "missing/a: there is no such file or folder", id="no folder"
        ),
        pytest.param(["-o", "."], 1, ".: expected a file, got a folder", id="folder for a file"),
    ],
)
def test_what_cannot_be_sealed_is_refused(
    more: list[str], code: int, message: str, seal: Seal, folder: Path
) -> None:
    before = sorted(folder.iterdir())

    ran = seal(*more)

    assert ran.refusal == (code, message, "")
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize(
    ("sign_with", "code", "message", "hint"),
    [
        pytest.param(
            "open.pem",
            1,
            "open.pem: a private key that others may read (mode 0640)",
            "chmod 600 open.pem",
            id="readable by others",
        ),
        pytest.param(
            "north.reader.pem",
            2,
            "north.reader.pem: expected an ECDSA P-256 private key, got another kind of key",
            "a signing key is in the file that ends in .signing.pem",
            id="reader key",
        ),
    ],
)
def test_a_signing_key_that_is_not_fit_is_refused(
    sign_with: str, code: int, message: str, hint: str, seal: Seal, folder: Path
) -> None:
    (folder / "open.pem").write_bytes((folder / "north.signing.pem").read_bytes())
    (folder / "open.pem").chmod(0o640)

    ran = seal("--sign-with", sign_with)

    assert ran.refusal == (code, message, hint)
    assert not (folder / "table.csv.sealed").exists()


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_a_public_key_does_not_sign(mode: int, seal: Seal, folder: Path) -> None:
    (folder / "north.signing.pub.pem").chmod(mode)

    ran = seal("--sign-with", "north.signing.pub.pem")

    assert ran.refusal == (
        2,
        "north.signing.pub.pem: expected a private key, got a public one",
        "give the file without .pub in its name",
    )


def test_a_signing_key_is_no_reader(seal: Seal) -> None:
    ran = seal("--for", "north.signing.pub.pem")

    assert ran.refusal == (
        2,
        (
            "north.signing.pub.pem: expected an RSA public key of 2048, 3072 or 4096 bits,"
            " exponent 65537"
        ),
        "a reader key is in the file that ends in .reader.pub.pem",
    )


@pytest.mark.parametrize(
    ("more", "hint"),
    [
        pytest.param(
            ["--for", "gone.pem"],
            "a public key comes from its owner; to try things out: cleanroom keys new NAME",
            id="public",
        ),
        pytest.param(
            ["--sign-with", "gone.pem"],
            "make your own once with: cleanroom keys new NAME",
            id="private",
        ),
    ],
)
def test_where_a_key_comes_from_that_is_missing_is_said(
    more: list[str], hint: str, seal: Seal
) -> None:
    assert seal(*more).refusal == (1, "gone.pem: there is no such file or folder", hint)


def test_a_file_of_two_readers_is_refused(seal: Seal, folder: Path) -> None:
    both = (folder / "south.reader.pub.pem").read_text() * 2
    (folder / "both.reader.pub.pem").write_text(both)

    ran = seal("--for", "both.reader.pub.pem")

    assert ran.refusal[:2] == (2, "both.reader.pub.pem: expected one key, got several")


@pytest.mark.parametrize(
    ("first", "rest"),
    [
        pytest.param("DE89370400440532013000,unknown", "DE02120300000000202051,5", id="account"),
        pytest.param("1001,50.5", "1,5", id="fraction over numbers"),
        pytest.param("DE89370400440532013000,pending", "DE02120300000000202051,5", id="long"),
        pytest.param("smith,n/a", "jones,5", id="nothing"),
        pytest.param("smith,None", "jones,5", id="nothing in Python"),
        pytest.param("smith@example.com,open", "jones@example.com,5", id="address"),
        pytest.param(f"{'x' * 65},open", "jones,5", id="long word"),
        pytest.param("a  b,open", "jones,5", id="two spaces"),
        pytest.param(",open", "1,5", id="no name"),
    ],
)
def test_a_first_row_that_may_be_data_is_never_published_unasked(
    first: str, rest: str, seal: Seal, folder: Path
) -> None:
    (folder / "bare.csv").write_text(f"{first}\n{rest}\n{rest}\n")

    ran = seal(source="bare.csv")

    assert ran.refusal == (
        1,
        "bare.csv: the first line holds what may be no name of a column but data",
        "say --header or --no-header",
    )
    assert not (folder / "bare.csv.sealed").exists()


def test_a_first_row_is_data_where_its_owner_says_so(seal: Seal, folder: Path) -> None:
    (folder / "bare.csv").write_text("DE89370400440532013000,unknown\nDE021203,5\n")

    ran = seal("--no-header", source="bare.csv")

    assert "DE8937" not in ran.text
    assert "\n  header " not in ran.out
    assert b"DE8937" not in (folder / "bare.csv.sealed").read_bytes()


def test_a_header_that_its_owner_names_is_no_finding_of_ours(seal: Seal) -> None:
    assert "\n  header " not in seal("--header").text


@pytest.mark.parametrize("name", ["größe", "Betrag in EUR", "a.b-c_d", "_id", "q4", "数量"])
def test_a_header_of_names_is_found_out(name: str, seal: Seal, folder: Path) -> None:
    (folder / "named.csv").write_text(f"kunde,{name}\nx,1\n")

    ran = seal(source="named.csv")

    assert f"\n           {name}  int64\n" in ran.text
    assert "\n  header   line 1, found out: " in ran.out


def test_a_decimal_without_its_digits_is_told_how(seal: Seal) -> None:
    ran = seal("--type", "amount=decimal")

    assert ran.refusal[0] == 2
    assert ran.refusal[2] == "a decimal says its digits: decimal(12,2)"


@pytest.mark.parametrize("name", ["table.json", "table.XLSX", "table.csv.gz"])
def test_a_table_that_is_not_read_is_pointed_out(name: str, seal: Seal, folder: Path) -> None:
    (folder / name).write_bytes(b"content")

    ran = seal(source=name)
    told = seal("--as", "bytes", "--force", source=name)

    assert (ran.code, ran.err) == (
        0,
        f"cleanroom: note: {name} is sealed as plain bytes, without columns\n",
    )
    assert told.err == ""


def test_json_nested_too_deep_is_refused_with_its_line(seal: Seal, folder: Path) -> None:
    deep = "[" * 25_000 + "]" * 25_000
    (folder / "deep.jsonl").write_text('{"a":1}\n{"a":' + deep + "}\n")

    ran = seal("--type", "a=text", source="deep.jsonl")

    assert ran.refusal == (2, "deep.jsonl: line 2: expected at most 64 levels of nesting", "")


@pytest.mark.parametrize(
    ("output", "message"),
    [
        pytest.param(
            "x" * 300, f"{'x' * 300}: the name is too long for the file system", id="long name"
        ),
        pytest.param("loop/a", "loop/a: the links in it lead round in a circle", id="circle"),
        pytest.param(
            "table.csv/a", "table.csv/a: a part of the path is not a folder", id="no folder"
        ),
        pytest.param("-", "--output: expected a file's name, got '-'", id="stdout"),
    ],
)
def test_an_output_that_cannot_be_is_refused_at_once(
    output: str, message: str, seal: Seal, folder: Path
) -> None:
    (folder / "loop").symlink_to("loop")

    assert seal("-o", output).refusal == (1, message, "")


def test_a_current_folder_that_is_gone_is_said_to_be(
    seal: Seal, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "gone").mkdir()
    monkeypatch.chdir(folder / "gone")
    (folder / "gone").rmdir()
    who = (*WHO[:-1], folder / "north.signing.pem")

    ran = seal("-o", "a", source=folder / "table.csv", who=who, for_=FOR)
    monkeypatch.chdir(folder)

    assert ran.refusal == (1, "the current folder: there is no such file or folder", "")


@pytest.mark.parametrize(
    ("inputs", "taken", "what"),
    [
        pytest.param([], "north.signing.pem", "the signing key", id="signing key"),
        pytest.param(
            [], "south.reader.pub.pem", "the reader's key south.reader.pub.pem", id="reader key"
        ),
        pytest.param(["--rule", "rule.yaml"], "rule.yaml", "the rule", id="rule"),
    ],
)
def test_no_input_is_ever_written_over(
    inputs: list[str], taken: str, what: str, seal: Seal, folder: Path
) -> None:
    (folder / "rule.yaml").write_text(RULE)
    before = (folder / taken).read_bytes()

    ran = seal(*inputs, "-o", taken, "--force")

    assert ran.refusal == (1, f"--output: {taken} is {what}", "")
    assert (folder / taken).read_bytes() == before


def test_a_private_key_is_no_reader(seal: Seal, folder: Path) -> None:
    ran = seal("--for", "north.reader.pem")

    assert ran.refusal == (
        2,
        "north.reader.pem: expected a public key, got a private key",
        "give the file that ends in .pub.pem; the private one stays where it is",
    )
    assert not (folder / "table.csv.sealed").exists()


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        pytest.param(
            RULE.replace("customer", "nope"),
            "rule.yaml.hidden: expected a column of the dataset, got 'nope'",
            id="unknown column",
        ),
        pytest.param(
            RULE.replace("customer", "Customer"),
            "rule.yaml.hidden: expected a column of the dataset, got 'Customer'",
            id="column in another case",
        ),
        pytest.param(
            RULE.replace("reviewed", "secret"),
            "rule.yaml.kind: expected 'aggregation' or 'list' or 'reviewed', got 'secret'",
            id="unknown kind",
        ),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(
    rule: str, message: str, seal: Seal, folder: Path
) -> None:
    (folder / "rule.yaml").write_text(rule)

    ran = seal("--rule", "rule.yaml")

    assert ran.refusal == (2, message, "")
    assert not (folder / "table.csv.sealed").exists()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        pytest.param("missing", "missing: there is no such file or folder", id="missing"),
        pytest.param("../..", "../..: expected a file, got a folder", id="folder"),
        pytest.param(".", ".: expected a file, got a folder", id="current folder"),
        pytest.param("/", "/: expected a file, got a folder", id="root"),
        pytest.param("pipe", "pipe: expected a file, got a device or a pipe", id="pipe by name"),
        pytest.param("-", "--output: a pipe has no name to derive one from", id="nameless pipe"),
    ],
)
def test_a_source_that_is_no_file_is_refused(
    source: str, message: str, seal: Seal, folder: Path
) -> None:
    os.mkfifo(folder / "pipe")

    ran = seal(source=source)

    assert ran.refusal == (1, message, "")


def test_a_pipe_has_no_columns(seal: Seal) -> None:
    ran = seal("--as", "csv", "-o", "pipe.sealed", source="-")

    assert ran.refusal == (
        1,
        "--as: a pipe can only be read once, so its columns cannot be recorded",
        "",
    )


def test_a_pipe_by_name_has_no_columns(seal: Seal, folder: Path) -> None:
    os.mkfifo(folder / "pipe.csv")

    ran = seal(source="pipe.csv")

    assert ran.refusal == (
        1,
        "pipe.csv: a table is read more than once, so it must be a regular file",
        "",
    )


def test_a_cell_that_does_not_fit_is_refused_without_being_shown(seal: Seal) -> None:
    ran = seal("--type", "customer=int32")

    assert ran.code == 2
    assert "customer" in ran.refusal[1]


def test_a_refusal_as_json_is_one_object(seal: Seal) -> None:
    ran = seal("--json", source="missing")

    assert (ran.code, ran.out) == (1, "")
    assert json.loads(ran.err) == {
        "error": {
            "code": "usage",
            "message": "missing: there is no such file or folder",
            "hint": "",
        }
    }
