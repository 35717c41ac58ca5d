#!/usr/bin/env python3
"""Writes a made-up company as LDIF to standard output: generate.py N

N people under ou=people, teams of about 200 that together hold everyone, one group `big`, one
group `nested` of two teams, and an account that may read all of it. The same arguments give the
same bytes. Entries carry their entryUUID and no memberOf: membership is in the groups alone. For Active
Directory the same people and groups go into a domain that is there, and get their ids from it.
"""

import argparse
import base64
import hashlib
import sys
from dataclasses import dataclass

SUFFIX = "dc=example,dc=com"
PEOPLE_BASE = f"ou=people,{SUFFIX}"
GROUPS_BASE = f"ou=groups,{SUFFIX}"
READER_DN = f"cn=reader,ou=system,{SUFFIX}"
READER_PASSWORD = "reader"

TEAM_SIZE = 200
BIG_SIZE = 50_000

GIVEN_NAMES = [
    "Ana", "Björn", "Chloé", "Dmitri", "Eve", "Farid", "Grace", "Hiro",
    "Ingrid", "João", "Kim", "Lars", "Mei", "Nora", "Omar", "Petra",
]
SURNAMES = [
    "Andersson", "Brown", "Castañeda", "Dubois", "Evans", "Fischer", "García", "Hughes",
    "Ito", "Jensen", "Kowalski", "López", "Müller", "Nguyen", "O'Brien", "Park",
]
DEPARTMENTS = [
    "Engineering", "Sales", "Finance", "Legal", "Support", "Research", "Operations",
]


@dataclass(frozen=True)
class Form:
    """What entries look like: as standards have it, or as Active Directory does."""

    suffix: str
    # The attribute that people are named by.
    naming: str
    person_classes: tuple
    group_class: str

    @property
    def is_standard(self):
        return self.suffix == SUFFIX

    def unit_dn(self, unit):
        return f"ou={unit},{self.suffix}"

    def person_dn(self, index):
        return f"{self.naming}={uid(index)},{self.unit_dn('people')}"

    def group_dn(self, name):
        return f"cn={name},{self.unit_dn('groups')}"


STANDARD = Form(
    SUFFIX, "uid", ("top", "person", "organizationalPerson", "inetOrgPerson"), "groupOfNames")
ACTIVE_DIRECTORY = Form("dc=acme,dc=example", "cn", ("user",), "group")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("people", type=positive, metavar="N")
    parser.add_argument(
        "--teams-per-person", type=positive, default=1, metavar="K",
        help="K layers of teams, each holding everyone once (default 1)")
    parser.add_argument(
        "--active-directory", action="store_true", help="for a domain of Active Directory")
    arguments = parser.parse_args()
    form = ACTIVE_DIRECTORY if arguments.active_directory else STANDARD
    sys.stdout.reconfigure(encoding="ascii", newline="\n")
    write = sys.stdout.write
    write(frame(form))
    for index in range(arguments.people):
        write(person(index, form))
    for name, members in groups(arguments.people, arguments.teams_per_person, form):
        write(group(name, members, form))


def positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def frame(form):
    """The organizational units; in a directory of its own also the suffix and the reader."""
    if not form.is_standard:
        return "".join(unit(name, form) for name in ("people", "groups"))
    return (
        f"dn: {SUFFIX}\nobjectClass: domain\ndc: {SUFFIX.split(',')[0][3:]}\n\n"
        + "".join(unit(name, form) for name in ("people", "groups", "system"))
        + f"dn: {READER_DN}\nobjectClass: person\ncn: reader\nsn: reader\n"
        f"userPassword: {READER_PASSWORD}\n\n")


def unit(name, form):
    return f"dn: {form.unit_dn(name)}\nobjectClass: organizationalUnit\nou: {name}\n\n"


def person(index, form):
    """One person of 14 attributes, besides objectClass and what the server's kind asks for."""
    given, surname = GIVEN_NAMES[index % 16], SURNAMES[index // 16 % 16]
    if form.is_standard:
        own = (
            f"entryUUID: {uuid('person', index)}\n"
            f"uid: {uid(index)}\n{line('cn', f'{given} {surname} {index}')}")
    else:
        own = (
            f"sAMAccountName: {uid(index)}\nuserAccountControl: 544\n"
            f"uid: {uid(index)}\ncn: {uid(index)}\n")
    return (
        f"dn: {form.person_dn(index)}\n"
        + "".join(f"objectClass: {name}\n" for name in form.person_classes)
        + own
        + f"{line('sn', surname)}"
        f"{line('givenName', given)}"
        f"{line('displayName', f'{given} {surname}')}"
        f"mail: {email(index)}\n"
        f"employeeNumber: {index}\n"
        f"employeeType: {'contractor' if index % 9 == 0 else 'employee'}\n"
        f"telephoneNumber: +1 555 {index:07d}\n"
        f"title: Level {index % 12} specialist\n"
        f"departmentNumber: D{index % 7}\n"
        f"ou: {DEPARTMENTS[index % 7]}\n"
        f"l: City{index % 97}\n"
        f"preferredLanguage: {'en-US' if index % 3 else 'de-DE'}\n\n")


def team_count(people):
    """Teams of one layer."""
    return -(-people // TEAM_SIZE)


def group_count(people, layers=1):
    """Every directory group: the teams, `big` and `nested`."""
    return layers * team_count(people) + 2


def team_members(people, layer, team):
    """Indexes of a team's people, spread over the whole directory.

    People come in rows of one per team, and a layer shifts each row by its number, so that every
    layer holds everyone once and no two layers hold the same teams.
    """
    teams = team_count(people)
    for row in range(-(-people // teams)):
        index = row * teams + (team - layer * row) % teams
        if index < people:
            yield index


def groups(people, layers, form):
    """Name and member DNs of every directory group."""
    teams = team_count(people)
    for layer in range(layers):
        for team in range(teams):
            members = team_members(people, layer, team)
            yield team_name(layer * teams + team), map(form.person_dn, members)
    yield "big", map(form.person_dn, range(min(people, BIG_SIZE)))
    yield "nested", (form.group_dn(team_name(team)) for team in range(min(teams, 2)))


def group(name, members, form):
    own = f"entryUUID: {uuid('group', name)}" if form.is_standard else f"sAMAccountName: {name}"
    return (
        f"dn: {form.group_dn(name)}\nobjectClass: {form.group_class}\n"
        f"{own}\ncn: {name}\ndescription: made up\n"
        + "".join(f"member: {member}\n" for member in members) + "\n")


def uid(index):
    return f"u{index:07d}"


def email(index):
    return f"{uid(index)}@example.com"


def team_name(number):
    return f"g{number:05d}"


def uuid(kind, key):
    """A UUID that only its name decides, and whose order is not the entries' order."""
    digits = hashlib.blake2b(f"{kind}/{key}".encode(), digest_size=16).hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:]}"


def line(attribute, value):
    if value.isascii():
        return f"{attribute}: {value}\n"
    return f"{attribute}:: {base64.b64encode(value.encode()).decode()}\n"


if __name__ == "__main__":
    main()
