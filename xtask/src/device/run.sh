#!/usr/bin/env bash
# Tests and measures zoomr on a machine with an NVIDIA GPU and CUDA 13.0; needs no network and no Rust.
#   bash run.sh [RESULTS]      RESULTS: a folder for the whole output, by default `results` beside this file
# `cargo xtask device` put this file here, with all that it needs beside it:
#   tests/    test programs of zoomr-backend-cuda     bench/   its benchmarks
#   zoomr     the program, built for CUDA             golden/  small models with what they must answer
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
results=${1:-$here/results}
mkdir -p "$results" || exit 1
# The kernels are compiled on this machine, by the toolkit's run-time compiler and from its headers.
export CUDA_PATH=${CUDA_PATH:-/usr/local/cuda}
export LD_LIBRARY_PATH=$CUDA_PATH/lib64${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
passed=0
failed=0

# step NAME COMMAND...: the whole output goes to RESULTS/NAME.txt, its end is shown.
step() {
  local name=$1 start=$SECONDS verdict
  shift
  # A test that skips itself for want of a GPU has failed: this is the machine it was made for.
  if "$@" >"$results/$name.txt" 2>&1 && ! grep -q '^SKIPPED:' "$results/$name.txt"; then
    verdict=ok
    passed=$((passed + 1))
  else
    verdict=FAILED
    failed=$((failed + 1))
  fi
  printf '== %s: %s, %d s\n' "$name" "$verdict" $((SECONDS - start))
  tail -n 12 "$results/$name.txt" | cut -c -300
}

# number_list KEY < JSON: the numbers of the first list of that name, separated by commas.
number_list() {
  grep -o "\"$1\": *\[[^]]*\]" | head -n 1 | sed -e 's/.*\[//' -e 's/[] \n]//g'
}

# The greedy tokens of a golden model are exact on every backend.
greedy() {
  local model=$1 prompt want got
  prompt=$(number_list prompt <"$model/expected.json")
  want=$(number_list greedy_continuation <"$model/expected.json")
  got=$("$here/zoomr" generate --model "$model" --policy full --tokens "$prompt" --max-tokens 32 \
    --ignore-eos --temperature 0 --json | tr -d '\n' | number_list tokens)
  printf 'want %s\ngot  %s\n' "$want" "$got"
  [ -n "$want" ] && [ "$got" = "$want" ]
}

chmod +x "$here/zoomr" "$here"/tests/* "$here"/bench/* 2>/dev/null
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
for test in "$here"/tests/*; do
  [ -f "$test" ] && step "test-$(basename "$test")" "$test" --show-output
done
for model in "$here"/golden/*/; do
  name=$(basename "$model")
  step "greedy-$name" greedy "$model"
  step "verify-$name" "$here/zoomr" verify --model "$model"
done
for bench in "$here"/bench/*; do
  [ -f "$bench" ] && step "bench-$(basename "$bench")" "$bench" --bench
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
