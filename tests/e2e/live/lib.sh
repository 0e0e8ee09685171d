# shellcheck shell=bash disable=SC2034,SC2317
# Shared by the live tests (*_live.sh); source it first, and say which programs are needed:
#
#   programs=(parallax-sensor)
#   needs_root=yes                  # if it calls `watch`
#   . "$(dirname "$0")/live/lib.sh"
#
# Usage of such a script: SCRIPT [BINARY_DIR]; the default is bin in $PARALLAX_BUILD_DIR, else
# build/bin. It starts itself again inside network, mount and process namespaces of its own, so that
# nothing outside is touched and nothing is left behind; exit 77 where those are not to be had.
# It prints "ok - ..." or "not ok - ..." per check, and ends with `finish`: exit 0 if all passed.
#
# Sets here (the source tree), bin, sensor, work (a folder that goes away), python.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
script=$(basename "$0" .sh)
PATH=$PATH:/usr/sbin:/sbin
if [ "${1:-}" != --inside ]; then
  bin=$(cd "${1:-${PARALLAX_BUILD_DIR:-$here/build}/bin}" && pwd) || exit 1
  for program in "${programs[@]}"; do
    [ -x "$bin/$program" ] || { echo "no $bin/$program: build it first" >&2; exit 1; }
  done
  user=(); [ "$(id -u)" = 0 ] || user=(-Ur)
  # In a user namespace, tcpdump fails to give up the privileges it starts with.
  [ "$(id -u)" = 0 ] || [ -z "${needs_root:-}" ] || { echo "needs root" >&2; exit 77; }
  unshare "${user[@]}" -nmp --fork --mount-proc true 2>/dev/null || {
    echo "cannot make namespaces here (kernel.unprivileged_userns_clone?)" >&2; exit 77; }
  exec unshare "${user[@]}" -nmp --fork --kill-child --mount-proc "$0" --inside "$bin"
fi
bin=$2
sensor=$bin/parallax-sensor
python=$(command -v /usr/bin/python3 python3 | head -1)
live=$here/tests/e2e/live
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mount -t tmpfs tmpfs /run && mkdir -p /run/netns || exit 77

# --- checks ---------------------------------------------------------------------------------------
pass() { echo "ok - $script $1"; }
fail() { echo "not ok - $script $1: ${2:-}"; touch "$work/failed"; }
check() {  # check NAME COMMAND...: the last line of what the command says is why
  local name=$1 why; shift
  if why=$("$@" 2>&1); then pass "$name"; else fail "$name" "${why##*$'\n'}"; fi
}
finish() { if [ -e "$work/failed" ]; then exit 1; else exit 0; fi; }
wait_for() {  # wait_for SECONDS COMMAND...
  local until=$(($(date +%s) + $1)); shift
  until "$@" >/dev/null 2>&1; do [ "$(date +%s)" -lt "$until" ] || return 1; sleep 0.05; done
}
ended() { ! kill -0 "$1"; }
# In the background, `ip netns exec` itself is needed: its process id is that of the command.
in_ns() { ip netns exec "$@"; }

# --- networks -------------------------------------------------------------------------------------
node() {  # node NAME...: namespaces that forward both families
  local n
  for n in "$@"; do
    ip netns add "$n" && ip -n "$n" link set lo up || exit 77
    in_ns "$n" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 \
      net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 \
      net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0
  done
}
host() {  # host NAME...: namespaces that do not forward
  local n
  node "$@"
  for n in "$@"; do in_ns "$n" sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0; done
}
# cable A IF_A B IF_B NET4 NET6: A is NET4.1 and NET6::1, B is .2 and ::2
cable() {
  ip link add name "$2" netns "$1" type veth peer name "$4" netns "$3"
  address "$1" "$2" "$5.1" "$6::1"; address "$3" "$4" "$5.2" "$6::2"
  ip -n "$1" link set "$2" up; ip -n "$3" link set "$4" up
}
address() { ip -n "$1" addr add "$3/24" dev "$2"; ip -n "$1" addr replace "$4/64" dev "$2" nodad; }
gateway() { ip -n "$1" route replace default via "$2"; ip -n "$1" -6 route replace default via "$3"; }
# No limit on the ICMP errors of these (Linux: 6 at once, then 1/s, for each address). The second
# limit is one for all namespaces before Linux 6.13.
talkative() {
  local n
  for n in "$@"; do
    in_ns "$n" sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0
    in_ns "$n" sysctl -qw net.ipv4.icmp_msgs_per_sec=1000000 net.ipv4.icmp_msgs_burst=100000 2>/dev/null
  done
}
nft_in() { in_ns "$1" nft -f -; }  # nft_in NAME: rules from stdin

# --- probes and their results ---------------------------------------------------------------------
# probe NAME ARGS...: `parallax-sensor probe ARGS` in the namespace $at (default: client); records in
# $work/NAME, words in NAME.err, exit code in NAME.code
probe() {
  local name=$1 code; shift
  in_ns "${at:-client}" timeout 60 "$sensor" probe "$@" -o jsonl \
    >"$work/$name" 2>"$work/$name.err" </dev/null
  code=$?
  echo "$code" >"$work/$name.code"
}
# judge NAME EXPRESSION: whether the Python expression is true of a probe's results (judge.py)
judge() { "$python" "$live/judge.py" "$work/$1" "$2"; }
# expect NAME EXPRESSION ARGS...: probe and judge
expect() {
  local name=$1 expression=$2 file=${1//[^a-zA-Z0-9.]/-}; shift 2
  probe "$file" "$@"
  check "$name" judge "$file" "$expression"
}
# serve NAME UDP_PORT TCP_PORT: echoes UDP and accepts TCP on every address; its pid in $server
serve() {
  ip netns exec "$1" "$python" "$live/serve.py" "$work/serving.$1" "$2" "$3" & server=$!
  wait_for 10 test -e "$work/serving.$1" || fail "server in $1" "does not start"
}
# policy NAME LINES: a policy file that puts no brake on the tests; it is the default from here on
policy() {
  printf '%s\n' "packets_per_second = 1000000" "per_prefix_per_second = 1000000" \
    "per_target_per_second = 1000000" "$2" >"$work/$1"
  export PARALLAX_POLICY=$work/$1
}
# watch NAME NAMESPACE INTERFACE [FILTER]: tcpdump into $work/NAME.pcap; returns once it listens
watch() {
  ip netns exec "$2" tcpdump -Z root -n -U --immediate-mode -B 16384 -s 128 --time-stamp-precision=nano \
    -w "$work/$1.pcap" -i "$3" ${4:+"$4"} >/dev/null 2>"$work/$1.tcpdump" &
  echo $! >"$work/$1.watcher"
  wait_for 10 grep -q 'listening on' "$work/$1.tcpdump" || fail "tcpdump $1" "$(cat "$work/$1.tcpdump")"
}
# unwatch NAME: all that was sent before is in the file
unwatch() {
  local size=-1
  until [ "$size" = "$(stat -c %s "$work/$1.pcap")" ]; do
    size=$(stat -c %s "$work/$1.pcap"); sleep 0.15
  done
  kill "$(cat "$work/$1.watcher")"; wait "$(cat "$work/$1.watcher")"
  grep -q '^0 packets dropped by kernel' "$work/$1.tcpdump" || fail "tcpdump $1" "$(tail -n 1 "$work/$1.tcpdump")"
}
both() {  # both FUNCTION: FUNCTION 4 and FUNCTION 6 at the same time
  local four six
  "$1" 4 & four=$!
  "$1" 6 & six=$!
  wait "$four" "$six"
}
