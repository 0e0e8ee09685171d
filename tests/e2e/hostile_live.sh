#!/bin/bash
# Answers that lie, come late or twice, are cut off or garbled, and routers and NATs that change what they
# quote: what is ours is understood, the rest changes nothing. forge.py answers in the server's stead; the
# last byte of a target says how.
#
#   tests/e2e/hostile_live.sh [BINARY_DIR]
#
# See live/lib.sh for BINARY_DIR, output and exit codes.
# shellcheck disable=SC2317 # most functions are called by name, through check and wait_for
programs=(parallax-sensor)
# shellcheck source=tests/e2e/live/lib.sh
. "$(dirname "$0")/live/lib.sh"

host client server
cable client c0 server s0 10.0.0 fd00:0:0:1
gateway client 10.0.0.2 fd00:0:0:1::2
nft_in server <<'NFT'
table inet mute {
  chain input {
    type filter hook input priority 0;
    ip daddr 198.51.33.0/24 drop
    ip6 daddr 2001:db8:51:33::/64 drop
  }
}
NFT
ip -n server route add local 198.51.33.0/24 dev lo
ip -n server -6 route add local 2001:db8:51:33::/64 dev lo
policy policy.toml 'allow = ["198.51.0.0/16", "2001:db8:51::/48"]'
wait_for 10 in_ns client ping -c 1 -w 1 fd00:0:0:1::2
ip netns exec server "$python" "$live/forge.py" s0 "$work/forging" & forger=$!
wait_for 10 test -e "$work/forging" || fail "forge.py" "does not start"

way() { if [ "$1" = 4 ]; then echo "198.51.33.$2"; else printf '2001:db8:51:33::%x\n' "$2"; fi; }
lies="2 3 4 5 6 7 8 12 13 17 20 23"
ways() {
  local v=$1 method ask up down w
  for method in ping tcp udp; do
    up="1 9 10 21" down=$lies ask=(ping)
    if [ "$method" = tcp ]; then ask=(tcp --port 80); fi
    # A UDP answer need not name the probe; what a NAT does to a quoted checksum (12) is forgiven.
    if [ "$method" = udp ]; then up="1 9 10 16 21" down="2 3 4 5 6 7 8 13 17 20 23" ask=(udp --port 7); fi
    local -A state=()
    for w in $up; do state[$w]=up; done
    for w in $down; do state[$w]=down; done
    for w in 11 14 15 22; do state[$w]=unreachable; done
    state[18]=prohibited state[19]=time_exceeded
    local targets=() right="{"
    for w in "${!state[@]}"; do targets+=("$(way "$v" "$w")"); right+="'$(way "$v" "$w")': '${state[$w]}', "; done
    probe "ways-$v-$method" "${ask[@]}" --count 1 --timeout 400ms "${targets[@]}"
    for w in "${!state[@]}"; do
      check "IPv$v $method way $w: ${state[$w]}" judge "ways-$v-$method" \
        "by['$(way "$v" "$w")']['state'] == '${state[$w]}' and by['$(way "$v" "$w")']['sent'] == 1"
    done
    check "IPv$v $method: all are told, errors with their router" judge "ways-$v-$method" \
      "len(R) == len(by) == ${#state[@]} and all(r['error']['router'] == ('198.51.33.250' if $v == 4 else '2001:db8:51:33::fa') for r in R if r['state'] in ('unreachable', 'prohibited', 'time_exceeded'))"
    check "IPv$v $method: forgeries are counted" judge "ways-$v-$method" "'forged' in words and ' 0 forged' not in words"
    # What was right for the first process is wrong for the second.
    expect "IPv$v $method: a replayed answer does not count" "r['state'] == 'down' and r['received'] == 0" \
      "${ask[@]}" --count 1 --timeout 400ms "$(way "$v" 10)"
    expect "IPv$v $method: a repeated answer counts once" "r['state'] == 'up' and (r['sent'], r['received']) == (3, 3) and (' 3 duplicate' in words or ' 2 duplicate' in words)" \
      "${ask[@]}" --count 3 --interval 20ms --timeout 400ms "$(way "$v" 9)"
    expect "IPv$v $method: late is not in time" "r['state'] == 'down' and r['received'] == 0 and r['late'] >= 1" \
      "${ask[@]}" --count 3 --interval 400ms --timeout 300ms "$(way "$v" 24)"
  done
}
both ways

# A path made up by one host: labels at the first router, TTL 0 forwarded before the third.
paths() {
  local v=$1 router=198.51.33. method
  [ "$v" = 4 ] || router=2001:db8:51:33::
  for method in icmp "tcp --port 80" "udp --port 7"; do
    # shellcheck disable=SC2086
    expect "IPv$v trace by $method: MPLS labels and zero TTL" "r['path']['end'] == 'reached' and path(r) == ['$router' + x for x in $([ "$v" = 4 ] && echo "('201', '202', '203')" || echo "('c9', 'ca', 'cb')")] + ['$(way "$v" 40)'] and [(m['label'], m['tc'], m['ttl']) for m in r['path']['hops'][0]['nodes'][0]['mpls']] == [(1234, 5, 1), (99, 0, 2)] and 'zero_ttl' in r['path']['hops'][2]['nodes'][0]['flags'] and 'zero_ttl' not in r['path']['hops'][1]['nodes'][0]['flags']" \
      trace --method $method --timeout 400ms "$(way "$v" 40)"
  done
}
both paths

# --- without the right to do more than it must --------------------------------------------------------
ip netns exec client "$sensor" probe ping --count 1 --timeout 20s 198.51.33.99 >/dev/null 2>&1 & prober=$!
no_capabilities() {
  grep -q '^CapEff:[[:space:]]*0*$' "/proc/$prober/status" && grep -q '^CapPrm:[[:space:]]*0*$' "/proc/$prober/status"
}
check "privileges are dropped once the sockets are open" wait_for 5 no_capabilities
kill "$prober"; wait "$prober" 2>/dev/null
kill "$forger"; wait "$forger" 2>/dev/null
finish
