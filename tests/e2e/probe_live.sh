#!/bin/bash
# The probe engine against real packets: client - router - internet, each a network namespace inside
# a private one, so that nothing outside is touched and nothing is left behind.
#
#   tests/e2e/probe_live.sh [BINARY_DIR]
#
# BINARY_DIR holds parallax_probe_once; see live/lib.sh for output and exit codes.
# shellcheck disable=SC2317 # most functions are called by name, through check and wait_for
programs=(parallax_probe_once)
# shellcheck source=tests/e2e/live/lib.sh
. "$(dirname "$0")/live/lib.sh"
probe=$bin/parallax_probe_once

# field JSON PATH...: one value of a JSON line
field() { "$python" -c 'import json,sys
v=json.loads(sys.argv[1])
for k in sys.argv[2:]: v=v[int(k)] if k.lstrip("-").isdigit() else v[k]
print(v)' "$@"; }
# expect NAME STATE REPORTER -- PROBE_ARGS...: the deciding try of one order. A Linux router says no
# only five times in a row and then once a second (net.ipv4.route.error_cost and error_burst, which no
# namespace can change), so where its word is expected, silence is asked twice more.
expect() {
  local name=$1 state=$2 reporter=$3 line got who more=2; shift 4
  case $state in unreachable | prohibited) ;; *) more=0 ;; esac
  while :; do
    line=$(in_ns client "$probe" "$@" 2>&1) || { fail "$name" "$line"; return; }
    got=$(field "$line" state); who=$(field "$line" tries -1 reporter)
    [ "$got" = silent ] && [ $((more--)) -gt 0 ] || break
  done
  if [ "$got" = "$state" ] && [ "$who" = "$reporter" ]; then pass "$name"; else fail "$name" "$line"; fi
}
# --- the little world -------------------------------------------------------------------------
for n in client router internet; do
  ip netns add $n
  in_ns $n sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 \
    net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.icmp_ratelimit=0 \
    net.ipv6.icmp.ratelimit=0 >/dev/null
  in_ns $n ip link set lo up
done
in_ns client sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0
ip link add c0 netns client type veth peer name r0 netns router
ip link add r1 netns router type veth peer name i0 netns internet
link() {  # link NS DEV V4 V6
  in_ns "$1" ip addr add "$3" dev "$2"; in_ns "$1" ip addr add "$4" dev "$2" nodad
  in_ns "$1" ip link set "$2" up
}
link client c0 10.0.0.2/24 fd00:0:0:1::2/64
link router r0 10.0.0.1/24 fd00:0:0:1::1/64
link router r1 10.1.0.1/24 fd00:0:0:2::1/64
link internet i0 10.1.0.2/24 fd00:0:0:2::2/64
gateways() {
  in_ns client ip route replace default via 10.0.0.1
  in_ns client ip -6 route replace default via fd00:0:0:1::1 dev c0
}
gateways
in_ns client ip route add throw 203.0.113.0/24
in_ns client ip -6 route add throw 2001:db8:113::/48
in_ns internet ip route add default via 10.1.0.1
in_ns internet ip -6 route add default via fd00:0:0:2::1
in_ns internet ip route add local 198.51.0.0/16 dev lo
in_ns internet ip -6 route add local 2001:db8:51::/48 dev lo
in_ns router ip route add 198.51.0.0/16 via 10.1.0.2
in_ns router ip -6 route add 2001:db8:51::/48 via fd00:0:0:2::2
in_ns router ip route add 198.52.0.0/16 via 10.1.0.2          # a loop
in_ns router ip -6 route add 2001:db8:52::/48 via fd00:0:0:2::2
for kind in blackhole:66 unreachable:77 prohibit:88; do
  in_ns router ip route add "${kind%:*}" "198.51.${kind#*:}.0/24"
  in_ns router ip -6 route add "${kind%:*}" "2001:db8:51:${kind#*:}::/64"
done
in_ns router nft -f - <<'NFT'
table inet wall {
  chain forward {
    type filter hook forward priority 0;
    ip daddr 198.51.55.1 reject
    ip6 daddr 2001:db8:51:55::1 reject
    ip daddr 198.51.44.1 icmp type echo-request drop
    ip6 daddr 2001:db8:51:44::1 icmpv6 type echo-request drop
  }
}
NFT
in_ns internet nft -f - <<'NFT'
table ip mute {
  chain input { type filter hook input priority 0; ip daddr 198.51.33.1 drop; }
}
NFT
cat >"$work/listen.py" <<'PY'
import socket, sys
s = socket.create_server(("::", 8080), family=socket.AF_INET6, dualstack_ipv6=True)
open(sys.argv[1], "w").close()
while True: s.accept()[0].close()
PY
ip netns exec internet "$python" "$work/listen.py" "$work/listening" &
listener=$!
wait_for 10 test -e "$work/listening" || fail "listener" "did not start"

# --- answers and their absence, both families -----------------------------------------------------
for v in 4 6; do
  if [ $v = 4 ]; then at() { echo "198.51.$1.1"; }; router=10.0.0.1 host=10.1.0.2 loop=198.52.0.1 none=203.0.113.1
  else at() { echo "2001:db8:51:$1::1"; }; router=fd00:0:0:1::1 host=fd00:0:0:2::2 loop=2001:db8:52::1 none=2001:db8:113::1; fi
  expect "v$v echo is answered" answered "$(at 100)" -- "$(at 100)" icmp
  expect "v$v RST of a closed port is an answer" answered "$(at 100)" -- "$(at 100)" tcp:9
  expect "v$v SYN-ACK of an open port is an answer" answered "$(at 100)" -- "$(at 100)" tcp:8080
  expect "v$v black hole is silent" silent "" -- --timeout 500ms --spacing 500ms "$(at 66)" icmp tcp:443
  expect "v$v unreachable by router, echo" unreachable $router -- "$(at 77)" icmp
  expect "v$v unreachable by router, SYN" unreachable $router -- "$(at 77)" tcp:443
  expect "v$v prohibited by router, echo" prohibited $router -- "$(at 88)" icmp
  expect "v$v prohibited by router, SYN" prohibited $router -- "$(at 88)" tcp:443
  expect "v$v firewall that rejects is a filter" prohibited $router -- "$(at 55)" tcp:443
  line=$(in_ns client "$probe" --timeout 200ms --spacing 300ms "$(at 44)" icmp tcp:9)
  [ "$(field "$line" tries 0 state) $(field "$line" tries 1 state)" = "silent answered" ] && \
    pass "v$v the second try is answered" || fail "v$v the second try is answered" "$line"
  expect "v$v no route: not sent" not_sent "" -- $none icmp tcp:443
  line=$(in_ns client "$probe" $loop icmp)
  [ "$(field "$line" state)" = time_exceeded ] && pass "v$v routing loop: time exceeded" || \
    fail "v$v routing loop" "$line"
  expect "v$v UDP, port unreachable by the target is an answer" answered $host -- $host udp:33434
  expect "v$v UDP, unreachable by router" unreachable $router -- "$(at 77)" udp:33434
  expect "v$v UDP, black hole is silent" silent "" -- --timeout 500ms "$(at 66)" udp:33434
  line=$(in_ns client "$probe" --timeout 200ms --spacing 20ms "$(at 100)" tcp:8080)
  [ "$(field "$line" answers forged)" = 0 ] && pass "v$v nothing counted as forged" || fail "v$v forged" "$line"
done
expect "neighbour that is not there: this host says so" not_sent 10.0.0.2 -- --timeout 5s 10.0.0.99 icmp
expect "loopback is refused whatever the policy" refused "" -- 127.0.0.1 icmp
expect "multicast is refused whatever the policy" refused "" -- 224.0.0.1 icmp
expect "IPv4-mapped address is refused" refused "" -- ::ffff:198.51.100.1 icmp

# --- answers made up by somebody on the path ------------------------------------------------------
cat >"$work/forge.py" <<'PY'
# Answers each probe of 198.51.33.1 that passes i0: argv 2 "wrong" with a spoilt tag or
# acknowledgement, "twice" rightly, but two times.
import socket, struct, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)); s.bind(("i0", 0))
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
def total(b):
    b += b"\0" * (len(b) % 2); t = sum(struct.unpack(f"!{len(b)//2}H", b))
    while t > 0xffff: t = (t & 0xffff) + (t >> 16)
    return t
open(sys.argv[1], "w").close()
spoil = 1 if sys.argv[2] == "wrong" else 0
while True:
    p = s.recv(2000)
    if p[12:14] != b"\x08\x00" or p[30:34] != socket.inet_aton("198.51.33.1"): continue
    us, them, proto = p[30:34], p[26:30], p[23]
    t = bytearray(p[14 + (p[14] & 15) * 4:14 + struct.unpack("!H", p[16:18])[0]])
    if proto == 1 and t[0] == 8:
        t[0] = 0; t[2:4] = b"\0\0"; t[20] ^= spoil
        t[2:4] = struct.pack("!H", 0xffff - total(bytes(t)))
    elif proto == 6 and t[13] == 2:
        seq = struct.unpack("!L", t[4:8])[0]
        t = bytearray(t[2:4] + t[0:2] + struct.pack("!LLBBHHH", 7, (seq + 1 + spoil) & 0xffffffff,
                                                   0x50, 0x12, 1000, 0, 0))
        t[16:18] = struct.pack("!H", 0xffff - total(us + them + struct.pack("!HH", 6, 20) + bytes(t)))
    else: continue
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(t), 0, 0, 64, proto, 0, us, them)
    for _ in range(2): raw.sendto(ip + bytes(t), (socket.inet_ntoa(them), 0))
PY
for how in wrong twice; do
  rm -f "$work/forging"
  ip netns exec internet "$python" "$work/forge.py" "$work/forging" $how & forger=$!
  wait_for 10 test -e "$work/forging"
  for method in icmp tcp:443; do
    line=$(in_ns client "$probe" --timeout 300ms --linger 300ms 198.51.33.1 $method)
    got="$(field "$line" state) $(field "$line" answers forged) $(field "$line" answers duplicate)"
    case $how in
      wrong) [ "$got" = "silent 2 0" ] && pass "forged answers do not count ($method)" || \
        fail "forged answers do not count ($method)" "$line" ;;
      twice) [ "$got" = "answered 0 1" ] && pass "repeated answers count once ($method)" || \
        fail "repeated answers count once ($method)" "$line" ;;
    esac
  done
  kill $forger; wait $forger 2>/dev/null
done

# --- policy and privilege -------------------------------------------------------------------------
printf 'allow = ["198.51.0.0/16"]\ndeny = ["198.51.100.0/24"]\n' >"$work/policy.toml"
expect "policy denies" refused "" -- --policy "$work/policy.toml" 198.51.100.1 icmp
expect "policy allows" answered 198.51.101.1 -- --policy "$work/policy.toml" 198.51.101.1 icmp
expect "policy does not mention" refused "" -- --policy "$work/policy.toml" 198.52.0.1 icmp
chmod o+w "$work/policy.toml"
expect "no policy that can be trusted, no probing" refused "" -- --policy "$work/policy.toml" 198.51.101.1 icmp
out=$(in_ns client setpriv --bounding-set=-net_raw --inh-caps=-all "$probe" 198.51.100.1 icmp 2>&1)
code=$?
[ $code = 77 ] && [[ $out == *CAP_NET_RAW* ]] && pass "without CAP_NET_RAW: exit 77 and a remedy" || \
  fail "without CAP_NET_RAW" "exit $code: $out"

# --- one flow, whatever the number of probes --------------------------------------------------
cat >"$work/flow.py" <<'PY'
# flow.py DEVICE FILE TARGET: the identities of the flows of the probes seen until killed
import signal, socket, struct, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)); s.bind((sys.argv[1], 0))
flows, probes, bad = set(), 0, 0
def done(*_):
    open(sys.argv[2], "w").write(f"{len(flows)} {probes} {bad}\n"); sys.exit(0)
signal.signal(signal.SIGTERM, done)
family = socket.AF_INET6 if ":" in sys.argv[3] else socket.AF_INET
target = socket.inet_pton(family, sys.argv[3])
def total(b):
    b += b"\0" * (len(b) % 2); t = sum(struct.unpack(f"!{len(b)//2}H", b))
    while t > 0xffff: t = (t & 0xffff) + (t >> 16)
    return t
open(sys.argv[2] + ".ready", "w").close()
while True:
    p = s.recv(2000)
    if p[12:14] == b"\x08\x00":
        ip, proto = p[14:], p[23]; n = (ip[0] & 15) * 4; t = ip[n:struct.unpack("!H", ip[2:4])[0]]
        to, label, pseudo = ip[16:20], 0, ip[12:20] + struct.pack("!HH", proto, len(t))
    elif p[12:14] == b"\x86\xdd":
        ip, proto = p[14:], p[20]; t = ip[40:40 + struct.unpack("!H", ip[4:6])[0]]
        to, label, pseudo = ip[24:40], ip[0:4], ip[8:40] + struct.pack("!LL", len(t), proto)
    else: continue
    if to != target: continue
    if proto == 6 and t[13] == 2: flows.add((6, label, t[0:4]))
    elif proto in (1, 58) and t[0] in (8, 128): flows.add((proto, label, t[0:6]))
    else: continue
    probes += 1; bad += total((b"" if proto == 1 else pseudo) + t) != 0xffff
PY
for target in 198.51.66.9 2001:db8:51:66::9; do
  rm -f "$work/flow" "$work/flow.ready"
  ip netns exec router "$python" "$work/flow.py" r0 "$work/flow" $target & sniffer=$!
  wait_for 10 test -e "$work/flow.ready"
  for _ in 1 2; do
    in_ns client "$probe" --timeout 50ms --spacing 20ms $target icmp tcp:443 icmp tcp:443 icmp >/dev/null
  done
  kill $sniffer; wait $sniffer 2>/dev/null
  [ "$(cat "$work/flow")" = "2 10 0" ] && pass "10 probes of $target are 2 flows, checksums right" || \
    fail "flows of $target (flows probes bad)" "$(cat "$work/flow")"
done

# --- gateways -----------------------------------------------------------------------------------
watch() { in_ns client "$probe" --gateways "$1" >"$work/gateways"; tail -1 "$work/gateways"; }
both() { [ "$2" = "10.0.0.1=$3 fd00:0:0:1::1=$3" ] && pass "$1" || fail "$1" "$2"; }
watch_from_up() {  # in the background, once both are seen up
  : >"$work/gateways"
  ip netns exec client "$probe" --gateways "$1" >>"$work/gateways" & watcher=$!
  wait_for 10 grep -q "1=up fd00:0:0:1::1=up" "$work/gateways"
}
both "gateways that answer are up" "$(watch 2)" up
in_ns router nft add table inet mute
in_ns router nft add chain inet mute input '{ type filter hook input priority 0; }'
in_ns router nft add rule inet mute input icmp type echo-request drop
in_ns router nft add rule inet mute input icmpv6 type echo-request drop
both "gateways that never answer echo: the neighbour table says up" "$(watch 5)" up
in_ns router nft delete table inet mute

watch_from_up 14
in_ns router ip link set r0 arp off && in_ns router nft -f - <<'NFT'
table inet dead {
  chain input { type filter hook input priority 0; iifname "r0" drop; }
}
NFT
wait $watcher
both "gateways that fall silent are down" "$(tail -1 "$work/gateways")" down
in_ns router nft delete table inet dead; in_ns router ip link set r0 arp on

watch_from_up 8
in_ns router ip link set r0 down
wait $watcher
both "no carrier: down" "$(tail -1 "$work/gateways")" down
in_ns router ip link set r0 up; in_ns router ip addr replace fd00:0:0:1::1/64 dev r0 nodad

watch_from_up 8
in_ns client ip route del default; in_ns client ip -6 route del default
wait $watcher
both "no default route any more: down" "$(tail -1 "$work/gateways")" down

in_ns client ip -6 route add default via "$(in_ns router ip -6 addr show dev r0 scope link | awk '/inet6/{sub("/.*","",$2); print $2; exit}')" dev c0
in_ns client ip route add default nexthop via 10.0.0.1 nexthop via 10.0.0.77
got=$(watch 5)
[[ $got == "10.0.0.1=up 10.0.0.77=down fe80::"*"=up" ]] && \
  pass "multipath and link-local gateways, one of them dead" || fail "multipath and link-local" "$got"

kill $listener; wait $listener 2>/dev/null
finish
