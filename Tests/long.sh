#!/bin/bash
# The long tests, which Tests/run.sh leaves out or cuts short: Tests/long.sh [SECONDS], so long for each fuzzer (60).
set -euo pipefail
cd -- "$(dirname -- "$0")/.."
seconds=${1:-60}

step() {
  printf '\n== %s\n' "$*"
  "$@"
}

step Tests/install.sh
# Every random history and case of the laws, of which Tests/run.sh tries a tenth.
step env USHER_FULL_TESTS=1 swift test
step swift build -c release --static-swift-stdlib
release=$(swift build -c release --static-swift-stdlib --show-bin-path)/usher
# Coverage-guided fuzzers for every reader of foreign bytes.
step Tests/Fuzz/run.sh "$seconds"
# A damaged store; 220 places: Tests/Faults/corruption.py --rounds 220
step Tests/Faults/corruption.py --usher "$release" --rounds 40
# All kills and faults.
step Tests/Crash/crash.py --usher "$release"
step Tests/Faults/faults.py --usher "$release"
# The service under faults for ten minutes.
step Tests/Soak/soak.py "$release"
