#!/bin/bash
# `parallax-sensor capture` against real packets: two hosts joined by a cable (network namespaces and
# a veth pair) inside a private namespace, so that nothing outside is touched and nothing is left.
#
#   tests/e2e/capture_live.sh [BINARY_DIR]
#
# See live/lib.sh for BINARY_DIR, output and exit codes.
# shellcheck disable=SC2317 # most functions are called by name, through check and wait_for
programs=(parallax-sensor parallax_syn_generator)
# shellcheck source=tests/e2e/live/lib.sh
. "$(dirname "$0")/live/lib.sh"

# records FILE EXPRESSION: how many records of a jsonl file make the Python expression over r true
records() { "$python" -c 'import json,sys
print(sum(bool(eval(sys.argv[2])) for r in map(json.loads, open(sys.argv[1]))))' "$@"; }
has() { [ "$(records "$1" "$2")" -ge "${3:-1}" ]; }
exactly() { local n; n=$(records "$1" "$2"); [ "$n" = "$3" ] || { echo "$n records, not $3: $2"; return 1; }; }
# start NAME ARGS...: a capture in the background, its output in $work/NAME; returns once it listens
start() {
  local name=$1; shift
  "$sensor" capture "$@" >"$work/$name" 2>"$work/$name.err" &
  echo $! >"$work/$name.pid"
  wait_for 10 grep -q 'capturing on' "$work/$name.err" || fail "$name starts" "$(cat "$work/$name.err")"
}
stop() {  # stop NAME SIGNAL: its exit code
  kill -"$2" "$(cat "$work/$1.pid")"; wait "$(cat "$work/$1.pid")"
}
plug() {
  ip link add name here0 type veth peer name there0 netns there
  ip addr add 192.0.2.1/24 dev here0; ip addr add 2001:db8::1/64 dev here0 nodad; ip link set here0 up
  ip -n there addr add 192.0.2.2/24 dev there0; ip -n there addr add 2001:db8::2/64 dev there0 nodad
  ip -n there link set there0 up
}
there() { ip netns exec there "$@"; }
knock() { there timeout 5 bash -c "exec 3<>/dev/tcp/$1/$2" 2>/dev/null; }

ip link set lo up
ip netns add there && plug || exit 77

cat >"$work/server.py" <<'PY'
import socket, time
s = socket.create_server(("::", 8025), family=socket.AF_INET6, dualstack_ipv6=True)
while True:
    s.accept()[0].close()
PY
"$python" "$work/server.py" & server=$!
wait_for 10 bash -c "exec 3<>/dev/tcp/127.0.0.1/8025"

# Every encapsulation that a frame may come in; the sequence number tells which.
cat >"$work/inject.py" <<'PY'
import socket, struct, sys
def tcp(seq, flags=2, sport=40000, dport=443): return struct.pack("!HHIIBBHHH", sport, dport, seq, 0, 0x50, flags, 65535, 0, 0)
def v4(p, proto=6, frag=0): return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20+len(p), 7, frag, 61, proto, 0, bytes([203,0,113,9]), bytes([192,0,2,1])) + p
def v6(p, nh=6): return struct.pack("!IHBB16s16s", 0x60000000, len(p), nh, 57, socket.inet_pton(10, "2001:db8:9::9"), socket.inet_pton(10, "2001:db8::1")) + p
def tags(*ids): return b"".join(struct.pack("!HH", tpid, tci) for tpid, tci in ids)
T4, T6 = b"\x08\x00", b"\x86\xdd"
hop = bytes([6,0,1,4,0,0,0,0])
frames = [
    T4 + v4(tcp(1)), T6 + v6(tcp(2)), T6 + v6(hop + tcp(3), 0),
    tags((0x8100,100)) + T4 + v4(tcp(4)), tags((0x8100,101)) + T6 + v6(tcp(5)),
    tags((0x8100,0xe000)) + T4 + v4(tcp(6)),
    tags((0x88a8,10),(0x8100,20)) + T4 + v4(tcp(7)), tags((0x8100,10),(0x8100,20)) + T6 + v6(tcp(8)),
    b"\x88\x47" + struct.pack("!I", 100<<12|0x140) + v4(tcp(9)),
    b"\x88\x64" + struct.pack("!BBHHH", 0x11, 0, 5, 42, 0x21) + v4(tcp(10)),
    # Not ours: no SYN, a later fragment, a tunnel, UDP.
    T4 + v4(tcp(11, 0x10)), T4 + v4(tcp(12), frag=5), T4 + v4(b"\0\0\x08\0" + v4(tcp(13)), 47), T4 + v4(bytes(20), 17),
]
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind((sys.argv[1], 0))
for f in frames: s.send((b"\xff"*6 + b"\x02\0\0\0\0\x09" + f).ljust(60, b"\0"))
PY

# Real connections, both families.
start real --interface here0 -o jsonl
knock 192.0.2.1 8025; knock 2001:db8::1 8025
wait_for 10 has "$work/real" 'r["flags"] == "SA"' 2
check ipv4-syn exactly "$work/real" '(r["flags"], r["src"], r["dst"], r["dport"], r["interface"], r["ttl"]) == ("S", "192.0.2.2", "192.0.2.1", 8025, "here0", 64)' 1
check ipv4-syn-ack exactly "$work/real" '(r["flags"], r["src"], r["sport"], r["dst"]) == ("SA", "192.0.2.1", 8025, "192.0.2.2")' 1
check ipv6-syn exactly "$work/real" '(r["flags"], r["src"], r["dst"], r["dport"], r["vlan"]) == ("S", "2001:db8::2", "2001:db8::1", 8025, [])' 1
check ipv6-syn-ack exactly "$work/real" '(r["flags"], r["src"], r["dst"]) == ("SA", "2001:db8::1", "2001:db8::2")' 1
check nothing-else exactly "$work/real" 'True' 4
check frames-numbered exactly "$work/real" '1 <= r["frame"] <= 4' 4

# An interface that goes away and comes back: the same capture goes on.
ip link set here0 down
wait_for 10 grep -q 'here0: down' "$work/real.err"; check down-is-said grep -q 'here0: down' "$work/real.err"
ip link set here0 up; ip addr add 2001:db8::1/64 dev here0 nodad
knock 192.0.2.1 8025
wait_for 10 has "$work/real" 'r["flags"] == "SA"' 3; check after-down has "$work/real" 'r["flags"] == "SA"' 3
ip link del here0
wait_for 10 grep -q 'here0: gone' "$work/real.err"; check gone-is-said grep -q 'here0: gone' "$work/real.err"
plug
again() { knock 192.0.2.1 8025; has "$work/real" 'r["flags"] == "SA"' 4; }
wait_for 15 again; check after-gone has "$work/real" 'r["flags"] == "SA"' 4
# Up, but with nobody at the other end.
ip -n there link set there0 down
wait_for 10 grep -q 'here0: silent: no carrier' "$work/real.err"; check silent-is-said grep -q 'here0: silent: no carrier' "$work/real.err"
ip -n there link set there0 up
wait_for 10 bash -c "tail -n 1 '$work/real.err' | grep -q 'here0: up, capturing again'"; check return-is-said grep -q 'here0: up, capturing again' "$work/real.err"
stop real INT; check interrupt-exit test $? = 0
check summary grep -q '0 dropped by the kernel' "$work/real.err"

# Encapsulations as received, and as seen on the sending side before the kernel takes a tag off.
start received --interface here0 -o jsonl
ip netns exec there "$sensor" capture --interface there0 -o table >"$work/sent" 2>/dev/null & sent=$!
wait_for 10 grep -q TIME "$work/sent"
there "$python" "$work/inject.py" there0
injected='r["src"] in ("203.0.113.9", "2001:db8:9::9")'
wait_for 10 has "$work/received" "$injected" 10
wait_for 10 test "$(grep -c ':443 ' "$work/sent")" -ge 10
stop received TERM; kill -INT $sent; wait $sent
check encapsulations-received exactly "$work/received" "$injected and 1 <= r['isn'] <= 10" 10
check only-those exactly "$work/received" "$injected" 10
check vlan-ids exactly "$work/received" "$injected"' and r["vlan"] == {4: [100], 5: [101], 6: [0], 7: [10, 20], 8: [10, 20]}.get(r["isn"], [])' 10
check encapsulations-sent test "$(grep -Ec '(203.0.113.9|2001:db8:9::9).*:443 ' "$work/sent")" = 10

# A client whose answers get lost: the server repeats its SYN-ACK.
start attempts --interface here0 -o jsonl --handshakes
ip neigh replace 192.0.2.77 lladdr 02:00:00:00:00:77 dev here0
cat >"$work/spoof.py" <<'PY'
import socket, struct, sys
def total(b): s = sum(struct.unpack("!%dH" % (len(b)//2), b)); s = (s >> 16) + (s & 0xffff); return ~(s + (s >> 16)) & 0xffff
src, dst = bytes([192,0,2,77]), bytes([192,0,2,1])
def tcp(c): return struct.pack("!HHIIBBHHH", 40000, 8025, 77, 0, 0x50, 2, 65535, c, 0)
def ip(c): return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, 7, 0, 64, 6, c, src, dst)
packet = ip(total(ip(0))) + tcp(total(src + dst + struct.pack("!HH", 6, 20) + tcp(0)))
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind((sys.argv[1], 0))
s.send(bytes.fromhex(sys.argv[2].replace(":", "")) + b"\x02\0\0\0\0\x77" + b"\x08\0" + packet)
PY
there "$python" "$work/spoof.py" there0 "$(ip -o link show dev here0 | sed "s/.*ether \([0-9a-f:]*\).*/\1/")"
knock 192.0.2.1 8025
knock 192.0.2.1 9
wait_for 15 has "$work/attempts" 'True' 3
check half-open exactly "$work/attempts" '(r["src"], r["outcome"], r["rule"], r["syns"]) == ("192.0.2.77", "half_open", "syn_ack_repeated", 1) and r["syn_acks"] >= 2' 1
check completed exactly "$work/attempts" '(r["dport"], r["src"], r["outcome"], r["syn_acks"]) == (8025, "192.0.2.2", "completed", 1)' 1
check refused exactly "$work/attempts" '(r["dport"], r["outcome"], r["rule"]) == (9, "refused", "rst")' 1
stop attempts INT

# What was seen during a loss is no ground for a conclusion from silence: a capture that stands still
# while its ring overflows. The filter keeps the flood out of the output, not out of the ring.
flood() {  # flood COUNT: SYNs of forged clients, as fast as may be
  there "$bin/parallax_syn_generator" --interface there0 --mac 02:00:00:00:00:78 --destination 192.0.2.9:80 --count "$1" >/dev/null
}
start lossy --interface here0 -o jsonl --handshakes --promiscuous --filter 'host 192.0.2.2'
kill -STOP "$(cat "$work/lossy.pid")"
knock 192.0.2.1 8025; flood 700000
kill -CONT "$(cat "$work/lossy.pid")"
wait_for 15 has "$work/lossy" 'True'
check loss-withholds exactly "$work/lossy" '(r["src"], r["syns"], r["syn_acks"], r["outcome"], r["rule"]) == ("192.0.2.2", 1, 1, "unknown", "capture_loss")' 1
knock 192.0.2.1 8025
wait_for 15 has "$work/lossy" 'r["outcome"] == "completed"'; check after-loss has "$work/lossy" 'r["outcome"] == "completed"'
stop lossy INT
check loss-is-counted grep -Eq '[1-9][0-9]* dropped by the kernel' "$work/lossy.err"

# Words and exit codes.
"$sensor" capture --interface here0 --filter 'tcp portt 25' >"$work/none" 2>&1; code=$?
check bad-filter test $code = 2
check bad-filter-says grep -q "filter 'tcp portt 25'" "$work/none"
"$sensor" capture --interface nowhere0 >"$work/none" 2>&1; code=$?
check missing-interface test $code = 3
check missing-interface-says grep -q 'no interface named "nowhere0"; this host has: ' "$work/none"
if command -v setpriv >/dev/null && [ "$(id -u)" = 0 ] && cp "$sensor" /run/sensor && chmod 755 /run/sensor; then
  setpriv --reuid 65534 --clear-groups --inh-caps=-all --bounding-set=-all /run/sensor capture --interface here0 >"$work/none" 2>&1; code=$?
  if [ $code != 127 ]; then check no-permission test $code = 77; fi
fi
"$sensor" capture --interface here0 --count 1 -o jsonl >"$work/one" 2>/dev/null & one=$!
stop_after_one() { knock 192.0.2.1 8025; ! kill -0 $one; }
wait_for 10 stop_after_one; check count-ends exactly "$work/one" True 1
kill $server
finish
