#!/bin/bash
# The referee of demo and tests must itself be right: it is given verdicts that are wrong in one way
# each, and must say which. Also the little editor of configuration files.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

write_case() {
  cat >"$WORK/targets.json" <<'JSON'
{"api_version":"parallax/v1","kind":"TargetList","items":[
 {"address":"203.0.113.5","verdict":"route_anomaly"},{"address":"203.0.113.6","verdict":"healthy"},
 {"address":"2001:db8:f::0001","verdict":"route_anomaly"}]}
JSON
  # 203.0.113.9 fails too, but Parallax never saw it: not its business.
  printf '%s\n' 203.0.113.5 2001:db8:f::1 203.0.113.9 >"$WORK/failing"
  cat >"$WORK/incident.json" <<'JSON'
{"id":7,"state":"open","verdict":"route_anomaly","family":"both","failing_sensors":["mail1"],
 "reaching_sensors":["web1","lib1"],"targets":["203.0.113.5","2001:db8:f::1"],"target_count":2}
JSON
}
judged() { # sed expression for the incident
  sed -i "$1" "$WORK/incident.json"
  check judge "$WORK/incident.json" --targets "$WORK/targets.json" --failing "$WORK/failing" \
    --failing-sensors mail1 --reaching-sensors lib1,web1 2>"$WORK/said"
}
refuses() { # sed expression, what it must say
  write_case
  ! judged "$1" || wrong "accepted: $1"
  grep -q -- "$2" "$WORK/said" || wrong "$1: said '$(cat "$WORK/said")', not '$2'"
}

test_right_verdict() {
  write_case
  judged '' || wrong "$(cat "$WORK/said")"
}

test_wrong_verdicts() {
  refuses 's/route_anomaly/target_down/' 'verdict is target_down'
  refuses 's/"open"/"closed"/' 'state is closed'
  refuses 's/"mail1"/"mail1","web1"/' 'failing sensors: named wrongly: web1'
  refuses 's/"mail1"//' 'failing sensors: missing: mail1'
  refuses 's/,"lib1"//' 'reaching sensors: missing: lib1'
  refuses 's/113.5/113.6/' 'targets: named wrongly: 203.0.113.6'
  refuses 's/,"2001:db8:f::1"//' 'targets: missing: 2001:db8:f::1'
  refuses 's/"target_count":2/"target_count":3/' 'target_count'
  refuses 's/both/ipv4/' 'family'
  refuses 's/"targets"/"goals"/' "field 'targets' is missing"
}

test_nothing_fails() {
  write_case
  : >"$WORK/failing"
  ! judged 's/"targets":\[.*\],"target_count":2/"targets":[],"target_count":0/' || wrong "accepted"
}

expected() { # option...: each beats the right ones before it
  check expect "$WORK/incident.json" --verdict route_anomaly --failing-sensors mail1 \
    --reaching-sensors lib1,web1 --family both --direction outbound --split unknown --suspect - \
    "$@" 2>"$WORK/said"
}
unexpected() { # what it must say, option...
  ! expected "${@:2}" || wrong "accepted: ${*:2}"
  grep -q -- "$1" "$WORK/said" || wrong "${*:2}: said '$(cat "$WORK/said")', not '$1'"
}

test_expectations() {
  write_case
  local unknown='"direction":"outbound","split":"unknown","suspect":'
  sed -i "s/\"target_count\"/${unknown}null,&/" "$WORK/incident.json"
  local -a truth=(--targets "$WORK/targets.json" --failing "$WORK/failing")
  expected || wrong "$(cat "$WORK/said")"
  expected "${truth[@]}" || wrong "$(cat "$WORK/said")"
  unexpected 'verdict is route_anomaly, not target_down' --verdict target_down
  unexpected 'failing sensors: missing: web1' --failing-sensors mail1,web1
  unexpected 'reaching sensors: named wrongly: lib1, web1' --reaching-sensors -
  unexpected 'family is both, not ipv6' --family ipv6
  unexpected 'direction is outbound, not inbound' --direction inbound
  unexpected 'split is unknown, not per_flow' --split per_flow
  unexpected 'suspect is None' --suspect '192.0.2.2>192.0.2.30'
  # One target of two: some of those that fail, but not all; and a host that does not fail is neither.
  sed -i 's/,"2001:db8:f::1"\],"direction/],"direction/; s/"target_count":2/"target_count":1/' \
    "$WORK/incident.json"
  expected "${truth[@]}" --some || wrong "$(cat "$WORK/said")"
  unexpected 'targets: missing: 2001:db8:f::1' "${truth[@]}"
  sed -i 's/113.5/113.6/' "$WORK/incident.json"
  unexpected 'targets: named wrongly: 203.0.113.6' "${truth[@]}" --some
  # Suspects: any address of a node will do; silence is a suspect of its own.
  sed -i 's/"suspect":null/"suspect":{"from":"192.0.2.2","to":"192.0.2.30"}/' "$WORK/incident.json"
  expected --suspect '192.0.2.2,2001:db8::2>192.0.2.30,2001:db8::30' || wrong "$(cat "$WORK/said")"
  unexpected 'suspect is' --suspect -
  unexpected 'suspect is' --suspect '192.0.2.2>'
  unexpected 'suspect is' --suspect '192.0.2.30>192.0.2.2'
  sed -i 's/192.0.2.30//' "$WORK/incident.json"
  expected --suspect '192.0.2.2>' || wrong "$(cat "$WORK/said")"
}

test_lists() {
  local list='{"api_version":"parallax/v1","kind":"SensorList","items":[{"name":"a","state":"connected"},{"name":"b","state":"lost"}]}'
  ! check sensors - --count 2 <<<"$list" 2>/dev/null || wrong "a lost sensor passes"
  check sensors - --count 2 <<<"${list/lost/connected}" || wrong "two connected sensors do not pass"
  ! check sensors - --count 3 <<<"${list/lost/connected}" 2>/dev/null || wrong "two pass for three"
  local status=0
  list='{"api_version":"parallax/v1","kind":"SensorList","items":[
    {"name":"a","state":"connected","probes_sent":30},{"name":"b","state":"lost","probes_sent":5}]}'
  echo "${list//30/10}" >"$WORK/before"
  check sensors - --beyond "$WORK/before" --probes 20 <<<"$list" || wrong "20 more are not 20 more"
  ! check sensors - --beyond "$WORK/before" --probes 21 <<<"$list" 2>/dev/null ||
    wrong "20 more pass for 21"
  check targets - <<<"$list" 2>/dev/null || status=$?
  ((status == 2)) || wrong "a list of another kind passes"
  status=0
  check sensors - --count 2 <<<"not JSON" 2>/dev/null || status=$?
  ((status == 2)) || wrong "no JSON passes"
  list='{"api_version":"parallax/v1","kind":"IncidentList","items":[{"id":3,"verdict":"route_anomaly","state":"open"},{"id":2,"verdict":"target_down","state":"closed"}]}'
  [[ $(check incidents - --verdict route_anomaly --state open,monitoring --list <<<"$list") == 3 ]] || wrong "wrong ids"
  ! check incidents - --verdict target_down --state open <<<"$list" || wrong "a closed incident is open"
}

test_set_config() {
  printf '%s\n' '[a]' '# x = "1s"  # comment' 'y = 2' '' '[b]' 'x = 3' >"$WORK/file.toml"
  "$ROOT/deploy/campus/set_config.py" "$WORK/file.toml" a.x=5s b.x=4 b.z='["p", "q"]' c.n=true
  printf '%s\n' '[a]' 'x = "5s"' 'y = 2' '' '[b]' 'z = ["p", "q"]' 'x = 4' '' '[c]' 'n = true' |
    cmp - "$WORK/file.toml" || wrong "$(cat "$WORK/file.toml")"
  printf '%s\n' '# first' '#d = 1' '' '[a]' 'd = 2' >"$WORK/file.toml"
  "$ROOT/deploy/campus/set_config.py" "$WORK/file.toml" d=3 'e=["p"]'
  printf '%s\n' 'e = ["p"]' '# first' 'd = 3' '' '[a]' 'd = 2' |
    cmp - "$WORK/file.toml" || wrong "$(cat "$WORK/file.toml")"
}

test_clients_are_many_and_steady() {
  local -a arguments=(--list --prefix 198.51.0.0/16 --prefix 64.28.0.0/16 --prefix 2a0a:4580::/32
    --cluster 198.51.100.16/28=8)
  "$ROOT/deploy/campus/clients.py" "${arguments[@]}" >"$WORK/one"
  "$ROOT/deploy/campus/clients.py" "${arguments[@]}" >"$WORK/two"
  cmp "$WORK/one" "$WORK/two" || wrong "another list each time"
  (($(sort -u "$WORK/one" | wc -l) == 80)) || wrong "not 80 different addresses"
  (($(grep -c '^64\.28\.' "$WORK/one") >= 20)) || wrong "not spread over the prefixes"
}

run_tests "$@"
