"""Every vector gets the verdict it names, from us and from a reader that knows only the spec."""

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

from cleanroom import approval, receipt
from cleanroom.contract import Contract
from cleanroom.errors import CleanroomError
from cleanroom.fields import base64_bytes
from cleanroom.ids import Digest
from cleanroom.job import JobRequest, Outcome
from cleanroom.keys import OAEP_SHA256, SigningKey
from cleanroom.seal import document
from party import opening
from party.files import Output
from tests import second_reader
from tests.vectors import generate, keys
from tests.vectors.vector import Vector

FOLDER = Path(__file__).parent / "vectors"
SEALED = sorted((FOLDER / "sealed").glob("*.vector"))
DOCUMENTS = sorted(path for path in FOLDER.glob("*/*.vector") if path.parent.name != "sealed")
# What the second reader, being short, takes as given.
LENIENT = {"unknown-field", "missing-field", "odd-region-size"}
HELLO = Digest.of(b"hello, clean room\n").text


@pytest.mark.parametrize("path", SEALED, ids=lambda path: path.stem)
def test_a_sealed_vector_gets_the_verdict_it_names(path: Path, tmp_path: Path) -> None:
    vector = Vector.read(path)
    file, plain = tmp_path / "file.sealed", tmp_path / "plain"
    file.write_bytes(vector.data)

    verdict = _verdict(lambda: _open(file, plain, vector), "opens")

    assert verdict == vector.expect
    assert plain.exists() == (vector.expect == "opens")


@pytest.mark.parametrize("path", SEALED, ids=lambda path: path.stem)
def test_a_reader_written_from_the_specification_agrees(path: Path) -> None:
    vector = Vector.read(path)
    owner = base64_bytes(1024)(vector["owner"], "owner")

    try:
        plain = second_reader.open_sealed(vector.data, owner, keys.reader(vector["reader"]))
        opened = True
    except Exception:  # noqa: BLE001  # it refuses in whatever way is shortest
        plain, opened = b"", False

    assert opened == (vector.expect == "opens" or vector.name in LENIENT)
    assert not opened or Digest.of(plain).text == dict(vector.headers).get("plaintext", HELLO)


def test_the_second_reader_is_as_short_as_the_specification_claims() -> None:
    source = Path(second_reader.__file__).read_text()
    functions = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]

    lines = sum((node.end_lineno or 0) - node.lineno + 1 for node in functions)

    assert lines <= 60


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_document_vector_gets_the_verdict_it_names(path: Path) -> None:
    vector = Vector.read(path)

    verdict = _verdict(lambda: READERS[vector.folder](vector.data), "parses")

    assert verdict == vector.expect


@pytest.mark.parametrize(
    ("folder", "parse"),
    [("contract", Contract.parse), ("job", JobRequest.parse), ("outcome", Outcome.parse)],
)
def test_a_document_that_parses_spells_itself_the_same_way(
    folder: str, parse: Callable[[bytes, str], Contract | JobRequest | Outcome]
) -> None:
    vector = Vector.read(FOLDER / folder / "good.vector")

    again = parse(vector.data, folder).to_bytes()

    assert again == vector.data


def test_the_vectors_and_the_worked_example_come_out_the_same_again() -> None:
    made: dict[Path, bytes] = {}

    generate.generate(made.__setitem__)

    assert {path for path, data in made.items() if path.read_bytes() != data} == set()
    assert set(made) - {generate.SPEC} == set(FOLDER.glob("*/*.vector"))


def _open(file: Path, plain: Path, vector: Vector) -> None:
    private = keys.reader(vector["reader"])

    def unwrap(wrapped: bytes) -> bytes:
        return private.decrypt(wrapped, OAEP_SHA256)

    with opening.opened(file) as fd:
        sealed = opening.SealedFile(fd, file.name, SigningKey.parse(vector["owner"], "owner"))
        entry = sealed.manifest.wrapped_for(keys.reader_key(vector["reader"]).id)
        data_key = document.data_key(entry, None, unwrap)
        with Output(plain, force=False) as output:
            sealed.open_to(data_key, output, lambda _done: None)
    assert Digest.of(plain.read_bytes()).text == vector["plaintext"]
    assert sealed.manifest.digest.text == vector["manifest"]


def _verdict(read: Callable[[], object], good: str) -> str:
    try:
        read()
    except CleanroomError as error:
        return error.code
    return good


def _contract() -> Contract:
    return Contract.parse(Vector.read(FOLDER / "contract" / "good.vector").data, "contract")


READERS: dict[str, Callable[[bytes], object]] = {
    "approval": lambda data: approval.verified(data, _contract(), "approval"),
    "contract": lambda data: Contract.parse(data, "contract"),
    "job": lambda data: JobRequest.parse(data, "job"),
    "outcome": lambda data: Outcome.parse(data, "outcome"),
    "receipt": lambda data: receipt.unchanged(data, "receipt"),
}
