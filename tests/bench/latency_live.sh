#!/bin/bash
# From a SYN on the wire to its event handed to the link, in milliseconds, at some rates: two hosts
# joined by a cable (network namespaces and a veth pair) inside a private namespace. A benchmark, not
# a test.
#
#   tests/bench/latency_live.sh [BINARY_DIR]
#
# BINARY_DIR holds parallax_latency_bench and parallax_syn_generator; default: bin in
# $PARALLAX_BUILD_DIR, else build/bin. Exit 77 without the right to make namespaces.
set -eu
here=$(cd "$(dirname "$0")/../.." && pwd)
if [ "${1:-}" != --inside ]; then
  bin=$(cd "${1:-${PARALLAX_BUILD_DIR:-$here/build}/bin}" && pwd)
  unshare -nmp --fork --mount-proc true 2>/dev/null || {
    echo "cannot make namespaces here: needs root" >&2; exit 77; }
  exec unshare -nmp --fork --kill-child --mount-proc "$0" --inside "$bin"
fi
bin=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mount -t tmpfs tmpfs /run
mkdir -p /run/netns
ip netns add there
ip link add name here0 type veth peer name there0 netns there
ip link set here0 up
ip -n there link set there0 up

printf '%10s %10s %8s %8s %8s\n' SYN/S EVENTS P50 P99 MAX
for rate in 20 200 900; do
  count=$((rate * 5))
  "$bin/parallax_latency_bench" here0 "$count" >"$work/row" 2>"$work/err" &
  bench=$!
  until grep -q listening "$work/err"; do
    kill -0 "$bench" 2>/dev/null || { cat "$work/err" >&2; exit 1; }
    sleep 0.02
  done
  # Some more than are waited for, so that the last one cannot be missed.
  ip netns exec there "$bin/parallax_syn_generator" --interface there0 --mac 02:00:00:00:00:77 \
    --destination 192.0.2.1:443 --rate "$rate" --count $((count + rate)) --stamp >"$work/sent" 2>&1 &
  sender=$!
  wait "$bench"
  kill "$sender" 2>/dev/null || true
  wait "$sender" || true
  printf '%10s %s\n' "$rate" "$(cat "$work/row")"
done
echo "target: p50 <= 2, p99 <= 12"
