#!/bin/bash
# How sensors are let in and put out: a real collector, real sensors, one network namespace with a
# few addresses. Tokens, approvals, pins, revocation, a collector that is killed in between, and
# what strangers may send to the enrolment port.
if [[ ${PARALLAX_E2E_INSIDE:-} != 1 ]]; then
  # shellcheck source=deploy/common.sh
  . "$(dirname "$0")/../../deploy/common.sh"
  ensure_can_lab
  PARALLAX_E2E_INSIDE=1 exec unshare "${LAB_UNSHARE[@]}" -n -m -p --fork --mount-proc --kill-child -- \
    /bin/bash "$0" "$@"
fi
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_binaries
ip link set lo up
ip address add 192.0.2.10/32 dev lo
PATH=$BIN:$PATH
export USER=tester

GRPC=17443 HTTPS=18443
collector=$WORK/site/collector.toml
PIN=''

ask() { parallax --socket "$WORK/site/operator.sock" "$@"; }
collector_answers() { ask status >/dev/null 2>&1; }
start_collector() {
  parallax-collector run --config "$collector" >>"$WORK/collector.log" 2>&1 &
  COLLECTOR=$!
  expect_within 30 "the collector answers: $(tail -n 1 "$WORK/collector.log")" collector_answers
}
# A new site with a running collector.
site() {
  rm -rf "$WORK/site" "$WORK"/host-*
  : >"$WORK/collector.log"
  parallax-collector init --dir "$WORK/site" --name localhost --listen "127.0.0.1:$GRPC" \
    --https-listen "[::]:$HTTPS" >"$WORK/init.out"
  PIN=$(grep -oE 'sha256:[0-9a-f]{64}' "$WORK/init.out")
  grep -q 'token create' "$WORK/init.out" || wrong "init does not tell how to make a token"
  start_collector
}
kill_collector() {
  kill -9 "$COLLECTOR"
  wait "$COLLECTOR" || true
}
token() { ask token create --group mail "$@" >"$WORK/token" 2>"$WORK/token.err"; }
# enroll HOST [OPTION...]: in a folder of its own, under its own name or $ENROLL_AS.
enroll() {
  local host=$1
  shift
  local -a with=(--collector "127.0.0.1:$HTTPS" --ca-pin "$PIN")
  [[ " $* " == *" --collector "* ]] && with=(--ca-pin "$PIN")
  [[ " $* " == *" --ca-pin "* ]] && with=(--collector "127.0.0.1:$HTTPS")
  timeout --kill-after=5 60 parallax-sensor enroll --config "$WORK/host-$host/sensor.toml" \
    "${with[@]}" --name "${ENROLL_AS:-$host}" "$@"
}
# refuses CODE PATTERN COMMAND...: ends with CODE and says PATTERN.
refuses() {
  local code=$1 pattern=$2 status=0
  shift 2
  "$@" >"$WORK/out" 2>"$WORK/err" </dev/null || status=$?
  echo "$* -> $status: $(head -n 2 "$WORK/err")"
  ((status == code)) || wrong "exit code $status, not $code: $* : $(head -n 1 "$WORK/err")"
  grep -qiE -- "$pattern" "$WORK/err" || wrong "nothing like '$pattern': $(head -n 1 "$WORK/err")"
}
state_of() { ask sensor show "$1" -o json 2>/dev/null | sed -n 's/^  "state": "\(.*\)",$/\1/p'; }
is_state() { [[ $(state_of "$1") == "$2" ]]; }
start_sensor() { # HOST
  "$ROOT/deploy/campus/set_config.py" "$WORK/host-$1/sensor.toml" 'capture.interfaces=["lo"]'
  parallax-sensor run --config "$WORK/host-$1/sensor.toml" >>"$WORK/sensor-$1.log" 2>&1 &
  SENSOR=$!
  expect_within 30 "sensor $1 is connected: $(tail -n 1 "$WORK/sensor-$1.log")" is_state "$1" connected
}
no_secret_in_logs() {
  ! grep -qF "$(cat "$WORK/token")" "$WORK"/*.log || wrong "the token stands in a log"
}

test_token_lets_one_in() {
  site
  token
  [[ $(wc -l <"$WORK/token") == 1 ]] || wrong "more than the token on stdout"
  enroll mail1 --token-file "$WORK/token" >"$WORK/out"
  grep -q "parallax-sensor run --config $WORK/host-mail1/sensor.toml" "$WORK/out" ||
    wrong "does not tell what is next: $(cat "$WORK/out")"
  [[ $(stat -c %a "$WORK/host-mail1/sensor.key") == 600 ]] || wrong "the key is open to others"
  [[ ! -e $WORK/host-mail1/sensor.key.enroll && ! -e $WORK/host-mail1/sensor.key.next ]] ||
    wrong "something is left behind: $(ls "$WORK/host-mail1")"
  openssl x509 -in "$WORK/host-mail1/sensor.pem" -noout -ext subjectAltName |
    grep -q 'URI:spiffe://parallax/sensor/mail/mail1' || wrong "the certificate names another one"
  grep -q "localhost:$GRPC" "$WORK/host-mail1/sensor.toml" || wrong "sensor.toml knows no collector"
  parallax-sensor check-config --config "$WORK/host-mail1/sensor.toml" >/dev/null
  start_sensor mail1
  # Used once.
  refuses 4 "used" enroll mail2 --token-file "$WORK/token"
  ask token list | grep -q 'used' || wrong "the list does not say that it is used"
  no_secret_in_logs
  sqlite3 -readonly "$WORK/site/parallax.db" .dump >"$WORK/dump" || true
  ! grep -qF "$(cat "$WORK/token")" "$WORK/dump" || wrong "the token stands in the database"
}

test_token_from_standard_input() {
  site
  token --uses 2
  enroll mail1 --token-file - <"$WORK/token" >/dev/null
  enroll mail2 --token-file - <"$WORK/token" >/dev/null
  echo "hello" >"$WORK/no-token"
  refuses 2 "no-token.*holds no token" enroll mail3 --token-file "$WORK/no-token"
  refuses 3 "nowhere" enroll mail3 --token-file "$WORK/nowhere"
}

test_tokens_that_do_not_hold() {
  site
  token --ttl 1s
  expect_within 10 "the token expires" eval 'ask token list | grep -q expired'
  refuses 4 "expired" enroll mail1 --token-file "$WORK/token"
  token
  ask token revoke "$(ask token list -o jsonl | head -n 1 | sed -n 's/.*"id":"\([0-9a-f]*\)".*/\1/p')"
  refuses 4 "revoked" enroll mail1 --token-file "$WORK/token"
  token --cidr 198.51.100.0/24
  refuses 4 "198.51.100.0/24" enroll mail1 --token-file "$WORK/token"
  token --cidr 192.0.2.0/24
  enroll mail1 --collector "192.0.2.10:$HTTPS" --token-file "$WORK/token" >/dev/null ||
    wrong "a token for its network does not let it in"
  printf 'plx_%064d\n' 7 >"$WORK/unknown"
  refuses 4 "no such token" enroll mail2 --token-file "$WORK/unknown"
  refuses 3 "nobody" ask token create --group mail --replace nobody
  refuses 2 "192.0.2.0/33" ask token create --group mail --cidr 192.0.2.0/33
  refuses 2 "group" ask token create --group 'A b'
  refuses 3 "12345678" ask token revoke 12345678
}

test_name_is_bound_to_its_key() {
  site
  token --uses 5
  enroll mail1 --token-file "$WORK/token" >/dev/null
  mv "$WORK/host-mail1" "$WORK/host-first"
  refuses 1 "taken" enroll mail1 --token-file "$WORK/token"
  start_sensor_of_first
  token --replace mail1
  enroll mail1 --token-file "$WORK/token" >/dev/null
  # The first host is out, and knows it.
  expect_within 5 "the host that was replaced hears of it" grep -q replaced "$WORK/first.log"
}
start_sensor_of_first() {
  "$ROOT/deploy/campus/set_config.py" "$WORK/host-first/sensor.toml" 'capture.interfaces=["lo"]'
  parallax-sensor run --config "$WORK/host-first/sensor.toml" >"$WORK/first.log" 2>&1 &
  expect_within 30 "the first host is connected" is_state mail1 connected
}

test_pin() {
  site
  token
  refuses 4 "wrong pin" enroll mail1 --token-file "$WORK/token" --ca-pin "sha256:$(printf '%064d' 1)"
  refuses 2 "ca-pin" enroll mail1 --token-file "$WORK/token" --ca-pin 12ab
  refuses 5 "https_listen" enroll mail1 --token-file "$WORK/token" --collector "127.0.0.1:$GRPC"
  refuses 5 "cannot reach" enroll mail1 --token-file "$WORK/token" --collector 127.0.0.1:1
  # A token that no wrong pin has seen still holds.
  enroll mail1 --token-file "$WORK/token" >/dev/null
}

test_approval() {
  site
  enroll web1 >"$WORK/web1.out" 2>"$WORK/web1.err" &
  local waits=$!
  expect_within 20 "the request is listed" is_state web1 pending
  local fingerprint
  fingerprint=$(grep -oE 'sha256:[0-9a-f]{64}' "$WORK/web1.err" | head -n 1)
  ask sensor list | grep -q "$fingerprint" || wrong "the list does not show the key"
  # Ctrl-C, a collector that is killed, and another attempt: the same key.
  kill "$(pgrep -P "$waits")"  # the shell that waits for it ends with it
  wait "$waits" || true
  kill_collector
  start_collector
  is_state web1 pending || wrong "the request did not survive"
  enroll web1 >"$WORK/web1.out" 2>"$WORK/web1.err" &
  waits=$!
  expect_within 20 "it waits again" grep -q "$fingerprint" "$WORK/web1.err"
  refuses 2 "group" ask sensor approve "$fingerprint"
  refuses 3 "no request" ask sensor approve "sha256:$(printf '%064d' 1)" --group web
  ask sensor approve "$fingerprint" --group web --name www
  wait "$waits" || wrong "the approved sensor does not come in: $(tail -n 1 "$WORK/web1.err")"
  grep -q 'sensor www of group web' "$WORK/web1.out" || wrong "not the approved name"
  is_state www approved || wrong "it is $(state_of www)"
  grep -q "approved by operator tester" "$WORK/collector.log" || wrong "no word of it in the log"
}

test_revocation() {
  site
  token
  enroll mail1 --token-file "$WORK/token" >/dev/null
  start_sensor mail1
  ask sensor revoke mail1
  expect_within 1 "the stream ends" grep -q "its stream is closed: revoked" "$WORK/collector.log"
  expect_within 1 "the sensor hears of it" grep -q "revoked" "$WORK/sensor-mail1.log"
  is_state mail1 revoked || wrong "it is $(state_of mail1)"
  expect_within 30 "a new stream is refused" grep -qE "sensor mail1: refused: .*revoked" "$WORK/collector.log"
  # It survives a restart.
  kill_collector
  : >"$WORK/collector.log"
  start_collector
  expect_within 40 "a new stream is refused after a restart" grep -qE "sensor mail1: refused: .*revoked" "$WORK/collector.log"
  kill "$SENSOR"
  wait "$SENSOR" || true
  # Old tokens do not undo it, a new one does.
  token
  enroll mail1 --token-file "$WORK/token" >/dev/null
  start_sensor mail1
}

test_drain() {
  site
  token
  enroll mail1 --token-file "$WORK/token" >/dev/null
  start_sensor mail1
  ask sensor drain mail1
  is_state mail1 drained || wrong "it is $(state_of mail1)"
  ask sensor approve mail1
  is_state mail1 connected || wrong "it is $(state_of mail1)"
  refuses 3 "nobody" ask sensor drain nobody
  refuses 3 "nobody" ask sensor revoke nobody
}

# Made offline with add-sensor: known from its first connection on.
test_made_offline() {
  site
  parallax-collector add-sensor mail1 --group mail --config "$collector" --out "$WORK/host-mail1" \
    --collector "127.0.0.1:$GRPC" >/dev/null
  start_sensor mail1
  ask sensor show mail1 -o json | grep -q '"key_fingerprint": "sha256:' || wrong "its key is not known"
  token
  ENROLL_AS=mail1 refuses 1 "taken" enroll second --token-file "$WORK/token"
}

# The collector is killed at any moment: a token that let somebody in is used, one that did not is
# not, and the same host gets in with the same token either way.
test_killed_in_between() {
  site
  local i
  for i in 1 2 3 4 5; do
    token
    enroll "mail$i" --token-file "$WORK/token" >/dev/null 2>&1 &
    local waits=$!
    kill_collector
    wait "$waits" || true
    start_collector
    [[ -e $WORK/host-mail$i/sensor.toml ]] || enroll "mail$i" --token-file "$WORK/token" >/dev/null ||
      wrong "the same token and key do not get in after a kill"
    refuses 4 "used" enroll "other$i" --token-file "$WORK/token"
    parallax-sensor check-config --config "$WORK/host-mail$i/sensor.toml" >/dev/null
  done
}

test_strangers_at_the_port() {
  site
  "$PYTHON" "$ROOT/tests/e2e/enrolment/strangers.py" 127.0.0.1 "$HTTPS" "$COLLECTOR" ||
    wrong "see above"
  kill -0 "$COLLECTOR" || wrong "the collector is gone"
  token
  enroll mail1 --token-file "$WORK/token" >/dev/null || wrong "nobody can enroll after all that"
}

run_tests "$@"
