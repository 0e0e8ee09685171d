# Questions that the demo and the end-to-end tests ask about a running lab. Needs common.sh and the
# variable LAB_NAME; reads Parallax through its command line only, and the truth without Parallax.
# shellcheck shell=bash

lab() { PARALLAX_BUILD_DIR=$BUILD_DIR "$ROOT/deploy/lab" --name "$LAB_NAME" "$@"; }
lab_state() { [[ -n ${LAB_STATE:-} ]] || LAB_STATE=$(lab dir); }
check() { "$PYTHON" "$ROOT/deploy/campus/check_incident.py" "$@"; }

# `parallax` as an operator on the collector's host would type it.
px() {
  lab_state
  "$BIN/parallax" --socket "$LAB_STATE/collector/operator.sock" "$@"
}

sensors_connected() { px sensor list -o json 2>/dev/null | check sensors - --count "$1" 2>/dev/null; }
targets_healthy() { px target list -o json 2>/dev/null | check targets - --healthy "$1" 2>/dev/null; }

# incident_ids VERDICT STATES: ids of such incidents, one a line; "any" for any verdict.
incident_ids() {
  local -a wanted=()
  [[ $1 == any ]] || wanted=(--verdict "$1")
  px incident list -o json | check incidents - "${wanted[@]}" --state "$2" --list || true
}
has_incident() { [[ -n $(incident_ids "$1" "$2" 2>/dev/null) ]]; }
incident_field() { px incident show "$1" -o json | check field - "$2"; }
incident_in_state() { [[ ",$2," == *",$(incident_field "$1" state 2>/dev/null),"* ]]; }

syn_recv_count() { lab exec mail1 ss -Htn state syn-recv | wc -l; }

syn_recv_at_least() { (($(syn_recv_count) >= $1)); }

pings() { lab exec "$1" ping -q -c 1 -W 2 "$2" >/dev/null; } # node address
loses() { # node address: per cent of 300 pings that get no answer
  { lab exec "$1" ping -q -c 300 -i 0.004 -W 1 "$2" || true; } |
    sed -n 's/.* \([0-9]*\)[.0-9]*% packet loss.*/\1/p'
}

# unreachable_from NODE FILE: which of the addresses in FILE does NODE get no echo from, in three
# tries each? This is the truth, and Parallax has no part in it.
unreachable_from() {
  lab exec "$1" fping -u -r 2 -B 1 -t 400 -i 2 -f - <"$2" 2>/dev/null | sort -u || true
}

# The same by TCP, for hosts that answer no ping.
unreachable_by_tcp_from() {
  lab exec "$1" "$PYTHON" "$ROOT/deploy/campus/reach.py" <"$2" | awk '$2 == 0 { print $1 }' | sort -u
}

# judge_now ID FAILING REACHING FOLDER [VERDICT]: compares incident ID with the truth of this moment, leaves
# what it read in FOLDER, and prints what is wrong there into FOLDER/complaints.
# The truth is taken at each sensor: it fails from the failing ones and from none of the others.
judge_now() {
  local id=$1 failing=$2 reaching=$3 folder=$4 verdict=${5:-route_anomaly} node status=0
  px target list -o json >"$folder/targets.json" 2>"$folder/complaints" || return 1
  px incident show "$id" -o json >"$folder/incident.json" 2>"$folder/complaints" || return 1
  { lab clients list && check targets "$folder/targets.json" --list; } |
    sort -u >"$folder/addresses" || return 1
  unreachable_from "${failing%%,*}" "$folder/addresses" >"$folder/failing"
  check judge "$folder/incident.json" --verdict "$verdict" --targets "$folder/targets.json" \
    --failing "$folder/failing" --failing-sensors "$failing" --reaching-sensors "$reaching" \
    2>"$folder/complaints" || status=1
  for node in ${reaching//,/ }; do
    unreachable_from "$node" "$folder/addresses" >"$folder/failing-$node"
    [[ ! -s $folder/failing-$node ]] || {
      echo "the lab itself is broken: $node does not reach $(wc -l <"$folder/failing-$node") hosts" \
        >>"$folder/complaints"
      status=1
    }
  done
  return "$status"
}
