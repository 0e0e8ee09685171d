#!/bin/bash
# The lab itself, without Parallax: faults do what they say, nothing leaks, two labs live side by
# side, and no root is needed where user namespaces are allowed.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
ensure_can_lab
OTHER=$LAB_NAME-b
LABS=("$LAB_NAME" "$OTHER")

whole() {
  lab dir >/dev/null 2>&1 || lab up --no-daemons --no-hints
  lab heal all
  lab clients list >"$WORK/addresses"
}
failing() { unreachable_from "$1" "$WORK/addresses" | wc -l; }
outside() { ip -o link | cut -d: -f2 | sort; ip route; ip -6 route; ls /run/netns 2>&1 || true; sysctl -a 2>/dev/null | grep -E '^net.*(forward|multipath|rp_filter)'; }

test_reaches_everybody() {
  whole
  (($(wc -l <"$WORK/addresses") == 80)) || wrong "not 80 clients"
  local node
  for node in mail1 web1 lib1 noc1; do
    [[ $(failing $node) == 0 ]] || wrong "$node does not reach $(failing $node) hosts"
  done
}

test_rogue_default_splits() {
  whole
  lab fault rogue-default
  local n
  n=$(failing mail1)
  ((n > 15 && n < 65)) || wrong "mail1 fails to reach $n of 80 hosts: not a split"
  [[ $(failing web1) == 0 ]] || wrong "web1 is touched by the fault"
  # A destination is all or nothing: asked again, the very same hosts fail.
  unreachable_from mail1 "$WORK/addresses" >"$WORK/first"
  unreachable_from mail1 "$WORK/addresses" | cmp -s - "$WORK/first" || wrong "the split is not by destination"
  grep -q : "$WORK/first" || wrong "no IPv6 host fails"
  grep -q '\.' "$WORK/first" || wrong "no IPv4 host fails"
  # TCP takes the same path as ping: half-open connections are to failing hosts, and to no others.
  expect_within 30 "half-open connections" syn_recv_at_least 20
  lab exec mail1 ss -Htn state syn-recv | awk '{print $4}' |
    sed -e 's/:[0-9]*$//' -e 's/[][]//g' | sort -u >"$WORK/half-open"
  [[ -z $(comm -23 "$WORK/half-open" "$WORK/first") ]] ||
    wrong "half-open towards hosts that answer: $(comm -23 "$WORK/half-open" "$WORK/first" | head -3 | paste -sd' ')"
  lab heal rogue-default
  [[ $(failing mail1) == 0 ]] || wrong "healing leaves $(failing mail1) hosts unreachable"
}

test_family_option() {
  whole
  lab fault rogue-default --family 6
  unreachable_from mail1 "$WORK/addresses" >"$WORK/first"
  [[ $(grep -c : "$WORK/first") -gt 0 ]] || wrong "no IPv6 host fails"
  [[ $(grep -c "\\." "$WORK/first") == 0 ]] || wrong "--family 6 breaks IPv4 too"
  lab heal all
}

test_target_off_is_off_for_all() {
  whole
  lab fault target-off
  unreachable_from mail1 "$WORK/addresses" >"$WORK/first"
  unreachable_from web1 "$WORK/addresses" | cmp -s - "$WORK/first" || wrong "not the same for all"
  (($(wc -l <"$WORK/first") == 12)) || wrong "$(wc -l <"$WORK/first") hosts are off, not 12"
  lab heal all
  [[ $(failing web1) == 0 ]] || wrong "healing leaves hosts off"
}

test_uplink_down() {
  whole
  lab fault uplink-down
  ! lab exec noc1 ping -q -c 1 -W 1 192.0.2.66 || wrong "web1 still answers"
  lab heal all
  expect_within 20 "web1 answers again" lab exec noc1 ping -q -c 1 -W 1 192.0.2.66
  expect_within 20 "web1 answers again over IPv6" lab exec noc1 ping -q -c 1 -W 1 2001:db8:0:20::80
}

# What faults change, on every node that one of them touches.
settings() {
  local node
  for node in border backbone r-mail r-web r-library inet; do
    echo "== $node"
    lab exec "$node" sh -c 'ip route show table all; ip -6 route show table all; ip rule; ip -6 rule
      ip -o link; nft list ruleset; sysctl net.ipv4.fib_multipath_hash_policy \
        net.ipv4.fib_multipath_hash_fields net.ipv6.fib_multipath_hash_policy \
        net.ipv6.fib_multipath_hash_fields' |
      sed -e 's/ expires [0-9]*sec//' -e 's/ state [A-Z]*//' | sort
  done
}
faults_on() { lab status | sed -n 's/^faults: //p'; }
refused() { # what it must say, fault...
  local status=0 what=$1
  shift
  lab fault "$@" >"$WORK/out" 2>"$WORK/err" || status=$?
  ((status == 1)) || wrong "fault $*: exit code $status, not 1"
  grep -q -- "$what" "$WORK/err" || wrong "fault $*: said '$(cat "$WORK/err")'"
}

# Every fault there is: listed, told by `status`, refused a second time, and gone without a trace.
test_every_fault_heals() {
  whole
  settings >"$WORK/before"
  local name
  local -a names
  mapfile -t names < <(lab fault | sed -n 's/^  \([a-z0-9-]*\) .*/\1/p')
  ((${#names[@]} >= 14)) || wrong "${#names[@]} faults are listed"
  for name in "${names[@]}"; do
    lab fault "$name"
    [[ $(faults_on) == "$name"* ]] || wrong "$name is on, and status tells: $(faults_on)"
    refused "$name is on already; undo it: deploy/lab heal $name --name $LAB_NAME" "$name"
    lab heal "$name"
    lab heal "$name"
    [[ $(faults_on) == none ]] || wrong "after healing $name, status tells: $(faults_on)"
    settings >"$WORK/after"
    diff "$WORK/before" "$WORK/after" || wrong "healing $name leaves something behind"
  done
  lab status >"$WORK/status"
  ! grep -E '^(syn-flood|route-flap) ' "$WORK/status" || wrong "a process is left"
}

test_faults_combine() {
  whole
  settings >"$WORK/before"
  lab fault rogue-default
  local name
  for name in rogue-per-flow ipv6-only route-flap; do
    refused "rogue-default is on and sets the same route; undo that first" "$name"
  done
  lab heal rogue-default
  lab fault ipv6-only
  refused "ipv6-only is on" rogue-default
  refused "ipv6-only is on" rogue-default --family 6
  lab fault rogue-default --family 4 # another IP version, another route
  lab fault loss
  lab fault cut-off
  lab fault return-path
  lab fault target-off --family 4
  lab fault target-off # what is on stays, the rest comes along
  local told='cut-off, ipv6-only (IPv6), loss (IPv4), loss (IPv6), return-path (IPv4),'
  told+=' return-path (IPv6), rogue-default (IPv4), target-off (IPv4), target-off (IPv6)'
  [[ $(faults_on) == "$told" ]] || wrong "status tells: $(faults_on)"
  lab heal all
  settings >"$WORK/after"
  diff "$WORK/before" "$WORK/after" || wrong "healing all leaves something behind"
}

# The generator is built with the tests only: a lab without it says so, and does the rest.
test_no_generator() {
  whole
  mkdir -p "$WORK/empty/bin"
  local status=0
  PARALLAX_BUILD_DIR=$WORK/empty "$ROOT/deploy/lab" fault syn-flood --name "$LAB_NAME" \
    2>"$WORK/err" || status=$?
  ((status == 1)) || wrong "exit code $status, not 1"
  grep -q "parallax_syn_generator is missing; build it: " "$WORK/err" || wrong "$(cat "$WORK/err")"
  [[ $(faults_on) == none ]] || wrong "what could not be broken is told as broken: $(faults_on)"
}

test_two_labs() {
  whole
  "$ROOT/deploy/lab" up --no-daemons --no-hints --name "$OTHER"
  "$ROOT/deploy/lab" fault rogue-default --name "$OTHER"
  [[ $(failing mail1) == 0 ]] || wrong "a fault in one lab is felt in the other"
  "$ROOT/deploy/lab" down --name "$OTHER"
  [[ $(failing mail1) == 0 ]] || wrong "one lab's end is felt in the other"
}

test_leaves_nothing() {
  lab down --quiet 2>/dev/null || true
  outside >"$WORK/before"
  lab up --no-daemons --no-hints
  outside >"$WORK/during"
  local state holder
  state=$(lab dir)
  read -r holder _ <"$state/holder"
  lab fault rogue-default
  lab down
  outside >"$WORK/after"
  cmp "$WORK/before" "$WORK/during" || wrong "the lab changes something outside"
  cmp "$WORK/before" "$WORK/after" || wrong "the lab leaves something behind"
  [[ ! -e $state && ! -e /proc/$holder ]] || wrong "$state or process $holder survives"
  ! pgrep -f "$state" >/dev/null || wrong "processes survive: $(pgrep -af "$state")"
}

test_without_root() {
  ((EUID == 0)) || skip "not root: every test here is this test"
  local state=$WORK/unprivileged
  local -a as=(setpriv --reuid=65534 --regid=65534 --clear-groups env -u XDG_RUNTIME_DIR
    HOME=/ PARALLAX_LAB_DIR="$state" "$ROOT/deploy/lab")
  setpriv --reuid=65534 --regid=65534 --clear-groups unshare -Urn true 2>/dev/null ||
    skip "user namespaces are not allowed here"
  setpriv --reuid=65534 --regid=65534 --clear-groups test -r "$ROOT/deploy/lab" ||
    skip "other users cannot read this tree"
  chmod 755 "$WORK"
  install -d -m 700 -o 65534 "$state"
  # Its state folder is not where clean_up looks.
  # shellcheck disable=SC2064
  trap "${as[*]} down --name mortal --quiet || true" EXIT
  "${as[@]}" up --no-daemons --no-build --no-hints --name mortal
  "${as[@]}" fault rogue-default --name mortal
  [[ $("${as[@]}" exec --name mortal r-mail ip route show default | grep -c nexthop) == 2 ]] ||
    wrong "no second default route"
}

test_usage_errors() {
  local status
  for arguments in "" "nonsense" "fault nonsense" "fault syn-flood --family 4" \
    "fault loss --family 5" "heal" "heal nonsense" "exec" "up --nonsense" "--name / up" "up --rate x"; do
    status=0
    # shellcheck disable=SC2086
    "$ROOT/deploy/lab" $arguments >"$WORK/out" 2>"$WORK/err" </dev/null || status=$?
    ((status == 2)) || wrong "lab $arguments: exit code $status, not 2"
    [[ ! -s $WORK/out && -s $WORK/err ]] || wrong "lab $arguments: the complaint belongs on stderr"
  done
  status=0
  "$ROOT/deploy/lab" status --name "$LAB_NAME-none" 2>"$WORK/err" || status=$?
  ((status == 1)) || wrong "status of no lab: exit code $status"
  grep -q "deploy/lab up" "$WORK/err" || wrong "no remedy: $(cat "$WORK/err")"
}

run_tests "$@"
