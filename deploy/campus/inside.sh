#!/bin/bash
# What deploy/lab does inside the lab's own namespaces. Not for people: deploy/lab calls it, with
# STATE (the lab's state folder), ROOT (the source tree) and BIN (the binaries) in the environment.
#
# Every process started here has a file $STATE/run/NAME.pid (a process id of the lab's own PID
# namespace) and a log $STATE/log/NAME.log, and dies with the lab.
set -euo pipefail
: "${STATE:?}" "${ROOT:?}" "${BIN:?}"
# shellcheck source=deploy/campus/topology.sh
. "$ROOT/deploy/campus/topology.sh"
# shellcheck source=deploy/campus/network.sh
. "$ROOT/deploy/campus/network.sh"
# shellcheck source=deploy/campus/faults.sh
. "$ROOT/deploy/campus/faults.sh"

die() {
  echo "error: $*" >&2
  exit 1
}

running() { # name
  local pid
  pid=$(cat "$STATE/run/$1.pid" 2>/dev/null) && kill -0 "$pid" 2>/dev/null
}

launch() { # name node command...
  local name=$1 node=$2
  shift 2
  running "$name" && return 0
  nsenter --net="/run/netns/$node" -- setsid "$@" </dev/null >>"$STATE/log/$name.log" 2>&1 &
  echo $! >"$STATE/run/$name.pid"
}

# Stops with SIGTERM, and with SIGKILL what does not listen within ten seconds.
halt() { # name [signal]
  local name=$1 signal=${2:-TERM} pid i
  running "$name" || {
    rm -f "$STATE/run/$name.pid"
    return 0
  }
  pid=$(cat "$STATE/run/$name.pid")
  kill -s "$signal" "$pid" 2>/dev/null || true
  for ((i = 0; i < 200; i++)); do
    kill -0 "$pid" 2>/dev/null || break
    ((i == 100)) && kill -s KILL "$pid" 2>/dev/null
    sleep 0.1
  done
  rm -f "$STATE/run/$name.pid"
}

poll() { # seconds command...
  local tries=$(($1 * 5))
  shift
  until "$@"; do
    ((tries-- > 0)) || return 1
    sleep 0.2
  done
}

log_tail() { sed 's/^/    /' "$STATE/log/$1.log" 2>/dev/null | tail -n 8 >&2; }

listening() { # node port
  in_node "$1" ss -Hltn "sport = :$2" | grep -q .
}

sensors() { # prints: name department
  local row name department v4 v6 ports
  for row in "${HOSTS[@]}"; do
    read -r name department v4 v6 ports <<<"$row"
    [[ $ports == - ]] || echo "$name $department"
  done
}

host_field() { # name column, from 1
  local row
  local -a fields
  for row in "${HOSTS[@]}"; do
    read -ra fields <<<"$row"
    [[ ${fields[0]} == "$1" ]] && printf '%s' "${fields[$2 - 1]}" && return
  done
  return 1
}

# --- servers and clients -------------------------------------------------------------------------

cmd_network() { network_up; }

cmd_servers() {
  local row name department v4 v6 ports
  for row in "${HOSTS[@]}"; do
    read -r name department v4 v6 ports <<<"$row"
    [[ $ports == - ]] && continue
    launch "server-$name" "$name" /usr/bin/python3 "$ROOT/deploy/campus/server.py" "$name" "$ports"
  done
  for row in "${HOSTS[@]}"; do
    read -r name department v4 v6 ports <<<"$row"
    [[ $ports == - ]] && continue
    poll 20 listening "$name" "${ports##*,}" || {
      log_tail "server-$name"
      die "the server on $name does not listen"
    }
  done
}

client_arguments() {
  local row name department v4 v6 ports port prefix
  printf '%s\n' --count4 "$CLIENTS4" --count6 "$CLIENTS6" \
    --cluster "$CLUSTER4=$CLUSTER4_COUNT" --cluster "$CLUSTER6=$CLUSTER6_COUNT"
  for prefix in "${REMOTE4[@]}" "${REMOTE6[@]}"; do printf '%s\n' --prefix "$prefix"; done
  for row in "${HOSTS[@]}"; do
    read -r name department v4 v6 ports <<<"$row"
    [[ $ports == - ]] && continue
    for port in ${ports//,/ }; do
      printf '%s\n' --server "$(bare "$v4"):$port" --server "[$(bare "$v6")]:$port"
    done
  done
}

cmd_clients() { # start|stop|list
  local -a arguments
  mapfile -t arguments < <(client_arguments)
  case ${1:-} in
    start)
      # A few seconds to open a connection to every address would look like a flood: 20 a second.
      launch clients inet /usr/bin/python3 "$ROOT/deploy/campus/clients.py" "${arguments[@]}" \
        --rate "${CLIENT_RATE:-20}"
      ;;
    stop) halt clients ;;
    list) /usr/bin/python3 "$ROOT/deploy/campus/clients.py" "${arguments[@]}" --list ;;
    *) die "clients start|stop|list" ;;
  esac
}

# --- Parallax's own daemons ------------------------------------------------------------------------

need_binaries() {
  local binary
  for binary in parallax parallax-collector parallax-sensor; do
    [[ -x $BIN/$binary ]] || die "$BIN/$binary is missing; build it: cmake -S . -B build -G Ninja && ninja -C build"
  done
}

in_collector() { in_node collector env "PATH=$BIN:$PATH" "$@"; }

# Sets the site up with the same commands that an operator types: a certificate authority on the
# collector's host, then one folder a sensor, which an operator would copy to the sensor's host.
prepare() {
  local name department v4 v6
  [[ -e $STATE/collector/collector.toml ]] && return 0
  need_binaries
  v4=$(bare "$(host_field collector 3)") v6=$(bare "$(host_field collector 4)")
  in_collector parallax-collector init --dir "$STATE/collector" --name collector.campus.example \
    --listen "[::]:$COLLECTOR_PORT" >"$STATE/log/init.log" 2>&1 || {
    log_tail init
    die "parallax-collector init failed"
  }
  /usr/bin/python3 "$ROOT/deploy/campus/set_config.py" "$STATE/collector/collector.toml" \
    "targets.local_networks=[\"$CAMPUS4\", \"$CAMPUS6\"]"
  if [[ -s $STATE/settings ]]; then
    local -a settings
    mapfile -t settings <"$STATE/settings"
    /usr/bin/python3 "$ROOT/deploy/campus/set_config.py" "$STATE/collector/collector.toml" \
      "${settings[@]}"
  fi
  mkdir -p "$STATE/sensors"
  while read -r name department; do
    in_collector parallax-collector add-sensor "$name" --group "$department" \
      --config "$STATE/collector/collector.toml" --out "$STATE/sensors/$name" \
      --collector "$v4:$COLLECTOR_PORT" --collector "[$v6]:$COLLECTOR_PORT" \
      >>"$STATE/log/init.log" 2>&1 || {
      log_tail init
      die "parallax-collector add-sensor $name failed"
    }
    # The campus and part of its internet have addresses that no sensor probes unless told to.
    /usr/bin/python3 "$ROOT/deploy/campus/set_config.py" "$STATE/sensors/$name/policy.toml" \
      'allow=["0.0.0.0/0", "::/0", "documentation"]'
  done < <(sensors)
}

answers() { # command...: succeeds quietly
  running collector || return 0 # no use in waiting for the dead; the caller looks again
  in_collector env "PARALLAX_SOCKET=$STATE/collector/operator.sock" "$@" >/dev/null 2>&1
}

start_collector() {
  launch collector collector "$BIN/parallax-collector" run --config "$STATE/collector/collector.toml"
  poll 30 answers parallax status || true
  running collector && answers parallax status && return 0
  log_tail collector
  die "the collector does not answer; its log is $STATE/log/collector.log"
}

start_sensor() { # name
  launch "sensor-$1" "$1" "$BIN/parallax-sensor" run --config "$STATE/sensors/$1/sensor.toml"
}

cmd_daemons() { # start|stop|kill [collector|sensors|sensor NAME]
  local action=${1:-} which=${2:-all} name department known=0
  case $action in start | stop | kill) ;; *) die "daemons start|stop|kill [collector|sensors|sensor NAME]" ;; esac
  case $which in all | collector | sensors | sensor) ;; *) die "no daemon $which: collector, sensors or sensor NAME" ;; esac
  if [[ $which == sensor ]]; then
    while read -r name department; do [[ $name == "${3:-}" ]] && known=1; done < <(sensors)
    ((known)) || die "no sensor ${3:-}: $(sensors | cut -d' ' -f1 | paste -sd' ')"
  fi
  if [[ $action == start ]]; then
    prepare
    [[ $which == all || $which == collector ]] && start_collector
    while read -r name department; do
      [[ $which == all || $which == sensors || ($which == sensor && $name == "$3") ]] &&
        start_sensor "$name"
    done < <(sensors)
    return 0
  fi
  local signal=TERM
  [[ $action == kill ]] && signal=KILL
  while read -r name department; do
    [[ $which == all || $which == sensors || ($which == sensor && $name == "$3") ]] &&
      halt "sensor-$name" "$signal"
  done < <(sensors)
  [[ $which == all || $which == collector ]] && halt collector "$signal"
  return 0
}

# --- faults ------------------------------------------------------------------------------------------

is_on() { [[ -e $STATE/faults/$1.$2 ]]; } # name family

# Prints the fault that is on and sets the same default route, if there is one.
rival_of() { # name family
  local rogue each
  [[ " ${ROGUES[*]} " == *" $1 "* ]] || return 1
  for rogue in "${ROGUES[@]}"; do
    [[ $rogue != "$1" ]] || continue
    for each in 4 6 both; do
      [[ $each == "$2" || $each == both || $2 == both ]] || continue
      is_on "$rogue" "$each" && echo "$rogue" && return
    done
  done
  return 1
}

cmd_fault() { # name family...
  local name=$1 each rival
  local -a wanted=()
  shift
  for each in "$@"; do is_on "$name" "$each" || wanted+=("$each"); done
  ((${#wanted[@]})) || die "$name is on already; undo it: deploy/lab heal $name${LAB_OPTION:-}"
  for each in "${wanted[@]}"; do
    rival=$(rival_of "$name" "$each") || continue
    die "$rival is on and sets the same route; undo that first: deploy/lab heal $rival${LAB_OPTION:-}"
  done
  for each in "${wanted[@]}"; do
    "fault_${name//-/_}" "$each"
    : >"$STATE/faults/$name.$each"
  done
}

cmd_heal() { # name|all
  local file name
  for file in "$STATE"/faults/*.*; do
    [[ -e $file ]] || continue
    name=$(basename "$file")
    [[ $1 == all || $1 == "${name%.*}" ]] || continue
    "heal_$(tr - _ <<<"${name%.*}")" "${name##*.}"
    rm -f "$file"
  done
}

# --- looking -----------------------------------------------------------------------------------------

cmd_status() {
  local row name department v4 v6 ports file state
  echo "NODE       IPv4             IPv6                     WHAT"
  for row in "${BACKBONE[@]}"; do
    read -r name v4 v6 <<<"$row"
    case $name in
      border) ports="border router" ;;
      student) ports="a student's Linux box on the backbone" ;;
      *) ports="department router" ;;
    esac
    printf '%-10s %-16s %-24s %s\n' "$name" "$(bare "$v4")" "$(bare "$v6")" "$ports"
  done
  for row in "${HOSTS[@]}"; do
    read -r name department v4 v6 ports <<<"$row"
    [[ $ports == - ]] && ports="no server" || ports="TCP $ports"
    printf '%-10s %-16s %-24s %s\n' "$name" "$(bare "$v4")" "$(bare "$v6")" "$department: $ports"
  done
  printf '%-10s %-16s %-24s %s\n' inet "$(bare "$UPLINK_INET4")" "$(bare "$UPLINK_INET6")" \
    "answers for ${REMOTE4[*]} ${REMOTE6[*]}"
  echo "backbone   -                -                        the switch of the backbone"
  echo
  echo "PROCESS        STATE"
  for file in "$STATE"/run/*.pid; do
    [[ -e $file ]] || continue
    name=$(basename "$file" .pid)
    state="died, see $STATE/log/$name.log"
    running "$name" && state=running
    printf '%-14s %s\n' "$name" "$state"
  done
  echo
  local active
  active=$(find "$STATE/faults" -name '*.*' -printf '%f\n' | sort |
    sed -e 's/\.both$//' -e 's/\.\([46]\)$/ (IPv\1)/' | paste -sd, | sed 's/,/, /g')
  echo "faults: ${active:-none}"
  if running clients; then
    kill -s USR1 "$(cat "$STATE/run/clients.pid")"
    poll 2 grep -q opened "$STATE/log/clients.log" || true
    echo "clients: $(tail -n 1 "$STATE/log/clients.log")"
  else
    echo "clients: not running"
  fi
}

command=${1:?}
shift
"cmd_$command" "$@"
