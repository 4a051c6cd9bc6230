"""Hold coverage to its floors: all of the trusted core, or with --overall nearly everything too."""

import argparse
import sys
from io import StringIO

import coverage

from tests.trusted_core import TRUSTED_CORE

CORE, OVERALL = 100.0, 95.0


def main() -> int:
    """Print what is missing and whether the floors hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--overall", action="store_true", help="hold all code to its floor, too")
    given = parser.parse_args()
    measured = coverage.Coverage()
    measured.load()
    trusted = [str(path) for path in TRUSTED_CORE]
    shown = None if given.overall else trusted
    overall = measured.report(include=shown, skip_covered=True, show_missing=True)
    core = measured.report(include=trusted, file=StringIO())
    holds = core >= CORE and (overall >= OVERALL or not given.overall)
    more = f", overall {overall:.2f}% (floor {OVERALL:.0f}%)" if given.overall else ""
    sys.stdout.write(
        f"coverage: trusted core {core:.2f}% (floor {CORE:.0f}%){more}:"
        f" {'holds' if holds else 'TOO LOW'}\n"
    )
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
