#!/bin/bash
# Probing without privilege against real packets: client - near - far - internet, each a network
# namespace inside a private one, so that nothing outside is touched and nothing is left behind. The
# prober has no capability at all, and what it puts on the wire is counted there.
#
#   tests/e2e/probe_plain.sh [BINARY_DIR]
#
# BINARY_DIR holds parallax_plain_once and parallax-sensor; default: bin in $PARALLAX_BUILD_DIR, else build/bin.
# Prints "ok - ..." or "not ok - ..." per check; exit 0 if all passed, 1 if not, 77 if namespaces are
# not to be had.
set -u
here=$(cd "$(dirname "$0")/../.." && pwd)
if [ "${1:-}" != --inside ]; then
  bin=$(cd "${1:-${PARALLAX_BUILD_DIR:-$here/build}/bin}" && pwd) || exit 1
  for program in parallax_plain_once parallax-sensor; do
    [ -x "$bin/$program" ] || { echo "no $bin/$program: build it first" >&2; exit 1; }
  done
  user=(); [ "$(id -u)" = 0 ] || user=(-Ur)
  unshare "${user[@]}" -nmp --fork --mount-proc true 2>/dev/null || {
    echo "cannot make namespaces here (kernel.unprivileged_userns_clone?)" >&2; exit 77; }
  exec unshare "${user[@]}" -nmp --fork --kill-child --mount-proc "$0" --inside "$bin"
fi
plain="$2/parallax_plain_once"
sensor="$2/parallax-sensor"
python=$(command -v /usr/bin/python3 python3 | head -1)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mount -t tmpfs tmpfs /run && mkdir -p /run/netns || exit 77

failed=0
pass() { echo "ok - probe_plain $1"; }
fail() { echo "not ok - probe_plain $1: ${2:-}"; failed=1; }
in_ns() { ip netns exec "$@"; }
wait_for() {  # wait_for SECONDS COMMAND...
  local end=$((SECONDS + $1)); shift
  until "$@"; do [ $SECONDS -lt $end ] || return 1; sleep 0.1; done
}
# In the client's namespace and without a single capability.
powerless() { in_ns client setpriv --bounding-set=-all --inh-caps=-all --ambient-caps=-all "$@"; }
probe() { powerless "$plain" "$@"; }
# expect NAME CONDITION -- PROBE_ARGS...: CONDITION is Python over `a`, the answers in order of their
# serial, and `s`, the counts.
expect() {
  local name=$1 condition=$2 lines; shift 3
  lines=$(probe "$@" 2>&1)
  if "$python" - "$condition" "$lines" <<'PY'; then pass "$name"; else fail "$name" "$lines"; fi
import json, sys
rows = [json.loads(line) for line in sys.argv[2].splitlines()]
a = sorted((r for r in rows if "answer" in r), key=lambda r: r["serial"])
s = rows[-1]
kinds = [r["answer"] for r in a]
sources = [r["source"] for r in a]
sys.exit(0 if eval("(" + sys.argv[1] + ")") else 1)
PY
}
# What leaves the client between `capture NAME` and `counted NAME FILTER`.
capture() {
  in_ns client tcpdump -i c0 -Q out -U --immediate-mode -B 16384 -s 256 -nn -w "$work/$1.pcap" >/dev/null 2>"$work/$1.log" &
  tcpdump=$!
  wait_for 10 grep -qs "listening on" "$work/$1.log" || fail "tcpdump" "$(cat "$work/$1.log")"
}
stop_capture() {  # stop_capture NAME: all that has left is in the file
  local size=-1
  until [ "$size" = "$(stat -c %s "$work/$1.pcap")" ]; do
    size=$(stat -c %s "$work/$1.pcap"); sleep 0.15
  done
  kill $tcpdump; wait $tcpdump
}
counted() { tcpdump -nn -r "$work/$1.pcap" "$2" 2>/dev/null | wc -l; }

# --- the little world ---------------------------------------------------------------------------
for n in client near far internet; do
  ip netns add $n
  in_ns $n sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 \
    net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.icmp_ratelimit=0 \
    net.ipv6.icmp.ratelimit=0 >/dev/null
  in_ns $n ip link set lo up
done
in_ns client sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0
ip link add c0 netns client type veth peer name n0 netns near
ip link add n1 netns near type veth peer name f0 netns far
ip link add f1 netns far type veth peer name i0 netns internet
link() {  # link NS DEV V4 V6
  in_ns "$1" ip addr add "$3" dev "$2"; in_ns "$1" ip addr add "$4" dev "$2" nodad
  in_ns "$1" ip link set "$2" up
}
link client c0 10.0.0.2/24 fd00:0:0:1::2/64
link near n0 10.0.0.1/24 fd00:0:0:1::1/64
link near n1 10.1.0.1/24 fd00:0:0:2::1/64
link far f0 10.1.0.2/24 fd00:0:0:2::2/64
link far f1 10.2.0.1/24 fd00:0:0:3::1/64
link internet i0 10.2.0.2/24 fd00:0:0:3::2/64
route() { in_ns "$1" ip route add default via "$2"; in_ns "$1" ip -6 route add default via "$3"; }
route client 10.0.0.1 fd00:0:0:1::1
route near 10.1.0.2 fd00:0:0:2::2
route internet 10.2.0.1 fd00:0:0:3::1
in_ns far ip route add 10.0.0.0/24 via 10.1.0.1
in_ns far ip -6 route add fd00:0:0:1::/64 via fd00:0:0:2::1
in_ns far ip route add 198.51.0.0/16 via 10.2.0.2
in_ns far ip -6 route add 2001:db8:51::/48 via fd00:0:0:3::2
in_ns internet ip route add local 198.51.0.0/16 dev lo
in_ns internet ip -6 route add local 2001:db8:51::/48 dev lo
in_ns internet ip addr add 198.51.0.1/32 dev lo
in_ns internet ip -6 addr add 2001:db8:51::1/128 dev lo nodad
in_ns internet ip addr add 198.51.55.1/32 dev lo
in_ns internet ip -6 addr add 2001:db8:51:55::1/128 dev lo nodad
in_ns far ip route add blackhole 198.51.66.0/24
in_ns far ip -6 route add blackhole 2001:db8:51:66::/64
for kind in unreachable:77 prohibit:88; do
  in_ns client ip route add "${kind%:*}" "198.53.${kind#*:}.0/24"
  in_ns client ip -6 route add "${kind%:*}" "2001:db8:53:${kind#*:}::/64"
done
in_ns far nft -f - <<'NFT'
table inet wall {
  chain forward {
    type filter hook forward priority 0;
    ip daddr 198.51.77.1 reject with icmp host-unreachable
    ip6 daddr 2001:db8:51:77::1 reject with icmpv6 addr-unreachable
    ip daddr 198.51.88.1 reject with icmp admin-prohibited
    ip6 daddr 2001:db8:51:88::1 reject with icmpv6 admin-prohibited
  }
}
NFT
in_ns internet nft -f - <<'NFT'
table inet wall {
  chain input {
    type filter hook input priority 0;
    ip daddr 198.51.55.1 reject with icmp port-unreachable
    ip6 daddr 2001:db8:51:55::1 reject with icmpv6 port-unreachable
  }
}
NFT
cat >"$work/listen.py" <<'PY'
import select, socket, sys
tcp = socket.create_server(("::", 8080), family=socket.AF_INET6, dualstack_ipv6=True)
udp = [socket.socket(family, socket.SOCK_DGRAM) for family in (socket.AF_INET, socket.AF_INET6)]
for s, address in zip(udp, ("198.51.0.1", "2001:db8:51::1")): s.bind((address, 8081))
accepted = 0
open(sys.argv[1], "w").close()
while True:
    for ready in select.select([tcp, *udp], [], [])[0]:
        if ready is tcp:
            ready.accept()[0].close()
            accepted += 1
            with open(sys.argv[2], "w") as f: f.write(str(accepted))
        else:
            ready.sendto(b"pong", ready.recvfrom(2048)[1])
PY
ip netns exec internet "$python" "$work/listen.py" "$work/listening" "$work/accepted" &
wait_for 10 test -e "$work/listening" || fail "listener" "did not start"

# --- without ICMP ---------------------------------------------------------------------------------
in_ns client sysctl -qw net.ipv4.ping_group_range="1 0"
powerless grep -q "^CapEff:[[:space:]]*0*$" /proc/self/status && pass "no capabilities" || fail "no capabilities"
lines=$(probe missing)
[ "$(grep -c "ping_group_range" <<<"$lines")" = 2 ] && pass "no ICMP: told how to get it" ||
  fail "no ICMP: told how to get it" "$lines"
expect "no ICMP: not sent" 's["sent"] == 0 and s["errors"] == [95]' -- icmp 198.51.0.1 --wait 50
expect "no ICMP: TCP goes on" 'kinds == ["reset"]' -- tcp:81 198.51.0.1
in_ns client sysctl -qw net.ipv4.ping_group_range="0 0"
lines=$(probe missing)
grep -q "no icmp" <<<"$lines" && fail "ICMP allowed: not missing" "$lines" ||
  pass "ICMP allowed: not missing"

# --- answers, both families -------------------------------------------------------------------------
for v in 4 6; do
  if [ $v = 4 ]; then
    at() { echo "198.51.$1.1"; }; own() { echo "198.53.$1.1"; }
    t=198.51.0.1 near=10.0.0.1 far=10.1.0.2 dead=10.0.0.99
  else
    at() { echo "2001:db8:51:$1::1"; }; own() { echo "2001:db8:53:$1::1"; }
    t=2001:db8:51::1 near=fd00:0:0:1::1 far=fd00:0:0:2::2 dead=fd00:0:0:1::99
  fi
  expect "v$v echo" 'kinds == ["echo_reply"] * 3 and a[0]["ttl"] == 62 and a[0]["tag"]
    and s["accepted"] == 3 and s["forged"] == s["foreign"] == 0' -- icmp "$t" --count 3 --wait 300
  expect "v$v echo over 48 flows" 'kinds == ["echo_reply"] * 48' -- icmp "$t" --flows 48 --wait 300
  expect "v$v TCP open" 'kinds == ["syn_ack"] * 4 and sources == ["'"$t"'"] * 4 and s["open"] == 0
    and 0 < a[0]["rtt_ms"] < 100' -- tcp:8080 "$t" --flows 4 --wait 300
  expect "v$v TCP closed" 'kinds == ["reset"]' -- tcp:81 "$t" --wait 300
  expect "v$v TCP silent" 'kinds == [] and s["open"] == 0 and s["repeated"] == 0' -- tcp:80 "$(at 66)"
  expect "v$v TCP port unreachable" 'kinds == ["prohibited"] and a[0]["source"] == "'"$(at 55)"'"
    and a[0]["code"] in (3, 4)' -- tcp:80 "$(at 55)" --wait 300
  expect "v$v UDP closed" 'kinds == ["prohibited"] * 3 and sources == ["'"$t"'"] * 3 and a[0]["tag"]
    and not a[0]["nat"] and not a[0]["this_host"]' -- udp:33434 "$t" --count 3 --wait 300
  expect "v$v UDP open" 'kinds == ["udp_reply"] and a[0]["ttl"] == 62' -- udp:8081 "$t" --wait 300
  for method in icmp tcp:8080 udp:33434; do
    last=$([ $method = icmp ] && echo echo_reply || { [ $method = udp:33434 ] && echo prohibited || echo syn_ack; })
    expect "v$v trace by $method" 'kinds == ["time_exceeded", "time_exceeded", "'$last'"] * 1 and
      sources == ["'"$near"'", "'"$far"'", "'"$t"'"] and [r["probe_ttl"] for r in a] == [1, 2, 3]
      and a[0]["ttl"] == 64 and a[1]["ttl"] == 63 and not a[0]["nat"] and not a[0]["this_host"]
      and s["duplicate"] == s["forged"] == s["foreign"] == 0' -- $method "$t" --ttl 1-3 --wait 300
    expect "v$v $method unreachable" 'kinds == ["unreachable"] and sources == ["'"$far"'"]' \
      -- $method "$(at 77)" --wait 300
    expect "v$v $method prohibited" 'kinds == ["prohibited"] and sources == ["'"$far"'"]' \
      -- $method "$(at 88)" --wait 300
    expect "v$v $method, this host has no way" 's["sent"] == 0 and s["errors"][0] in (101, 113)' \
      -- $method "$(own 77)" --wait 50
    expect "v$v $method, this host prohibits" 's["sent"] == 0 and s["errors"] == [13]' \
      -- $method "$(own 88)" --wait 50
  done
  for method in icmp udp:33434; do
    expect "v$v $method, nobody there" 'kinds == ["unreachable"] and a[0]["this_host"]' \
      -- $method $dead --wait 4000
  done
  # An error about one packet is not blamed on the next.
  expect "v$v UDP after errors" 's["sent"] == 20 and s["errors"] == [] and len(a) == 20' \
    -- udp:33434 "$(at 77)" --count 20 --wait 300
  expect "v$v ICMP after errors" 's["sent"] == 20 and s["errors"] == [] and len(a) == 20' \
    -- icmp "$(at 77)" --count 20 --wait 300
done

# --- one probe is one packet ------------------------------------------------------------------------
capture silent
expect "a silent TCP target" 's["sent"] == 10 and s["repeated"] == 0 and s["off_flow"] == 0' \
  -- tcp:80 198.51.66.1 --flows 10 --wait 3500
expect "a silent TCP target, IPv6" 's["sent"] == 10 and s["repeated"] == 0' \
  -- tcp:80 2001:db8:51:66::1 --flows 10 --wait 3500
stop_capture silent
got="$(counted silent 'tcp') $(counted silent 'ip6 proto 6')"
[ "$got" = "10 10" ] || [ "$got" = "20 10" ] && pass "silent TCP targets: one packet each" ||
  fail "silent TCP targets: one packet each" "$got"
capture open
expect "an open TCP port" 'kinds == ["syn_ack"] * 8' -- tcp:8080 198.51.0.1 --flows 8 --wait 500
stop_capture open
got="$(counted open 'tcp[tcpflags] == tcp-syn') $(counted open 'tcp[tcpflags] & tcp-rst != 0') $(counted open tcp)"
[ "$got" = "8 8 16" ] && pass "an open TCP port: a SYN and a RST each" ||
  fail "an open TCP port: a SYN and a RST each" "$got"
[ ! -e "$work/accepted" ] && pass "no connection reached the target's program" ||
  fail "no connection reached the target's program" "$(cat "$work/accepted")"
capture same
expect "one flow, several SYNs" 'kinds == ["syn_ack"] * 3 and s["off_flow"] == 2' \
  -- tcp:8080 198.51.0.1 --count 3 --wait 500
stop_capture same
[ "$(counted same 'tcp[tcpflags] == tcp-syn and src portrange 61440-65535')" = 1 ] &&
  pass "the first SYN has the flow's port" || fail "the first SYN has the flow's port"
# A process that gets no CPU in time cannot prevent the second SYN, but says so.
expect "a stalled process" 's["repeated"] == 1 and s["open"] == 0' \
  -- tcp:80 198.51.66.1 --stall 1300 --wait 50
# What has come in while it stalled counts all the same.
expect "a stalled process, answered" 'kinds == ["syn_ack"] and a[0]["rtt_ms"] < 900' \
  -- tcp:8080 198.51.0.1 --stall 1300 --wait 50

capture datagrams
expect "echo, one flow" 'kinds == ["echo_reply"] * 5' -- icmp 198.51.0.1 --count 5 --wait 300
expect "echo, one flow, IPv6" 'kinds == ["echo_reply"] * 5' -- icmp 2001:db8:51::1 --count 5 --wait 300
expect "UDP, one flow" 'kinds == ["prohibited"] * 5' -- udp:33434 198.51.0.1 --count 5 --wait 300
expect "UDP, one flow, IPv6" 'kinds == ["prohibited"] * 5' -- udp:33434 2001:db8:51::1 --count 5 --wait 300
stop_capture datagrams
if lines=$("$python" "$here/tests/e2e/live/flow_constants.py" "$work/datagrams.pcap" 2>&1)
then pass "one packet a probe; flows keep their identifier, checksum and label"
else fail "one packet a probe; flows keep their identifier, checksum and label" "$lines"; fi

# --- scarcity -----------------------------------------------------------------------------------------
lines=$(ulimit -n 100; probe tcp:80 198.51.66.1 --flows 200 --wait 1000)
"$python" -c 'import json,sys
s = json.loads(sys.argv[1].splitlines()[-1])
sys.exit(0 if s["sent"] == 50 and s["errors"] == [24] * 150 and s["open"] == 0 else 1)' "$lines" &&
  pass "no more sockets than file descriptors" || fail "no more sockets than file descriptors" "$lines"
cat >"$work/hold.py" <<'PY'
import socket, sys, time
held = []
for family, icmp in ((socket.AF_INET, 1), (socket.AF_INET6, 58)):
    for i in range(1000, 1064):
        held.append(socket.socket(family, socket.SOCK_DGRAM, icmp)); held[-1].bind(("", i))
    for port in range(61440, 61952):
        held.append(socket.socket(family, socket.SOCK_DGRAM))
        if family == socket.AF_INET6: held[-1].setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        held[-1].bind(("", port))
open(sys.argv[1], "w").close()
time.sleep(600)
PY
(ulimit -n 4096; exec ip netns exec client "$python" "$work/hold.py" "$work/held") &
holder=$!
wait_for 10 test -e "$work/held" || fail "holder" "did not start"
for t in 198.51.0.1 2001:db8:51::1; do
  expect "identifier taken, $t" 'kinds == ["echo_reply"] * 2 and s["foreign"] == 0' \
    -- icmp $t --count 2 --wait 300
  expect "identifier taken, errors, $t" 'kinds == ["time_exceeded"] * 2 and not a[0]["nat"]' \
    -- icmp $t --ttl 1-2 --wait 300
  expect "source port taken, $t" 'kinds == ["udp_reply"]' -- udp:8081 $t --wait 300
  expect "source port taken, errors, $t" 'kinds == ["time_exceeded"] * 2 and not a[0]["nat"]' \
    -- udp:33434 $t --ttl 1-2 --wait 300
done
kill $holder; wait $holder 2>/dev/null
wait_for 5 test ! -e /proc/$holder

# --- errors that a Linux router does not send --------------------------------------------------------
# The near router answers for its neighbours: with MPLS labels (RFC 4950), or quoting 8 bytes.
ip netns exec near "$python" "$here/tests/e2e/live/odd_router.py" n0 "$work/routing" &
wait_for 10 test -e "$work/routing" || fail "router" "did not start"
in_ns near ip route add blackhole 198.52.0.0/16
in_ns near ip -6 route add blackhole 2001:db8:52::/48
for v in 4 6; do
  if [ $v = 4 ]; then at() { echo "198.52.$1.1"; }; router=10.0.0.7
  else at() { echo "2001:db8:52:$1::1"; }; router=fd00:0:0:1::7; fi
  for method in icmp tcp:80 udp:33434; do
    base='kinds == ["time_exceeded"] and sources == ["'$router'"] and a[0]["ttl"] == 61 and not a[0]["nat"]'
    expect "v$v $method MPLS" "$base"' and a[0]["mpls"] == [100, 200]' -- $method "$(at 1)" --wait 300
    expect "v$v $method MPLS, length not stated" "$base"' and a[0]["mpls"] == [100, 200]' \
      -- $method "$(at 2)" --wait 300
    expect "v$v $method 8 bytes quoted" "$base"' and not a[0]["tag"]' -- $method "$(at 3)" --wait 300
    expect "v$v $method spoilt extension" "$base"' and a[0]["mpls"] == []' -- $method "$(at 4)" --wait 300
    expect "v$v $method half a tag" "$base"' and not a[0]["tag"]' -- $method "$(at 5)" --wait 300
  done
  expect "v$v UDP, 8 bytes quoted, same TTL" 'len(a) == 3 and s["duplicate"] == 0' \
    -- udp:33434 "$(at 3)" --count 3 --wait 300
  # Without a tag nobody can tell which of these the error is about.
  expect "v$v UDP, 8 bytes quoted, other TTLs" 'len(a) <= 1 and s["accepted"] == len(a)' \
    -- udp:33434 "$(at 3)" --ttl 5-7 --wait 300
done

# --- a redirect ----------------------------------------------------------------------------------------
in_ns near ip addr add 10.0.0.3/24 dev n0
in_ns near sysctl -qw net.ipv4.conf.all.send_redirects=1 net.ipv4.conf.n0.send_redirects=1
in_ns near ip route add 198.54.0.0/16 via 10.0.0.4
ip link add c1 netns client type dummy 2>/dev/null
in_ns client sysctl -qw net.ipv4.conf.all.accept_redirects=0 net.ipv4.conf.c0.accept_redirects=0
expect "redirect" '"redirect" in kinds and a[0]["gateway"] == "10.0.0.4" and a[0]["source"] == "10.0.0.1"' \
  -- icmp 198.54.0.1 --wait 1000

# --- the command ---------------------------------------------------------------------------------------
cat >"$work/policy.toml" <<'TOML'
packets_per_second = 100000
per_prefix_per_second = 100000
per_target_per_second = 100000
allow = ["10.0.0.0/8", "198.51.0.0/16", "198.52.0.0/16", "fd00::/8", "2001:db8::/32"]
TOML
# sweep NAME EXIT CONDITION ARGS...: CONDITION is Python over `r`, the records, and `t`, the first.
# Runs "${by[@]}".
by=(powerless)
sweep() {
  local name=$1 code=$2 condition=$3 lines got; shift 3
  lines=$("${by[@]}" "$sensor" probe "$@" --policy "$work/policy.toml" -o jsonl 2>"$work/words"); got=$?
  if [ $got = "$code" ] && "$python" - "$condition" "$lines" <<'PY'; then pass "command: $name"
import json, sys
r = [json.loads(line) for line in sys.argv[2].splitlines()]
t = r[0]
hops = [[n["address"] for n in h["nodes"]] for h in t["path"]["hops"]] if "path" in t else []
sys.exit(0 if eval("(" + sys.argv[1] + ")") else 1)
PY
  else fail "command: $name" "exit $got; $(head -c 500 <<<"$lines"); $(tail -n 3 "$work/words")"; fi
}
for v in 4 6; do
  if [ $v = 4 ]; then
    at() { echo "198.51.$1.1"; }; t=198.51.0.1 near=10.0.0.1 far=10.1.0.2
  else
    at() { echo "2001:db8:51:$1::1"; }; t=2001:db8:51::1 near=fd00:0:0:1::1 far=fd00:0:0:2::2
  fi
  sweep "v$v ping" 0 't["state"] == "up" and t["sent"] == t["received"] == 1' ping $t
  sweep "v$v ping, silent" 1 't["state"] == "down" and t["sent"] == 3' ping "$(at 66)" --timeout 100ms
  sweep "v$v ping, prohibited" 1 't["state"] == "prohibited" and t["error"]["router"] == "'$far'"' \
    ping "$(at 88)" --timeout 200ms
  sweep "v$v tcp, open" 0 't["state"] == "up"' tcp $t --port 8080
  sweep "v$v tcp, closed" 0 't["state"] == "up"' tcp $t --port 81
  sweep "v$v tcp, unreachable" 1 't["state"] == "unreachable" and t["error"]["router"] == "'$far'"' \
    tcp "$(at 77)" --port 80 --timeout 200ms
  sweep "v$v udp, closed" 0 't["state"] == "up"' udp $t
  sweep "v$v 16 flows" 0 't["state"] == "up" and t["flows"]["verdict"] == "all_up"' \
    ping $t --flows 16 --count 1
  for method in icmp udp tcp; do
    sweep "v$v trace by $method" 0 'hops == [["'$near'"], ["'$far'"], ["'$t'"]]' \
      trace $t --method $method
  done
  grep -q "without raw sockets" "$work/words" && pass "command: v$v says what is missing" ||
    fail "command: v$v says what is missing" "$(cat "$work/words")"
done
by=(in_ns client)
sweep "--unprivileged" 0 'len(r) == 1 and t["state"] == "up"' ping 198.51.0.1 --unprivileged
grep -q "without raw sockets" "$work/words" && pass "command: --unprivileged does without" ||
  fail "command: --unprivileged does without" "$(cat "$work/words")"
by=(powerless)
# More silent targets than sockets: they wait for each other, and each gets its one packet.
capture crowd
(ulimit -n 150; sweep "more targets than sockets" 1 \
  'len(r) == 256 and all(x["state"] == "down" and x["sent"] == 1 for x in r)' \
  tcp 198.51.66.0/24 --port 80 --count 1 --timeout 500ms
exit $failed) || failed=1
stop_capture crowd
got=$(counted crowd 'tcp[tcpflags] == tcp-syn and dst net 198.51.66.0/24')
[ "$got" = 256 ] && pass "command: one SYN for each" || fail "command: one SYN for each" "$got"
in_ns client sysctl -qw net.ipv4.ping_group_range="1 0"
"${by[@]}" "$sensor" probe ping 198.51.0.1 --policy "$work/policy.toml" >"$work/out" 2>"$work/words"
got=$?
[ "$got" = 77 ] && [ ! -s "$work/out" ] && grep -q ping_group_range "$work/words" &&
  pass "command: ping that is not allowed" || fail "command: ping that is not allowed" "exit $got: $(cat "$work/words")"
exit $failed
