#!/usr/bin/env bash
# Tests and measures zoomr on a machine with an NVIDIA GPU and CUDA 13.0; needs no network and no Rust.
#   bash run.sh [RESULTS]      RESULTS: a folder for the whole output, by default `results` beside this file
# `cargo xtask device` put this file here, with all that it needs beside it:
#   tests/*.gz   test programs of zoomr-backend-cuda     bench/*.gz   its benchmarks
#   zoomr.gz     the program, built for CUDA             golden/      small models with what they must answer
#   config.json  the built-in model's configuration
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
results=${1:-$here/results}
mkdir -p "$results" || exit 1
# The kernels are compiled on this machine, by the toolkit's run-time compiler and from its headers.
export CUDA_PATH=${CUDA_PATH:-/usr/local/cuda}
export LD_LIBRARY_PATH=$CUDA_PATH/lib64${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
programs=$(mktemp -d) || exit 1
trap 'rm -rf "$programs"' EXIT
passed=0
failed=0

# unpack FILE.gz: prints where the program lies then.
unpack() {
  local program
  program=$programs/$(basename "$1" .gz)
  gunzip -c "$1" >"$program" && chmod +x "$program" && echo "$program"
}

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
  tr -d ' \n' | grep -o "\"$1\":\[[^]]*\]" | head -n 1 | sed -e 's/.*\[//' -e 's/\]//'
}

# greedy MODEL: full attention gives the golden model's greedy tokens exactly, as on every backend.
greedy() {
  local prompt want got
  prompt=$(number_list prompt <"$1/expected.json")
  want=$(number_list greedy_continuation <"$1/expected.json")
  got=$("$zoomr" generate --model "$1" --policy full --tokens "$prompt" --max-tokens 32 \
    --ignore-eos --temperature 0 --json | number_list tokens)
  printf 'want %s\ngot  %s\n' "$want" "$got"
  [ -n "$want" ] && [ "$got" = "$want" ]
}

# laws MODEL: zooming into everything is full attention, on the golden model's own prompt and continuation.
laws() {
  local text said
  text=$(number_list prompt <"$1/expected.json"),$(number_list greedy_continuation <"$1/expected.json")
  said=$("$zoomr" verify --model "$1" --tokens "$text" 2>&1) && echo "$said" && return
  echo "$said"
  # Where every layer has a sliding window of its own, the program says so: it acts in none.
  [[ $said == *"nothing to verify"* ]]
}

# solves: the built-in model solves problems of every kind, as it does on the CPU, whether it zooms or sees everything.
solves() {
  local table=$programs/solved.csv
  "$zoomr" eval --synth lagged-sums,ledger,program-trace -n 9 --tokens 300..500 --seed 2 --csv "$table" || return
  # Columns: problems, setting, policy, count, correct.
  awk -F, '$1 == "all" { rows++; if ($4 != 9 || $5 != 9) wrong++ } END { exit rows != 2 || wrong }' "$table"
}

# learns: a hundred steps from scratch take the loss from 7.2 to what they take it to on the CPU, 1.6.
learns() {
  local out=$programs/trained loss
  "$zoomr" train --config "$here/config.json" --synth ledger --tokens 110..170 --labels 64 --steps 100 \
    --step-tokens 1000 --warm-up 20 --learning-rate 3e-3 --out "$out" || return
  loss=$(tail -n 1 "$out/log.jsonl" | sed 's/.*"loss":\([^,]*\),.*/\1/')
  echo "last loss $loss"
  awk -v loss="$loss" 'BEGIN { exit !(loss > 0 && loss < 2) }'
}

# run_test FILE.gz: a step of that test program.
run_test() {
  local test
  test=$(unpack "$1") && step "test-$(basename "$test")" "$test" --show-output
}

zoomr=$(unpack "$here/zoomr.gz") || exit 1
run_test "$here/tests/probe.gz"
if [ "$passed" -ne 1 ]; then
  echo "this machine cannot run zoomr for CUDA; above, the probe says why" >&2
  exit 1
fi
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
for packed in "$here"/tests/*.gz; do
  [ "$(basename "$packed")" = probe.gz ] || run_test "$packed"
done
for model in "$here"/golden/*/; do
  name=$(basename "$model")
  step "greedy-$name" greedy "$model"
  step "verify-$name" laws "$model"
done
step solves solves
step learns learns
for packed in "$here"/bench/*.gz; do
  [ -f "$packed" ] || continue
  bench=$(unpack "$packed") && step "bench-$(basename "$bench")" "$bench" --bench
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
