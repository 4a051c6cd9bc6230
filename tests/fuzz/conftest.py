"""`make fuzz` within this process, which has imported all that is fuzzed."""

import pytest

from tests.fuzz.run import main


class Here:
    """Runs the command without starting another Python."""

    def __init__(self, capture: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch) -> None:
        self._capture = capture
        self._patch = patch

    def __call__(self, *arguments: str, seconds: str = "1") -> tuple[int, str]:
        self._patch.setenv("FUZZ_SECONDS", seconds)
        code = main([*arguments])
        return code, "".join(self._capture.readouterr())


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Here:
    return Here(capsys, monkeypatch)
