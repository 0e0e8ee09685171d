#!/bin/bash
# Real daemons on the campus of deploy/lab: in peace, killed, flooded, misconfigured, started late.
# The faults of the lab one by one are in faults.sh.
# usage: tests/e2e/campus.sh [healthy|probe-from-all|survives-kill|flood|policy-reload|start-broken]
# Each test may be run alone; together they share one lab, which each of them leaves whole.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_binaries
ensure_can_lab
LABS=("$LAB_NAME")
LIVE=candidate,open,monitoring

# A shorter round of peace than an operator would choose: target-off is found by it.
raise() { # option...
  lab up --no-build --no-hints --set detect.close_after=15s \
    --set schedule.baseline_interval=20s "$@"
}

# The shared lab: up, all sensors connected, hosts known and healthy, no incident in the way.
whole() {
  lab dir >/dev/null 2>&1 || raise
  lab heal all
  lab daemons start
  expect_within 60 "all four sensors connected" sensors_connected 4
  expect_within 120 "60 healthy targets" targets_healthy 60
  expect_within 120 "earlier incidents closed" no_live_incident
}
no_live_incident() { ! has_incident any $LIVE; }
no_route_anomaly() { ! has_incident route_anomaly $LIVE,closed; }

# Polls for SECONDS and fails as soon as an incident of VERDICT is there.
stays_away() { # seconds verdict
  local end=$((SECONDS + $1))
  while ((SECONDS < end)); do
    if has_incident "$2" open,monitoring; then
      px incident list
      wrong "an incident ($2) where none belongs"
    fi
    sleep 1
  done
}

route_anomalies_before=0
count_route_anomalies() { incident_ids route_anomaly $LIVE,closed | wc -l; }
no_new_route_anomaly() {
  (($(count_route_anomalies) == route_anomalies_before)) ||
    wrong "a route anomaly was declared: $(px incident list -o json)"
}

open_route_anomaly() { # prints its id
  expect_within 90 "a route anomaly" has_incident route_anomaly open,monitoring
  incident_ids route_anomaly open,monitoring | head -n 1
}
is_right() { # id [verdict]
  wait_until 60 judge_now "$1" mail1 lib1,noc1,web1 "$WORK" "${2:-route_anomaly}" ||
    wrong "$(tr '\n' ';' <"$WORK/complaints")"
  [[ $(incident_ids any $LIVE) == "$1" ]] || wrong "more than $1: $(px incident list -o json)"
}

test_healthy() {
  whole
  stays_away 45 any
}

# An operator asks all sensors about one host, in peace and in the fault, and sees who fails.
test_probe_from_all() {
  whole
  local host
  answers() { # FIELD WAY...: of the answer of mail1, and then of the others; with the exit code
    px probe "${@:2}" -o jsonl >"$WORK/answers" || wrong "probe ${*:2}: exit code $?"
    "$PYTHON" -c '
import json, sys
rows = {row["sensor"]: row for row in map(json.loads, open(sys.argv[1]))}
assert sorted(rows) == ["lib1", "mail1", "noc1", "web1"], rows
others = sorted({str(rows[name][sys.argv[2]]) for name in rows if name != "mail1"})
print(rows["mail1"][sys.argv[2]], *others)' "$WORK/answers" "$1"
  }
  host=$(px target list --verdict healthy -o name | grep -m 1 -F .)
  [[ $(answers state ping "$host" --count 2) == "up up" ]] || wrong "ping: $(cat "$WORK/answers")"
  [[ $(answers state tcp "$host" --port 443) == "up up" ]] || wrong "tcp: $(cat "$WORK/answers")"
  [[ $(answers state trace "$host") == "reached reached" ]] || wrong "trace: $(cat "$WORK/answers")"
  lab fault rogue-default
  wait_until 60 eval '[[ -n $(px target list --verdict route_anomaly -o name) ]]' || wrong "no anomaly"
  host=$(px target list --verdict route_anomaly -o name | head -n 1)
  [[ $(answers state ping "$host") == "down up" ]] || wrong "ping: $(cat "$WORK/answers")"
  [[ $(answers received tcp "$host" --flows 3) == "0 3" ]] || wrong "tcp: $(cat "$WORK/answers")"
  local status=0
  px check target "$host" >"$WORK/check" || status=$?
  ((status == 2)) || wrong "check target: $status: $(cat "$WORK/check")"
  lab heal all
}

test_survives_kill() {
  whole
  lab fault rogue-default
  local id opened
  id=$(open_route_anomaly)
  opened=$(incident_field "$id" opened_at)
  lab daemons kill collector
  lab daemons start collector
  expect_within 60 "the sensors back" sensors_connected 4
  [[ $(incident_field "$id" opened_at) == "$opened" ]] ||
    wrong "opened_at was $opened, is $(incident_field "$id" opened_at)"
  # After a restart the evidence comes anew; the incident must be the same one, and still right.
  is_right "$id"
  [[ $(incident_ids route_anomaly $LIVE) == "$id" ]] || wrong "another incident after the restart"
  lab daemons stop collector
  lab daemons start collector
  expect_within 60 "the sensors back" sensors_connected 4
  [[ $(incident_ids route_anomaly open,monitoring) == "$id" ]] || wrong "the incident is gone after an orderly restart"
  lab heal all
  expect_within 150 "the incident closed" incident_in_state "$id" closed
}

# Forged SYNs at mail1's port 25 from the internet, until killed or SECONDS are over.
flood_mail1() { # seconds rate
  local next interface mac
  read -r next interface < <(lab exec inet ip -o route get 192.0.2.34 | sed -n 's/.* via \([^ ]*\) dev \([^ ]*\).*/\1 \2/p')
  lab exec inet ping -c 1 -W 2 "$next" >/dev/null
  mac=$(lab exec inet ip neigh show "$next" dev "$interface" | sed -n 's/.*lladdr \([^ ]*\).*/\1/p')
  lab exec inet "$BIN/parallax_syn_generator" --interface "$interface" --mac "$mac" \
    --destination 192.0.2.34:25 --seconds "$1" --rate "$2"
}
sees_flood() {
  px syn servers --since 30s -o json | "$PYTHON" -c '
import json, sys
servers = [s for s in json.load(sys.stdin)["items"] if s["server"] == "192.0.2.34" and s["sensor"] == "mail1"]
sys.exit(not any(s["aggregate"] and s["sampling"] > 1 and s["sources"] > 10000 and s["excess"] > 10
                 and s["syn_cookies_sent"] > 0 for s in servers))'
}
sensor_mib() { # name
  lab_state
  lab exec "$1" sed -n 's/^VmRSS:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$(cat "$LAB_STATE/run/sensor-$1.pid")/status" |
    { read -r kib; echo $((kib / 1024)); }
}

# A flood is told as a flood, and hides no fault: what breaks meanwhile is found as ever, and both
# are one incident.
test_flood() {
  whole
  route_anomalies_before=$(count_route_anomalies)
  flood_mail1 100 20000 >/dev/null &
  expect_within 45 "the flood reported" sees_flood
  expect_within 60 "the flood declared" has_incident syn_flood open,monitoring
  no_new_route_anomaly
  lab fault rogue-default
  local id mib
  expect_within 90 "flood and fault" has_incident mixed open,monitoring
  id=$(incident_ids mixed open,monitoring)
  is_right "$id" mixed
  mib=$(sensor_mib mail1)
  ((mib > 0 && mib <= 128)) || wrong "the sensor takes $mib MiB in the flood"
  lab heal all
  expect_within 150 "the incident closed" incident_in_state "$id" closed
  # The flood goes on for a while, and is told by itself again until it ends.
  wait %1 || true
  expect_within 90 "the flood is over" no_live_incident
}

sensor_says() { # name JSON-PATTERN: what `sensor show` has of the sensor
  px sensor show "$1" -o json | grep -qE "$2"
}
hang_up() { lab exec "$1" kill -HUP "$(cat "$LAB_STATE/run/sensor-$1.pid")"; } # name

# A sensor takes another policy while it runs: a wrong one is told and not taken, without a file it
# does not probe, and with one it does again.
test_policy_reload() {
  whole
  lab_state
  local policy
  policy=$(find "$LAB_STATE" -path '*lib1*' -name policy.toml | head -n 1)
  [[ -n $policy ]] || wrong "lib1 has no policy.toml in $LAB_STATE"
  cp -p "$policy" "$WORK/policy.toml"
  echo 'packets_per_secnd = 1' >>"$policy"
  hang_up lib1
  expect_within 20 "the slip told" sensor_says lib1 'packets_per_secnd'
  sensor_says lib1 '"probing": true' || wrong "the former policy was dropped for a slip"
  rm "$policy"
  hang_up lib1
  expect_within 20 "no probing without a policy" sensor_says lib1 '"probing": false'
  cp -p "$WORK/policy.toml" "$policy"
  hang_up lib1
  expect_within 20 "probing again" sensor_says lib1 '"probing": true'
  sensor_says lib1 '"probing_problem": null' || wrong "a problem is left: $(px sensor show lib1 -o json)"
}

test_start_broken() {
  lab down --quiet 2>/dev/null || true
  raise --no-daemons
  lab fault rogue-default
  expect_within 30 "half-open connections on mail1" syn_recv_at_least 10
  lab daemons start
  expect_within 60 "all four sensors connected" sensors_connected 4
  local id
  id=$(open_route_anomaly)
  is_right "$id"
  lab heal all
  expect_within 120 "the incident closed" incident_in_state "$id" closed
}

run_tests "$@"
