"""The part of the code that everything rests on: kept small, counted, and covered whole."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
MOST_LINES = 3_600  # of code, without blank lines, comments and docstrings (docs/adr/0011)

_MODULES = (
    *("approval", "canonical", "contract", "dsse", "fields", "jose", "keys", "receipt"),
    "statement",
)
_PACKAGES = ("attestation", "release", "seal")
TRUSTED_CORE = sorted(
    [ROOT / "cleanroom" / f"{name}.py" for name in _MODULES]
    + [path for name in _PACKAGES for path in (ROOT / "cleanroom" / name).glob("*.py")]
)
