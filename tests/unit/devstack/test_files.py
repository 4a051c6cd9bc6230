"""Files are whole or not there, and theirs is one content, whoever asks first."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import NoReturn

import pytest

from devstack import files


def test_a_file_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "key"

    found = [files.first(path, lambda: b"first"), files.first(path, lambda: b"second")]

    assert found == [b"first", b"first"]


def test_all_who_ask_at_once_get_the_same(tmp_path: Path) -> None:
    path, together = tmp_path / "key", Barrier(8)

    def ask(number: int) -> bytes:
        def make() -> bytes:
            together.wait()  # everybody has seen that there is no file
            return bytes((number,))

        return files.first(path, make)

    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(ask, range(8)))

    assert found == {path.read_bytes()}
    assert list(tmp_path.iterdir()) == [path]


def test_content_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "state"
    path.write_bytes(b"old and longer")

    files.replace(path, b"new")

    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_files_are_their_owners(tmp_path: Path) -> None:
    files.replace(tmp_path / "a", b"")
    files.first(tmp_path / "b", lambda: b"")

    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_what_could_not_be_made_is_not_there(tmp_path: Path) -> None:
    def fail() -> NoReturn:
        raise RuntimeError("no key today")

    with pytest.raises(RuntimeError, match="no key today"):
        files.first(tmp_path / "key", fail)

    assert list(tmp_path.iterdir()) == []
