#!/bin/bash
# Bad input of every kind: one clear line that names the thing, the agreed exit code, nothing on
# stdout, nothing half-written. Needs no lab: one namespace of its own keeps ports and names apart.
#
# Exit codes: 1 failure, 2 usage, 3 not found, 4 not authenticated, 5 unreachable, 77 no permission,
# 78 bad config.
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
PATH=$BIN:$PATH

# refused CODES PATTERN COMMAND...: the command ends by itself, with one of CODES (comma-separated);
# stderr has a line that matches PATTERN and no more than a handful, stdout has nothing.
refused() {
  local codes=$1 pattern=$2 status=0
  shift 2
  timeout --kill-after=5 30 "$@" >"$WORK/out" 2>"$WORK/err" </dev/null || status=$?
  local said
  said="$* -> exit code $status: $(head -n 3 "$WORK/err" | cut -c1-300)"
  echo "$said"
  ((status != 124 && status != 137)) || wrong "does not end: $said"
  [[ ,$codes, == *,$status,* ]] || wrong "exit code not in $codes: $said"
  grep -qiE -- "$pattern" "$WORK/err" || wrong "nothing like '$pattern': $said"
  [[ ! -s $WORK/out ]] || wrong "prints on stdout: $said: $(head -n 2 "$WORK/out")"
  (($(wc -l <"$WORK/err") <= 6)) || wrong "not one clear line but $(wc -l <"$WORK/err"): $said"
  # A library that logs by itself (glog's form: E1123 14:24:53.7 354 file.cc:96]) is not our one line.
  ! grep -qE '^[EWI][0-9]{4} .*\.cc:[0-9]+\]' "$WORK/err" || wrong "a library logs past us: $said"
  ! grep -qiE 'terminate called|what\(\)|assert|sanitizer|core dumped|segmentation' "$WORK/err" ||
    wrong "crashes: $said"
}

# A site of its own: $1/collector and $1/mail1.
make_site() {
  parallax-collector init --dir "$1/collector" --name localhost --listen "127.0.0.1:${2:-17443}" >/dev/null
  parallax-collector add-sensor mail1 --group mail --config "$1/collector/collector.toml" \
    --out "$1/mail1" --collector "127.0.0.1:${2:-17443}" >/dev/null
}
site() {
  [[ -d $WORK/site ]] || make_site "$WORK/site"
  rm -rf "$WORK/case"
  cp -a "$WORK/site" "$WORK/case"
}
collector=$WORK/case/collector/collector.toml
sensor=$WORK/case/mail1/sensor.toml
configure() { "$ROOT/deploy/campus/set_config.py" "$@"; }
contents() { find "$1" -type f ! -name '*-wal' ! -name '*-shm' -exec sha256sum {} + | sort; }

as_nobody() {
  if ((EUID != 0)) || ! setpriv --reuid=65534 --regid=65534 --clear-groups true 2>/dev/null; then
    return 1 # a user namespace with one user: nobody else to be
  fi
  NOBODY=(setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all)
}

test_site_is_valid() {
  site
  parallax-collector check-config --config "$collector" >/dev/null
  parallax-sensor check-config --config "$sensor" >/dev/null
}

test_missing_config() {
  site
  local program
  for program in parallax-collector parallax-sensor; do
    refused 78 "no-such.toml" "$program" run --config "$WORK/no-such.toml"
    refused 78 "no-such.toml" "$program" check-config --config "$WORK/no-such.toml"
    refused 78 "$WORK/case" "$program" check-config --config "$WORK/case" # a folder
  done
}

test_unreadable_config() {
  as_nobody || skip "no second user to be"
  site
  chmod 755 "$WORK" "$WORK/case" "$WORK/case/collector" "$WORK/case/mail1"
  chmod 600 "$collector" "$sensor"
  refused 77,78 "collector.toml" "${NOBODY[@]}" "$BIN/parallax-collector" check-config --config "$collector"
  refused 77,78 "sensor.toml" "${NOBODY[@]}" "$BIN/parallax-sensor" check-config --config "$sensor"
}

test_invalid_config() {
  local pair program file
  for pair in "parallax-collector $collector" "parallax-sensor $sensor"; do
    read -r program file <<<"$pair"
    site
    echo '[log' >>"$file"
    refused 78 "${file##*/}:[0-9]+" "$program" check-config --config "$file"
    refused 78 "${file##*/}:[0-9]+" "$program" run --config "$file"
    site
    configure "$file" log.levle=info
    refused 78 "levle" "$program" check-config --config "$file"
    refused 78 "levle" "$program" run --config "$file"
    site
    configure "$file" log.level=7
    refused 78 "level" "$program" check-config --config "$file"
    site
    configure "$file" log.level=shouting
    refused 78 "level" "$program" check-config --config "$file"
    site
    head -c 4096 /dev/urandom >"$file"
    refused 78 "${file##*/}" "$program" check-config --config "$file"
  done
  site
  configure "$collector" 'detect.open_after="soon"'
  refused 78 "open_after" parallax-collector check-config --config "$collector"
  site
  configure "$collector" 'targets.local_networks=["192.0.2.0/33"]'
  refused 78 "192.0.2.0/33" parallax-collector check-config --config "$collector"
  site
  configure "$sensor" 'collector.addresses=["localhost"]'
  refused 78 "addresses|localhost" parallax-sensor check-config --config "$sensor"
  site
  configure "$sensor" 'collector.addresses=[]'
  refused 78 "addresses" parallax-sensor check-config --config "$sensor"
}

test_all_complaints_at_once() {
  site
  configure "$collector" detect.open_aftr=10s log.levle=info
  refused 78 "open_aftr" parallax-collector check-config --config "$collector"
  grep -q levle "$WORK/err" || wrong "only the first of two mistakes is told: $(cat "$WORK/err")"
}

test_missing_interface() {
  refused 1,3 "nosuch0" parallax-sensor capture --interface nosuch0
}

test_no_permission_to_capture() {
  as_nobody || skip "no second user to be"
  refused 77 "permi|capab|root" "${NOBODY[@]}" "$BIN/parallax-sensor" capture --interface lo
}

test_occupied_port() {
  site
  "$PYTHON" -c '
import socket, time
s = socket.socket(); s.bind(("127.0.0.1", 17443)); s.listen(); time.sleep(60)' &
  local holder=$!
  wait_until 10 eval 'ss -Hltn sport = :17443 | grep -q .'
  refused 1,5 "17443" parallax-collector run --config "$collector"
  kill "$holder"
  [[ ! -S $WORK/case/collector/operator.sock ]] || wrong "operator.sock is left behind"
}

test_wrong_certificate() {
  # Key of another: certificate and key do not belong together.
  site
  openssl ecparam -name prime256v1 -genkey -noout -out "$WORK/case/collector/collector.key" 2>/dev/null
  refused 78,4 "collector\.(key|pem)" parallax-collector run --config "$collector"
  site
  openssl ecparam -name prime256v1 -genkey -noout -out "$WORK/case/mail1/sensor.key" 2>/dev/null
  refused 78,4 "sensor\.(key|pem)" parallax-sensor run --config "$sensor"
  # No certificate at all.
  site
  echo "hello" >"$WORK/case/collector/collector.pem"
  refused 78,4 "collector\.pem" parallax-collector run --config "$collector"
  site
  rm "$WORK/case/mail1/ca.pem"
  refused 78,4,77 "ca\.pem" parallax-sensor run --config "$sensor"
}

ca_key() { find "$WORK/case/collector" -name 'ca*.key' | head -n 1; }

test_expired_certificate() {
  site
  expire "$WORK/case/collector/collector.pem" "$WORK/case/collector/collector.key" \
    "$WORK/case/collector/ca.pem" "$(ca_key)"
  refused 78,4 "expired" parallax-collector run --config "$collector"
  parallax-collector ca renew --config "$collector" >/dev/null
  parallax-collector check-config --config "$collector" >/dev/null || wrong "ca renew does not help"
  site
  expire "$WORK/case/mail1/sensor.pem" "$WORK/case/mail1/sensor.key" \
    "$WORK/case/collector/ca.pem" "$(ca_key)"
  refused 78,4 "expired" parallax-sensor run --config "$sensor"
}

# A sensor of another campus: the collector does not let it in, and its log says why.
test_foreign_sensor() {
  site
  rm -rf "$WORK/foreign"
  make_site "$WORK/foreign" 17444
  configure "$WORK/foreign/mail1/sensor.toml" 'collector.addresses=["127.0.0.1:17443"]' \
    'capture.interfaces=["lo"]'
  parallax-collector run --config "$collector" >"$WORK/collector.log" 2>&1 &
  local served=$! stranger
  wait_until 20 parallax --socket "$WORK/case/collector/operator.sock" status >/dev/null 2>&1 || {
    kill "$served" || true
    wrong "the collector does not start: $(tail -n 1 "$WORK/collector.log")"
  }
  parallax-sensor run --config "$WORK/foreign/mail1/sensor.toml" >"$WORK/foreign.log" 2>&1 &
  stranger=$!
  local told=1
  wait_until 20 grep -qiE 'certificate|verif|handshake|authent' "$WORK/foreign.log" || told=0
  parallax --socket "$WORK/case/collector/operator.sock" sensor list -o json >"$WORK/sensors.json"
  kill "$stranger" || wrong "the foreign sensor gave up: $(tail -n 1 "$WORK/foreign.log")"
  kill "$served"
  wait "$stranger" "$served" || true
  ((told)) || wrong "the foreign sensor's log does not tell: $(tail -n 2 "$WORK/foreign.log")"
  ! grep -q '"connected"' "$WORK/sensors.json" || wrong "a foreign sensor got in"
}

test_newer_database() {
  site
  # Offset 60 of the file is SQLite's user_version, Parallax's schema version.
  printf '\x00\x00\x27\x0f' | dd of="$WORK/case/collector/parallax.db" bs=1 seek=60 conv=notrunc status=none
  contents "$WORK/case/collector" >"$WORK/before"
  refused 1,78 "(newer|version).*" parallax-collector run --config "$collector"
  grep -q "parallax.db" "$WORK/err" || wrong "does not name the file: $(cat "$WORK/err")"
  contents "$WORK/case/collector" | cmp - "$WORK/before" || wrong "the database was touched"
}

test_no_database() {
  site
  head -c 8192 /dev/urandom >"$WORK/case/collector/parallax.db"
  contents "$WORK/case/collector" >"$WORK/before"
  refused 1,78 "parallax.db" parallax-collector run --config "$collector"
  contents "$WORK/case/collector" | cmp - "$WORK/before" || wrong "somebody's file was touched"
}

test_no_capture_file() {
  printf 'this is no capture\n' >"$WORK/text"
  : >"$WORK/empty"
  head -c 65536 /dev/urandom >"$WORK/random"
  local file
  for file in text empty random; do
    refused 1 "$WORK/$file" parallax-sensor capture --read "$WORK/$file"
    refused 1 "$WORK/$file" parallax-sensor capture --read "$WORK/$file" -o jsonl
  done
  refused 1,3 "nowhere.pcap" parallax-sensor capture --read "$WORK/nowhere.pcap"
  refused 1,3 "$WORK" parallax-sensor capture --read "$WORK"
}

test_usage() {
  local program
  for program in parallax parallax-collector parallax-sensor; do
    refused 2 "." "$program"
    refused 2 "nonsense" "$program" nonsense
    refused 2 "nonsense" "$program" --nonsense
  done
  refused 2 "." parallax-sensor capture
  refused 2 "." parallax-sensor capture --read /dev/null --interface lo
  refused 2 "." parallax-sensor capture --read /dev/null -o nonsense
  refused 2 "." parallax-sensor capture --read /dev/null --count -1
  refused 2 "config" parallax-collector run
  refused 2 "." parallax status -o nonsense
  refused 2 "nonsense not in .*sweeps" parallax-sim run /dev/null --without sweeps,nonsense
  refused 2 "nonsense not in .*sweeps" parallax-sim ablate /dev/null --parts nonsense
  refused 2 "." parallax target show not-an-address
}

test_init_refuses() {
  # A site that exists stays as it is.
  site
  contents "$WORK/case" >"$WORK/before"
  refused 1,2,78 "$WORK/case/collector" parallax-collector init --dir "$WORK/case/collector" --name localhost
  refused 1,2 "mail1" parallax-collector add-sensor mail1 --group mail --config "$collector" --out "$WORK/case/mail1" --collector 127.0.0.1:1
  contents "$WORK/case" | cmp - "$WORK/before" || wrong "an existing site was touched"
  # Nonsense leaves nothing behind.
  refused 2 "listen|nonsense" parallax-collector init --dir "$WORK/new" --name localhost --listen nonsense
  [[ ! -e $WORK/new ]] || wrong "$WORK/new was made"
  local name
  for name in ../evil "a b" "" "A" ".x" "$(printf 'a%.0s' {1..64})"; do
    refused 2 "." parallax-collector add-sensor "$name" --group mail --config "$collector" --out "$WORK/new" --collector 127.0.0.1:1
    [[ ! -e $WORK/new ]] || wrong "$WORK/new was made for '$name'"
  done
  refused 2 "." parallax-collector add-sensor web1 --group ../evil --config "$collector" --out "$WORK/new" --collector 127.0.0.1:1
  refused 1,3,77 "/proc" parallax-collector init --dir /proc/nowhere --name localhost
}

test_operator_questions() {
  refused 5 "no-such.sock" parallax --socket "$WORK/no-such.sock" status
  site
  parallax-collector run --config "$collector" >"$WORK/collector.log" 2>&1 &
  local served=$! socket=$WORK/case/collector/operator.sock
  wait_until 20 parallax --socket "$socket" status >/dev/null 2>&1 || wrong "the collector does not start"
  refused 3 "nobody" parallax --socket "$socket" sensor show nobody
  refused 3 "999" parallax --socket "$socket" incident show 999
  refused 3 "192.0.2.99" parallax --socket "$socket" target show 192.0.2.99
  # A second collector on the same database.
  refused 1,5,78 "parallax.db|17443" parallax-collector run --config "$collector"
  parallax --socket "$socket" status >/dev/null || wrong "the first collector suffered from the second"
  kill "$served"
  wait "$served" || true
}

run_tests "$@"
