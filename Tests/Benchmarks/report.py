"""What a case costs, what it may cost, and the table that says so."""

import os
import resource
import statistics
from dataclasses import dataclass

FLOOR = "floor"
LDAPSEARCH = "`ldapsearch`, pages of 1,000"
FIRST = "`usher sync`, empty store"
NOTHING = "`usher sync`, nothing to do"
CHANGES_100 = "`usher sync`, 100 people changed, `read: delta`"
CHANGES_1000 = "`usher sync`, 1,000 people changed, `read: delta`"
TRIAL = "`usher plan --offline --mapping`, everybody affected"
ONE_ENTRY = "`ldapsearch -s base`, one entry"
EXPLAIN = "`usher explain`"
SHOW = "`usher show`"
LDAPSEARCH_VERSION = "`ldapsearch -VV`"
VERSION = "`usher --version`"
BESIDE = ", the smaller directory"


@dataclass
class Target:
    """At most so many times another case's time, and so much peak memory."""

    ratio: float
    case: str = FLOOR
    peak_megabytes: float = float("inf")
    figure: str = "wall_seconds"

    def __str__(self):
        base = "" if self.case == FLOOR else f" {self.case}"
        what = "" if self.figure == "wall_seconds" else ", CPU"
        memory = "" if self.peak_megabytes == float("inf") else f", ≤ {self.peak_megabytes:g} MB"
        return f"≤ {self.ratio:g} ×{base}{what}{memory}"

    def is_met(self, results, name):
        """None where there is nothing to compare with: no smaller directory was measured."""
        if self.case.endswith(BESIDE) and self.case not in results:
            return None
        return (ratio(results, name, self.case, self.figure) <= self.ratio
                and summary(results[name]).peak_megabytes <= self.peak_megabytes)


def beside(name):
    """The same case in a second, smaller directory, see `Bench.beside`."""
    return name + BESIDE


ALWAYS = {
    EXPLAIN: [Target(5, ONE_ENTRY)],
    SHOW: [Target(5, ONE_ENTRY)],
    VERSION: [Target(3, LDAPSEARCH_VERSION)],
}
# By number of people and teams a person, then by case; other sizes have none.
TARGETS = {
    (10_000, 20): {FIRST: [Target(3)], CHANGES_100: [Target(0.5)]},
    (100_000, 1): {
        FIRST: [Target(2, peak_megabytes=80)],
        NOTHING: [Target(1.2, peak_megabytes=80)],
        CHANGES_100: [Target(0.05, NOTHING, figure="cpu_seconds")],
        CHANGES_1000: [Target(0.5)],
        TRIAL: [Target(2)],
        **ALWAYS,
    },
    (100_000, 20): {FIRST: [Target(3, peak_megabytes=400)]},
    (1_000_000, 1): {
        FIRST: [Target(2.5, peak_megabytes=300)],
        NOTHING: [Target(1.1, peak_megabytes=300), Target(0.75, LDAPSEARCH)],
        CHANGES_1000: [Target(0.15), Target(1.3, beside(CHANGES_1000))],
        TRIAL: [Target(2)],
        **ALWAYS,
        EXPLAIN: [*ALWAYS[EXPLAIN], Target(1.2, beside(EXPLAIN))],
        SHOW: [*ALWAYS[SHOW], Target(1.2, beside(SHOW))],
    },
}


@dataclass
class Measurement:
    wall_seconds: float
    cpu_seconds: float
    server_cpu_seconds: float
    peak_megabytes: float


def render(results, people, teams_per_person, targets=None, floors={}):
    """The table, and whether every target is met; by default the targets of this size.

    Every case is held against the floor, or against the case that `floors` names for it.
    A process that starts another lends it its own peak memory as a lower bound (`exec` keeps it):
    where a figure is no larger than this process, it is shown as a bound.
    """
    own_megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if targets is None:
        targets = TARGETS.get((people, teams_per_person), {})
    all_met = True
    rows = [
        "| case | wall (min–max) | × floor | CPU | × floor | server's CPU | peak memory | target | "
        "|",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, measurements in results.items():
        # The smaller directory has no floor of its own.
        median = summary(measurements)
        floor = None if name.endswith(BESIDE) else floors.get(name, FLOOR)
        walls = [measurement.wall_seconds for measurement in measurements]
        own = targets.get(name, [])
        met = [target.is_met(results, name) for target in own]
        all_met = all_met and False not in met
        small = median.peak_megabytes <= own_megabytes
        rows.append("| " + " | ".join([
            name,
            f"{seconds(median.wall_seconds)} ({seconds(min(walls))}–{seconds(max(walls))})",
            f"{ratio(results, name, floor, 'wall_seconds'):.2f}" if floor else "–",
            seconds(median.cpu_seconds),
            f"{ratio(results, name, floor, 'cpu_seconds'):.2f}" if floor else "–",
            seconds(median.server_cpu_seconds),
            f"{'< ' if small else ''}{median.peak_megabytes:.0f} MB",
            "; ".join(map(str, own)) or "–",
            "; ".join({True: "met", False: "**missed**", None: "not measured"}[one] for one in met),
        ]) + " |")
    runs = len(results[FLOOR])
    heading = f"{people:,} people, medians of {runs} on {os.cpu_count()} cores"
    return f"{heading}\n\n" + "\n".join(rows), all_met


def seconds(value):
    return f"{value * 1000:.0f} ms" if value < 0.1 else f"{value:.2f} s"


def summary(measurements):
    """The median of each figure by itself."""
    return Measurement(*(
        statistics.median(getattr(measurement, figure) for measurement in measurements)
        for figure in Measurement.__dataclass_fields__))


def ratio(results, name, other, figure):
    """The median of the rounds' ratios: in a round both cases are of the same minute."""
    return statistics.median(
        getattr(own, figure) / getattr(base, figure)
        for own, base in zip(results[name], results[other], strict=True))


def raw_figures(results, people, teams_per_person):
    """Every single measurement, for JSON."""
    return {
        "people": people,
        "teams_per_person": teams_per_person,
        "cases": {name: [vars(one) for one in many] for name, many in results.items()},
    }
