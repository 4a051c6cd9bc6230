"""What a cell says, and what the runner makes of it."""

import pytest

from runner.cell.protocol import HEAD_BYTES, NOTE_BYTES, Ending, Failure, Head, Note, verdict

MOST = 1000


def test_a_head_is_read_as_it_is_written() -> None:
    head = Head(5_000_000_000, 3, slots=8, slot_bytes=1 << 22)

    assert len(head.to_bytes()) == HEAD_BYTES
    assert Head.parse(head.to_bytes()) == head


@pytest.mark.parametrize("length", [0, 1, MOST])
def test_a_length_within_bounds_is_believed(length: int) -> None:
    assert verdict(Note(Ending.DONE, length).to_bytes(), MOST) == length


@pytest.mark.parametrize(
    ("ending", "failure"),
    [
        (Ending.FAILED, Failure.PROGRAM_FAILED),
        (Ending.OUT_OF_MEMORY, Failure.OUT_OF_MEMORY),
        (Ending.TOO_LARGE, Failure.TOO_LARGE),
    ],
)
def test_a_failure_is_one_of_few(ending: Ending, failure: Failure) -> None:
    assert verdict(Note(ending, 5).to_bytes(), MOST) == failure


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(Note(Ending.DONE, 1).to_bytes()[:-1], id="less"),
        pytest.param(Note(Ending.DONE, 1).to_bytes() + b"\0", id="more"),
        pytest.param(Note(Ending.DONE, MOST + 1).to_bytes(), id="too long"),
        pytest.param(Note(Ending.DONE, 2**64 - 1).to_bytes(), id="far too long"),
        pytest.param(b"\x04" + bytes(NOTE_BYTES - 1), id="unknown word"),
        pytest.param(b"\xff" * NOTE_BYTES, id="all bits"),
    ],
)
def test_anything_else_counts_as_killed(said: bytes) -> None:
    assert verdict(said, MOST) == Failure.KILLED
