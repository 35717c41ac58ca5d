#!/usr/bin/env python3
"""Writes manual pages, usher(1) and one for each command, from what `usher --experimental-dump-help` prints.

Exit codes are those of the table in README.md, dates that of SOURCE_DATE_EPOCH.
"""

import argparse
import datetime
import json
import os
import pathlib
import re

SETTINGS = [
    (".SH FILES", [
        ("usher.yaml, /etc/usher/usher.yaml", "The configuration: the first of them that is there."),
        ("/var/lib/usher", "Where services keep the site."),
    ]),
    (".SH ENVIRONMENT", [("USHER_CONFIG", "The configuration, before both.")]),
]
TOP = "usher"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--version", required=True, help="of usher")
    parser.add_argument("--readme", type=pathlib.Path, required=True)
    parser.add_argument("help", type=pathlib.Path, help="what --experimental-dump-help printed")
    parser.add_argument("folder", type=pathlib.Path)
    options = parser.parse_args()
    top = json.loads(options.help.read_text())["command"]
    codes = exit_codes(options.readme.read_text())
    seconds = int(os.environ["SOURCE_DATE_EPOCH"])
    date = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).date()
    for command, names in commands(top, []):
        name = "-".join(names)
        text = page(command, names, codes, f'{date}" "Usher {options.version}')
        (options.folder / f"{name}.1").write_text(text)


def exit_codes(readme):
    table = readme.split("| exit code | means |\n|---|---|\n")[1].split("\n\n")[0]
    return [tuple(cell.strip() for cell in line.strip("|").split("|", 1))
            for line in table.splitlines()]


def commands(command, above):
    """A command and all below it, each with its words."""
    names = [*above, command["commandName"]]
    yield command, names
    for below in command.get("subcommands", []):
        if below["shouldDisplay"]:
            yield from commands(below, names)


def page(command, names, codes, source):
    below = [c for c in command.get("subcommands", []) if c["shouldDisplay"]]
    shown = [a for a in command.get("arguments", []) if a["shouldDisplay"]]
    name = "-".join(names)
    abstract = command.get("abstract", "").rstrip(".")
    lines = [
        f'.TH "{escaped(name.upper())}" 1 "{source}" "Usher"',
        ".SH NAME", f"{escaped(name)} \\- {formatted(abstract[:1].lower() + abstract[1:])}",
        ".SH SYNOPSIS", *synopsis(names, shown, below),
        ".SH DESCRIPTION", formatted(abstract + "."),
    ]
    for paragraph in (command.get("discussion") or "").split("\n\n"):
        # The exit codes have a section of their own.
        if paragraph and not paragraph.startswith("Exit codes:"):
            lines += [".PP", formatted(paragraph)]
    if below:
        lines.append(".SH COMMANDS")
        for other in below:
            reference = f".BR {escaped('-'.join([*names, other['commandName']]))} (1)"
            lines += [".TP", reference, formatted(other.get("abstract", ""))]
    lines += arguments("ARGUMENTS", [a for a in shown if a["kind"] == "positional"])
    lines += arguments("OPTIONS", [a for a in shown if a["kind"] != "positional"])
    lines.append(".SH EXIT STATUS")
    for code, meaning in codes:
        lines += [".TP", f".B {code}", formatted(meaning[:1].upper() + meaning[1:] + ".")]
    for heading, entries in SETTINGS:
        lines.append(heading)
        for label, text in entries:
            lines += [".TP", f".I {escaped(label)}", formatted(text)]
    lines += [".SH SEE ALSO"]
    if names == [TOP]:
        lines.append(formatted("The guide in /usr/share/doc/usher, and a commented mapping in its folder examples."))
    else:
        lines.append(f".BR {TOP} (1)")
    return "\n".join(lines) + "\n"


def synopsis(names, shown, below):
    words = [f"\\fB{escaped(' '.join(names))}\\fR"]
    if any(a["isOptional"] and a["kind"] != "positional" for a in shown):
        words.append("[\\fIoptions\\fR]")
    for argument in shown:
        dots = " ..." if argument["isRepeating"] else ""
        if argument["kind"] == "positional":
            word = value(argument) + dots
            words.append(f"[{word}]" if argument["isOptional"] else word)
        elif not argument["isOptional"]:
            words.append(label(argument, [argument["preferredName"]]) + dots)
    if below:
        words.append("\\fIcommand\\fR")
    return [" ".join(words)]


def arguments(heading, listed):
    lines = [f".SH {heading}"] if listed else []
    for argument in listed:
        positional = argument["kind"] == "positional"
        names = sorted(argument.get("names", []), key=lambda name: name["kind"] != "short")
        text = argument.get("abstract", "")
        if argument.get("defaultValue"):
            text = f"{text} Otherwise {argument['defaultValue']}.".strip()
        if argument["isRepeating"] and "repeated" not in text:
            text = f"{text} May be repeated.".strip()
        lines += [".TP", value(argument) if positional else label(argument, names), formatted(text)]
    return lines


def label(argument, names):
    dashes = {"long": "--", "short": "-", "longWithSingleDash": "-"}
    words = ", ".join(f"\\fB{escaped(dashes[n['kind']] + n['name'])}\\fR" for n in names)
    return words if argument["kind"] == "flag" else f"{words} {value(argument)}"


def value(argument):
    return f"\\fI{escaped(argument['valueName'])}\\fR"


def escaped(text):
    return text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")


def formatted(text):
    """A text for a line of its own, with `code` in bold; each line of it begins a line."""
    lines = []
    for line in text.splitlines():
        parts = re.split(r"`([^`]*)`", line)
        line = "".join(f"\\fB{escaped(p)}\\fR" if i % 2 else escaped(p) for i, p in enumerate(parts))
        lines.append("\\&" + line if line.startswith(".") else line)
    # An empty one would be a fault to the formatter.
    return "\n".join(lines) or "\\&"


main()
