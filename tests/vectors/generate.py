"""Make all test vectors, and the worked example of docs/spec/sealed-file.md, again.

What this writes must not differ from what is committed: tests/test_vectors.py compares.
"""

from collections.abc import Callable
from pathlib import Path

from tests.vectors.documents import document_vectors
from tests.vectors.example import write_example
from tests.vectors.sealed import sealed_vectors

HERE = Path(__file__).parent
SPEC = HERE.parents[1] / "docs" / "spec" / "sealed-file.md"


def generate(write: Callable[[Path, bytes], object]) -> None:
    """Hand over every file and what it must hold."""
    for vector in (*sealed_vectors(), *document_vectors()):
        write(HERE / vector.folder / f"{vector.name}.vector", vector.to_bytes())
    write(SPEC, write_example(SPEC.read_text("utf-8")).encode())


def _put(path: Path, data: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)


if __name__ == "__main__":
    generate(_put)
