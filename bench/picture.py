"""A horizontal bar chart as SVG, readable on light and dark pages: it brings its own card."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

type Kind = Literal["floor", "ours", "inner", "peer"]

_WIDTH = 720
_LEFT = 190  # where bars begin; labels end just before
_RIGHT = 76  # room for the value behind the longest bar
_TOP = 72  # title and the marks of the scale
_STEP = 34
_BAR = 22
_BOTTOM = 44  # the note

_STYLE = """
  .card { fill: #ffffff; stroke: #d0d7de }
  .title, .label, .value { fill: #1f2328 }
  .note, .mark { fill: #59636e }
  .line { stroke: #e4e8ec }
  .floor { fill: #8c959f }
  .ours { fill: #0969da }
  .inner { fill: #80b3f0 }
  .peer { fill: #c3ccd5 }
  text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif }
  .title { font-size: 16px; font-weight: 600 }
  .label, .value { font-size: 14px }
  .value { font-weight: 600; stroke: #ffffff; stroke-width: 4px; paint-order: stroke }
  .note, .mark { font-size: 12px }
  @media (prefers-color-scheme: dark) {
    .card { fill: #0d1117; stroke: #30363d }
    .title, .label, .value { fill: #e6edf3 }
    .value { stroke: #0d1117 }
    .note, .mark { fill: #9198a1 }
    .line { stroke: #21262d }
    .floor { fill: #768390 }
    .ours { fill: #4493f8 }
    .inner { fill: #26548f }
    .peer { fill: #444c56 }
  }
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One bar."""

    label: str
    value: float
    kind: Kind


def svg(rows: Sequence[Row], title: str, note: str) -> str:
    """Draw the bars from zero, each with its label and value."""
    height = _TOP + _STEP * len(rows) + _BOTTOM
    step, steps = _scale(max(row.value for row in rows))
    scale = (_WIDTH - _LEFT - _RIGHT) / (step * steps)
    said = "; ".join(f"{row.label}: {row.value:.2f}" for row in rows)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}"',
        f' width="{_WIDTH}" height="{height}" role="img" aria-labelledby="title said">',
        f'<title id="title">{escape(title)}</title>',
        f'<desc id="said">{escape(said)}</desc>',
        f"<style>{_STYLE}</style>",
        f'<rect class="card" x="0.5" y="0.5" width="{_WIDTH - 1}" height="{height - 1}" rx="8"/>',
        f'<text class="title" x="24" y="34">{escape(title)}</text>',
        *_marks([step * i for i in range(steps + 1)], scale, height - _BOTTOM),
        *(line for i, row in enumerate(rows) for line in _bar(row, _TOP + i * _STEP, scale)),
        f'<text class="note" x="24" y="{height - 16}">{escape(note)}</text>',
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _scale(largest: float) -> tuple[float, int]:
    """Choose a round distance between marks, and how many of them reach the longest bar."""
    step = next(s for s in (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0) if largest <= 6 * s or s == 10)
    return step, max(1, -int(-largest // step))


def _marks(values: Sequence[float], scale: float, bottom: int) -> Iterator[str]:
    for value in values:
        x = f"{_LEFT + value * scale:.1f}"
        yield f'<line class="line" x1="{x}" x2="{x}" y1="{_TOP - 6}" y2="{bottom}"/>'
        yield f'<text class="mark" x="{x}" y="{_TOP - 12}" text-anchor="middle">{value:g}</text>'


def _bar(row: Row, top: int, scale: float) -> Iterator[str]:
    y, middle, end = top + (_STEP - _BAR) / 2, top + _STEP / 2 + 5, row.value * scale
    label = escape(row.label)
    yield f'<text class="label" x="{_LEFT - 12}" y="{middle}" text-anchor="end">{label}</text>'
    yield f'<rect class="{row.kind}" x="{_LEFT}" y="{y}" width="{end:.1f}" height="{_BAR}" rx="3"/>'
    yield f'<text class="value" x="{_LEFT + end + 8:.1f}" y="{middle}">{row.value:.2f}</text>'
