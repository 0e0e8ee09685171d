#!/bin/bash
# Paths and what goes wrong on them, both families: traces, loops, null routes, filters, silent hops,
# address translation, a path that changes during the trace, routers that limit their ICMP errors;
# side by side with fping, traceroute and mtr.
#   client - r1 - r2 - r3 - server      and, for the change, r1 - x1 - x2 - r3
#
#   tests/e2e/paths_live.sh [BINARY_DIR]
#
# See live/lib.sh for BINARY_DIR, output and exit codes.
# shellcheck disable=SC2317 # most functions are called by name, through check and wait_for
programs=(parallax-sensor)
# shellcheck source=tests/e2e/live/lib.sh
. "$(dirname "$0")/live/lib.sh"

# --- the network ----------------------------------------------------------------------------------
host client server
node r1 r2 r3 x1 x2
cable client c0 r1 a0 10.0.0 fd00:0:0:1
cable r1 b0 r2 a0 10.0.1 fd00:0:0:2
cable r2 b0 r3 a0 10.0.2 fd00:0:0:3
cable r3 b0 server s0 10.0.3 fd00:0:0:4
cable r1 c0 x1 a0 10.0.4 fd00:0:0:5
cable x1 b0 x2 a0 10.0.5 fd00:0:0:6
cable x2 b0 r3 c0 10.0.6 fd00:0:0:7
back() {  # back NAME NET4 NET6: the way to the client
  ip -n "$1" route add 10.0.0.0/24 via "$2"; ip -n "$1" -6 route add fd00:0:0:1::/64 via "$3"
}
gateway client 10.0.0.2 fd00:0:0:1::2
gateway server 10.0.3.1 fd00:0:0:4::1
gateway r1 10.0.1.2 fd00:0:0:2::2
gateway r2 10.0.2.2 fd00:0:0:3::2
gateway x1 10.0.5.2 fd00:0:0:6::2
gateway x2 10.0.6.2 fd00:0:0:7::2
back r2 10.0.1.1 fd00:0:0:2::1
back r3 10.0.2.1 fd00:0:0:3::1
back x1 10.0.4.1 fd00:0:0:5::1
back x2 10.0.5.1 fd00:0:0:6::1
ip -n r3 route add 198.51.0.0/16 via 10.0.3.2
ip -n r3 -6 route add 2001:db8:51::/48 via fd00:0:0:4::2
ip -n server route add local 198.51.0.0/16 dev lo
ip -n server -6 route add local 2001:db8:51::/48 dev lo
# Its own word on a closed port comes from this address only if it is configured.
ip -n server addr add 2001:db8:51:1::1/128 dev lo
# Third octet or fourth group says what is wrong: 52 loops between r2 and r3.
ip -n r3 route add 198.51.52.0/24 via 10.0.2.1
ip -n r3 -6 route add 2001:db8:51:52::/64 via fd00:0:0:3::1
for kind in r2:blackhole:66 r2:unreachable:77 r3:prohibit:88; do
  IFS=: read -r where what which <<<"$kind"
  ip -n "$where" route add "$what" "198.51.$which.0/24"
  ip -n "$where" -6 route add "$what" "2001:db8:51:$which::/64"
done
nft_in r2 <<'NFT'
table inet wall {
  chain forward {
    type filter hook forward priority 0;
    ip daddr 198.51.55.0/24 reject with icmpx type admin-prohibited
    ip6 daddr 2001:db8:51:55::/64 reject with icmpx type admin-prohibited
    ip daddr 198.51.44.0/24 icmp type echo-request drop
    ip6 daddr 2001:db8:51:44::/64 icmpv6 type echo-request drop
    ip6 daddr 2001:db8:51:70::/64 drop
  }
}
NFT
nft_in server <<'NFT'
table inet mute {
  chain input {
    type filter hook input priority 0;
    ip daddr 198.51.33.0/24 drop
    ip6 daddr 2001:db8:51:33::/64 drop
    ip daddr { 198.51.60.3, 198.51.60.17, 198.51.60.40-198.51.60.44, 198.51.60.63 } drop
    ip6 daddr { 2001:db8:51:60::3, 2001:db8:51:60::17 } drop
  }
}
NFT
serve server 7 80
policy policy.toml 'allow = ["198.51.0.0/16", "2001:db8:51::/48"]'
wait_for 10 in_ns client ping -c 1 -w 1 198.51.1.1
wait_for 10 in_ns client ping -c 1 -w 1 2001:db8:51:1::1
quick=(--timeout 400ms)
as() {  # as 4|6: at, and the routers' addresses as Python, in this family
  # IPv4 routers speak with the address that faces the client, IPv6 ones with that where the packet came in.
  if [ "$1" = 4 ]; then
    to() { echo "198.51.$1.1"; }
    r1=10.0.0.2 r2=10.0.1.2 r2_behind=$r2 r3=10.0.2.2 r3_aside=$r3 x1=10.0.4.2 x2=10.0.5.2
  else
    to() { echo "2001:db8:51:$1::1"; }
    r1=fd00:0:0:1::2 r2=fd00:0:0:2::2 r2_behind=fd00:0:0:3::1 r3=fd00:0:0:3::2
    r3_aside=fd00:0:0:7::2 x1=fd00:0:0:5::2 x2=fd00:0:0:6::2
  fi
}
# expect_soon: expect, of a router that has no route. Linux says so once a second, whatever its ICMP
# limits are (net.ipv4.route.error_cost, which no namespace can change): it is asked up to three times.
expect_soon() {
  local name=$1 expression=$2 file=${1//[^a-zA-Z0-9.]/-} more=3; shift 2
  while ((more--)); do
    probe "$file" "$@"
    judge "$file" "$expression" >/dev/null && break
    sleep 0.6
  done
  check "$name" judge "$file" "$expression"
}
reached='code == 0 and r["state"] == "up" and r["path"]["end"] == "reached"'

# --- routers with the limits of Linux: 6 errors at once, then one a second (IPv6: ten) ----------------
limited() {  # limited FAMILY
  local v=$1
  as "$v"
  for n in 1 2 3 4; do
    expect "IPv$v trace $n in a row through limited routers" \
      "$reached and set(path(r)) <= {'$r1', '$r2', '$r3', '$(to 1)', None} and r['sent'] > 0" trace "${quick[@]}" "$(to 1)"
  done
}
both limited
expect "8 traces at once through limited routers: all up, none lossy" \
  'code == 0 and len(R) == 8 and states == {"up"} and all(r["path"]["end"] == "reached" for r in R)' \
  trace "${quick[@]}" --count 1 198.51.2.0/29
expect "a host that limits its port unreachables is not lossy" \
  'code == 0 and states == {"up"}' udp --port 9 --count 10 --interval 50ms "${quick[@]}" 198.51.1.1
talkative client r1 r2 r3 x1 x2 server

# --- the same hops as traceroute and mtr ------------------------------------------------------------
# same_hops NAME COMMAND...: whether traceroute's or mtr's report has the hops of the trace NAME
same_hops() {
  local ours theirs name=$1; shift
  ours=$("$python" -c 'import json, sys
print(*(next((n["address"] for n in h["nodes"] if n["address"]), "*") for h in json.loads(open(sys.argv[1]).readline())["path"]["hops"]))' "$work/$name") || return 1
  theirs=$(in_ns client "$@" 2>/dev/null |
    awk '$1 ~ /^[0-9]+(\.\|--)?$/ { if ($2 == "???") $2 = "*"; printf "%s%s", sep, $2; sep = " " }')
  [ "$ours" = "$theirs" ] || { echo "ours: $ours; $1: $theirs"; return 1; }
}
compared() {  # compared FAMILY
  local v=$1
  as "$v"
  hops="path(r) == ['$r1', '$r2', '$r3', '$(to 1)']"
  for ask in "icmp|-I" "tcp --port 80|-T -p 80" "udp --port 7|-U -p 7"; do
    name="trace-$v-${ask%%[ |]*}"
    # shellcheck disable=SC2086
    probe "$name" trace --method ${ask%|*} "$(to 1)"
    check "IPv$v trace by ${ask%|*}" judge "$name" "$reached and $hops and all(n['received'] == n['sent'] == 3 for h in r['path']['hops'] for n in h['nodes'])"
    # shellcheck disable=SC2086
    check "IPv$v trace by ${ask%|*}: as traceroute" same_hops "$name" traceroute -$v -n -w 1 -q 1 ${ask#*|} "$(to 1)"
  done
  check "IPv$v trace: as mtr" same_hops "trace-$v-icmp" mtr "-$v" -n -r -c 1 -G 0.5 "$(to 1)"
  expect "IPv$v trace from hop 2 to hop 3" "path(r) == ['$r2', '$r3'] and r['path']['end'] == 'max_ttl'" \
    trace --first-ttl 2 --max-ttl 3 "$(to 1)"
}
both compared
check "the same path has the same id" "$python" -c 'import json, sys
ids = [json.loads(open(f).readline())["path"]["id"] for f in sys.argv[1:]]
sys.exit(len(set(ids)) != 1 and f"ids {ids}")' "$work/trace-4-tcp" "$work/trace-4-icmp"

# --- the same hosts up as fping says ------------------------------------------------------------------
as_fping() {  # as_fping FAMILY
  local v=$1
  if [ "$v" = 4 ]; then prefix=198.51.60.0/26; else prefix=2001:db8:51:60::/122; fi
  "$python" -c 'import ipaddress, sys
print(*ipaddress.ip_network(sys.argv[1]), sep="\n")' "$prefix" >"$work/hosts-$v"
  in_ns client fping -a -r 0 -t 300 -f "$work/hosts-$v" >"$work/fping-$v" 2>/dev/null
  # As an editor of another system writes it.
  { printf '\357\273\277'; sed 's/$/\r/' "$work/hosts-$v"; } >"$work/edited-$v"
  for ask in $prefix "-f $work/hosts-$v" "-f $work/edited-$v"; do
    # shellcheck disable=SC2086
    expect "IPv$v ${ask#-f*/}: up and down as fping says" \
      "code == 6 and len(R) == 64 == len(by) and states == {'up', 'down'} and len(up) > 50 and up == set(open('$work/fping-$v').read().split())" \
      ping "${quick[@]}" --count 1 $ask
  done
}
both as_fping

# --- on a terminal --------------------------------------------------------------------------------
# on_terminal NAME ARGS...: what stands on a terminal in the end
on_terminal() {
  local name=$1; shift
  in_ns client timeout 60 "$python" "$live/on_terminal.py" "$sensor" probe "$@" >"$work/$name" </dev/null
}
# stands_alone NAME PATTERN...: each line of NAME matches one of the patterns, and each of them some
stands_alone() {
  local file=$work/$1 pattern all; shift
  for pattern in "$@"; do
    grep -qE "^$pattern\$" "$file" || { echo "no line matches $pattern: $(head -n 20 "$file")"; return 1; }
  done
  all=$(printf '|%s' "$@")
  ! grep -vE "^(${all#|})?\$" "$file" || return 1
}
on_terminal rows ping --count 1 --rate 20 --timeout 300ms 198.51.60.0/27
check "on a terminal rows and progress do not share a line" stands_alone rows 'TARGET .*WHY' \
  '198\.51\.60\.[0-9]+ +(up|down) .*' '32 targets: .*' '[0-9]+ probes in .*' 'Next: .*'
check "on a terminal every target has a row" test "$(grep -c '^198' "$work/rows")" = 32
on_terminal table trace --timeout 600ms "$(as 4; to 66)"
check "on a terminal the trace is drawn over and stands once" stands_alone table '198\.51\.66\.1 by icmp: .*' \
  'TTL  ADDRESS .*' ' +[0-9]+  [0-9*].*' '1 target: .*' '[0-9]+ probes in .*'
check "on a terminal each hop of the trace stands once" \
  test "$(grep -oE '^ +[0-9]+  ' "$work/table" | sort | uniq -d | wc -l)" = 0

# --- what goes wrong ----------------------------------------------------------------------------------
wrong() {  # wrong FAMILY
  local v=$1
  as "$v"
  for ask in ping "tcp --port 80" "udp --port 7"; do
    n="IPv$v $ask"
    # shellcheck disable=SC2086
    {
      expect "$n: up" 'code == 0 and r["state"] == "up" and r["received"] >= 1' $ask "$(to 1)"
      expect "$n: loop" "code == 1 and r['state'] == 'time_exceeded' and r['error']['kind'] == 'time_exceeded' and r['error']['router'] in ('$r2', '$r2_behind', '$r3')" $ask "${quick[@]}" "$(to 52)"
      expect "$n: null route" "code == 1 and r['state'] == 'down' and r['received'] == 0 and r['error'] is None" $ask "${quick[@]}" --count 1 "$(to 66)"
      expect "$n: reject with admin-prohibited" "code == 1 and r['state'] == 'prohibited' and r['error']['router'] == '$r2'" $ask "${quick[@]}" --count 1 "$(to 55)"
    }
  done
  expect_soon "IPv$v ping: unreachable route" "code == 1 and r['state'] == 'unreachable' and r['error']['router'] == '$r2' and r['error']['icmp_type'] == $((v == 4 ? 3 : 1))" ping "${quick[@]}" --count 1 "$(to 77)"
  expect_soon "IPv$v tcp: prohibited route" "code == 1 and r['state'] == 'prohibited' and r['error']['router'] == '$r3'" tcp --port 80 "${quick[@]}" --count 1 "$(to 88)"
  expect "IPv$v closed port is up" 'code == 0 and r["state"] == "up"' tcp --port 9 "$(to 1)"
  expect "IPv$v closed UDP port is up" 'code == 0 and r["state"] == "up"' udp --port 9 "$(to 1)"
  expect "IPv$v echo filtered, SYN not" 'code == 0 and r["state"] == "up"' tcp --port 80 "$(to 44)"

  expect "IPv$v trace: loop" "code == 1 and r['path']['end'] == 'loop' and path(r)[:3] == ['$r1', '$r2', '$r3'] and set(path(r)[3:]) <= {'$r2_behind', '$r3'} and len(path(r)) < 30" trace "${quick[@]}" "$(to 52)"
  expect "IPv$v trace: null route" "code == 1 and r['path']['end'] == 'silent' and r['state'] == 'down' and path(r)[0] == '$r1' and set(path(r)[1:]) <= {None}" trace "${quick[@]}" "$(to 66)"
  expect "IPv$v trace: prohibited" "code == 1 and r['path']['end'] == 'prohibited' and r['state'] == 'prohibited' and path(r)[:2] == ['$r1', '$r2'] and len(path(r)) <= 3" trace "${quick[@]}" "$(to 55)"
  expect "IPv$v trace: silent target behind good hops" "code == 1 and r['path']['end'] == 'silent' and path(r)[:3] == ['$r1', '$r2', '$r3'] and set(path(r)[3:]) <= {None}" trace "${quick[@]}" "$(to 33)"
  expect "IPv$v transit: a router past r2 witnesses for a silent target" "code == 0 and r['transit']['verdict'] == 'proven' and r['transit']['witness'] == '$r3' and (r['transit']['hop_ttl'], r['transit']['witness_ttl']) == (2, 3)" trace "${quick[@]}" --past "$r2" "$(to 33)"
  expect "IPv$v transit: nobody past r1 on a null route" "code == 1 and r['transit']['verdict'] == 'unknown' and r['transit']['hop_ttl'] == 1 and r['transit']['witness'] is None" trace "${quick[@]}" "$(to 66)" --past "$r1"
}
both wrong
expect_soon "trace: unreachable" "code == 1 and r['path']['end'] == 'unreachable' and r['state'] == 'unreachable' and path(r)[0] == '10.0.0.2' and r['error']['router'] == '10.0.1.2'" trace --count 1 "${quick[@]}" 198.51.77.1
expect "IPv6 alone is broken" 'code == 6 and by["198.51.70.1"]["state"] == "up" and by["2001:db8:51:70::1"]["state"] == "down"' \
  ping "${quick[@]}" 198.51.70.1 2001:db8:51:70::1

# --- a hop that never answers -------------------------------------------------------------------------
nft_in r2 <<'NFT'
table inet silent {
  chain output {
    type filter hook output priority 0;
    icmp type time-exceeded drop
    icmpv6 type time-exceeded drop
  }
}
NFT
silent_hop() {  # silent_hop FAMILY
  local v=$1
  as "$v"
  expect "IPv$v silent hop" "$reached and path(r) == ['$r1', None, '$r3', '$(to 1)']" trace "${quick[@]}" "$(to 1)"
}
both silent_hop
in_ns r2 nft delete table inet silent

# --- address translation in the path ------------------------------------------------------------------
nft_in r2 <<'NFT'
table inet translate {
  chain before {
    type nat hook prerouting priority -100;
    ip daddr 198.51.80.1 dnat ip to 198.51.1.1
    ip6 daddr 2001:db8:51:80::1 dnat ip6 to 2001:db8:51:1::1
  }
  chain after { type nat hook postrouting priority 100; oifname "b0" masquerade; }
  chain mangle { type filter hook postrouting priority 0; oifname "b0" ip dscp set cs1; }
}
NFT
translated() {  # translated FAMILY
  local v=$1
  as "$v"
  # A NAT that rewrites destinations makes the errors from behind it look like the target's.
  for target in "$(to 1)" "$(to 80)"; do
    if [ "$target" = "$(to 1)" ]; then hops="'$r2', '$r3', '$target'"
    else hops="'$target', '$target', '$target'"; fi
    for ask in ping "tcp --port 80" "udp --port 7" "udp --port 9"; do
      # shellcheck disable=SC2086
      expect "$ask $target through NAT" "code == 0 and r['state'] == 'up'" $ask "$target"
    done
    for method in icmp "tcp --port 80" "udp --port 7"; do
      # shellcheck disable=SC2086
      expect "trace by $method of $target through NAT" "$reached and path(r) == ['$r1', $hops]" trace --method $method "${quick[@]}" "$target"
    done
  done
}
both translated
in_ns r2 nft delete table inet translate

# --- the path changes during the trace ----------------------------------------------------------------
# After so many bytes, r1 sends what is for the target over x1 and x2, which is one hop longer.
ip -n r1 route add default via 10.0.4.2 table 9
ip -n r1 -6 route add default via fd00:0:0:5::2 table 9
ip -n r1 rule add fwmark 9 table 9
ip -n r1 -6 rule add fwmark 9 table 9
for bytes in 60 300 800; do
  for v in 4 6; do
    as "$v"
    nft_in r1 <<NFT
table inet change {
  chain before {
    type filter hook prerouting priority -150;
    ip daddr 198.51.90.1 quota over $bytes bytes meta mark set 9
    ip6 daddr 2001:db8:51:90::1 quota over $bytes bytes meta mark set 9
  }
}
NFT
    expect "IPv$v path changes after $bytes bytes" "$reached and nodes(r, 1) <= {'$r1'} and nodes(r, 2) <= {'$r2', '$x1'} and nodes(r, 3) <= {'$r3', '$x2'} and len(r['path']['hops']) in (4, 5)" trace "${quick[@]}" "$(to 90)"
    [ $bytes != 60 ] || expect "IPv$v path after the change" "$reached and path(r) == ['$r1', '$x1', '$x2', '$r3_aside', '$(to 90)']" trace "${quick[@]}" "$(to 90)"
    in_ns r1 nft delete table inet change
  done
done
kill "$server"; wait "$server" 2>/dev/null
finish
