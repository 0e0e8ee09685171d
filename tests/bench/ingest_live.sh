#!/bin/bash
# Ingest: attempts through real links, gRPC and mutual TLS into SQLite, committed and acknowledged,
# against a bare loop of prepared inserts into the same schema with the same settings and batches.
# Client and server share this machine. Run it on a quiet one.
#
#   tests/bench/ingest_live.sh [SECONDS]     after a build with the tests
set -euo pipefail
# shellcheck source=deploy/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../deploy/common.sh"
seconds=${1:-15}
work=$(mktemp -d "${TMPDIR:-/tmp}/parallax-ingest.XXXXXX")
collector='' loader=''
clean_up() {
  [[ -z $collector ]] || kill "$collector" 2>/dev/null || true
  [[ -z $loader ]] || kill "$loader" 2>/dev/null || true
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 143' INT TERM
port=17499

start() { # name: a fresh collector
  "$BIN/parallax-collector" init --dir "$work/$1" --name localhost --listen "127.0.0.1:$port" >/dev/null
  echo -e "\n[ingest]\nrecords_per_second = ${2:-10000}" >>"$work/$1/collector.toml"
  sed -i '0,/^\[ingest\]$/{/^\[ingest\]$/d}' "$work/$1/collector.toml"
  "$BIN/parallax-collector" run --config "$work/$1/collector.toml" >"$work/$1.log" 2>&1 &
  collector=$!
}
stop() {
  kill "$collector"
  wait "$collector" || true
  collector=''
}
# As its last word: in the background it is the load itself that is there to be killed.
load() { exec "$BIN/parallax_link_load" --ca "$work/$1" --collector "127.0.0.1:$port" "${@:2}"; }
field() { sed -n "s/.*\"$1\": \([0-9.]*\).*/\1/p"; }

echo "as much as it takes: 10 sensors, 300,000 rows a second offered"
start most 100000
(load most --attempts --sensors 10 --rate 30000 --seconds "$seconds") >"$work/most.json" || true
rows=$(field rows_per_second <"$work/most.json")
stop
total=$(sqlite3 -readonly "$work/most/parallax.db" 'SELECT count(*) FROM attempts')
bare=$("$BIN/parallax_insert_bench" "$work/bare.db" "$total" 5000)
awk -v rows="$rows" -v bare="$bare" 'BEGIN {
  printf "  ingest %d rows/s, bare inserts %d rows/s, ratio %.2f (wanted: 0.5)\n", rows, bare, rows / bare }'

echo "20,000 rows a second, 20 sensors: how long until the acknowledgement"
start steady
(load steady --attempts --sensors 20 --rate 1000 --seconds "$seconds") | tee "$work/steady.json" | sed 's/^/  /'
stop
echo "one sensor at a hundred times its quota of 100 a second, nine at half of theirs"
start loud 100
(load loud --attempts --sensors 10 --rate 50 --loud 10000 --seconds "$seconds") | sed 's/^/  /' || true
stop
echo "1,000 sensors: the collector is killed, and comes back"
start many
load many --sensors 1000 --rate 2 --seconds 1000 >"$work/many.json" &
loader=$!
connected() { "$BIN/parallax" --socket "$work/many/operator.sock" sensor list -o json 2>/dev/null | grep -c '"state": "connected"'; }
until (($(connected) == 1000)); do sleep 0.2; done
kill -9 "$collector"
wait "$collector" 2>/dev/null || true
"$BIN/parallax-collector" run --config "$work/many/collector.toml" >>"$work/many.log" 2>&1 &
collector=$!
begun=$(date +%s%N)
until (($(connected) == 1000)); do sleep 0.2; done
awk -v ns=$(($(date +%s%N) - begun)) -v kib="$(awk '/^VmHWM/ { print $2 }' "/proc/$collector/status")" 'BEGIN {
  printf "  all back after %.1f s (wanted: 30), collector %d MiB at the most (wanted: 400)\n", ns / 1e9, kib / 1024 }'
kill "$loader"
wait "$loader" || true
loader=''
sed 's/^/  /' "$work/many.json"
stop
