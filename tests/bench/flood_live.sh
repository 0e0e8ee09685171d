#!/bin/bash
# How many SYNs of a flood get lost, and what the rest costs: parallax-sensor against tcpdump with
# an equally large ring, in the same run. Two hosts joined by a cable (network namespaces and a veth
# pair) inside a private namespace: no frame leaves it. A benchmark, not a test.
#
#   tests/bench/flood_live.sh [BINARY_DIR] [--seconds S] [--rate PPS] [--sources N]
#
# BINARY_DIR holds parallax-sensor and parallax_syn_generator; default: bin in $PARALLAX_BUILD_DIR,
# else build/bin. Each of five floods lasts S seconds (10), as fast as one core sends unless --rate
# says otherwise, from random sources unless --sources does. Prints a table (flood_meter.py explains
# it); exit 0, 1 if something could not run, 2 for wrong usage, 77 without root or tcpdump.
set -u
here=$(cd "$(dirname "$0")" && pwd)
python=$(command -v /usr/bin/python3 python3 | head -1)
PATH=$PATH:/usr/sbin:/sbin
if [ "${1:-}" != --inside ]; then
  bin=${PARALLAX_BUILD_DIR:-$here/../../build}/bin seconds=10 flood=()
  while [ $# -gt 0 ]; do
    case $1 in
      --seconds | --rate | --sources)
        [[ ${2:-} =~ ^[0-9]+$ ]] || { echo "$1 wants a number" >&2; exit 2; }
        if [ "$1" = --seconds ]; then seconds=$2; else flood+=("$1" "$2"); fi
        shift 2 ;;
      -h | --help) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; exit 0 ;;
      -*) echo "unknown option $1; see --help" >&2; exit 2 ;;
      *) bin=$1; shift ;;
    esac
  done
  for program in parallax-sensor parallax_syn_generator; do
    [ -x "$bin/$program" ] || { echo "no $bin/$program: build it first" >&2; exit 1; }
  done
  bin=$(cd "$bin" && pwd) || exit 1
  command -v tcpdump >/dev/null || { echo "needs tcpdump to compare with" >&2; exit 77; }
  # No user namespace would do: there, tcpdump fails to give up the privileges it starts with.
  unshare -nmp --fork --mount-proc true 2>/dev/null || {
    echo "cannot make namespaces here: needs root" >&2; exit 77; }
  exec unshare -nmp --fork --kill-child --mount-proc "$0" --inside "$bin" "$seconds" "${flood[@]}"
fi
shift
bin=$1 seconds=$2
shift 2
mount -t tmpfs tmpfs /run && mkdir -p /run/netns && ip netns add there &&
  ip link add name here0 type veth peer name there0 netns there || exit 77
ip addr add 192.0.2.1/24 dev here0
ip link set here0 up
ip -n there link set there0 up

# The frames go to the Ethernet address of nobody: this host's own TCP takes no part.
"$python" "$here/flood_meter.py" --interface here0 --seconds "$seconds" \
  --sensor "$bin/parallax-sensor" -- ip netns exec there "$bin/parallax_syn_generator" \
  --interface there0 --mac 02:00:00:00:00:77 --destination 192.0.2.1:443 --bypass \
  --seconds "$seconds" "$@"
