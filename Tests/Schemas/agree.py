#!/usr/bin/python3
"""Holds the JSON Schemas of Deploy/schemas against the parser: both accept, or both refuse.

    agree.py USHER

The cases are all mappings and configurations of this repository, what `usher init` writes, the faults of cases.py, and
thousands of small changes to them (mutations.py). A fault that a schema cannot see is listed with the reason, and the
list is held true as well: the parser refuses it, and the schema accepts it.
"""

import argparse
import collections
import concurrent.futures
import fnmatch
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import typing

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Debian's modules, for Debian's Python.
subprocess.run([ROOT / "Deploy/packages.sh", "python3-yaml", "python3-jsonschema"], check=True)

import cases  # noqa: E402
import editor  # noqa: E402
import generated  # noqa: E402
import mutations  # noqa: E402

SCHEMAS = {kind: editor.Schema(ROOT / f"Deploy/schemas/{name}.schema.json") for kind, name in
           [("mapping", "mapping"), ("preset", "mapping"), ("tests", "mapping"), ("configuration", "usher")]}
LICENSES = ["jira-software", "confluence", "bitbucket", "jira-servicemanagement"]
CONFIGURATION = ("site: { name: acme, store: \"sqlite:usher.db\", licenses: { "
                 + ", ".join(f"{name}: {{}}" for name in LICENSES) + " } }\n"
                 "directories: [{ name: corporate, ldif: people.ldif, mapping: mapping.yaml }]\n")
NEUTRAL = cases.OWN + "search: { users: { base: dc=x, filter: (a=1) } }\n"
ON_PRESET = ("extends: preset\nsearch: { users: { base: dc=x }, groups: { base: dc=x } }\n"
             "otherwise: unlicensed\n")


class Case(typing.NamedTuple):
    """A text, and who is to accept it: both-accept, both-refuse, agree (either), semantic (schema), lax (parser)."""
    kind: str
    name: str
    text: str
    expected: str


def parser_accepts(usher, case):
    """What `usher check`, or for a file of tests `usher test`, says of a case."""
    with tempfile.TemporaryDirectory() as folder:
        files = {"usher.yaml": CONFIGURATION, "mapping.yaml": NEUTRAL}
        command, allowed = ["check"], [0, 65]
        if case.kind == "configuration":
            files["usher.yaml"] = case.text
            files |= {name: NEUTRAL for name in generated.MAPPING_NAMES}
        elif case.kind == "preset":
            files |= {"mapping.yaml": ON_PRESET, "preset.yaml": case.text}
        elif case.kind == "tests":
            files["tests.yaml"] = case.text
            command, allowed = ["test", "--tests", "tests.yaml"], [0, 1, 65]
        else:
            files |= {"mapping.yaml": case.text, "example-cost-centres.txt": "4711\n"}
        for name, text in files.items():
            path = pathlib.Path(folder, name)
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        run = subprocess.run([usher, *command], cwd=folder, capture_output=True, text=True, timeout=60,
                             env={"PATH": os.environ["PATH"], "NO_COLOR": "1"})
    if run.returncode not in allowed:
        sys.exit(f"{case.name}: exit {run.returncode}\n{run.stderr}")
    return run.returncode != 65


def written_cases():
    for kind, lists in [
        ("mapping", (cases.MAPPING_FAULTS, cases.MAPPING_SEMANTIC, cases.MAPPING_VALID)),
        ("tests", (cases.TESTS_FAULTS, [], cases.TESTS_VALID)),
        ("configuration", (cases.CONFIGURATION_FAULTS, cases.CONFIGURATION_SEMANTIC, cases.CONFIGURATION_VALID)),
    ]:
        faults, semantic, valid = lists
        yield from (Case(kind, f"{kind} fault {n}", text, "both-refuse") for n, text in enumerate(faults))
        yield from (Case(kind, f"{kind}: {why}", text, "semantic") for why, text in semantic)
        yield from (Case(kind, f"{kind} variation {n}", text, "both-accept") for n, text in enumerate(valid))
    yield from (Case(kind, f"{kind}: {why}", text, "lax") for why, kind, text in cases.LAX)
    yield from (Case("configuration", f"service: {why}", text, "semantic") for why, text in cases.SERVICE_SEMANTIC)
    for expected, texts in [("both-accept", cases.SERVICE_VALID), ("both-refuse", cases.SERVICE_FAULTS)]:
        yield from (Case("configuration", f"service {text.splitlines()[-1]}", text, expected) for text in texts)


def examples(usher):
    """Every mapping and configuration that the repository has, or `usher init` writes."""
    presets = sorted((ROOT / "Sources/Mapping/Presets").glob("*.yaml"))
    names = {path.name for path in presets}
    mappings = [*(path for path in sorted((ROOT / "Mappings").glob("*.yaml")) if path.name not in names),
                ROOT / "Deploy/quickstart/acme.yaml", ROOT / "Tests/Benchmarks/mapping.yaml"]
    mappings.sort(key=lambda path: path.name != "example.yaml")
    yield from (Case("preset", path.name, path.read_text(), "both-accept") for path in presets)
    yield from (Case("mapping", path.name, path.read_text(), "both-accept") for path in mappings)
    yield Case("configuration", "every key", cases.CONFIGURATION_VALID[0], "both-accept")
    text = (ROOT / "Deploy/quickstart/usher.yaml").read_text().replace("@LDAPS_URL@", "ldaps://127.0.0.1:636")
    yield Case("configuration", "quickstart", text, "both-accept")
    for number, block in enumerate(re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)):
        of_service = block.startswith("console:")
        kind = "configuration" if of_service or block.startswith("site:") else "mapping"
        yield Case(kind, f"README {number}", (cases.SITE + cases.LDIF if of_service else "") + block, "both-accept")
    yield from (Case("configuration", f"service {n}", text, "both-accept")
                for n, text in enumerate(cases.SERVICE_VALID))
    configuration, mapping = generated.first_files(usher)
    yield Case("configuration", "init", configuration, "both-accept")
    yield Case("configuration", "init, all keys", generated.uncommented(configuration), "both-accept")
    yield Case("mapping", "init mapping", mapping, "both-accept")
    yield Case("mapping", "init mapping, all keys", generated.uncommented(mapping), "both-accept")


def generated_cases(shown):
    seen = {case.kind: set() for case in shown}
    for example in shown:
        for change, text in mutations.mutations(example.text, seen[example.kind]):
            yield Case(example.kind, f"{example.name}: {change}", text, "agree")


def judge(usher, case):
    """What parser and schema say of a case, and the faults that the schema finds."""
    faults = SCHEMAS[case.kind].faults(case.text)
    if parser_accepts(usher, case):
        return "lax" if faults else "both-accept", faults
    return "both-refuse" if faults else "semantic", faults


def listed(case, verdict):
    """The entry of generated.py that allows parser and schema to see a generated case differently."""
    lists = {"semantic": generated.SEMANTIC, "lax": generated.LAX}
    return next((pattern for pattern in lists.get(verdict, ())
                 if fnmatch.fnmatchcase(f"{case.kind} {case.name}", pattern)), None)


def check_keys(accepted):
    """Every key of a schema is described, and tried."""
    for kind in ["mapping", "configuration"]:
        for key, schema in SCHEMAS[kind].keys():
            if "description" not in schema:
                yield f"the schema of a {kind} does not describe `{key}`"
            if not re.search(rf"(?<![\w-]){key}:", accepted[kind]):
                yield f"no {kind} that is accepted has `{key}`"


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("usher", type=pathlib.Path, help="the program")
    usher = arguments.parse_args().usher.resolve()
    shown = [*examples(usher)]
    everything = [*written_cases(), *shown, *generated_cases(shown)]
    everything = list({(case.kind, case.text): case for case in reversed(everything)}.values())
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        verdicts = list(pool.map(lambda case: judge(usher, case), everything))
    wrong, used = [], set()
    counts, accepted = collections.Counter(), collections.defaultdict(str)
    for case, (verdict, faults) in zip(everything, verdicts):
        counts[verdict] += 1
        if verdict == "both-accept":
            accepted[case.kind] += case.text
        if case.expected == verdict or (case.expected == "agree" and verdict in ["both-accept", "both-refuse"]):
            continue
        pattern = listed(case, verdict) if case.expected == "agree" else None
        used.add(pattern)
        if pattern is None:
            wrong.append(f"{case.kind} {case.name}: {verdict}, not {case.expected}\n{faults}\n{case.text}")
    wrong += [f"no case is left of: {pattern}" for pattern in {*generated.SEMANTIC, *generated.LAX} - used]
    wrong += check_keys(accepted)
    print("\n".join(wrong), file=sys.stderr)
    print(f"{len(everything)} cases: {counts['both-accept']} accepted and {counts['both-refuse']} refused by both, "
          f"{counts['semantic']} refused by the parser alone, {counts['lax']} by the schema alone")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
