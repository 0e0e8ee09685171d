#!/bin/bash
# Who offers a gateway, on a real wire: a host that listens and a box that speaks, each a network
# namespace inside a private one. The box speaks through its kernel's ordinary sockets, and forwards
# as a router does; then every frame of the golden capture is sent, in every encapsulation it has.
#
#   tests/e2e/announcements_live.sh [BINARY_DIR]
#
# See live/lib.sh for BINARY_DIR, output and exit codes.
# shellcheck disable=SC2317 # most functions are called by name, through check and wait_for
programs=(parallax-sensor)
# shellcheck source=tests/e2e/live/lib.sh
. "$(dirname "$0")/live/lib.sh"

host listener
node box
cable listener l0 box b0 192.0.2 2001:db8
link=$(ip -n box -o link show dev b0 | sed 's/.*ether \([0-9a-f:]*\).*/\1/')
local6() { ip -n box -6 -o addr show dev b0 scope link | sed 's/.*inet6 \([0-9a-f:]*\).*/\1/'; }
wait_for 10 bash -c "ip -n box -6 -o addr show dev b0 scope link | grep -q fe80"
speaker6=$(local6)

# start NAME: a capture in the background, its records in $work/NAME; returns once it listens
start() {
  ip netns exec listener "$sensor" capture --interface l0 --announcements -o jsonl \
    >"$work/$1" 2>"$work/$1.err" &
  echo $! >"$work/$1.pid"
  wait_for 10 grep -q 'capturing on' "$work/$1.err" || fail "$1 starts" "$(cat "$work/$1.err")"
}
stop() { kill -INT "$(cat "$work/$1.pid")"; wait "$(cat "$work/$1.pid")"; }
# records FILE EXPRESSION: how many records make the Python expression over r true
records() { "$python" -c 'import json,sys
print(sum(bool(eval(sys.argv[2])) for r in map(json.loads, open(sys.argv[1]))))' "$work/$1" "$2"; }
has() { [ "$(records "$1" "$2")" -ge "$3" ]; }
exactly() { local n; n=$(records "$1" "$2"); [ "$n" = "$3" ] || { echo "$n records, not $3: $2"; return 1; }; }
offer() { in_ns box "$python" "$live/offer.py" "$1" b0 192.0.2.2; }
# heard NAME KIND SPEAKER GATEWAY PREFIX METRIC WITHDRAWN: one record says just that
heard() {
  local name=$1
  local prefix="\"$5\""; [ "$5" != - ] || prefix=None
  local what="(r['kind'], r['speaker'], r['speaker_link'], r['gateway'], r['prefix'], r['metric'], r['withdrawn'], r['interface'], r['vlan']) == ('$2', '$3', '$link', '$4', $prefix, $6, $7, 'l0', [])"
  wait_for 10 has spoken "$what" 1
  check "$name" exactly spoken "$what" 1
}

start spoken
# The card is asked for the groups that routers speak to, not for everything.
groups() { ip -n listener maddr show dev l0; }
for group in 01:00:5e:00:00:09 01:00:5e:00:00:05 33:33:00:00:00:09 33:33:00:00:00:05; do
  check "listens-to-$group" grep -q "link  *$group" <(groups)
done
not_promiscuous() { ! ip -n listener -d -o link show dev l0 | grep -Eq 'promiscuity [1-9]'; }
check not-promiscuous not_promiscuous

for kind in rip rip-withdrawn rip-long ripng ospf ospf3 advertisement dhcp; do
  offer $kind || fail "$kind-is-sent"
done
heard rip rip 192.0.2.2 192.0.2.2 0.0.0.0/0 1 False
heard rip-withdrawn rip 192.0.2.2 192.0.2.2 0.0.0.0/0 16 True
heard rip-behind-24-routes rip 192.0.2.2 192.0.2.2 0.0.0.0/0 7 False
heard ripng rip "$speaker6" "$speaker6" ::/0 1 False
heard ospf ospf 192.0.2.2 192.0.2.2 - 0 False
heard ospf3 ospf "$speaker6" "$speaker6" - 0 False
heard router-advertisement router_advertisement "$speaker6" "$speaker6" ::/0 1800 False
heard dhcp-offer dhcp_offer 192.0.2.2 192.0.2.254 0.0.0.0/0 0 False

# A redirect, from the kernel itself: the listener sends by way of the box what should go to a third
# host on the same wire.
in_ns box sysctl -qw net.ipv4.conf.all.send_redirects=1 net.ipv4.conf.b0.send_redirects=1
for n in 192.0.2.3 fe80::3; do ip -n box neigh replace "$n" lladdr 02:00:00:00:00:03 dev b0; done
ip -n box route add 198.51.100.0/24 via 192.0.2.3
ip -n box -6 route add 2001:db8:9::/64 via fe80::3 dev b0
gateway listener 192.0.2.2 2001:db8::2
knock() { in_ns listener timeout 1 bash -c "exec 3<>/dev/udp/$1/9; echo >&3" 2>/dev/null; }
knock 198.51.100.7; knock 2001:db8:9::7
heard redirect redirect 192.0.2.2 192.0.2.3 198.51.100.7/32 0 False
heard redirect-ipv6 redirect "$speaker6" fe80::3 2001:db8:9::7/128 0 False
check nothing-else exactly spoken True 10
stop spoken
check no-drops grep -q ', 0 dropped by the kernel' "$work/spoken.err"

# What is heard live is what is read from the file.
cat >"$work/replay.py" <<'PY'
import socket, struct, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind((sys.argv[1], 0))
data, at = open(sys.argv[2], "rb").read(), 24
while at < len(data):
    length = struct.unpack("<I", data[at + 8:at + 12])[0]
    s.send(data[at + 16:at + 16 + length]); at += 16 + length
PY
golden=$here/tests/data/capture/announcements.pcap
start replayed
in_ns box "$python" "$work/replay.py" b0 "$golden"
offer rip  # the last one
said() { "$python" -c 'import json,sys
for r in map(json.loads, open(sys.argv[1])):
    del r["frame"], r["time"], r["interface"]
    if r["speaker"] != "192.0.2.2": print(r)' "$1"; }
wait_for 10 has replayed 'r["speaker"] == "192.0.2.2"' 1
stop replayed
check as-in-the-file diff <(said "$work/replayed") <(said "$golden.announcements.jsonl")

# Without being asked, nothing of it is captured.
ip netns exec listener "$sensor" capture --interface l0 -o jsonl >"$work/plain" 2>"$work/plain.err" &
plain=$!
wait_for 10 grep -q 'capturing on' "$work/plain.err"
in_ns box "$python" "$work/replay.py" b0 "$golden"
wait_for 10 grep -q '"flags":"S"' "$work/plain"
kill -INT $plain; wait $plain
check segments-only grep -q '^1 frame, 1 SYN.* 1 received' "$work/plain.err"
finish
