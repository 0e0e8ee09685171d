#!/bin/bash
# What became of real connection attempts, against the real kernel's timers: client - router - server,
# each a network namespace inside a private one, with `parallax-sensor capture --handshakes` looking on.
# Floods and interfaces that come and go have namespaces of their own. Nothing outside is touched.
#
#   tests/e2e/handshakes_live.sh [BINARY_DIR]
#
# See live/lib.sh for BINARY_DIR, output and exit codes.
# shellcheck disable=SC2317 # most functions are called by name, through check and wait_for
programs=(parallax-sensor)
# shellcheck source=tests/e2e/live/lib.sh
. "$(dirname "$0")/live/lib.sh"

# --- captures and their records -------------------------------------------------------------------
# start NAME NAMESPACE INTERFACE...: a capture in the background, its records in $work/NAME; returns
# once it listens
start() {
  local name=$1 namespace=$2 interface interfaces=(); shift 2
  for interface in "$@"; do interfaces+=(--interface "$interface"); done
  ip netns exec "$namespace" "$sensor" capture "${interfaces[@]}" --handshakes -o jsonl \
    >"$work/$name" 2>"$work/$name.err" &
  echo $! >"$work/$name.pid"
  wait_for 10 grep -q 'capturing on' "$work/$name.err" ||
    fail "$name-starts" "$(tail -n 1 "$work/$name.err")"
}
stop() {  # stop NAME: as Ctrl-C does
  local pid code; pid=$(cat "$work/$1.pid")
  kill -INT "$pid"
  if wait_for 5 ended "$pid"; then
    wait "$pid"; code=$?
    check "$1-ends-on-interrupt" test $code = 0
  else
    kill -KILL "$pid"; wait "$pid"
    fail "$1-ends-on-interrupt" "not within 5 s"
  fi
}
cat >"$work/judge.py" <<'PY'
# judge.py FILE PORT FAMILY COUNT EXPRESSION: whether FILE holds exactly COUNT attempts to PORT in
# that family, and the expression, over their fields, is true for each. Prints some if not.
import json, sys
port, family, count, expression = int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), sys.argv[5]
of_case = [r for r in map(json.loads, open(sys.argv[1]))
           if r["dport"] == port and (":" in r["dst"]) == (family == "6")]
wrong = [r for r in of_case if not eval(expression, dict(r))]
if len(of_case) != count or wrong:
    show = ("interface", "src", "sport", "dst", "ttl", "outcome", "rule", "syns", "syn_acks")
    print(f"{len(of_case)} attempts (should be {count}), {len(wrong)} wrong:",
          "; ".join(" ".join(f"{k}={r[k]}" for k in show) for r in (wrong or of_case)[:4]))
    sys.exit(1)
PY
records() { [ "$(grep -c "\"dport\":$2," "$work/$1")" -ge "$3" ]; }  # records CAPTURE PORT AT_LEAST
judge() { "$python" "$work/judge.py" "$work/$1" "${@:2}"; }
cat >"$work/delay.py" <<'PY'
# delay.py FILE PORT FAMILY: prints how long after its first SYN the attempt to PORT is decided, in
# seconds; waits for that, at most 20 s.
import datetime, json, sys, time
deadline = time.monotonic() + 20
while time.monotonic() < deadline:
    for line in open(sys.argv[1]):
        r = json.loads(line) if line.endswith("\n") else {"dport": 0}
        if r["dport"] == int(sys.argv[2]) and (":" in r["dst"]) == (sys.argv[3] == "6"):
            first = datetime.datetime.fromisoformat(r["time"][:26] + "+00:00").timestamp()
            sys.exit(print(f"{time.time() - first:.2f}"))
    time.sleep(0.02)
PY
between() {  # between LEAST MOST FILE: the number in FILE is
  awk -v a="$1" -v b="$2" '{ print; inside = a <= $1 && $1 <= b } END { exit !inside }' "$3"
}

# --- networks and connections ---------------------------------------------------------------------
mac() { ip -n "$1" -o link show dev "$2" | sed 's/.*ether \([0-9a-f:]*\).*/\1/'; }
knock() {  # knock NAMESPACE ADDRESS PORT [SECONDS]: opens a connection and closes it
  ip netns exec "$1" timeout "${4:-5}" bash -c "exec 3<>/dev/tcp/$2/$3" 2>/dev/null
}
forge() { ip netns exec "$1" "$python" "$here/tests/e2e/handshakes_live/forge_syns.py" "${@:2}"; }
cat >"$work/listen.py" <<'PY'
# listen.py READY_FILE BACKLOG PORT...: takes connections of both families, reads each to its end and
# closes it; with TCP Fast Open where the namespace allows it.
import socket, sys, threading
def serve(listener):
    while True:
        connection = listener.accept()[0]
        connection.settimeout(2)
        try:
            while connection.recv(4096): pass
        except OSError: pass
        connection.close()
for port in map(int, sys.argv[3:]):
    s = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True,
                             backlog=int(sys.argv[2]))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 16)
    threading.Thread(target=serve, args=(s,)).start()
open(sys.argv[1], "w").close()
PY
listen() {  # listen NAMESPACE BACKLOG PORT...: a server in the background, its pid in $listener
  ip netns exec "$1" "$python" "$work/listen.py" "$work/listening.$1" "${@:2}" & listener=$!
  wait_for 10 test -e "$work/listening.$1" || fail "listener-in-$1" "does not start"
}
hang_up() { kill "$1"; wait "$1" 2>/dev/null; }
for name in client router server far4 victim4 far6 victim6 near peer; do
  ip netns add $name || exit 77
  ip -n $name link set lo up
done

# --- a flood of forged SYNs -----------------------------------------------------------------------
flood() {  # flood FAMILY
  local family=$1 sent=20000 target source listener name="flood-ipv$1" victim="victim$1" far="far$1"
  if [ "$family" = 4 ]; then target=192.0.2.2 source=198.18.0.0/15
  else target=2001:db8::2 source=2001:db8:f::/96; fi
  cable "$far" f0 "$victim" v0 192.0.2 2001:db8
  gateway "$victim" 192.0.2.1 2001:db8::1
  ip netns exec "$victim" sysctl -qw net.ipv4.tcp_syncookies=0 net.ipv4.tcp_max_syn_backlog=64
  listen "$victim" 32 7030 7031
  start "$name" "$victim" v0
  forge "$far" f0 "$(mac "$victim" v0)" "$source" "$target" 7030 $sent
  wait_for 20 records "$name" 7030 $sent
  knock "$far" "$target" 7031
  wait_for 10 records "$name" 7031 1
  # Nobody can tell whether a connection of a stranger completed at a server that may send SYN cookies.
  check "$name-does-not-hide-others" judge "$name" 7031 "$family" 1 'syn_acks == 1 and (outcome == "completed" or rule == "server_flooded")'
  stop "$name"
  hang_up "$listener"
  check "$name-none-unanswered" judge "$name" 7030 "$family" $sent 'outcome in ("half_open", "unknown")'
  check "$name-counted" counted "$work/$name.err" $((sent + 1)) "$(wc -l <"$work/$name")"
  check "$name-no-drops" grep -q ', 0 dropped by the kernel' "$work/$name.err"
}
# counted FILE SYNS ATTEMPTS: the summary counts no fewer SYNs, and just as many attempts
counted() {
  awk -v syns="$2" -v attempts="$3" '
    / SYN, / { split($0, part, ", "); seen = part[2] + 0 }
    /^attempts:/ { gsub(/[^0-9]+/, " "); for (i = 1; i <= 5; ++i) sum += $i }
    { said = said " " $0 }
    END { print said; exit !(seen >= syns && sum == attempts) }' "$1"
}

# --- an interface that goes away and comes back ---------------------------------------------------
flap() {
  local i
  cable peer p0 near n0 192.0.2 2001:db8
  start flap near n0
  for i in 1 2 3 4 5; do
    ip -n near link set n0 down
    # One outage that lasts until it is noticed; four that are over sooner.
    [ $i != 1 ] || wait_for 10 grep -q 'n0: down' "$work/flap.err"
    ip -n near link set n0 up; address near n0 192.0.2.2 2001:db8::2 2>/dev/null
    refused_by_peer 704$i
    wait_for 5 seen 704$i; check "seen-after-down-$i" seen 704$i
  done
  check down-is-said grep -q 'n0: down' "$work/flap.err"
  for i in 6 7 8; do
    ip -n near link del n0
    [ $i != 6 ] || wait_for 10 grep -q 'n0: gone' "$work/flap.err"
    cable peer p0 near n0 192.0.2 2001:db8
    wait_for 10 seen_again 704$i; check "seen-after-re-creation-$((i - 5))" seen 704$i
  done
  check gone-is-said grep -q 'n0: gone' "$work/flap.err"
  stop flap
}
# A refusal is decided at once.
refused_by_peer() { knock near 192.0.2.1 "$1"; knock near 2001:db8::1 "$1"; }
seen() {  # seen PORT: an attempt of each family
  local of_port; of_port=$(grep "\"dport\":$1," "$work/flap")
  echo "records: ${of_port//$'\n'/ }"
  [[ $of_port == *'"dst":"192.0.2.1"'* && $of_port == *'"dst":"2001:db8::1"'* ]]
}
seen_again() { refused_by_peer "$1"; seen "$1"; }

# --- single attempts ------------------------------------------------------------------------------
# Each kind has a server port of its own:
#   7001 to an address that drops everything     7013 the router drops the first SYN
#   7009 nobody listens                          7014 TCP Fast Open
#   7010 connections that go well                7015 TCP Fast Open, and the router drops all answers
#   7011 from an address that nobody owns        7020 from server to client
#   7012 the router drops all answers
cable router rc client c0 192.0.2 2001:db8:1
cable router rs server s0 198.51.100 2001:db8:2
gateway client 192.0.2.1 2001:db8:1::1; gateway server 198.51.100.1 2001:db8:2::1
ip netns exec router sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
for namespace in client server; do ip netns exec $namespace sysctl -qw net.ipv4.tcp_fastopen=3; done
# The SYN-ACK to the forged address really leaves, and nobody takes it.
ip -n router neigh replace 192.0.2.77 lladdr 02:00:00:00:00:78 dev rc
ip -n router neigh replace 2001:db8:1::77 lladdr 02:00:00:00:00:78 dev rc
# An address that drops everything, and from which the host does not talk of its own accord.
ip -n server addr add 198.51.100.9/24 dev s0
ip -n server addr add 2001:db8:2::9/64 dev s0 nodad preferred_lft 0
ip netns exec server nft -f - <<'NFT' || exit 1
table inet mute {
  chain input {
    type filter hook input priority 0;
    ip daddr 198.51.100.9 drop
    ip6 daddr 2001:db8:2::9 drop
  }
}
NFT
ip netns exec router nft -f - <<'NFT' || exit 1
table inet wall {
  chain forward {
    type filter hook forward priority 0;
    tcp sport { 7012, 7015 } drop
    meta nfproto ipv4 tcp dport 7013 numgen inc mod 1000000 0 drop
    meta nfproto ipv6 tcp dport 7013 numgen inc mod 1000000 0 drop
  }
}
NFT
cat >"$work/fast_open.py" <<'PY'
# fast_open.py ADDRESS PORT...: connections one after the other; the first asks for a cookie, the
# others send data with it, to any port.
import socket, sys
for port in map(int, sys.argv[2:]):
    with socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET) as s:
        s.sendto(b"hello", socket.MSG_FASTOPEN, (sys.argv[1], port))
        s.shutdown(socket.SHUT_WR)
        s.recv(1)
PY
listen server 16 7010 7011 7012 7013 7014 7015; servers=("$listener")
listen client 16 7020; servers+=("$listener")
works() { knock client 198.51.100.2 7010 && knock client 2001:db8:2::2 7010; }
wait_for 10 works || fail "network" "client does not reach server"
start server server s0
start client client c0
start router router rc rs
start router-2 router rs rc

flood 4 >"$work/flood4.said" & background=($!)
flood 6 >"$work/flood6.said" & background+=($!)
flap >"$work/flap.said" & background+=($!)
attempts() {  # attempts FAMILY CLIENT SERVER SILENT_SERVER FORGED_CLIENT
  local pids
  "$python" "$work/delay.py" "$work/server" 7001 "$1" >"$work/delay$1" & pids=($!)
  knock client "$4" 7001 3 & pids+=($!)
  knock client "$3" 7009 & pids+=($!)
  knock client "$3" 7010 & pids+=($!)
  forge client c0 "$(mac router rc)" "$5" "$3" 7011 & pids+=($!)
  knock client "$3" 7012 3 & pids+=($!)
  knock client "$3" 7013 10 & pids+=($!)
  ip netns exec client timeout 4 "$python" "$work/fast_open.py" "$3" 7014 7014 7014 7015 & pids+=($!)
  knock server "$2" 7020 & pids+=($!)
  wait "${pids[@]}"
}
attempts 4 192.0.2.2 198.51.100.2 198.51.100.9 192.0.2.77 & pids=($!)
attempts 6 2001:db8:1::2 2001:db8:2::2 2001:db8:2::9 2001:db8:1::77 & pids+=($!)
wait "${pids[@]}"

# NAME | CAPTURE | PORT | HOW MANY | WHAT IS TRUE FOR EACH
cat >"$work/expected" <<'EXPECTED'
silent-host|server|7001|1|(outcome, rule, syn_acks) == ("unanswered", "syn_repeated", 0) and syns >= 2
refused-port|server|7009|1|(outcome, rule, syns, syn_acks) == ("refused", "rst", 1, 0)
completed|server|7010|1|(outcome, rule[:7], syns, syn_acks, ttl) == ("completed", "syn_ack", 1, 1, 63)
forged-source|server|7011|1|(outcome, rule, syns) == ("half_open", "syn_ack_repeated", 1) and syn_acks >= 2
return-path-cut|server|7012|1|outcome == "half_open" and syns >= 2 and syn_acks >= 1
return-path-cut-before-sensor|client|7012|1|(outcome, syn_acks) == ("unanswered", 0) and syns >= 2
first-syn-lost-before-sensor|server|7013|1|(outcome, syns, syn_acks) == ("completed", 1, 1)
first-syn-lost-beyond-sensor|client|7013|1|(outcome, syns, syn_acks) == ("completed", 2, 1)
fast-open|server|7014|3|(outcome, syns, syn_acks) == ("completed", 1, 1)
fast-open-return-path-cut|server|7015|1|outcome == "half_open" and syns >= 2 and syn_acks >= 1
client-side-first|router|7010|1|(interface, outcome, ttl) == ("rc", "completed", 64)
server-side-first|router|7020|1|(interface, outcome, ttl) == ("rs", "completed", 64)
client-side-first-2|router-2|7010|1|(interface, outcome, ttl) == ("rc", "completed", 64)
server-side-first-2|router-2|7020|1|(interface, outcome, ttl) == ("rs", "completed", 64)
EXPECTED
deadline=$((SECONDS + 20))
while IFS='|' read -r _ capture port count _; do
  wait_for $((deadline - SECONDS)) records "$capture" "$port" $((2 * count))
done <"$work/expected"
for capture in server client router router-2; do stop $capture; done
while IFS='|' read -r name capture port count truth; do
  for family in 4 6; do
    check "$name-ipv$family" judge "$capture" "$port" $family "$count" "$truth"
  done
done <"$work/expected"
for family in 4 6; do
  check "silent-host-decided-in-time-ipv$family" between 0.9 4 "$work/delay$family"
done
# Otherwise the test of Fast Open would have tested nothing.
fast_opens() { ip netns exec client nstat -asz TcpExtTCPFastOpenActive | grep -E 'TCPFastOpenActive +4 '; }
check fast-open-was-used fast_opens
for pid in "${servers[@]}"; do hang_up "$pid"; done
wait "${background[@]}"
cat "$work"/*.said
finish
