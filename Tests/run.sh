#!/bin/bash
# All tests: installs what they need, then checks the form of the code, builds it, and runs them.
set -euo pipefail
cd -- "$(dirname -- "$0")/.."
export CI=true # warnings are errors

step() {
  printf '\n== %s\n' "$*"
  "$@"
}

step Tests/install.sh
step swift format lint --strict --recursive Sources Tests Package.swift
step swift build --build-tests
step swift test
# The two commands of the README, and the benchmark's own checks at a small size.
step Deploy/quickstart.sh
release=$(swift build -c release --static-swift-stdlib --show-bin-path)/usher
step Tests/Console/run.sh "$release"
# Every change of the schemas' examples that the parser is asked about, too.
step Tests/Schemas/agree.py "$release"
step Tests/Deploy/lint.py "$release"
step Tests/Package/package.sh --binary "$release"
# A tenth of the kills and faults; all of them: Tests/Crash/crash.py
step Tests/Crash/crash.py --kills 30 --people 500 --calls 6
# A tenth of the faults on the wire; all of them: Tests/Faults/faults.py
step Tests/Faults/faults.py --faults 200
# Directory servers that lie, repeat themselves and never end.
step Tests/Faults/hostile.py --usher "$release"
step Tests/Benchmarks/run.py --people 2000 --runs 1
