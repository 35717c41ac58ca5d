"""What a case costs, what it may cost, and the table that says so."""

import os
import resource
import statistics
from dataclasses import dataclass

FLOOR, LDAPSEARCH, FIRST, NOTHING, CHANGES = (
    "floor", "`ldapsearch`", "`usher sync`, empty store", "`usher sync`, nothing to do",
    "`usher sync`, 100 people changed, `read: delta`")
GATHERING_FLOOR = "floor, unpaged and gathering"


@dataclass
class Target:
    """At most so many times the floor's wall time, and so much peak memory."""

    wall_ratio: float
    peak_megabytes: float

    def __str__(self):
        return f"≤ {self.wall_ratio:g} ×, ≤ {self.peak_megabytes:g} MB"


# By number of people and teams a person, then by case; other sizes have none.
TARGETS = {
    (100_000, 1): {FIRST: Target(4, 150), NOTHING: Target(2, 150)},
}


@dataclass
class Measurement:
    wall_seconds: float
    cpu_seconds: float
    server_cpu_seconds: float
    peak_megabytes: float


def render(results, people, teams_per_person):
    """The table, and whether every target is met.

    A process that starts another lends it its own peak memory as a lower bound (`exec` keeps it):
    where a figure is no larger than this process, it is shown as a bound.
    """
    own_megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    floor = summary(results[FLOOR])
    all_met = True
    rows = [
        "| case | wall (min–max) | × floor | CPU | × floor | slapd's CPU | peak memory | target | "
        "|",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, measurements in results.items():
        median = summary(measurements)
        walls = [measurement.wall_seconds for measurement in measurements]
        ratio = median.wall_seconds / floor.wall_seconds
        target = TARGETS.get((people, teams_per_person), {}).get(name)
        met = (
            target is None
            or ratio <= target.wall_ratio and median.peak_megabytes <= target.peak_megabytes)
        all_met = all_met and met
        small = median.peak_megabytes <= own_megabytes
        rows.append("| " + " | ".join([
            name,
            f"{median.wall_seconds:.2f} s ({min(walls):.2f}–{max(walls):.2f})",
            f"{ratio:.2f}",
            f"{median.cpu_seconds:.2f} s",
            f"{median.cpu_seconds / floor.cpu_seconds:.2f}",
            f"{median.server_cpu_seconds:.2f} s",
            f"{'< ' if small else ''}{median.peak_megabytes:.0f} MB",
            str(target or "–"),
            "" if target is None else "met" if met else "**missed**",
        ]) + " |")
    runs = len(results[FLOOR])
    heading = f"{people:,} people, medians of {runs} on {os.cpu_count()} cores"
    return f"{heading}\n\n" + "\n".join(rows), all_met


def summary(measurements):
    """The median of each figure by itself."""
    return Measurement(*(
        statistics.median(getattr(measurement, figure) for measurement in measurements)
        for figure in Measurement.__dataclass_fields__))


def raw_figures(results, people, teams_per_person):
    """Every single measurement, for JSON."""
    return {
        "people": people,
        "teams_per_person": teams_per_person,
        "cases": {name: [vars(one) for one in many] for name, many in results.items()},
    }
