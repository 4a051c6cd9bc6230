"""Draw what a command has printed, as a terminal shows it: lines on stdin, an SVG on stdout.

    make demo | python -m tools.picture "3 " > docs/images/demo.svg

Begins with the first line that starts like the argument, if there is one.
"""

import re
import sys
from html import escape

_WIDTH, _LINE, _EDGE, _CHARACTER = 108, 17, 16, 7.3
_FONT = "ui-monospace, SFMono-Regular, Menlo, Consolas, monospace"
_STYLES = (
    (re.compile(r"^\d  |^All \d+ attacks"), 'fill="#ffffff" font-weight="bold"'),
    (re.compile(r"^ +refused  "), 'fill="#7ee787"'),
    (re.compile(r"^ *(\d+\.\d\d s)? +[a-z-]+ \$ "), 'fill="#79c0ff"'),
    (re.compile(r"^[A-Za-z][^ ]*  +[^ ]"), 'fill="#f0f6fc"'),
)
_PLAIN = 'fill="#9198a1"'


def picture(lines: list[str]) -> str:
    """Draw lines; what is longer than the window is cut."""
    height = len(lines) * _LINE + 2 * _EDGE
    width = round(_WIDTH * _CHARACTER + 2 * _EDGE)
    rows = [
        f'<text x="{_EDGE}" y="{_EDGE + _LINE * (number + 1) - 5}" {_style(line)}>'
        f"{escape(_cut(line), quote=False)}</text>"
        for number, line in enumerate(lines)
        if line
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">',
            f'<rect width="{width}" height="{height}" rx="8" fill="#0d1117"/>',
            f'<g font-family="{_FONT}" font-size="12" xml:space="preserve">',
            *rows,
            "</g>",
            "</svg>",
            "",
        ]
    )


def _style(line: str) -> str:
    return next((style for pattern, style in _STYLES if pattern.search(line)), _PLAIN)


def _cut(line: str) -> str:
    return line if len(line) <= _WIDTH else f"{line[: _WIDTH - 1]}…"


def main() -> None:
    """Draw stdin."""
    lines = [line.rstrip() for line in sys.stdin.read().splitlines()]
    first = sys.argv[1] if len(sys.argv) > 1 else ""
    begin = next((number for number, line in enumerate(lines) if line.startswith(first)), 0)
    sys.stdout.write(picture(lines[begin:]))


if __name__ == "__main__":
    main()
