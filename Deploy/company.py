#!/usr/bin/env python3
"""Writes a made-up, lifelike company as LDIF, the same one at every run.

Acme has staff in departments, divisions and teams, contractors, leavers, clients and vendors; and
what real directories have: names from everywhere, an office with an umlaut in its DN, people
without an email, two with one email, a vendor on a team of engineers, somebody locked out after
wrong passwords, nested groups, two of them in a circle. Needs nothing but Python 3.
"""

import argparse
import base64
import hashlib
import random
import sys
import unicodedata
import uuid

SUFFIX = "dc=acme,dc=example"
IDS = uuid.uuid5(uuid.NAMESPACE_DNS, "acme.example")

# Given and family names that go together; "native=Latin" where the script is another one.
NAMES = [
    ("Anna Ben Clara David Eva Felix Greta Jonas Jürgen Käthe Lena Max Sören Zoë Björn Ute Heinz "
     "Katja Moritz Tabea", "Müller Schmidt Weiß Größler Bauer Köhler Hofmann von_der_Heide Jäger "
     "Wolf Schäfer Lange Krüger Voß Böhm Arnold Fuchs Lütjens Peters Roth"),
    ("Alice Brian Charlotte Daniel Emily George Hannah Jack Olivia Ruth Thomas William Aoife "
     "Declan Fiona Graham Isla Niamh Oscar Zachary", "Smith O'Brien Taylor Clarke Ní_Bhriain "
     "Walker Wright McDonald Hughes Smith-Jones Byrne Cooper Ellis Fraser Grant Harris O'Neill "
     "Kelly Lloyd Turner Young"),
    ("Élodie François Hélène Jérôme Léa Noémie Rémi Agnès Benoît Chloé Gaëlle Loïc Maël Yvonne",
     "Lefèvre Dubois Beauséjour Garçon Moreau Français D'Aubigné Château Petit Boucher Girard "
     "Lambert Mercier Rousseau"),
    ("Alejandro Begoña Íñigo Lucía Martín Sofía Raúl Concepción Óscar Inés João Mariana",
     "García Muñoz Ibáñez Núñez Ortega_Peña López Fernández_Gómez Castaño Vázquez Simões "
     "Gonçalves"),
    ("Agnieszka Łukasz Małgorzata Piotr Zofia Tomasz Grażyna Wojciech Kacper Jiří Věra Zdeněk",
     "Kowalska Wiśniewski Dąbrowski Łoś Źrebak Nowak Zając Wójcik Dvořák Novotný Procházka"),
    ("Astrid Bjørn Søren Åse Håkon Ingrid Øystein Þóra Gunnar Liv Mikkel Päivi",
     "Ångström Østergård Lindqvist Björnsdóttir Hansen Sørensen Næss Ek Mäkinen Dahl"),
    ("Ayşe Çağlar İbrahim Gül Özge Ömer Şule Emre", "Yılmaz Öztürk Şahin Çelik Güneş Aydın"),
    ("Hạnh Đức Linh Phương Tuấn Thảo", "Nguyễn Trần Phạm Đặng Lê Võ"),
    ("Aditi Arjun Deepa Kavya Rohan Sanjay Vikram Priya Anjali Harsh Meera Nikhil",
     "Iyer Sharma Patel Nair Reddy Chatterjee Mukherjee Singh Gupta Kapoor Rao"),
    ("Adaeze Chinedu Kwame Ngozi Thandiwe Zanele Femi Amina Kofi Lindiwe",
     "Okafor Mensah Nkosi Adeyemi Diallo Mbeki Okonkwo Boateng Dlamini"),
    ("Олена=Olena Дмитро=Dmytro Ірина=Iryna Тарас=Taras Софія=Sofiia Юрій=Yurii",
     "Шевченко=Shevchenko Коваленко=Kovalenko Щербак=Shcherbak Бойко=Boiko"),
    ("葵=Aoi 健太=Kenta 美咲=Misaki 大輔=Daisuke 陽子=Yoko 翔=Sho",
     "佐藤=Sato 高橋=Takahashi 渡辺=Watanabe 山本=Yamamoto"),
    ("伟=Wei 秀英=Xiuying 敏=Min 磊=Lei 静=Jing", "王=Wang 李=Li 张=Zhang 刘=Liu 陈=Chen"),
    ("Νίκος=Nikos Ελένη=Eleni Γιώργος=Giorgos", "Παπαδόπουλος=Papadopoulos Νικολάου=Nikolaou"),
    ("ليلى=Layla كريم=Karim نور=Noor سمير=Samir", "حداد=Haddad منصور=Mansour خوري=Khoury"),
]

# Offices: telephone prefix, and how many of a hundred people sit there.
OFFICES = {
    "Berlin": ("+49 30 5550", 30), "Zürich": ("+41 44 555 0", 14), "Lyon": ("+33 4 7255 5", 16),
    "Dublin": ("+353 1 555 0", 18), "Toronto": ("+1 416 555 0", 12),
    "Singapore": ("+65 6555 0", 10),
}

# Division → department: share of a hundred staff, titles, teams.
DIVISIONS = {
    "technology": {
        "engineering": (22, "Software Engineer,Senior Software Engineer,Test Engineer",
                        "atlas borealis checkout identity mobile platform search web"),
        "data": (5, "Data Engineer,Data Analyst", "reporting forecasting"),
        "it": (6, "Systems Administrator,Network Engineer", "workplace network"),
        "security": (3, "Security Engineer,Security Analyst", "response assurance"),
    },
    "customers": {
        "support": (10, "Support Agent,Senior Support Agent", "frontline escalation onboarding"),
        "sales": (12, "Account Executive,Sales Engineer", "north south partners"),
        "marketing": (5, "Content Editor,Campaign Manager", "brand events"),
    },
    "operations": {
        "warehouse": (13, "Picker,Forklift Driver,Shift Leader", "early late night"),
        "logistics": (7, "Dispatcher,Route Planner", "inbound outbound"),
        "purchasing": (3, "Buyer", "hardware services"),
        "facilities": (3, "Caretaker,Receptionist", "reception maintenance"),
    },
    "administration": {
        "finance": (5, "Accountant,Controller", "payables receivables"),
        "people": (4, "Recruiter,Personnel Officer", "recruiting payroll"),
        "legal": (2, "Counsel,Paralegal", "contracts privacy"),
    },
}
CLIENTS = "alder birchfield corvina delmar estrella fjordline gantry holloway".split()
VENDORS = "papertrail cleanbright voltwerk bytehaus".split()
PROJECTS = ("aurora bonfire cascade dynamo eclipse falcon glacier harbour indigo jupiter kestrel "
            "lantern meridian nimbus").split()


def latin(text):
    """The text in the letters that a uid or an email may have."""
    text = text.translate(str.maketrans({
        "ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L",
        "ı": "i", "đ": "d", "Đ": "D", "Þ": "Th", "ð": "d", "æ": "ae", "Ö": "Oe", "Ü": "Ue"}))
    plain = unicodedata.normalize("NFKD", text)
    return "".join(c for c in plain.lower() if c.isascii() and (c.isalnum() or c == "-"))


def uuid_of(kind, name):
    """An entryUUID that stays the same from run to run."""
    return str(uuid.uuid5(IDS, f"{kind}:{name}"))


# The more names there are to combine, the more people have one of them.
NAME_WEIGHTS = [len(given.split()) * len(family.split()) for given, family in NAMES]


class Company:
    """Everything in the directory; people and groups refer to each other by DN."""

    def __init__(self, count):
        self.random = random.Random(1889)
        self.units, self.people, self.robots, self.groups = [], [], [], {}
        self.taken, self.last = set(), {}
        for name in ["people", "clients", "vendors", "groups", "system"]:
            self.unit(f"ou={name},{SUFFIX}", name)
        for name in [*OFFICES, "robots"]:
            self.unit(f"ou={name},ou=people,{SUFFIX}", name)
        for parent, names in (("clients", CLIENTS), ("vendors", VENDORS)):
            for name in names:
                self.unit(f"ou={name},ou={parent},{SUFFIX}", name)
        self.hire(count)
        self.oddities()
        self.organise()

    def unit(self, dn, name):
        self.units.append((dn, name))

    # People

    def hire(self, count):
        """Of a hundred people 66 are staff, 8 contractors, 16 clients, 6 vendors, 4 leavers."""
        contractors, clients, vendors = count * 8 // 100, count * 16 // 100, count * 6 // 100
        leavers = count * 4 // 100
        self.departments = {name: (division, *facts) for division, departments
                            in DIVISIONS.items() for name, facts in departments.items()}
        self.heads = {name: self.employee(name, head=True) for name in self.departments}
        shares = [facts[1] for facts in self.departments.values()]
        staff = count - contractors - clients - vendors - leavers - len(self.heads)
        for kind, number in (("staff", staff), ("contractor", contractors), ("leaver", leavers)):
            for department in self.random.choices(list(self.departments), shares, k=number):
                self.employee(department, kind)
        for kind, number, names in (("client", clients, CLIENTS), ("vendor", vendors, VENDORS)):
            for index in range(number):
                self.outsider(kind, names[index % len(names)], first=index == 0)
        for name in "backup build deploy monitor scanner printer".split():
            self.robots.append({"uid": f"svc-{name}", "cn": f"svc-{name}", "sn": name,
                                "employeeType": "service", "description": f"Runs the {name}"})

    def employee(self, department, kind="staff", head=False):
        _, _, titles, teams = self.departments[department]
        office = self.random.choices(list(OFFICES), [share for _, share in OFFICES.values()])[0]
        if head and department == "engineering":
            person = self.person("acme.example", "Ada=Ada", "Lindqvist=Lindqvist", uid="ada")
        else:
            person = self.person("acme.example")
        number = len(self.people)
        person |= {
            "dn": f"uid={person['uid']},ou={office},ou=people,{SUFFIX}",
            "employeeType": "contractor" if kind == "contractor" else "staff",
            "employeeNumber": f"{10000 + number:06}",
            "departmentNumber": f"{list(self.departments).index(department) * 10 + 110:04}",
            "title": self.random.choice(titles.split(",")), "l": office, "o": "Acme",
            "ou": department, "telephoneNumber": f"{OFFICES[office][0]}{number:04}",
            "roomNumber": f"{self.random.randint(1, 5)}.{self.random.randint(1, 40):02}",
            "department": department, "team": self.random.choice(teams.split()), "kind": kind,
        }
        if head:
            person |= {"title": f"Head of {department.capitalize()}", "head": True}
        else:
            person["manager"] = self.heads[department]["dn"]
        if kind == "contractor":
            person["o"] = f"{self.random.choice(VENDORS).capitalize()} Consulting"
        if kind == "leaver":
            person["pwdAccountLockedTime"] = "000001010000Z"  # locked for good, by hand
        return person

    def outsider(self, kind, name, first):
        known = ("نور=Noor", "حداد=Haddad") if kind == "vendor" and first else ()
        person = self.person(f"{name}.example", *known)
        number = len(self.people)
        person |= {
            "dn": f"uid={person['uid']},ou={name},ou={kind}s,{SUFFIX}", "employeeType": kind,
            "employeeNumber": f"{10000 + number:06}", "o": name.capitalize(), "organisation": name,
            "title": self.random.choice(["Buyer", "IT Manager", "Key User", "Project Lead"]),
            "telephoneNumber": f"+44 20 7946 {number:04}", "kind": kind,
        }

    def person(self, domain, given=None, family=None, uid=None):
        """A new person's names, uid and email. Both of the latter are nobody else's."""
        given_names, family_names = self.random.choices(NAMES, NAME_WEIGHTS)[0]
        given = given or self.random.choice(given_names.split())
        family = family or self.random.choice(family_names.split())
        native_given, _, plain_given = given.replace("_", " ").partition("=")
        native_family, _, plain_family = family.replace("_", " ").partition("=")
        plain_given, plain_family = plain_given or native_given, plain_family or native_family
        mail = self.free("@" + domain, f"{latin(plain_given)}.{latin(plain_family)}")
        person = {
            "uid": uid or self.free("", latin(plain_given)[0] + latin(plain_family)[:12]),
            "cn": f"{plain_given} {plain_family}", "sn": plain_family, "givenName": plain_given,
            "displayName": f"{native_given} {native_family}", "mail": [mail],
        }
        self.people.append(person)
        return person

    def free(self, end, start):
        """start + end, with a number between them where that is taken."""
        number = self.last.get((start, end), 0) + 1
        while (name := f"{start}{number if number > 1 else ''}{end}") in self.taken:
            number += 1
        self.last[start, end] = number
        self.taken.add(name)
        return name

    def of(self, kind, department=None):
        return [person for person in self.people if person["kind"] == kind
                and department in (None, person.get("department")) and "head" not in person]

    def oddities(self):
        """What makes a directory a real one."""
        for person in self.of("staff", "warehouse")[:12]:
            del person["mail"]
        for person in self.of("staff", "facilities")[:2]:  # two at one desk
            person["mail"] = ["reception@acme.example"]
        for person in self.of("staff", "sales")[:10]:  # the old mail system's address still works
            person["mail"].append(person["mail"][0].replace("@", "@mail."))
        for person in self.of("staff", "support")[:2]:  # wrong passwords: locked for a while
            person["pwdAccountLockedTime"] = "20260105081500Z"
        for person in self.of("staff", "logistics")[:30]:
            person |= {"employeeType": "seasonal", "title": "Seasonal Worker", "kind": "seasonal"}
        for person in self.of("staff", "data")[:5]:
            person["mail"][0] = person["mail"][0].title().replace("Acme.Example", "ACME.example")

    # Groups

    def organise(self):
        staff = [person for person in self.people if person["kind"] == "staff"]
        leavers = self.of("leaver")
        contractors = self.of("contractor")
        for division, departments in DIVISIONS.items():
            for department, (_, _, teams) in departments.items():
                inside = [p for p in staff + leavers if p["department"] == department]
                for team in teams.split():
                    self.group(f"team-{team}", [p for p in inside if p["team"] == team])
                    self.group(f"team-{team}", [p for p in contractors if p["team"] == team
                                                and p["department"] == department])
                self.group(department, inside, f"Everyone in {department}")
            self.group(division, [self.groups[name] for name in departments], "A division")
        self.group("all-staff", [self.groups[name] for name in DIVISIONS], "Everyone employed")
        for office in OFFICES:
            name = f"office-{latin(office)}"
            self.group(name, [p for p in self.people if p.get("l") == office])
        engineers = [p for p in staff if p["department"] in ("engineering", "data")]
        for project in PROJECTS:
            self.group(f"project-{project}", self.some(engineers, 18) + self.some(contractors, 7))
        for name in CLIENTS:
            self.group(f"client-{name}", [p for p in self.people if p.get("organisation") == name])
        self.site_groups(staff, contractors)
        self.lists(staff)

    def site_groups(self, staff, contractors):
        """Groups that are meant for the site, most of them made of other groups."""
        teams = {name: self.groups[f"team-{name}"] for name in
                 "atlas checkout platform workplace frontline escalation onboarding".split()}
        self.group("site-agents", [self.groups["support"]], "Answers requests")
        self.group("site-escalations", [teams["escalation"], teams["platform"]])
        self.group("site-developers", [self.groups["engineering"], self.groups["data"]])
        self.group("site-releases", [teams["atlas"], teams["checkout"], teams["platform"]])
        self.group("site-change-board", list(self.heads.values()))
        self.group("site-editors", [self.groups["marketing"], *self.some(staff, 20)])
        self.group("site-approvers", [self.heads[name] for name in ("finance", "purchasing")])
        self.group("site-workplace", [teams["workplace"], *self.some(contractors, 6)])
        self.group("site-knowledge", [teams["frontline"], teams["onboarding"]])
        self.group("site-incidents", [self.groups["security"], self.groups["it"]])

    def lists(self, staff):
        for name in ("first-aid", "fire-wardens", "works-council", "carpool", "football", "choir",
                     "book-club", "newsletter", "apprentices", "mentors", "travellers", "on-call",
                     "pilot-users", "parents", "cyclists", "gardeners", "chess", "running",
                     "translators", "musicians", "volunteers", "hackathon"):
            self.group(f"list-{name}", self.some(staff, self.random.randint(5, 60)))
        self.group("no-source-code", self.some(self.of("staff", "engineering"), 4),
                   "Must not see source code: legal reasons")
        # A circle: each guild is a member of the other.
        guilds = {name: self.group(f"guild-{name}", self.some(staff, 12))
                  for name in ("security", "platform", "accessibility")}
        self.group("guild-security", [guilds["platform"]])
        self.group("guild-platform", [guilds["security"]])
        vendor = self.of("vendor")[0]  # on site, and so on a team: two rules will disagree
        self.group("engineering", [vendor])

    def some(self, people, count):
        return self.random.sample(people, min(count, len(people)))

    def group(self, name, members, description=None):
        """Makes the group, or adds to it. An empty one has its owner as its member."""
        group = self.groups.setdefault(name, {
            "cn": name, "dn": f"cn={name},ou=groups,{SUFFIX}", "description": description,
            "owner": self.heads["it"]["dn"], "member": {}})
        group["member"] |= {member["dn"]: None for member in members}
        return group

    # LDIF

    def write(self, out, password):
        def put(dn, classes, attributes, kind):
            lines = [line("dn", dn), *(line("objectClass", name) for name in classes)]
            for name, values in attributes.items():
                values = [values] if isinstance(values, str) else values or []
                lines += [line(name, value) for value in values]
            out.write("\n".join([*lines, line("entryUUID", uuid_of(kind, dn))]) + "\n\n")

        put(SUFFIX, ["dcObject", "organization"], {"dc": "acme", "o": "Acme"}, "unit")
        for dn, name in self.units:
            put(dn, ["organizationalUnit"], {"ou": name}, "unit")
        reader = {"cn": "usher", "description": "Reads the directory for Usher"}
        classes = ["applicationProcess"]
        if password is not None:
            classes.append("simpleSecurityObject")
            reader["userPassword"] = hashed(password)
        put(f"cn=usher,ou=system,{SUFFIX}", classes, reader, "unit")
        own = ("dn", "department", "team", "kind", "head", "organisation")
        classes = ["top", "person", "organizationalPerson", "inetOrgPerson"]
        for person in self.people:
            shown = {name: value for name, value in person.items() if name not in own}
            put(person["dn"], classes, shown, "person")
        for robot in self.robots:
            put(f"uid={robot['uid']},ou=robots,ou=people,{SUFFIX}", classes, robot, "robot")
        for group in self.groups.values():
            shown = {name: value for name, value in group.items() if name not in ("dn", "member")}
            members = list(group["member"]) or [group["owner"]]
            put(group["dn"], ["groupOfNames"], {**shown, "member": members}, "group")


def line(name, value):
    """One attribute line of RFC 2849: base64 where it must be, folded at 76 columns."""
    data = value.encode()
    safe = value.isascii() and value.isprintable() and value[:1] not in (" ", ":", "<")
    if safe and not value.endswith(" "):
        text = f"{name}: {value}"
    else:
        text = f"{name}:: {base64.b64encode(data).decode()}"
    folded = [text[:76], *(" " + text[at:at + 75] for at in range(76, len(text), 75))]
    return "\n".join(folded)


def hashed(password):
    """Salted SHA-1, which every slapd knows; for a directory that lives for an hour on loopback."""
    salt = hashlib.sha256(b"acme" + password).digest()[:8]
    return "{SSHA}" + base64.b64encode(hashlib.sha1(password + salt).digest() + salt).decode()


def main():
    parser = argparse.ArgumentParser(
        description="Writes a made-up company as LDIF to standard output.")
    parser.add_argument("--people", type=int, default=2000, metavar="N",
                        help="how many people (default: 2000; at least 500)")
    parser.add_argument("--bind-password-file", metavar="FILE",
                        help="the password of cn=usher,ou=system (default: it has none)")
    options = parser.parse_args()
    if options.people < 500:
        parser.error("--people: a company with all of these groups has at least 500 people")
    password = None
    if options.bind_password_file:
        with open(options.bind_password_file, "rb") as file:
            password = file.read().rstrip(b"\r\n")
    Company(options.people).write(sys.stdout, password)


if __name__ == "__main__":
    main()
