"""The container image: the same bytes from the same files, wherever and whenever they were."""

import hashlib
import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from tools.image.__main__ import host_data, main
from tools.image.layer import EPOCH, archive
from tools.image.oci import COMMAND, USER, write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "root"
    (made / "opt" / "bin").mkdir(parents=True)
    (made / "opt" / "bin" / "run").write_text("#!/bin/true\n")
    (made / "opt" / "bin" / "run").chmod(0o755)
    (made / "opt" / "data").write_text("data")
    (made / "opt" / "link").symlink_to("data")
    return made


def entries(packed: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        return {entry.name: entry for entry in tar.getmembers()}


def test_times_and_owners_of_files_are_no_part_of_a_layer(folder: Path) -> None:
    before = archive(folder)

    os.utime(folder / "opt" / "data", (1, 1))
    (folder / "opt" / "data").chmod(0o640)

    assert archive(folder) == before


def test_a_byte_of_a_file_is(folder: Path) -> None:
    before = archive(folder)

    (folder / "opt" / "data").write_text("date")

    assert archive(folder) != before


def test_files_keep_what_they_are_and_belong_to_root(folder: Path) -> None:
    found = entries(archive(folder))

    assert [oct(found[name].mode) for name in ("opt/bin/run", "opt/data", "opt")] == [
        "0o755",
        "0o644",
        "0o755",
    ]
    assert found["opt/link"].linkname == "data"
    assert {(each.uid, each.gid, each.mtime) for each in found.values()} == {(0, 0, EPOCH)}


def test_a_pipe_is_no_part_of_an_image(folder: Path) -> None:
    os.mkfifo(folder / "pipe")

    with pytest.raises(ValueError, match="neither a file"):
        archive(folder)


def test_an_image_names_all_that_is_in_it(folder: Path, tmp_path: Path) -> None:
    layers = [archive(folder), archive(folder / "opt")]

    digest = write(layers, tmp_path / "one")

    assert digest == write(layers, tmp_path / "two")
    blobs = tmp_path / "one" / "blobs" / "sha256"
    for blob in blobs.iterdir():
        assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name
    manifest = json.loads((blobs / digest.removeprefix("sha256:")).read_text())
    config = json.loads((blobs / manifest["config"]["digest"].removeprefix("sha256:")).read_text())
    assert config["rootfs"]["diff_ids"] == [each["digest"] for each in manifest["layers"]]
    assert (config["config"]["User"], config["config"]["Entrypoint"]) == (USER, list(COMMAND))
    index = json.loads((tmp_path / "one" / "index.json").read_text())
    assert [each["digest"] for each in index["manifests"]] == [digest]


def test_the_steps_of_a_build_are_commands(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layer = tmp_path / "layer.tar"

    assert main(["layer", str(folder), str(layer)]) == 0
    assert main(["oci", str(tmp_path / "oci"), str(layer)]) == 0

    assert capsys.readouterr().out.startswith("sha256:")
    assert main([]) == 1


def test_host_data_is_the_digest_of_the_policy_and_not_of_its_base64() -> None:
    # "package policy" and its SHA-256, as Azure sets it from ccePolicy.
    assert host_data(b"cGFja2FnZSBwb2xpY3k=\n") == hashlib.sha256(b"package policy").hexdigest()


def test_a_policy_that_is_no_base64_is_refused() -> None:
    with pytest.raises(ValueError, match="base64"):
        host_data(b"package policy")
