"""A table is sealed as it was described, or not at all: nobody puts another in between.

Each moment is caught by an audit hook of Python, in a process of its own, as a hook stays.
"""

from pathlib import Path

import pytest

from tests.builders import Keys
from tests.sealing import python

SEAL = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path

from cleanroom.errors import CleanroomError
from party.sealed_files import Order, seal

folder, moment, change = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
source, other, output = folder / "t.csv", folder / "other.csv", folder / "out" / "t.sealed"
done = []


def is_now(event, args):
    path, mode, *_ = args if event == "open" else (None, None)
    return {
        "described": event == "tempfile.mkdtemp",
        "sealed": event == "open" and mode is None and path == str(source),
        "written": event == "open" and mode is None and path == str(output.parent),
    }[moment]


def hook(event, args):
    if done or not is_now(event, args):
        return
    done.append(event)
    if change == "swap":
        os.replace(other, source)
    elif change == "write":
        source.write_bytes(other.read_bytes())
    elif change == "backdate":
        before = source.stat()
        source.write_bytes(other.read_bytes()[: before.st_size].ljust(before.st_size))
        os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))


sys.addaudithook(hook)
order = Order(
    source=str(source),
    output=output,
    party="north",
    dataset="customers",
    sign_with=str(folder / "north.signing.pem"),
    readers=(folder / "north.reader.pub.pem",),
    version=1,
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
try:
    seal(order, datetime(2026, 11, 21, tzinfo=UTC))
    print("sealed")
except CleanroomError as error:
    print(f"{error.code}: {error}")
assert done
"""
TABLE = b"customer,amount\nab12,12.50\n"
SAME = b"customer,amount\nXX99,99.99\n"
BROKEN = b"customer,amount\nXX99,99.99,1\n"


def outcome(folder: Path, moment: str, change: str, other: bytes, keys: Keys) -> str:
    (folder / "out").mkdir()
    (folder / "t.csv").write_bytes(TABLE)
    (folder / "other.csv").write_bytes(other)
    keys.write(folder, "north")
    with python(SEAL, folder, moment, change) as ran:
        out, _ = ran.communicate()
    assert ran.returncode == 0
    return out.decode().replace(f"{folder}/", "").strip()


@pytest.mark.parametrize("other", [SAME, BROKEN], ids=["a like table", "no table"])
@pytest.mark.parametrize(
    ("moment", "change"),
    [
        pytest.param("described", "swap", id="another while it is described"),
        pytest.param("described", "write", id="written to while it is described"),
        pytest.param("sealed", "swap", id="another before it is opened to be sealed"),
        pytest.param("sealed", "write", id="written to before it is opened to be sealed"),
        pytest.param("written", "write", id="written to when it is open"),
        pytest.param("written", "backdate", id="written to when it is open, and its time set back"),
        pytest.param("written", "swap", id="another when it is open"),
    ],
)
def test_a_table_that_changes_is_not_sealed(
    tmp_path: Path, moment: str, change: str, other: bytes, north: Keys
) -> None:
    message = outcome(tmp_path, moment, change, other, north)

    assert message == (
        "unavailable: t.csv: the source changed while it was read; nothing was written"
    )
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("moment", ["described", "sealed", "written"])
def test_a_table_that_does_not_change_is_sealed(tmp_path: Path, moment: str, north: Keys) -> None:
    assert outcome(tmp_path, moment, "nothing", SAME, north) == "sealed"
