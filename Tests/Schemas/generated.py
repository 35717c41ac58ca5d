"""What generated cases need: the files of `usher init`, and what is known of changes that parser and schema see
differently.
"""

import os
import pathlib
import re
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
MAPPING_NAMES = ["m.yaml", "mapping.yaml", "Mappings/acme.yaml"]
LDIF = """dn: dc=acme,dc=example
objectClass: domain
dc: acme

dn: ou=people,dc=acme,dc=example
objectClass: organizationalUnit
ou: people

dn: uid=ada,ou=people,dc=acme,dc=example
objectClass: inetOrgPerson
uid: ada
cn: Ada
sn: Ada
mail: ada@acme.example

dn: cn=staff,dc=acme,dc=example
objectClass: groupOfNames
cn: staff
member: uid=ada,ou=people,dc=acme,dc=example

dn: cn=devs,dc=acme,dc=example
objectClass: groupOfNames
cn: devs
member: uid=ada,ou=people,dc=acme,dc=example
"""

# Changes that may make a fault which the parser alone sees, and why a schema cannot.
SEMANTIC = {
    "preset *: * removed": "the mapping that extends it may say it",
    "mapping *: extends removed": "the preset said what is missing now",
    "mapping *: search removed": "a preset may say it",
    "mapping *: search.users removed": "a preset may say it",
    "mapping *: search.users.base removed": "the mapping that extends it may say it",
    "mapping *: search.users.filter removed": "a preset may say it",
    "mapping *: search.groups removed": "rules name directory groups, which a preset may search for",
    "mapping *: search.groups.* removed": "rules name directory groups, which a preset may search for",
    "mapping *: account removed": "a preset may say it",
    "mapping *: account.* removed": "a preset may say it",
    "mapping *: extends is *": "there is no such file and no such preset",
    "mapping *: lists*": "there is no such file, or a filter names the list",
    "mapping *: rules.*.licenses*": "the catalogue is in usher.yaml",
    "mapping *: rules.*.each-group*": "what a pattern catches, and the grammar of patterns and filters",
    "mapping *: rules has its first item twice": "names are compared",
    "configuration *: directories has its first item twice": "names are compared",
    "configuration *: * is \"\"": "a name is not empty",
    "mapping *: * is \"\"": "a name is not empty",
    "configuration *: console.proxies*": "what an address is",
    "configuration *: console.search*": "the grammar of filters, and which directories there are",
    "configuration *: directories.*.mapping is *": "there is no such file",
    "configuration *: * is 70000000000000000000": "numbers end at 2^63",
    "*: account.email.*.match is *": "the grammar of regular expressions",
    "* is True": "how a scalar was written",
    "* is 0x10": "how a scalar was written",
    "* is 0.5e1": "how a scalar was written",
}
# Changes that the parser passes over.
LAX = {}


def first_files(usher):
    """The configuration and the mapping that `usher init` writes for a small OpenLDAP server."""
    script = ROOT / "Tests/Servers/slapd.sh"
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder)
        (place / "company.ldif").write_text(LDIF)
        (place / "words").write_text("secret\n")
        (place / "words").chmod(0o600)
        environment = os.environ | {"SUFFIX": "dc=acme,dc=example"}
        subprocess.run([script, "init", "server", "company.ldif"], cwd=place, env=environment, check=True)
        started = subprocess.run([script, "start", "server"], cwd=place, env=environment, check=True,
                                 stdout=subprocess.PIPE, text=True)
        try:
            reach = dict(line.split("=", 1) for line in started.stdout.splitlines() if "=" in line)
            subprocess.run([usher, "init", "--url", reach["LDAPS_URL"], "--ca", reach["CA"], "--bind-dn",
                            "cn=admin,dc=acme,dc=example", "--password-file", "words"], cwd=place, check=True,
                           stdout=subprocess.DEVNULL)
        finally:
            subprocess.run([script, "stop", "server"], cwd=place, env=environment, check=True)
        return (place / "usher.yaml").read_text(), (place / "mapping.yaml").read_text()


def uncommented(text):
    """The text with its commented keys as keys."""
    return re.sub(r"^( *)# ?( *(?:- )?[a-z-]+: .*|limits:)$", r"\1\2", text, flags=re.MULTILINE)
