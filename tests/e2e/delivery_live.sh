#!/bin/bash
# Nothing acknowledged is lost and nothing is stored twice, whoever is killed, whatever fails between
# or below: a real collector, and real links and spools with records that carry numbers
# (tests/bench/link_load.cc). The database is read afterwards, record by record.
# PARALLAX_KILL_ROUNDS: how often somebody is killed (50).
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
LOAD=$BIN/parallax_link_load
[[ -x $LOAD ]] || die "$LOAD is missing: build it with the tests"
ip link set lo up
PATH=$BIN:$PATH
ROUNDS=${PARALLAX_KILL_ROUNDS:-50}
PORT=17443

# --- a collector and the load on it ---------------------------------------------------------------

new_site() {
  SITE=$(mktemp -d "$WORK/site.XXXX")
  parallax-collector init --dir "$SITE/collector" --name localhost --listen "127.0.0.1:$PORT" >/dev/null
}
start_collector() {
  parallax-collector run --config "$SITE/collector/collector.toml" >>"$SITE/collector.log" 2>&1 &
  COLLECTOR=$!
}
listens() { ss -Hltn "sport = :$PORT" | grep -q .; }
stop() { # pid: gracefully
  kill "$1"
  wait "$1" || wrong "process $1 ended with exit code $?"
}
destroy() { # pid
  kill -9 "$1" 2>/dev/null || true
  wait "$1" 2>/dev/null || true
}
start_load() { # option...
  "$LOAD" --ca "$SITE/collector" --collector "127.0.0.1:$PORT" --spool "$SITE/spool" \
    --journal "$SITE/journal" "$@" >>"$SITE/load.out" 2>>"$SITE/load.err" &
  LOADER=$!
}
ask() { sqlite3 -readonly "$SITE/collector/parallax.db" "$1"; }
stored() { ask "SELECT count(*) FROM probe_tries"; }
stored_at_least() { (($(stored 2>/dev/null || echo 0) >= $1)); }

# The database has each record that was acknowledged, and none twice. (The journal names what was
# acknowledged while it was live; of a backlog the load says only that nothing waits any more.)
check_database() {
  local twice lost
  twice=$(ask "SELECT count(*) FROM (SELECT 1 FROM probe_tries GROUP BY sensor, order_id
                                     HAVING count(*) > 1)")
  [[ $twice == 0 ]] || wrong "$twice records are stored twice"
  ask "SELECT n.name || ' ' || t.order_id FROM probe_tries t JOIN sensor_names n ON n.id = t.sensor" |
    sort >"$SITE/stored"
  sort -u "$SITE/journal" >"$SITE/acked"
  lost=$(comm -23 "$SITE/acked" "$SITE/stored" | wc -l)
  [[ $lost == 0 ]] ||
    wrong "$lost records were acknowledged and are not stored: $(comm -23 "$SITE/acked" "$SITE/stored" | head -n 3)"
  echo "$(wc -l <"$SITE/acked") acknowledged, $(wc -l <"$SITE/stored") stored, none lost, none twice"
}
all_stored() { # that the load of this test made
  local appended
  appended=$(sed -n 's/.*"appended": \([0-9]*\),.*/\1/p' "$SITE/load.out" | awk '{ n += $1 } END { print n }')
  [[ $(stored) == "$appended" ]] || wrong "$(stored) records of $appended are stored"
}
drain() { # what still waits in the spools is delivered
  start_load --sensors "${1:-5}" --rate 10 --seconds 1
  wait "$LOADER" || wrong "not everything was delivered: $(tail -n 1 "$SITE/load.out")"
}

# --- killed ---------------------------------------------------------------------------------------

test_kills() {
  new_site
  start_collector
  start_load --sensors 5 --rate 300 --seconds 100000
  local round victim
  RANDOM=4711
  for ((round = 1; round <= ROUNDS; ++round)); do
    sleep "0.$((RANDOM % 8 + 1))$((RANDOM % 10))" # at any moment: that is the test
    victim=$((RANDOM % 3))
    ((victim == 0)) || destroy "$LOADER"
    ((victim == 1)) || destroy "$COLLECTOR"
    ((victim == 1)) || start_collector
    ((victim == 0)) || start_load --sensors 5 --rate 300 --seconds 100000
  done
  expect_within 60 "the last collector listens" listens
  destroy "$LOADER"
  drain
  stop "$COLLECTOR"
  check_database
  [[ -s $SITE/journal ]] || wrong "nothing was acknowledged"
  [[ $(ask "PRAGMA integrity_check") == ok ]] || wrong "the database is damaged"
  # A sensor that is killed says so.
  (($(ask "SELECT count(*) FROM gaps WHERE reason = 'stopped'") > 0)) || wrong "no gap was told"
}

# --- a disk that is full --------------------------------------------------------------------------

test_full_disk_of_a_sensor() {
  new_site
  mkdir "$SITE/spool"
  mount -t tmpfs -o size=300k tmpfs "$SITE/spool"
  start_load --sensors 1 --rate 2000 --seconds 5 # 10,000 records, about 1 MB; nobody listens
  expect_within 60 "the disk is full" disk_is_full "$SITE/spool"
  start_collector
  wait "$LOADER" || wrong "not everything was delivered: $(tail -n 1 "$SITE/load.out")"
  grep -q '"dropped": 0,' "$SITE/load.out" || wrong "records were dropped: $(cat "$SITE/load.out")"
  stop "$COLLECTOR"
  check_database
  all_stored
  umount "$SITE/spool"
}
disk_is_full() { (($(df --output=avail -k "$1" | tail -n 1) < 20)); }

test_full_disk_of_the_collector() {
  new_site
  mkdir "$SITE/small"
  mount -t tmpfs -o size=2m tmpfs "$SITE/small"
  cp -a "$SITE/collector/." "$SITE/small/"
  mv "$SITE/collector" "$SITE/unused"
  ln -s small "$SITE/collector"
  start_collector
  start_load --sensors 2 --rate 3000 --seconds 5
  expect_within 60 "it says so" grep -q "cannot store, will keep trying" "$SITE/collector.log"
  mount -o remount,size=100m "$SITE/small"
  wait "$LOADER" || wrong "not everything was delivered: $(tail -n 1 "$SITE/load.out")"
  stop "$COLLECTOR"
  check_database
  all_stored
  umount "$SITE/small"
}

# --- what an operator sees of a spool --------------------------------------------------------------

spool_is() { # exit code, pattern, command
  local status=0
  parallax-sensor spool "$3" --config "$SITE/load-0/sensor.toml" >"$SITE/said" 2>&1 || status=$?
  [[ $status == "$1" ]] || wrong "spool $3: exit code $status, not $1: $(cat "$SITE/said")"
  grep -q -- "$2" "$SITE/said" || wrong "spool $3 does not say '$2': $(cat "$SITE/said")"
}
test_spool_commands() {
  new_site
  parallax-collector add-sensor load-0 --group group-0 --config "$SITE/collector/collector.toml" \
    --out "$SITE/load-0" --collector "127.0.0.1:$PORT" >/dev/null
  "$ROOT/deploy/campus/set_config.py" "$SITE/load-0/sensor.toml" "spool.dir=$SITE/spool/load-0"
  spool_is 0 "empty" list
  start_load --sensors 1 --rate 500 --seconds 1000 # nobody listens
  expect_within 60 "records on disk" spool_has_records
  spool_is 0 "wait for the collector" list
  destroy "$LOADER"
  spool_is 0 "whole" verify
  local segment
  segment=$(find "$SITE/spool/load-0" -name 'results-*.seg' | head -n 1)
  "$PYTHON" -c 'import sys
with open(sys.argv[1], "r+b") as file:
    file.seek(500)
    byte = file.read(1)[0]
    file.seek(500)
    file.write(bytes([byte ^ 1]))' "$segment"
  spool_is 1 "damaged" verify
  # It costs the record that it hit, and is told.
  start_collector
  drain 1
  drain 1 # what the first one noticed last
  stop "$COLLECTOR"
  [[ $(ask "SELECT sum(last_sequence - first_sequence + 1) FROM gaps WHERE reason = 'damaged'") == 1 ]] ||
    wrong "gaps: $(ask "SELECT * FROM gaps")"
  spool_is 0 "empty" list
}
spool_has_records() {
  parallax-sensor spool list --config "$SITE/load-0/sensor.toml" 2>/dev/null | grep -q '^results'
}

# --- a network that swallows everything -----------------------------------------------------------

test_partition() {
  new_site
  start_collector
  start_load --sensors 3 --rate 200 --seconds 25
  expect_within 60 "records arrive" stored_at_least 300
  nft -f - <<NFT
table inet partition {
  chain swallow { type filter hook input priority 0; tcp dport $PORT drop; tcp sport $PORT drop; }
}
NFT
  # Neither side hears that the other is gone: both have to find out.
  expect_within 60 "the collector's side is given up" gave_up
  nft delete table inet partition
  wait "$LOADER" || wrong "not everything was delivered: $(tail -n 1 "$SITE/load.out")"
  stop "$COLLECTOR"
  check_database
  all_stored
}
gave_up() {
  [[ $(parallax --socket "$SITE/collector/operator.sock" sensor list -o json |
    grep -c '"state": "lost"') == 3 ]]
}

# --- many -----------------------------------------------------------------------------------------

connected() { # how many
  (($(parallax --socket "$SITE/collector/operator.sock" sensor list -o json 2>/dev/null |
    grep -c '"state": "connected"') >= $1))
}
test_storm() {
  new_site
  start_collector
  expect_within 60 "it listens" listens
  start_load --sensors 200 --rate 5 --seconds 100000
  expect_within 60 "200 sensors connected" connected 200
  destroy "$COLLECTOR"
  start_collector
  local started=$SECONDS resident
  expect_within 60 "all 200 back" connected 200
  resident=$(awk '/^VmHWM/ { print int($2 / 1024) }' "/proc/$COLLECTOR/status")
  echo "200 sensors back after $((SECONDS - started)) s; the collector had $resident MiB at the most"
  ((resident <= 400)) || wrong "the collector took $resident MiB"
  destroy "$LOADER"
  drain 200
  stop "$COLLECTOR"
  check_database
}

run_tests "$@"
