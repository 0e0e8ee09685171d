#!/bin/bash
# Certificates that make way for the next while everything runs: of sensors, of the collector, of
# the CA itself; and operators who come over the network. A real collector and real sensors in one
# network namespace, with certificates that live for seconds.
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
export USER=tester

GRPC=17443 OPERATORS=17444
collector=$WORK/site/collector.toml

ask() { parallax --socket "$WORK/site/operator.sock" "$@"; }
collector_answers() { ask status >/dev/null 2>&1; }
start_collector() {
  parallax-collector run --config "$collector" >>"$WORK/collector.log" 2>&1 &
  COLLECTOR=$!
  expect_within 30 "the collector answers: $(tail -n 1 "$WORK/collector.log")" collector_answers
}
# site SETTING...: a new site with a running collector, and sensor mail1.
site() {
  rm -rf "$WORK"/site "$WORK"/host-* "$WORK"/sensor-*.log "$WORK/collector.log"
  parallax-collector init --dir "$WORK/site" --name localhost --listen "127.0.0.1:$GRPC" >/dev/null
  "$ROOT/deploy/campus/set_config.py" "$collector" \
    "server.operator_listen=\"127.0.0.1:$OPERATORS\"" "$@"
  start_collector
  sensor mail1
}
sensor() { # name
  parallax-collector add-sensor "$1" --group mail --config "$collector" --out "$WORK/host-$1" \
    --collector "127.0.0.1:$GRPC" >/dev/null
  "$ROOT/deploy/campus/set_config.py" "$WORK/host-$1/sensor.toml" 'capture.interfaces=["lo"]'
  start_sensor "$1"
}
start_sensor() {
  parallax-sensor run --config "$WORK/host-$1/sensor.toml" >>"$WORK/sensor-$1.log" 2>&1 &
  SENSOR=$!
  expect_within 30 "sensor $1 is connected: $(tail -n 1 "$WORK/sensor-$1.log")" connected "$1"
}
connected() { ask sensor show "$1" -o json 2>/dev/null | grep -q '^  "state": "connected",$'; }
serial() { openssl x509 -in "$1" -noout -serial; }
other_than() { [[ $(serial "$1" 2>/dev/null) != "$2" ]]; } # FILE SERIAL: the file holds another one
key_of() { openssl pkey -in "$1" -pubout 2>/dev/null | sha256sum; }
shown_by() { # PORT: the serial of the certificate that is shown there
  # Without a certificate of ours it ends with an error, or not in time.
  { openssl s_client -connect "127.0.0.1:$1" -alpn h2 </dev/null 2>/dev/null || true; } |
    openssl x509 -noout -serial
}
shows() { [[ $(shown_by "$1" 2>/dev/null) == "$2" ]]; }
signer_of() { openssl x509 -in "$1" -noout -ext authorityKeyIdentifier | tail -n 1 | tr -d ' '; }
# refuses CODE PATTERN COMMAND...: ends with CODE and says PATTERN.
refuses() {
  local code=$1 pattern=$2 status=0
  shift 2
  "$@" >"$WORK/out" 2>"$WORK/err" </dev/null || status=$?
  ((status == code)) || wrong "exit code $status, not $code: $* : $(head -n 1 "$WORK/err")"
  grep -qiE -- "$pattern" "$WORK/err" || wrong "nothing like '$pattern': $(head -n 1 "$WORK/err")"
}
# How often a sensor was without a stream.
streams() { grep -c "connected to collector" "$WORK/sensor-$1.log"; }

# Every few seconds all of them are other ones, over other keys, and nobody is cut off.
test_renewal() {
  site 'tls.sensor_certificate_life="15s"' 'tls.collector_certificate_life="20s"'
  local host=$WORK/host-mail1 first second key shown
  first=$(serial "$host/sensor.pem") key=$(key_of "$host/sensor.key") shown=$(shown_by "$GRPC")
  expect_within 30 "the sensor has another certificate" other_than "$host/sensor.pem" "$first"
  second=$(serial "$host/sensor.pem")
  expect_within 30 "and another" other_than "$host/sensor.pem" "$second"
  [[ $(key_of "$host/sensor.key") != "$key" ]] || wrong "over the same key"
  [[ $(stat -c %a "$host/sensor.key") == 600 ]] || wrong "the key is open to others"
  expect_within 40 "the collector shows another certificate" eval '[[ $(shown_by "$GRPC") != '"$shown"' ]]'
  expect_within 40 "also to new sensors" eval '[[ $(shown_by $((GRPC + 1000))) != '"$shown"' ]]'
  connected mail1 || wrong "the sensor is cut off"
  ! grep -q "trying again" "$WORK/sensor-mail1.log" ||
    wrong "$(grep -m 1 "trying again" "$WORK/sensor-mail1.log")"
  # After more than a life of any of them, and a restart of either side.
  kill "$SENSOR" "$COLLECTOR"
  wait "$SENSOR" "$COLLECTOR" || true
  start_collector
  start_sensor mail1
}

ready_to() { # STEP: nobody would be cut off by it
  parallax-collector ca show --config "$collector" >"$WORK/ca" && ! grep -q "Not ready" "$WORK/ca" &&
    grep -q "ca $1 " "$WORK/ca"
}
ca() { parallax-collector ca "$@" --config "$collector"; }
trusts() { # HOST NUMBER: of CAs
  (($(grep -c "BEGIN CERTIFICATE" "$WORK/host-$1/ca.pem") == $2))
}

# The CA is another one at the end; at no moment is anybody cut off, whoever restarts in between.
test_another_ca() {
  site
  local before pin first
  before=$(signer_of "$WORK/host-mail1/sensor.pem")
  refuses 1 "no new CA" ca switch
  refuses 1 "no old CA" ca retire
  # A sensor that is away when the other CA is announced holds the switch up.
  sensor web1
  kill "$SENSOR"
  wait "$SENSOR" || true
  ca announce >"$WORK/out"
  refuses 1 "replacing" ca announce
  expect_within 20 "mail1 trusts both" trusts mail1 2
  refuses 1 "web1" ca switch
  refuses 1 "no old CA" ca retire
  start_sensor web1
  expect_within 20 "all are ready" ready_to switch
  # Any state is one to restart in.
  kill -9 "$COLLECTOR"
  wait "$COLLECTOR" || true
  start_collector
  expect_within 30 "mail1 is back" connected mail1
  first=$(serial "$WORK/host-mail1/sensor.pem")
  ca switch >"$WORK/out"
  expect_within 30 "the collector's own is of the new CA" \
    eval '[[ $(signer_of "$WORK/site/collector.pem") != '"$before"' ]]'
  # Sensors renew soon, within ten minutes; a host with a token gets in with the new pin.
  pin=$(grep -oE 'sha256:[0-9a-f]{64}' "$WORK/out" | head -n 1)
  ask token create --group mail >"$WORK/token"
  parallax-sensor enroll --config "$WORK/host-new/sensor.toml" --collector "127.0.0.1:$((GRPC + 1000))" \
    --ca-pin "$pin" --name new --token-file "$WORK/token" >/dev/null || wrong "nobody can enroll"
  refuses 1 "mail1" ca retire
  connected mail1 || wrong "mail1 is cut off"
}

one_ca_in() { [[ $(grep -c "BEGIN CERTIFICATE" "$1") == 1 ]]; }

# To the end: the old CA is trusted nowhere, and what it signed lets nobody in.
test_old_ca_retired() {
  site 'tls.sensor_certificate_life="30s"'
  local file
  cp -r "$WORK/host-mail1" "$WORK/host-old"
  ca announce >/dev/null
  expect_within 20 "mail1 trusts both" ready_to switch
  ca switch >/dev/null
  expect_within 40 "mail1 has a certificate of the new CA" ready_to retire
  ca retire >/dev/null
  for file in "$WORK/site/ca.pem" "$WORK/host-mail1/ca.pem"; do
    expect_within 20 "$file holds one CA" one_ca_in "$file"
  done
  [[ $(cat "$WORK/site/ca.pem") == "$(cat "$WORK/host-mail1/ca.pem")" ]] || wrong "not the same CA"
  ! grep -q "trying again" "$WORK/sensor-mail1.log" ||
    wrong "cut off: $(grep -m 1 "trying again" "$WORK/sensor-mail1.log")"
  parallax-sensor doctor --config "$WORK/host-old/sensor.toml" >"$WORK/out" 2>&1 || true
  grep -q "^FAIL *collector 127.0.0.1:$GRPC" "$WORK/out" || wrong "the old one is let in: $(cat "$WORK/out")"
  cat "$WORK/site/ca.pem" >>"$WORK/host-old/ca.pem" # knows the new CA, but is not known to it
  parallax-sensor doctor --config "$WORK/host-old/sensor.toml" >"$WORK/out" 2>&1 || true
  grep -q "^FAIL *collector 127.0.0.1:$GRPC" "$WORK/out" || wrong "its certificate is accepted: $(cat "$WORK/out")"
  kill -9 "$SENSOR" "$COLLECTOR"
  wait "$SENSOR" "$COLLECTOR" || true
  start_collector
  start_sensor mail1
}

# Who may read reads, who may write changes something, and who was put out does nothing.
test_operators() {
  site
  parallax-collector add-operator reader --role read --config "$collector" --out "$WORK/host-reader" >"$WORK/out"
  grep -q "parallax --collector localhost:$OPERATORS --identity $WORK/host-reader status" "$WORK/out" ||
    wrong "does not tell what is next: $(cat "$WORK/out")"
  parallax-collector add-operator writer --role write --config "$collector" --out "$WORK/host-writer" >/dev/null
  local -a reader=(parallax --collector "localhost:$OPERATORS" --identity "$WORK/host-reader")
  local -a writer=(parallax --collector "127.0.0.1:$OPERATORS" --identity "$WORK/host-writer")
  "${reader[@]}" status >/dev/null 2>&1
  "${reader[@]}" sensor list | grep -q mail1 || wrong "the reader sees no sensor"
  "${reader[@]}" doctor >"$WORK/out" || true
  grep -q "localhost:$OPERATORS" "$WORK/out" || wrong "doctor: $(head -n 3 "$WORK/out")"
  timeout 10 "${reader[@]}" --timeout 1s incident watch >/dev/null 2>&1 || (($? == 5)) || wrong "cannot watch"
  refuses 77 "reader may only read" "${reader[@]}" token create --group mail
  refuses 77 "reader may only read" "${reader[@]}" sensor revoke mail1
  "${writer[@]}" sensor drain mail1 >/dev/null 2>&1
  grep -q "sensor mail1 drained by operator writer (127.0.0.1)" "$WORK/collector.log" ||
    wrong "the log does not say who: $(grep drained "$WORK/collector.log")"
  # Another certificate takes the place of the first, and none of them works after the end.
  mv "$WORK/host-reader" "$WORK/host-older"
  parallax-collector add-operator reader --role write --config "$collector" --out "$WORK/host-reader" >/dev/null
  refuses 4 "another certificate" parallax --collector "localhost:$OPERATORS" --identity "$WORK/host-older" status
  "${reader[@]}" sensor approve mail1 >/dev/null 2>&1
  # Not even what goes on since before.
  "${reader[@]}" incident watch >"$WORK/watched" 2>"$WORK/watch.err" &
  local watch=$! status=0
  parallax-collector remove-operator reader --config "$collector" >/dev/null
  wait "$watch" || status=$?
  ((status == 4)) || wrong "the watch ends with $status, not 4: $(head -n 1 "$WORK/watch.err")"
  grep -q "removed" "$WORK/watch.err" || wrong "the watch says: $(head -n 1 "$WORK/watch.err")"
  refuses 4 "removed" "${reader[@]}" status
  refuses 3 "reader" parallax-collector remove-operator reader --config "$collector"
  # Strangers: a sensor's certificate, none at all, an older TLS, one of another CA.
  mkdir "$WORK/host-sensor"
  cp "$WORK/host-mail1/ca.pem" "$WORK/host-sensor/"
  cp "$WORK/host-mail1/sensor.pem" "$WORK/host-sensor/operator.pem"
  cp "$WORK/host-mail1/sensor.key" "$WORK/host-sensor/operator.key"
  refuses 4 "not that of an operator" parallax --collector "localhost:$OPERATORS" --identity "$WORK/host-sensor" status
  refuses 78 "nowhere/ca.pem" parallax --collector "localhost:$OPERATORS" --identity "$WORK/nowhere" status
  parallax-collector init --dir "$WORK/host-other" --name localhost --listen 127.0.0.1:17999 >/dev/null
  parallax-collector add-operator writer --role write --config "$WORK/host-other/collector.toml" \
    --out "$WORK/host-foreign" >/dev/null
  refuses 5 "another CA" parallax --collector "localhost:$OPERATORS" --identity "$WORK/host-foreign" --timeout 2s status
  local port
  for port in "$OPERATORS" "$GRPC"; do
    ! openssl s_client -connect "127.0.0.1:$port" -alpn h2 -tls1_2 -cert "$WORK/host-writer/operator.pem" \
      -key "$WORK/host-writer/operator.key" </dev/null 2>&1 | grep -q "Protocol *: TLSv1.2" ||
      wrong "port $port speaks TLS 1.2"
  done
  "${writer[@]}" status >/dev/null || wrong "the writer is out, too"
}

run_tests "$@"
