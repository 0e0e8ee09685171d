#!/bin/bash
# `parallax-sensor doctor` and `parallax doctor`: on a healthy pair nothing fails; then one thing after
# the other is broken, exactly that line fails, and the command that it prints mends it. One network
# namespace is the sensor's and the collector's host, a second one its gateway.
# tests/run: beside the others
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
PATH=$BIN:$PATH
PORT=17443

# Nobody resolves names here: that is soon known.
printf 'nameserver 127.0.0.1\noptions timeout:1 attempts:1\n' >"$WORK/resolv.conf"
mount --bind "$WORK/resolv.conf" /etc/resolv.conf

# --- the network: eth0 leads to the gateway, eth1 listens only --------------------------------------
ip link set lo up
unshare -n sleep infinity &
GATEWAY=$!
gateway() { nsenter -t "$GATEWAY" -n "$@"; }
apart() {
  local theirs
  theirs=$(readlink "/proc/$GATEWAY/ns/net") && [[ $theirs != $(readlink /proc/self/ns/net) ]]
}
wait_until 10 apart || die "no second network namespace"
for name in eth0 eth1; do
  ip link add "$name" type veth peer name "$name" netns "$GATEWAY"
  gateway ip link set "$name" up
  ip link set "$name" up
done
ways() { # what a link that was down has lost
  ip addr replace 192.0.2.34/27 dev eth0
  ip addr replace 2001:db8:0:10::25/64 dev eth0 nodad
  ip route replace default via 192.0.2.33
  ip -6 route replace default via 2001:db8:0:10::1
}
gateway ip addr add 192.0.2.33/27 dev eth0
gateway ip addr add 2001:db8:0:10::1/64 dev eth0 nodad
ways

# --- the pair ---------------------------------------------------------------------------------------
SITE=$WORK/site
parallax-collector init --dir "$SITE/collector" --name localhost --listen "[::]:$PORT" >/dev/null
"$ROOT/deploy/campus/set_config.py" "$SITE/collector/collector.toml" \
  'targets.local_networks=["192.0.2.0/24"]'
parallax-collector add-sensor mail1 --group mail --config "$SITE/collector/collector.toml" \
  --out "$SITE/mail1" --collector "127.0.0.1:$PORT" --interface eth0 --interface eth1 >/dev/null
parallax-collector run --config "$SITE/collector/collector.toml" 2>"$WORK/collector.log" &
SOCKET=$SITE/collector/operator.sock
px() { parallax --socket "$SOCKET" "$@"; }
start_sensor() {
  parallax-sensor run --config "$SITE/mail1/sensor.toml" 2>>"$WORK/sensor.log" &
  SENSOR=$!
}

# Another sensor's folder, which the tests may spoil: the same files, not running.
folder=$WORK/case/mail1
config=$folder/sensor.toml
site() {
  rm -rf "$WORK/case"
  cp -a "$SITE" "$WORK/case"
}
configure() { "$ROOT/deploy/campus/set_config.py" "$@"; }

# --- what is said -----------------------------------------------------------------------------------
# asks COMMAND...: the answer is in answer.json; fails unless it is one, in time, with the right code
asks() {
  local status=0
  timeout --kill-after=5 30 "$@" -o json >"$WORK/answer.json" 2>"$WORK/answer.err" || status=$?
  ((status <= 1)) || wrong "$* -> exit code $status: $(head -n 2 "$WORK/answer.err")"
  cat "$WORK/answer.json"
  ((status == $(names_of FAIL | grep -c . | sed 's/^[1-9].*/1/'))) ||
    wrong "$* -> exit code $status, but fails: $(names_of FAIL | paste -sd,)"
}
names_of() { # finding: the checks of which that is found
  "$PYTHON" -c '
import json, sys
answer = json.load(open(sys.argv[1]))
assert answer["kind"] == "Checkup" and answer["items"], answer
for item in answer["items"]:
    assert (item["fix"] is None) == (item["finding"] == "OK"), item
    if item["finding"] == sys.argv[2]:
        print(item["check"])' "$WORK/answer.json" "$1"
}
part_of() { # check part
  "$PYTHON" -c '
import json, sys
print(next(item[sys.argv[3]] for item in json.load(open(sys.argv[1]))["items"] if item["check"] == sys.argv[2]))' \
    "$WORK/answer.json" "$1" "$2"
}
looks() { asks parallax-sensor doctor --config "$config"; }
fails() { [[ $(names_of FAIL) == "$1" ]]; } # check, or "": nothing does
# only CHECK [PATTERN]: that fails, nothing else does, and what is said of it matches
only() {
  looks
  fails "$1" || wrong "what fails is not '$1' but '$(names_of FAIL | paste -sd,)'"
  [[ -z ${2:-} || $(part_of "$1" says) =~ $2 ]] || wrong "says '$(part_of "$1" says)', not '$2'"
}
whole() { only ''; }
nothing_fails() { looks >/dev/null && fails ''; }
# mends CHECK: runs the command that was printed; "on the collector's host: ..." in the folder there
mends() {
  local fix
  fix=$(part_of "$1" fix)
  echo "fix: $fix"
  (cd "$WORK/case/collector" && bash -c "${fix#on the collector\'s host: }") || wrong "'$fix' fails"
}

# --- the sensor -------------------------------------------------------------------------------------
test_healthy() {
  site
  whole
  [[ $(part_of "collector 127.0.0.1:$PORT" says) == *"both certificates are accepted"* ]] ||
    wrong "the collector is not reached: $(part_of "collector 127.0.0.1:$PORT" says)"
  [[ $(part_of "gateway IPv6" says) == *"2001:db8:0:10::1 answers"* ]] ||
    wrong "the IPv6 gateway is not asked"
  [[ $(names_of OK) == *"raw sockets"* ]] || wrong "no probe comes back: $(names_of WARN)"
  parallax-sensor doctor --config "$config" >"$WORK/table"
  grep -qE '^OK +policy +.*100 probes/s' "$WORK/table" || wrong "no table: $(cat "$WORK/table")"
}

test_changes_nothing() {
  site
  find "$WORK/case" -type f -exec sha256sum {} + | sort >"$WORK/before"
  looks
  find "$WORK/case" -type f -exec sha256sum {} + | sort | diff "$WORK/before" - ||
    wrong "files changed"
}

test_key_mode() {
  site
  chmod 644 "$folder/sensor.key"
  only key "open to other users"
  mends key
  whole
}

test_policy_missing() {
  site
  rm "$folder/policy.toml"
  only policy
  mends policy
  whole
}

test_policy_of_others() {
  site
  chmod o+w "$folder/policy.toml"
  only policy
  mends policy
  whole
}

test_collector_down() {
  site
  # One that does not run yet.
  configure "$WORK/case/collector/collector.toml" 'server.listen=127.0.0.1:17444'
  configure "$config" 'collector.addresses=["127.0.0.1:17444"]'
  only "collector 127.0.0.1:17444" "TCP does not connect.*refused"
  local fix
  fix=$(part_of "collector 127.0.0.1:17444" fix)
  (cd "$WORK/case/collector" && exec bash -c "${fix#on the collector\'s host: }") 2>"$WORK/second.log" &
  wait_until 20 nothing_fails || wrong "still fails: $(names_of FAIL)"
}

test_one_address_of_two() {
  site
  configure "$config" "collector.addresses=[\"127.0.0.1:17444\", \"[::1]:$PORT\"]"
  whole
  [[ $(names_of WARN) == *"collector 127.0.0.1:17444"* ]] || wrong "the closed port is not told of"
}

test_no_such_name() {
  site
  configure "$config" "collector.addresses=[\"nowhere.invalid:$PORT\"]"
  only "collector nowhere.invalid:$PORT" "the name is not resolved"
}

test_nobody_there() { # packets to it vanish: the time is bounded
  site
  gateway ip route replace blackhole 198.51.100.0/24
  configure "$config" "collector.addresses=[\"198.51.100.9:$PORT\"]"
  only "collector 198.51.100.9:$PORT" "TCP does not connect"
}

test_interface_down() {
  site
  ip link set eth1 down
  only "interface eth1" "is down"
  mends "interface eth1"
  whole
}

test_no_such_interface() {
  site
  configure "$config" 'capture.interfaces=["eth0", "eth9"]'
  only "interface eth9" "none of that name"
}

test_gateway_silent() {
  site
  gateway ip addr del 192.0.2.33/27 dev eth0
  ip neigh flush dev eth0
  only "gateway IPv4" "192.0.2.33 does not answer"
  gateway ip addr add 192.0.2.33/27 dev eth0
  whole
}

test_certificate_expired() {
  site
  expire "$folder/sensor.pem" "$folder/sensor.key" "$WORK/case/collector/ca.pem" \
    "$WORK/case/collector/ca.key"
  only certificate "expired"
  [[ $(names_of WARN) == *"collector 127.0.0.1"* ]] || wrong "TLS was tried with an expired one"
  mends certificate
  cp "$WORK/case/collector/new-sensor"/sensor.{pem,key} "$folder"
  whole
}

test_wrong_ca() {
  site
  parallax-collector init --dir "$WORK/case/other" --name localhost >/dev/null
  cp "$WORK/case/other/ca.pem" "$folder/ca.pem"
  only certificate "not signed by the CA"
  mends certificate
  cp "$WORK/case/collector/new-sensor"/{ca.pem,sensor.pem,sensor.key} "$folder"
  whole
}

# The files hold together, but this is another campus's collector.
test_other_collector() {
  site
  parallax-collector init --dir "$WORK/case/other" --name localhost --listen 127.0.0.1:17445 >/dev/null
  parallax-collector run --config "$WORK/case/other/collector.toml" 2>"$WORK/other.log" &
  wait_until 20 grep -q 'listens for sensors' "$WORK/other.log" || wrong "no other collector"
  configure "$config" 'collector.addresses=["127.0.0.1:17445"]'
  only "collector 127.0.0.1:17445" "TLS handshake fails.*its certificate is not right"
}

# It is the right collector, but it does not take our certificate.
test_certificate_refused() {
  site
  parallax-collector init --dir "$WORK/case/other" --name localhost >/dev/null
  local own=$WORK/case/collector
  openssl s_server -accept 127.0.0.1:17446 -tls1_3 -alpn h2 -cert "$own/collector.pem" \
    -key "$own/collector.key" -CAfile "$WORK/case/other/ca.pem" -Verify 1 -verify_return_error \
    -www >"$WORK/server.log" 2>&1 </dev/null &
  wait_until 20 grep -q ACCEPT "$WORK/server.log" || wrong "no server: $(cat "$WORK/server.log")"
  configure "$config" 'collector.addresses=["127.0.0.1:17446"]'
  only "collector 127.0.0.1:17446" "its certificate is right, but it does not accept ours"
}

# Something listens there that never says a word.
test_mute_server() {
  site
  "$PYTHON" -c '
import socket, time
server = socket.create_server(("127.0.0.1", 17447))
print("listens", flush=True)
while True:
    kept = server.accept()
    print("kept", kept, flush=True)
' >"$WORK/mute.log" &
  wait_until 20 grep -q listens "$WORK/mute.log" || wrong "no mute server"
  configure "$config" 'collector.addresses=["127.0.0.1:17447"]'
  only "collector 127.0.0.1:17447" "TLS handshake fails.*no answer in time"
}

test_spool_read_only() {
  site
  cp -a "$folder" "$folder.files"
  mount -t tmpfs -o mode=755 spool "$folder"
  cp -a "$folder.files/." "$folder"
  mount -o remount,ro "$folder"
  only spool "read-only"
  mends spool
  looks
  fails '' || wrong "still fails: $(names_of FAIL)"
  [[ $(names_of WARN) == *spool* ]] || wrong "a spool in memory is not told of"
  umount "$folder"
}

test_bad_config() {
  site
  echo 'spol = 1' >>"$config"
  only configuration "spol"
}

test_unprivileged() {
  if ((EUID != 0)) || ! setpriv --reuid=65534 --regid=65534 --clear-groups true 2>/dev/null; then
    skip "no second user to be"
  fi
  site
  chmod 755 "$WORK" "$WORK/case"
  chown -R 65534:65534 "$folder"
  asks setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all \
    "$BIN/parallax-sensor" doctor --config "$config"
  fails '' || wrong "fails for want of rights: $(names_of FAIL | paste -sd,)"
  [[ $(names_of WARN) == *privilege* && $(names_of WARN) == *"raw sockets"* ]] ||
    wrong "does not say what it could not look at: $(names_of WARN | paste -sd,)"
  [[ $(part_of "collector 127.0.0.1:$PORT" says) == *"are accepted"* ]] ||
    wrong "the collector was not looked at"
}

# --- the collector ----------------------------------------------------------------------------------
asks_collector() { asks parallax --socket "$SOCKET" doctor "$@"; }
connected() { [[ $(px sensor list -o json) == *'"state": "connected"'* ]]; }
lost() { ! connected; }

test_collector() {
  site
  start_sensor
  expect_within 20 "the sensor connected" connected
  asks_collector --config "$WORK/case/collector/collector.toml"
  fails '' || wrong "fails: $(names_of FAIL | paste -sd,)"
  [[ $(part_of sensors says) == "1 of 1 connected" ]] || wrong "sensors: $(part_of sensors says)"
  [[ $(names_of OK) == *disk* && $(names_of OK) == *certificate* && $(names_of OK) == *store* ]] ||
    wrong "the daemon does not tell how it is: $(names_of OK | paste -sd,)"
  chmod 644 "$WORK/case/collector/collector.key"
  asks_collector --config "$WORK/case/collector/collector.toml"
  fails files || wrong "an open key: $(names_of FAIL | paste -sd,)"
  mends files
  asks_collector --config "$WORK/case/collector/collector.toml"
  fails '' || wrong "not mended: $(names_of FAIL | paste -sd,)"
  kill -KILL "$SENSOR"
  expect_within 40 "the sensor lost" lost
  asks_collector
  fails sensors || wrong "a lost sensor: $(names_of FAIL | paste -sd,)"
  start_sensor
  expect_within 40 "the sensor back" connected
  asks_collector
  fails '' || wrong "it is back: $(names_of FAIL | paste -sd,)"
}

test_collector_away() {
  asks parallax --socket "$WORK/no.sock" doctor
  fails collector || wrong "nobody there: $(names_of FAIL | paste -sd,)"
}

wait_until 20 grep -q 'listens for sensors' "$WORK/collector.log" ||
  die "the collector does not start: $(tail -n 2 "$WORK/collector.log")"
run_tests "$@"
