# Shared by the end-to-end tests; source it, do not run it. A test script is made of functions
# test_NAME; `run_tests "$@"` runs those named on the command line, or all, and prints one line each:
#   ok - SCRIPT NAME        not ok - SCRIPT NAME: why        skipped - SCRIPT NAME: why
# PARALLAX_FILTER (an extended regular expression over "SCRIPT NAME") leaves tests out.
# shellcheck shell=bash disable=SC2034
set -euo pipefail
# shellcheck source=deploy/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../deploy/common.sh"
SCRIPT=$(basename "$0" .sh)
LAB_NAME=${LAB_NAME:-e2e-$$}
# shellcheck source=deploy/campus/referee.sh
. "$ROOT/deploy/campus/referee.sh"

WORK=$(mktemp -d "${TMPDIR:-/tmp}/parallax-e2e.XXXXXX")
LABS=()
FAILED=0

need_binaries() {
  local name
  for name in parallax parallax-collector parallax-sensor; do
    [[ -x $BIN/$name ]] || die "$BIN/$name is missing: build first (tests/run does), or set PARALLAX_BUILD_DIR"
  done
}

# Every test file's last word: labs down, children gone, work folder removed. Logs stay after a
# failure.
clean_up() {
  local status=$? name
  trap - EXIT
  trap '' INT TERM PIPE
  for name in "${LABS[@]}"; do
    if ((FAILED)); then
      "$ROOT/deploy/lab" down --name "$name" --keep-logs >&2 2>/dev/null || true
    else
      "$ROOT/deploy/lab" down --name "$name" --quiet 2>/dev/null || true
    fi
  done
  if ((FAILED)); then
    echo "    what the tests wrote is in $WORK" >&2
  else
    rm -rf "$WORK"
  fi
  exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 141' PIPE

# Ends the test at hand with a reason; the next one goes on.
wrong() {
  printf '%s\n' "$*" >"$WORK/reason"
  return 1
}
# Ends the test at hand because it cannot be asked here; counted neither way.
skip() {
  printf '%s\n' "$*" >"$WORK/skipped"
  exit 0
}
expect_within() { # seconds what command...
  local limit=$1 what=$2
  shift 2
  wait_until "$limit" "$@" || wrong "not within $limit s: $what"
}

# expire CERTIFICATE KEY CA CA_KEY: signs CERTIFICATE anew, valid in 2020 only.
expire() {
  rm -rf "$WORK/ca"
  mkdir -p "$WORK/ca/new"
  : >"$WORK/ca/index.txt"
  echo 01 >"$WORK/ca/serial"
  cat >"$WORK/ca/ca.cnf" <<CONF
[ca]
default_ca = d
[d]
dir = $WORK/ca
database = \$dir/index.txt
new_certs_dir = \$dir/new
serial = \$dir/serial
default_md = sha256
policy = p
copy_extensions = copy
unique_subject = no
[p]
commonName = optional
organizationName = optional
CONF
  if ! openssl x509 -x509toreq -in "$1" -signkey "$2" -copy_extensions copyall \
    -out "$WORK/ca/request.pem" 2>"$WORK/ca/log" ||
    ! openssl ca -batch -config "$WORK/ca/ca.cnf" -cert "$3" -keyfile "$4" \
      -in "$WORK/ca/request.pem" -startdate 20200101000000Z -enddate 20200201000000Z -notext \
      -out "$1" 2>>"$WORK/ca/log"; then
    wrong "the test cannot make an expired certificate: $(tail -n 2 "$WORK/ca/log")"
  fi
}

run_tests() {
  local name status started
  local -a names=()
  if (($#)); then
    for name in "$@"; do
      declare -F "test_${name//-/_}" >/dev/null || {
        fail "no test '$name'; there are:$(declare -F | sed -n 's/^declare -f test_/ /p' | tr '_\n' '- ')"
        exit 2
      }
      names+=("${name//-/_}")
    done
  else
    # In the order of the file: tests of one lab build on its state being whole, not on each other.
    mapfile -t names < <(sed -n 's/^test_\([a-z0-9_]*\)() .*/\1/p' "$0")
  fi
  for name in "${names[@]}"; do
    local title="$SCRIPT ${name//_/-}"
    [[ -z ${PARALLAX_FILTER:-} || $title =~ $PARALLAX_FILTER ]] || continue
    started=$SECONDS status=0
    : >"$WORK/reason"
    rm -f "$WORK/skipped"
    # A subshell: `set -e` holds inside, and the first thing that goes wrong ends this test only.
    set +e
    (
      set -e
      # What a test started in the background goes with it, however it ends.
      trap 'set +e; kill $(jobs -p) 2>/dev/null; wait; true' EXIT
      "test_$name"
    ) >"$WORK/$name.log" 2>&1
    status=$?
    set -e
    if [[ -e $WORK/skipped ]]; then
      echo "skipped - $title: $(cat "$WORK/skipped")"
    elif ((status == 0)); then
      echo "ok - $title ($((SECONDS - started)) s)"
    else
      FAILED=1
      echo "not ok - $title: $(head -n 1 "$WORK/reason" | grep . || tail -n 1 "$WORK/$name.log")"
      sed 's/^/    /' "$WORK/$name.log" | tail -n 25 >&2
    fi
  done
  return "$FAILED"
}
