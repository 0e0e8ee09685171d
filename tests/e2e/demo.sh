#!/bin/bash
# The demo is a promise: it must end with success, leave nothing, and say no to nonsense.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_binaries
ensure_can_lab
LABS=("$LAB_NAME")

test_demo() {
  "$ROOT/deploy/demo" --name "$LAB_NAME" >"$WORK/out" 2>"$WORK/err" ||
    { cat "$WORK/out" "$WORK/err"; wrong "exit code $?: $(tail -n 1 "$WORK/err")"; }
  grep -q "Time from the fault to the incident: [0-9]" "$WORK/out" || wrong "no time to incident"
  ! lab dir 2>/dev/null || wrong "the demo's lab is still up"
}

test_unknown_option() {
  local status=0
  "$ROOT/deploy/demo" --nonsense >"$WORK/out" 2>"$WORK/err" || status=$?
  ((status == 2)) || wrong "exit code $status, not 2"
}

run_tests "$@"
