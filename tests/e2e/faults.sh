#!/bin/bash
# Each fault of the lab (deploy/lab fault): first what it does to packets, seen without Parallax,
# and only then what the collector says of it. Who teaches the collector a verdict, a direction, a
# split or a suspect changes a line of the table below, and no test.
# Each test may be run alone; together they share one lab, which each leaves whole, but for the last:
# what comes and goes stays open for a while. So would one fault of mail1 after the other, so others
# stand between them. A method that was silent now and then (loss, rogue-per-flow) may be taken for
# filtered for a while, so these stand at the end.
# tests/run: beside the others
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=deploy/campus/topology.sh
. "$ROOT/deploy/campus/topology.sh"
need_binaries
ensure_can_lab
LABS=("$LAB_NAME")

# What the collector says. Verdict "none": no incident at all. "-": nobody, or no suspect. "*":
# whatever. Suspects are nodes, "FROM>TO"; "FROM>" is a way into silence.
# Loss is told of the families whose hosts the looks happened to draw, one or both.
# Targets: "all" that really fail and no others, or "some" of them; "-": not looked at.
#  fault                          verdict          failing              reaching        family direction split   suspect targets
EXPECTED=(
  "rogue-default                  route_anomaly    mail1                lib1,noc1,web1  both   outbound  per_destination r-mail>  all"
  "rogue-per-flow                 route_anomaly    mail1                lib1,noc1,web1  both   outbound  per_flow        r-mail>  some"
  "ipv6-only                      route_anomaly    mail1                lib1,noc1,web1  ipv6   outbound  per_destination r-mail>  all"
  "route-flap                     route_anomaly    mail1                lib1,noc1,web1  *      outbound  *               *        some"
  "return-path                    route_anomaly    mail1                lib1,noc1,web1  both   outbound  per_destination r-mail>  all"
  "inbound-path                   route_anomaly    mail1                lib1,noc1,web1  both   inbound   per_destination border>  all"
  "loss                           lossy_path       mail1                *               *      outbound  per_packet      *        -"
  "icmp-filtered                  policy           lib1                 -               both   unknown   unknown         -        -"
  "silent-clients                 none             -                    -               -      -         -               -        -"
  "silent-clients+rogue-default   route_anomaly    mail1                lib1,noc1,web1  both   outbound  per_destination r-mail>  all"
  "target-off                     target_down      lib1,mail1,noc1,web1 -               both   unknown   unknown         -        all"
  "uplink-down                    sensor_isolated  web1                 -               both   unknown   unknown         -        -"
  "border-down                    border_outage    lib1,mail1,noc1,web1 -               both   unknown   unknown         border>  all"
  "syn-flood                      syn_flood        mail1                -               ipv4   unknown   unknown         -        -"
  "syn-flood+rogue-default        mixed            mail1                lib1,noc1,web1  both   outbound  per_destination r-mail>  all"
  "cut-off                        none             -                    -               -      -         -               -        -"
  "cut-off+rogue-default          none             -                    -               -      -         -               -        -"
)

MAIL4=192.0.2.34
REACH=$ROOT/deploy/campus/reach.py

# --- the lab --------------------------------------------------------------------------------------

# Up, all sensors connected, every client known and healthy, no incident in the way.
whole() {
  lab dir >/dev/null 2>&1 || lab up --no-build --no-hints --rate 40 --set detect.close_after=2s \
    --set detect.flap_quiet=60s --set schedule.baseline_interval=7s
  lab heal all
  lab clients list >"$WORK/addresses"
  expect_within 60 "all four sensors connected" sensors_connected 4
  expect_within 120 "every client healthy" targets_healthy "$(wc -l <"$WORK/addresses")"
  expect_within 60 "earlier incidents closed" nothing_live
}
nothing_live() { ! has_incident any candidate,open,monitoring; }

# heals FAULT...: and the incident that it made, if any, closes. The kernel passes on that a link
# has come back at most once a second, and neighbours are looked up anew: not yet is no wrong.
heals() {
  local fault id
  for fault in "$@"; do lab heal "$fault"; done
  expect_within 20 "every host reached by mail1 after healing $*" reaches_all mail1
  id=$(cat "$WORK/incident-id" 2>/dev/null) || return 0
  expect_within 120 "$id closed" incident_in_state "$id" closed
  [[ $(incident_field "$id" closed_at) == 20* ]] ||
    wrong "closed_at is $(incident_field "$id" closed_at)"
}

ended() { # process
  lab status >"$WORK/status"
  ! grep -q "^$1 " "$WORK/status" || wrong "the process $1 lives on"
}

# --- what really happens --------------------------------------------------------------------------

# NODE: to whom a ping fails; to whom a SYN fails.
failing() { unreachable_from "$1" "$WORK/addresses"; }
reaches_all() { [[ -z $(failing "$1") ]]; }
failing_tcp() { unreachable_by_tcp_from "$1" "$WORK/addresses"; }
count() { wc -l <"$1"; }

others_reach_all() { # node...
  local node
  for node in "$@"; do
    failing "$node" >"$WORK/touched"
    [[ ! -s $WORK/touched ]] || wrong "$node is touched by the fault: $(head -n 3 "$WORK/touched")"
  done
}
is_split() { # file of failing addresses: some, not all, of both IP versions
  local n
  n=$(count "$1")
  ((n > 15 && n < 65)) || wrong "$n of 80 hosts fail: not a split"
  grep -q : "$1" || wrong "no IPv6 host fails"
  grep -q '\.' "$1" || wrong "no IPv4 host fails"
}
a_client4() { grep '\.' "$1" | head -n 1; } # file of addresses
# Which SYNs from CLIENT's ports 40000 on to SERVER:PORT are answered? "PORT answered|silent"
flows_of() { # client server port
  lab exec inet "$PYTHON" "$REACH" --from "$1" --port "$3" --flows 24 --first-port 40000 --each \
    <<<"$2" | cut -d' ' -f2-
}
half_open_to() { lab exec mail1 ss -Htn state syn-recv | awk '{print $4}' | grep -qF "$1:"; }

# seen NODE INTERFACE FILTER COMMAND...: does such a packet come by there while COMMAND runs?
seen() {
  local node=$1 interface=$2 filter=$3 watcher status=0
  shift 3
  : >"$WORK/tcpdump"
  lab exec "$node" timeout 15 tcpdump -n -c 1 -i "$interface" "$filter" >/dev/null \
    2>"$WORK/tcpdump" &
  watcher=$!
  expect_within 10 "tcpdump listens" grep -q 'listening on' "$WORK/tcpdump"
  "$@" >/dev/null 2>&1 || true
  wait "$watcher" || status=$?
  return "$status"
}

# --- what the collector says ----------------------------------------------------------------------

# The addresses of nodes, as --suspect of check_incident.py wants them: "r-mail>student".
addresses_of() {
  local node=$1 row name v4 v6 router
  for row in "${BACKBONE[@]}" "border $UPLINK_BORDER4 $UPLINK_BORDER6" \
    "inet $UPLINK_INET4 $UPLINK_INET6"; do
    read -r name v4 v6 <<<"$row"
    [[ $name != "$node" ]] || printf '%s\n' "${v4%/*}" "${v6%/*}"
  done
  for row in "${DEPARTMENTS[@]}"; do
    read -r _ router v4 v6 <<<"$row"
    [[ $router != "$node" ]] || printf '%s\n' "${v4%/*}" "${v6%/*}"
  done
}
suspect_of() {
  [[ $1 == *'>'* ]] || { echo "$1"; return; }
  echo "$(addresses_of "${1%>*}" | paste -sd,)>$(addresses_of "${1#*>}" | paste -sd,)"
}

read_expected() { # fault: sets VERDICT FAILING REACHING FAMILY DIRECTION SPLIT SUSPECT TARGETS
  local row name
  for row in "${EXPECTED[@]}"; do
    read -r name VERDICT FAILING REACHING FAMILY DIRECTION SPLIT SUSPECT TARGETS <<<"$row"
    [[ $name != "$1" ]] || return 0
  done
  wrong "the table has no row for $1"
}

# Is ID, or nothing, the only incident?
nothing_but() { [[ $(incident_ids any open,monitoring) == "${1:-}" ]]; }

# Nothing (but ID) is declared until every sensor that is there has asked as many times as it takes
# for each target to have been looked at twice, and an incident would have had the time to open.
declares_nothing_but() { # fault [id]
  local started=$SECONDS probes
  px sensor list -o json >"$WORK/before.json"
  probes=$((2 * $(count "$WORK/addresses") / $(sensors_there)))
  until ((SECONDS - started >= 15)) && have_asked "$probes"; do
    nothing_but "${2:-}" || wrong "$1: an incident where none belongs: $(px incident list -o json)"
    ((SECONDS - started < 90)) ||
      wrong "too few probes in 90 s of $1: $(tr '\n' ';' <"$WORK/complaints")"
    sleep 0.5
  done
}
sensors_there() { px sensor list -o json | grep -c '"state": "connected"'; }
have_asked() { # probes: so many more than in before.json
  px sensor list -o json | check sensors - --beyond "$WORK/before.json" --probes "$1" \
    2>"$WORK/complaints"
}

# says FAULT [TRUTH]: the collector says what the table has; TRUTH is a file of failing addresses.
says() {
  local fault=$1 truth=${2:-} id
  local -a targets=()
  rm -f "$WORK/incident-id"
  read_expected "$fault"
  if [[ $VERDICT == none ]]; then
    declares_nothing_but "$fault"
    return
  fi
  expect_within 90 "an incident: $VERDICT" has_incident "$VERDICT" open,monitoring
  id=$(incident_ids "$VERDICT" open,monitoring | head -n 1)
  echo "$id" >"$WORK/incident-id"
  [[ $TARGETS == - ]] || targets=(--failing "$truth" --targets "$WORK/targets.json")
  [[ $TARGETS != some ]] || targets+=(--some)
  wait_until 60 is_as_expected "$id" "${targets[@]}" ||
    wrong "$fault: $(tr '\n' ';' <"$WORK/complaints")"
  nothing_but "$id" || wrong "$fault: more than one incident: $(px incident list -o json)"
  # What is no route anomaly must not turn into one, either.
  [[ $VERDICT == route_anomaly ]] || declares_nothing_but "$fault" "$id"
}
is_as_expected() { # id option...
  local id=$1
  shift
  px target list -o json >"$WORK/targets.json" || return 1
  px incident show "$id" -o json >"$WORK/incident.json" || return 1
  check expect "$WORK/incident.json" --verdict "$VERDICT" --failing-sensors "$FAILING" \
    --reaching-sensors "$REACHING" --family "$FAMILY" --direction "$DIRECTION" --split "$SPLIT" \
    --suspect "$(suspect_of "$SUSPECT")" "$@" 2>"$WORK/complaints"
}

sensor_in_state() { # name state
  [[ $(px sensor show "$1" -o json | check field - state) == "$2" ]]
}

half_open_strangers() { # on mail1, with peers that are no clients
  lab exec mail1 ss -Htn state syn-recv | awk '{print $4}' | sed -e 's/:[0-9]*$//' -e 's/[][]//g' |
    sort -u | comm -23 - <(sort "$WORK/addresses") | wc -l
}
many_strangers() { (($(half_open_strangers) >= 1000)); }

# --- one fault after the other -------------------------------------------------------------------

test_inbound_path() {
  whole
  lab fault inbound-path
  failing mail1 >"$WORK/truth"
  is_split "$WORK/truth"
  others_reach_all web1
  # What mail1 sends gets there all the same; the answer does not come back.
  local client
  client=$(a_client4 "$WORK/truth")
  seen inet eth0 "icmp and src $MAIL4 and dst $client" pings mail1 "$client" ||
    wrong "no echo request of mail1 arrives at $client"
  says inbound-path "$WORK/truth"
  heals inbound-path
}

test_icmp_filtered() {
  whole
  lab fault icmp-filtered
  failing lib1 | cmp -s - <(sort "$WORK/addresses") || wrong "lib1 gets echos"
  [[ -z $(failing_tcp lib1) ]] || wrong "TCP from lib1 is touched, too"
  pings lib1 192.0.2.97 || wrong "the library's router does not answer its own host"
  others_reach_all mail1
  says icmp-filtered
  heals icmp-filtered
  others_reach_all lib1
}

test_return_path() {
  whole
  lab fault return-path
  failing mail1 >"$WORK/truth"
  is_split "$WORK/truth"
  others_reach_all web1
  # What the client sends arrives, and is answered in vain.
  local client
  client=$(a_client4 "$WORK/truth")
  [[ $(flows_of "$client" "$MAIL4" 25 | grep -c answered) == 0 ]] || wrong "$client gets answers"
  half_open_to "$client" || wrong "no half-open connection of $client on mail1"
  says return-path "$WORK/truth"
  heals return-path
}

test_target_off() {
  whole
  lab fault target-off
  failing mail1 >"$WORK/truth"
  (($(count "$WORK/truth") == CLUSTER4_COUNT + CLUSTER6_COUNT)) ||
    wrong "$(count "$WORK/truth") hosts are off"
  failing web1 | cmp -s - "$WORK/truth" || wrong "not the same for all"
  says target-off "$WORK/truth"
  heals target-off
}

test_rogue_default() {
  whole
  lab fault rogue-default
  failing mail1 >"$WORK/truth"
  is_split "$WORK/truth"
  others_reach_all lib1 noc1 web1
  local client
  client=$(a_client4 "$WORK/truth")
  [[ $(flows_of "$client" "$MAIL4" 25 | grep -c silent) == 24 ]] ||
    wrong "$client gets through to mail1 with some of its ports"
  says rogue-default "$WORK/truth"
  syn_recv_at_least 20 || wrong "only $(syn_recv_count) half-open connections on mail1"
  heals rogue-default
  # A closed incident still tells who failed and who did not.
  local id
  id=$(cat "$WORK/incident-id")
  [[ $(incident_field "$id" failing_sensors) == '["mail1"]' ]] ||
    wrong "after closing, failing_sensors is $(incident_field "$id" failing_sensors)"
  [[ $(incident_field "$id" reaching_sensors) == '["lib1", "noc1", "web1"]' ]] ||
    wrong "after closing, reaching_sensors is $(incident_field "$id" reaching_sensors)"
  expect_within 60 "all targets healthy again" targets_healthy "$(count "$WORK/addresses")"
}

test_uplink_down() {
  whole
  lab fault uplink-down
  ! pings noc1 192.0.2.66 || wrong "web1 still answers"
  others_reach_all mail1
  says uplink-down
  sensor_in_state web1 isolated || wrong "web1 is not isolated: $(px sensor list)"
  heals uplink-down
  expect_within 30 "web1 connected" sensors_connected 4
}

test_silent_clients() {
  whole
  lab fault silent-clients
  failing mail1 >"$WORK/silent"
  local n
  n=$(count "$WORK/silent")
  ((n * 100 / 80 >= 65 && n * 100 / 80 <= 75)) || wrong "$n of 80 clients ignore pings, not 70 %"
  failing web1 | cmp -s - "$WORK/silent" || wrong "not the same for all"
  [[ -z $(failing_tcp mail1) ]] || wrong "some clients answer no SYN"
  says silent-clients
  lab fault rogue-default
  failing_tcp mail1 >"$WORK/truth"
  is_split "$WORK/truth"
  [[ -n $(comm -12 "$WORK/truth" "$WORK/silent") ]] || wrong "none of the silent ones fails"
  says silent-clients+rogue-default "$WORK/truth"
  heals rogue-default silent-clients
}

test_border_down() {
  whole
  lab fault border-down
  local node
  for node in mail1 web1; do
    failing "$node" >"$WORK/truth"
    cmp -s "$WORK/truth" <(sort "$WORK/addresses") || wrong "$node still reaches some hosts"
  done
  pings mail1 192.0.2.130 || wrong "the campus itself is broken"
  says border-down "$WORK/truth"
  heals border-down
}

test_ipv6_only() {
  whole
  lab fault ipv6-only
  failing mail1 >"$WORK/truth"
  grep -q : "$WORK/truth" || wrong "no IPv6 host fails"
  ! grep -q '\.' "$WORK/truth" || wrong "IPv4 is broken, too"
  others_reach_all web1
  says ipv6-only "$WORK/truth"
  heals ipv6-only
}

link_of() { # node: "answered" if a SYN of it to the collector's port is
  lab exec "$1" "$PYTHON" "$REACH" --port "$COLLECTOR_PORT" --each <<<192.0.2.131 | cut -d' ' -f3
}
# Nobody hears of it as long as the one sensor that sees it cannot report. Its silence is no fault
# of the hosts, and when it is back, it is found.
test_cut_off() {
  whole
  lab fault cut-off
  [[ $(link_of mail1) == silent ]] || wrong "mail1 still gets through to the collector"
  [[ $(link_of web1) == answered ]] || wrong "web1 does not get through to the collector"
  pings mail1 192.0.2.131 || wrong "mail1 does not reach the collector's host"
  others_reach_all mail1
  expect_within 60 "mail1 unheard" sensor_in_state mail1 lost
  says cut-off
  lab fault rogue-default
  failing mail1 >"$WORK/truth"
  is_split "$WORK/truth"
  expect_within 30 "half-open connections on mail1" syn_recv_at_least 20
  says cut-off+rogue-default
  lab heal cut-off
  says rogue-default "$WORK/truth"
  heals rogue-default
}

test_syn_flood() {
  whole
  ((($(half_open_strangers)) == 0)) || wrong "strangers on mail1 before the flood"
  lab fault syn-flood
  expect_within 30 "1000 half-open connections of strangers on mail1" many_strangers
  others_reach_all mail1
  says syn-flood
  lab fault rogue-default
  failing mail1 >"$WORK/truth"
  is_split "$WORK/truth"
  says syn-flood+rogue-default "$WORK/truth"
  heals rogue-default syn-flood
  ended syn-flood
}

test_loss() {
  whole
  lab fault loss
  local client percent
  client=$(a_client4 "$WORK/addresses")
  percent=$(loses mail1 "$client")
  ((percent >= 10 && percent <= 30)) || wrong "mail1 loses $percent % towards $client, not about 20"
  percent=$(loses web1 "$client")
  ((percent <= 1)) || wrong "web1 loses $percent %"
  says loss
  heals loss
}

test_rogue_per_flow() {
  whole
  lab fault rogue-per-flow
  local client
  for client in "$(a_client4 "$WORK/addresses")" "$(a_client4 <(tac "$WORK/addresses"))"; do
    # The same client gets through with some source ports and not with others: with the same ones,
    # when it asks again.
    flows_of "$client" "$MAIL4" 25 >"$WORK/flows"
    grep -q answered "$WORK/flows" || wrong "no flow of $client gets through"
    grep -q silent "$WORK/flows" || wrong "every flow of $client gets through"
    flows_of "$client" "$MAIL4" 25 | cmp -s - "$WORK/flows" ||
      wrong "not the same flows, asked again"
  done
  [[ $(flows_of "$client" 192.0.2.66 80 | grep -c answered) == 24 ]] || wrong "web1 is touched"
  says rogue-per-flow "$WORK/addresses"
  heals rogue-per-flow
}

is_gone() { ! pings mail1 "$1"; }
comes_and_goes() { [[ $(px incident list --state open -o json) == *'"flapping"'* ]]; }
test_route_flap() {
  whole
  lab fault route-flap
  local victim turn
  expect_within 30 "some host fails" some_host_fails
  victim=$(a_client4 "$WORK/truth")
  for turn in first second; do
    expect_within 30 "$victim back, the $turn time" pings mail1 "$victim"
    expect_within 30 "$victim gone again, the $turn time" is_gone "$victim"
  done
  others_reach_all web1
  # The first times may open an incident each that closes when it is over, or none. The fourth is
  # told as one that comes and goes, and stays open.
  expect_within 240 "an incident that comes and goes" comes_and_goes
  # Any client may be among those that fail when it opens.
  says route-flap "$WORK/addresses"
  rm "$WORK/incident-id"
  heals route-flap
  ended route-flap
}
some_host_fails() {
  failing mail1 >"$WORK/truth"
  grep -q '\.' "$WORK/truth"
}

run_tests "$@"
