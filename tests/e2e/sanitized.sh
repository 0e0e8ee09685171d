#!/bin/bash
# What reads other people's bytes, built with AddressSanitizer and UndefinedBehaviorSanitizer: every
# fuzz target over its corpus, and the spool. Built with what the processors have left, as the other
# scripts need them for packets that come in time.
# tests/run: beside the others
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
SANITIZED=$BUILD_DIR/sanitized
export UBSAN_OPTIONS=print_stacktrace=1 CCACHE_BASEDIR=$ROOT CCACHE_NOHASHDIR=1
mapfile -t TARGETS < <(find "$ROOT/tests/fuzz/corpus" -mindepth 1 -maxdepth 1 -type d -printf '%f\n' | sort)
((${#TARGETS[@]} >= 10)) || die "no corpus in tests/fuzz"

test_build() {
  # A compiler that optimizes takes longer than what it saves here.
  cmake -S "$ROOT" -B "$SANITIZED" -G Ninja -DPARALLAX_SANITIZE=address,undefined \
    -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG=
  chrt --idle 0 ninja -C "$SANITIZED" -j "$(build_jobs)" "${TARGETS[@]/%/_replay}" sensor_spool_test
}

test_replays() {
  local target inputs
  for target in "${TARGETS[@]}"; do
    inputs=$("$SANITIZED/bin/${target}_replay" "$ROOT/tests/fuzz/corpus/$target" | tail -n 1) ||
      wrong "$target fails"
    [[ $inputs =~ ^[1-9][0-9]*\ inputs ]] || wrong "$target: $inputs"
  done
}

# Without the thousands of power losses, which take a minute under sanitizers.
test_spool() {
  "$SANITIZED/bin/sensor_spool_test" --gtest_filter='-SpoolPowerTest.*'
}

run_tests "$@"
