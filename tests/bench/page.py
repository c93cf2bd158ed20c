"""The pacing bench for people: `python -m tests.bench.page REPORT.json` prints its table and draws its picture.

REPORT.json is what `callwright bench pacing --json` printed.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

import msgspec

from tests.bench.simulated import ROOT

PICTURE: Final = ROOT / "docs" / "pictures" / "pacing.svg"
HEAD: Final = (
    "| Scenario | Ours | Abandoned | upper, pooled | upper, worst seed | Progressive | Best lawful peer, in hindsight "
    "| its | Ahead by | Reference |\n|---|---|---|---|---|---|---|---|---|---|"
)
_LEFT, _WIDTH, _STEP, _TOP = 170, 620, 22, 58
_COLOURS: Final = {"progressive": "#9aa0a6", "best peer": "#e8710a", "ours": "#1a73e8"}


def table(rows: dict[str, Any]) -> str:
    """The rows as Markdown, in per cent; the base case's last."""
    return "\n".join((HEAD, *(_line(name, rows[name]) for name in _ordered(rows))))


def picture(rows: dict[str, Any]) -> str:
    """Utilisation per scenario as SVG: dots for progressive, the best compliant peer and ours, a bar: the reference."""
    names = _ordered(rows)
    height = _TOP + _STEP * len(names) + 30
    box = f'viewBox="0 0 {_LEFT + _WIDTH + 30} {height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {box} font-family="sans-serif" font-size="12">',
        f'<rect width="100%" height="{height}" fill="white"/>',
        f'<text x="{_LEFT}" y="18" font-size="14">Utilisation of the agents in per cent, at most 3 % abandoned</text>',
        *_legend(),
        *_grid(height),
    ]
    for index, name in enumerate(names):
        parts += _dots(name, rows[name], _TOP + _STEP * index + _STEP // 2)
    return "\n".join((*parts, "</svg>\n"))


def _ordered(rows: dict[str, Any]) -> list[str]:
    return sorted(rows, key=lambda name: (name.startswith("base-"), name))


def _line(name: str, row: dict[str, Any]) -> str:
    ours, peer = row["ours"], {} if name.startswith("base-") else row["best_peer"] or {}
    ahead = f"{row['ahead_by'] * 100:+.1f}" if peer else ""
    reference = f"{row['reference'] * 100:.1f}" if row["reference"] else ""
    best = f"{peer['utilisation'] * 100:.1f}" if peer else ""
    cells = (
        name,
        f"{ours['utilisation'] * 100:.1f}",
        *(f"{ours[key] * 100:.2f}" for key in ("rate", "upper95", "worst_upper95")),
        f"{row['progressive']['utilisation'] * 100:.1f}",
        peer.get("name", ""),
        best,
        ahead,
        reference,
    )
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def _x(share: float) -> float:
    return round(_LEFT + _WIDTH * share, 1)


def _legend() -> list[str]:
    parts = []
    for index, (name, colour) in enumerate(_COLOURS.items()):
        x = _LEFT + 120 * index
        parts.append(f'<circle cx="{x + 6}" cy="36" r="5" fill="{colour}"/><text x="{x + 16}" y="40">{name}</text>')
    x = _LEFT + 120 * len(_COLOURS)
    bar = f'<rect x="{x + 5}" y="29" width="2" height="14" fill="black"/>'
    return [*parts, f'{bar}<text x="{x + 16}" y="40">reference (exponential model)</text>']


def _grid(height: int) -> list[str]:
    parts = []
    for percent in range(0, 101, 20):
        x = _x(percent / 100)
        parts.append(f'<line x1="{x}" y1="{_TOP}" x2="{x}" y2="{height - 26}" stroke="#e0e0e0"/>')
        parts.append(f'<text x="{x}" y="{height - 10}" text-anchor="middle">{percent}</text>')
    return parts


def _dots(name: str, row: dict[str, Any], y: int) -> list[str]:
    peer = None if name.startswith("base-") else row["best_peer"]
    shares = {"progressive": row["progressive"], "best peer": peer, "ours": row["ours"]}
    parts = [f'<text x="{_LEFT - 10}" y="{y + 4}" text-anchor="end">{escape(name)}</text>']
    parts += [
        f'<circle cx="{_x(each["utilisation"])}" cy="{y}" r="5" fill="{_COLOURS[label]}"/>'
        for label, each in shares.items()
        if each is not None
    ]
    if row["reference"]:
        parts.append(f'<rect x="{_x(row["reference"]) - 1}" y="{y - 7}" width="2" height="14" fill="black"/>')
    return parts


def main(report: Path) -> None:
    """Print the table and write the picture."""
    rows = msgspec.json.decode(report.read_bytes())["details"]["scenarios"]
    PICTURE.write_text(picture(rows), encoding="utf-8")
    print(table(rows))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
