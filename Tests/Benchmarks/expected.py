"""Whether the site holds what mapping.yaml gives: the same rules, reckoned once more in Python."""

import collections
import json
import subprocess
import sys

import generate

COUNT_EXPORT = """
import collections, json, sys
accounts = json.load(open(sys.argv[1]))["accounts"]
counts = collections.Counter(name for account in accounts for name in account["licenses"])
counts["accounts"] = sum(account["active"] for account in accounts)
counts["memberships"] = sum(len(account["groups"]) for account in accounts)
print(json.dumps(counts))
"""


def check_export(export, people, layers):
    """What is wrong with an export of the site, or nothing.

    It is read in a process of its own, so that this one stays small (see `report.render`).
    """
    counted = subprocess.run(
        [sys.executable, "-c", COUNT_EXPORT, export], capture_output=True, text=True)
    if counted.returncode != 0:
        return f"`usher export` is not what it should be: {counted.stderr}"
    found, expected = json.loads(counted.stdout), expected_rights(people, layers)
    return None if found == expected else f"the site holds {found}, not {expected}"


def expected_rights(people, layers):
    """What mapping.yaml gives to generate.py's people: accounts, memberships and each license."""
    counts = collections.Counter()
    pilot_teams = min(generate.team_count(people), 2)
    pilots = {
        index for team in range(pilot_teams)
        for index in generate.team_members(people, 0, team)}
    for index in range(people):
        department, town = generate.DEPARTMENTS[index % 7], f"City{index % 97}"
        if department in ("Engineering", "Research"):
            counts["jira-software"] += 1
        elif department in ("Sales", "Support"):
            counts["jira-servicemanagement"] += 1
        else:
            counts["bitbucket"] += 1
        counts["confluence"] += index < generate.BIG_SIZE
        german_desk = index % 3 == 0 and town.startswith("City1") and index % 9 != 0
        specialist = index % 12 == 11 and index >= 1000
        counts["memberships"] += layers + (index in pilots) + german_desk + specialist
    counts["accounts"] = people
    return {name: count for name, count in counts.items() if count}
