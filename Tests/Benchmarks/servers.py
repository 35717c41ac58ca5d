"""The kinds of servers that are measured: how each is made and reached, and what its people are called."""

import pathlib
from dataclasses import dataclass, field

import generate

SCRIPTS = pathlib.Path(__file__).resolve().parent.parent / "Servers"


@dataclass(frozen=True)
class Server:
    """One kind of server. A sign-in is a name and a password."""

    name: str
    # In Tests/Servers.
    script: str
    needs: str
    reader: tuple
    manager: tuple
    form: generate.Form = generate.STANDARD
    # For the script's `init`.
    settings: dict = field(default_factory=dict)
    # What the manager changes once it runs.
    changes: str = ""
    # The script's word for a server that is not needed any more.
    end: str = "stop"
    # Words of the mapping that are others here.
    words: dict = field(default_factory=dict)
    # The most entries that it gives in one answer; 0: all.
    page: int = 0

    def in_its_words(self, text):
        for word, own in self.words.items():
            text = text.replace(word, own)
        return text


SLAPD = Server(
    name="OpenLDAP",
    script="slapd.sh",
    needs="needs slapd and ldap-utils",
    reader=(generate.READER_DN, generate.READER_PASSWORD),
    manager=(f"cn=admin,{generate.SUFFIX}", "secret"),
    settings={"SUFFIX": generate.SUFFIX, "MEMBEROF": "0", "SYNCPROV": "1"},
)

# Its limits are 2,000 entries an answer and 5,000 looked through for it, where an account has none of its own.
DS389 = Server(
    name="389 Directory Server",
    script="ds389.sh",
    needs="needs 389-ds-base, and root",
    reader=(generate.READER_DN, generate.READER_PASSWORD),
    manager=("cn=Directory Manager", "Secret-words1"),
    settings={"SUFFIX": generate.SUFFIX, "SYNCPROV": "1"},
    changes=f"dn: {generate.READER_DN}\nchangetype: modify\n"
            "replace: nsSizeLimit\nnsSizeLimit: -1\n-\n"
            "replace: nsLookThroughLimit\nnsLookThroughLimit: -1\n",
    end="remove",
    words={"entryUUID": "nsUniqueId"},
)

# Whoever is to read changes by DirSync must be allowed to replicate them.
ADMINISTRATOR = ("administrator@acme.example", "Secret-words1")
SAMBA = Server(
    name="Samba's Active Directory",
    script="samba.sh",
    needs="needs samba, and root",
    reader=ADMINISTRATOR,
    manager=ADMINISTRATOR,
    form=generate.ACTIVE_DIRECTORY,
    settings={"CLEARTEXT": "1"},
    words={
        generate.SUFFIX: generate.ACTIVE_DIRECTORY.suffix,
        "entryUUID": "objectGUID",
        "inetOrgPerson": "user",
        "groupOfNames": "group",
    },
    page=1000,
)

BY_NAME = {"slapd": SLAPD, "ds389": DS389, "samba": SAMBA}
