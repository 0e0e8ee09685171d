#!/bin/bash
# The scoreboard: every scenario of tests/sim/scenarios and a number of random worlds, played by the
# real decision classes in virtual time, with simpler rules beside them. One seed, one result: what
# falls short of the floors below was changed, and is no bad luck.
# usage: tests/e2e/scoreboard.sh [scenarios|worlds]
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
[[ -x $BIN/parallax-sim ]] || die "$BIN/parallax-sim is missing: build first (tests/run does)"

# Of all runs together: name, floor.
SCENARIO_FLOORS='precision 0.95 recall 0.97 direction 0.95 split 0.97 suspect_first 0.92'
WORLD_FLOORS='precision 0.88 recall 0.93'

board() { # floors command...: prints the table, and judges the same as JSON
  local floors=$1
  shift
  "$@" -o json >"$WORK/score.json" || (($? == 1))  # 1: something was not as expected
  "$PYTHON" - "$WORK/score.json" "$floors" <<'JUDGE' >"$WORK/shortfalls" || wrong "$(paste -sd';' "$WORK/shortfalls")"
import json, sys
items = json.load(open(sys.argv[1]))["items"]
floors = sys.argv[2].split()
short = []
for name, floor in zip(floors[::2], map(float, floors[1::2])):
    counts = [item[name] for item in items if item[name]]
    right, of = (sum(count[key] for count in counts) for key in ("right", "of"))
    if of == 0 or right / of < floor:
        short.append(f"{name} is {right} of {of}, less than {floor}")
confused = sum(item["flood_confused"]["right"] for item in items if item["flood_confused"])
if confused:
    short.append(f"a flood was taken for a fault, or the reverse, in {confused} runs")
print("\n".join(short))
sys.exit(bool(short))
JUDGE
}

test_scenarios() {
  local -a files=("$ROOT"/tests/sim/scenarios/*.toml)
  "$BIN/parallax-sim" run "${files[@]}" --seeds 1 --baselines >&3 || (($? == 1))
  board "$SCENARIO_FLOORS" "$BIN/parallax-sim" run "${files[@]}" --seeds 2
}

test_worlds() {
  board "$WORLD_FLOORS" "$BIN/parallax-sim" worlds --seeds 40
}

# The table is for people, beside the lines of the tests.
exec 3>&1
run_tests "$@"
