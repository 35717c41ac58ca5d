#!/usr/bin/env python3
"""Draws how time and peak memory a person grow with the directory: growth.py FILE...

The files are what `run.py --json` wrote, one for each number of people. Writes an SVG of two panels, in the
colours that its reader prefers: growth.svg beside this program, or where --output says.
"""

import argparse
import json
import math
import pathlib
import statistics
from dataclasses import dataclass
from xml.sax.saxutils import escape

from report import FIRST, FLOOR, NOTHING, TRIAL

HERE = pathlib.Path(__file__).resolve().parent

LINES = {FIRST: "first sync", TRIAL: "trial mapping", NOTHING: "nothing to do", FLOOR: "floor"}
PANEL_WIDTH, PANEL_HEIGHT = 330, 260
LEFT, TOP, LABELS_WIDTH, BOTTOM = 62, 78, 104, 50
LABEL_HEIGHT = 15

STYLE = """
  svg { color: #222 } .ground { fill: #fff } .grid { stroke: #ddd }
  .first { color: #b3261e } .trial { color: #8a5a00 } .nothing { color: #1a56b0 } .floor { color: #666 }
  @media (prefers-color-scheme: dark) {
    svg { color: #e4e6e8 } .ground { fill: #16191d } .grid { stroke: #3a3f45 }
    .first { color: #ff8a80 } .trial { color: #f0c060 } .nothing { color: #8ab4f8 } .floor { color: #aaa }
  }
  text, circle { fill: currentColor } polyline { fill: none; stroke: currentColor; stroke-width: 2 }
  text { font: 12px system-ui, sans-serif } .title { font-size: 16px } .heading { font-size: 13px }
"""


@dataclass
class Figure:
    """One figure of a case, for each person."""

    heading: str
    unit: str
    name: str
    # From the measured unit to the one that is shown.
    factor: float
    is_logarithmic: bool


FIGURES = [
    Figure("Time per person", "µs", "wall_seconds", 1e6, False),
    Figure("Peak memory per person", "kB", "peak_megabytes", 1 << 10, True),
]


@dataclass
class Scale:
    """Where values lie between two ends of the picture."""

    least: float
    most: float
    start: float
    end: float
    is_logarithmic: bool

    def place(self, value):
        low, high, own = map(self.measure, (self.least, self.most, value))
        return self.start + (self.end - self.start) * (own - low) / (high - low)

    def measure(self, value):
        return math.log10(value) if self.is_logarithmic else value


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", type=pathlib.Path, nargs="+", metavar="FILE")
    parser.add_argument(
        "--output", type=pathlib.Path, default=HERE / "growth.svg", metavar="FILE")
    arguments = parser.parse_args()
    runs = sorted(
        (json.loads(file.read_text()) for file in arguments.files), key=lambda run: run["people"])
    if len({run["people"] for run in runs}) < 2:
        parser.error("a line needs files of at least two sizes")
    arguments.output.write_text(drawing(runs), encoding="utf-8")


def drawing(runs):
    panel = LEFT + PANEL_WIDTH + LABELS_WIDTH
    width, height = panel * len(FIGURES), TOP + PANEL_HEIGHT + BOTTOM
    panels = "".join(
        f'<g transform="translate({number * panel} 0)">\n{draw_panel(figure, runs)}</g>\n'
        for number, figure in enumerate(FIGURES))
    title = "What a person costs as the directory grows"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"'
        f' height="{height}" role="img">\n<title>{title}</title>\n<style>{STYLE}</style>\n'
        f'<rect class="ground" width="{width}" height="{height}"/>\n'
        f'{text(LEFT, 26, title, "start", "title")}{panels}</svg>\n')


def draw_panel(figure, runs):
    lines = {case: points(figure, case, runs) for case in LINES}
    values = [value for line in lines.values() for _, value in line]
    sizes = [run["people"] for run in runs]
    across = Scale(sizes[0], sizes[-1], LEFT, LEFT + PANEL_WIDTH, True)
    ticks = ticks_between(min(values), max(values), figure.is_logarithmic)
    up = Scale(ticks[0], ticks[-1], TOP + PANEL_HEIGHT, TOP, figure.is_logarithmic)
    return (
        text(LEFT, TOP - 22, f"{figure.heading} ({figure.unit})", "start", "heading")
        + "".join(draw_tick(up.place(tick), tick) for tick in ticks)
        + "".join(
            text(across.place(size), TOP + PANEL_HEIGHT + 18, f"{size:,}", "middle")
            for size in sizes)
        + text(LEFT + PANEL_WIDTH / 2, TOP + PANEL_HEIGHT + 38, "people", "middle")
        + draw_lines(lines, across, up))


def points(figure, case, runs):
    """Number of people and median for each of them, by size."""
    return [
        (run["people"], figure.factor / run["people"] * statistics.median(
            measurement[figure.name] for measurement in run["cases"][case]))
        for run in runs if case in run["cases"]]


def ticks_between(least, most, is_logarithmic):
    """Round numbers, of which the first and the last enclose all values."""
    if is_logarithmic:
        steps = [
            digit * 10.0 ** power
            for power in range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)
            for digit in (1, 2, 5)]
        first = max(index for index, step in enumerate(steps) if step <= least)
        last = min(index for index, step in enumerate(steps) if step >= most)
        return steps[first:last + 1]
    power = 10 ** math.floor(math.log10(most / 4))
    step = next(digit * power for digit in (1, 2, 5, 10) if digit * power >= most / 5)
    return [step * number for number in range(math.ceil(most / step) + 1)]


def draw_tick(y, value):
    right = LEFT + PANEL_WIDTH
    return (
        f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>\n'
        + text(LEFT - 8, y + 4, f"{value:g}", "end"))


def draw_lines(lines, across, up):
    ends = {case: up.place(line[-1][1]) + 4 for case, line in lines.items() if line}
    labels = spread(ends)
    return "".join(
        draw_line(LINES[case], [(across.place(x), up.place(y)) for x, y in lines[case]], label)
        for case, label in labels.items())


def spread(ends):
    """Heights of labels, each as near to its line's end as the ones above it allow."""
    heights, last = {}, -math.inf
    for case, height in sorted(ends.items(), key=lambda end: end[1]):
        heights[case] = last = max(height, last + LABEL_HEIGHT)
    return heights


def draw_line(name, places, label_height):
    kind = name.split()[0]
    corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in places)
    label = text(places[-1][0] + 9, label_height, name, "start")
    return f'<g class="{kind}"><polyline points="{corners}"/>{dots}{label}</g>\n'


def text(x, y, words, anchor, kind=""):
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}">{escape(words)}</text>\n')


if __name__ == "__main__":
    main()
