#!/bin/bash
# Fuzzes each reader of foreign bytes: Tests/Fuzz/run.sh [SECONDS] [TARGET…]. Without targets, all, 60 seconds each.
# What is found stands in .build-fuzz/found; put the input into a test, and mend the reader.
set -euo pipefail
cd -- "$(dirname -- "$0")/../.."
seconds=${1:-60}
shift || true
scratch=.build-fuzz
export USHER_FUZZ=1
# What was fetched already is not fetched again.
for part in checkouts repositories artifacts workspace-state.json; do
  if [ -e ".build/$part" ] && [ ! -e "$scratch/$part" ]; then
    mkdir -p "$scratch" && cp -a ".build/$part" "$scratch/$part"
  fi
done
swift build -c release --scratch-path "$scratch" --sanitize address --product Fuzz \
  -Xswiftc -sanitize=fuzzer -Xcc -fsanitize=fuzzer-no-link
fuzz=$scratch/release/Fuzz
targets=("$@")
if [ ${#targets[@]} = 0 ]; then
  for folder in Tests/Fuzz/Corpora/*/; do targets+=("$(basename "$folder")"); done
fi
export SWIFT_BACKTRACE=enable=no ASAN_OPTIONS=detect_leaks=0
status=0
for target in "${targets[@]}"; do
  mkdir -p "$scratch/corpora/$target" "$scratch/found"
  options=(-timeout=10 -rss_limit_mb=1024 -max_len=4096 -print_final_stats=1 -max_total_time="$seconds"
    -artifact_prefix="$scratch/found/$target-")
  if [ -e "Tests/Fuzz/Corpora/$target.dict" ]; then options+=(-dict="Tests/Fuzz/Corpora/$target.dict"); fi
  log=$scratch/$target.log
  if "$fuzz" "$target" "$scratch/corpora/$target" "Tests/Fuzz/Corpora/$target" "${options[@]}" \
    </dev/null >"$log" 2>&1; then
    executions=$(sed -n 's/^stat::number_of_executed_units: //p' "$log")
    covered=$(grep -o 'cov: [0-9]*' "$log" | tail -1 | tr -d -c '0-9')
    printf '%-14s %12s inputs, %6s edges, nothing found\n' "$target" "$executions" "$covered"
  else
    status=1
    printf '%-14s FAILED, see %s\n' "$target" "$log"
    tail -25 "$log"
  fi
done
exit $status
