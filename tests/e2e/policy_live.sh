#!/bin/bash
# The local policy, counted on the wire by tcpdump: never one packet over its caps in any second, never
# one to an address that it does not allow, whatever is asked; and without a policy that can be trusted,
# none at all. Every client is a namespace with a cable to the server.
#
#   tests/e2e/policy_live.sh [BINARY_DIR]
#
# See live/lib.sh for BINARY_DIR, output and exit codes.
# shellcheck disable=SC2317 # most functions are called by name, through check and wait_for
programs=(parallax-sensor)
needs_root=yes
# shellcheck source=tests/e2e/live/lib.sh
. "$(dirname "$0")/live/lib.sh"

host server client k1 k2 k3 k4
n=0
for k in client k1 k2 k3 k4; do
  cable server "s$n" $k e0 10.0.$n fd00:0:0:$n
  gateway $k 10.0.$n.1 fd00:0:0:$n::1
  n=$((n + 1))
done
ip -n server route add local 198.51.0.0/16 dev lo
ip -n server -6 route add local 2001:db8:51::/48 dev lo
talkative server
serve server 7 80
wire() { "$python" "$live/wire.py" "$work/$1.pcap" "${@:2}"; }

# --- no policy, no packet -----------------------------------------------------------------------------
# One capture over all of these: at its end, there must be nothing in it.
good='allow = ["198.51.0.0/16", "2001:db8:51::/48"]'
no_policy() {  # no_policy NAME FILE: exit 77 or 78, words that name the file, no record
  local file=${1//[^a-z]/-}
  PARALLAX_POLICY='' probe "$file" ping --policy "$2" --count 1 --timeout 100ms 198.51.1.1 2001:db8:51:1::1
  check "no probing: $1" judge "$file" "code in (77, 78) and R == [] and '$2' in words"
}
watch none client any 'outbound'
no_policy "file absent" "$work/nowhere.toml"
no_policy "not a file" "$work"
mkfifo -m 644 "$work/fifo"
no_policy "FIFO" "$work/fifo"
policy open.toml "$good"; chmod o+w "$work/open.toml"
no_policy "world-writable" "$work/open.toml"
policy group.toml "$good"; chmod g+w "$work/group.toml"
no_policy "group-writable" "$work/group.toml"
mkdir -m 777 "$work/folder"; policy folder/policy.toml "$good"
no_policy "in a world-writable folder" "$work/folder/policy.toml"
ln -s "$work/open.toml" "$work/link.toml"
no_policy "link to a world-writable one" "$work/link.toml"
policy foreign.toml "$good"
if chown 65534 "$work/foreign.toml" 2>/dev/null; then no_policy "somebody else's" "$work/foreign.toml"; fi
for bad in 'typo:allwo = []' 'syntax:allow = [' 'negative:packets_per_second = -1' 'zero:per_target_per_second = 0' \
  'infinite:packets_per_second = inf' 'prefix:allow = ["198.51.0.0/33"]' 'method:methods = ["telnet"]' 'name:allow = ["privat-use"]'; do
  printf '%s\n' "$good" "${bad#*:}" | sed '1{/^allow/d}' >"$work/bad.toml"
  case $bad in negative* | zero* | infinite* | method* | typo*) printf '%s\n%s\n' "$good" "${bad#*:}" >"$work/bad.toml" ;; esac
  no_policy "wrong ${bad%%:*}" "$work/bad.toml"
done
unset PARALLAX_POLICY
probe default ping --count 1 --timeout 100ms 198.51.1.1
check "no probing: no policy anywhere" judge default 'code == 78 and R == [] and "/etc/parallax-sensor/policy.toml" in words'
if [ "$(id -u)" = 0 ] && cp "$sensor" /run/sensor 2>/dev/null && chmod 755 /run/sensor && policy secret.toml "$good"; then
  chmod 755 "$work"; chmod 600 "$work/secret.toml"
  in_ns client setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all /run/sensor probe ping \
    --policy "$work/secret.toml" --unprivileged 198.51.1.1 >"$work/unreadable" 2>"$work/unreadable.err"
  echo $? >"$work/unreadable.code"
  check "no probing: unreadable" judge unreadable 'code in (77, 78) and R == [] and "secret.toml" in words'
fi

# --- allowed by nothing, or only by what does not count ---------------------------------------------------
refused='code == 1 and states == {"refused"} and all(r["sent"] == 0 and r["error"]["kind"] == "refused" for r in R)'
policy empty.toml 'allow = []'
expect "a policy that allows nothing" "$refused" ping 198.51.1.1 2001:db8:51:1::1
policy all.toml 'allow = ["0.0.0.0/0", "::/0"]'
special=(10.0.0.1 100.64.0.1 127.0.0.1 169.254.0.1 172.16.0.1 192.0.0.1 192.0.2.1 192.168.0.1 198.18.0.1
  198.51.100.1 203.0.113.1 224.0.0.1 240.0.0.1 255.255.255.255 0.0.0.0 ::1 :: fe80::1 ff02::1 fd00::1
  fec0::1 2001:db8:51::1 100::1 2001:2::1 ::ffff:198.51.1.1 2002:a00:1::1 64:ff9b::a00:1 3fff::1)
for method in ping "tcp --port 80" "udp --port 7"; do
  # shellcheck disable=SC2086
  expect "special-purpose addresses, whatever 0.0.0.0/0 says: $method" "$refused and len(R) == ${#special[@]}" \
    $method --timeout 100ms "${special[@]}"
done
policy methods.toml "$good
methods = [\"udp\"]
udp_ports = [53]
deny = [\"198.51.4.0/24\"]"
expect "method not allowed" "$refused" ping 198.51.1.1
expect "method not allowed: tcp" "$refused" tcp 198.51.1.1
expect "method not allowed: trace" 'code == 1 and states <= {"refused", "down"} and all(r["sent"] == 0 for r in R)' trace --method udp --port 53 198.51.1.1
expect "port not allowed" "$refused" udp --port 7 198.51.1.1
expect "denied" "$refused" udp --port 53 198.51.4.1
unwatch none
check "of all that was refused, nothing was on the wire" wire none --most 0

# --- named, and so probed; who asks is told ----------------------------------------------------------------
policy named.toml 'allow = ["benchmarking", "198.51.100.0/24", "198.51.1.1/32"]
contact = "noc@campus.example"'
ip -n server route add local 198.18.0.0/15 dev lo
watch named client e0
expect "special-purpose addresses that are named" 'code == 0 and states == {"up"} and len(R) == 3' ping 198.18.1.1 198.51.100.1 198.51.1.1
expect "and by UDP" 'code == 0 and states == {"up"}' udp --port 7 198.18.1.1
unwatch named
told() { [ "$(grep -ao 'noc@campus.example' "$work/named.pcap" | wc -l)" -ge 4 ] && grep -aqi parallax "$work/named.pcap"; }
check "each probe names Parallax and the contact" told

# --- never over the caps, whatever is asked ----------------------------------------------------------------
cat >"$work/caps.toml" <<'TOML'
packets_per_second = 120
per_prefix_per_second = 40
per_target_per_second = 10
allow = ["198.51.0.0/20", "2001:db8:51::/48"]
deny = ["198.51.4.0/24", "198.51.8.77/32", "2001:db8:51:4::/64"]
TOML
export PARALLAX_POLICY=$work/caps.toml
allowed=(--caps 120 40 10 --allow 198.51.0.0/20 2001:db8:51::/48 --deny 198.51.4.0/24 198.51.8.77/32 2001:db8:51:4::/64)
seed=${SEED:-$RANDOM}
asks() {  # asks CLIENT SEED COUNT
  local number=0 ask
  while read -r ask; do
    number=$((number + 1))
    watch "$1-$number" "$1" any 'outbound'
    # shellcheck disable=SC2086
    ip netns exec "$1" timeout -s INT 2.5 "$sensor" probe $ask -o jsonl >/dev/null 2>"$work/$1.err" </dev/null
    case $? in 0 | 1 | 6 | 124) ;; *) fail "random ask, seed $2: $ask" "exit $?: $(tail -n 1 "$work/$1.err")" ;; esac
    unwatch "$1-$number"
    check "seed $2: probe $ask" wire "$1-$number" "${allowed[@]}"
  done < <("$python" "$live/asks.py" "$2" "$3")
}
clients=()
for k in 1 2 3 4; do asks k$k $((seed + k)) 4 & clients+=($!); done
# Meanwhile, by name: as much as there may be, and no less than half of it, whatever else this machine
# does: nothing is made up for later.
full() {  # full NAME LEAST CAPS... -- ASK...
  local name=$1 least=$2; shift 2
  watch full client any 'outbound'
  ip netns exec client timeout -s INT 2.5 "$sensor" probe "$@" -o jsonl >/dev/null 2>&1 </dev/null
  unwatch full
  check "$name" wire full "${allowed[@]}" --least "$least"
}
full "cap over all" 150 ping --rate 1000000 --count 3 198.51.0.0/20
full "cap for a /24" 50 ping --rate 1000000 --count 3 198.51.9.0/24
full "cap for a /64" 50 tcp --port 80 --rate 1000000 --count 3 2001:db8:51:9::/120
full "cap for a target" 12 ping --rate 1000000 --count 1000 --interval 1ms 198.51.9.9
full "cap for a target, over many flows" 12 udp --port 7 --flows 512 --rate 1000000 198.51.9.9
full "cap for a target, traced" 3 trace --flows 512 --method udp --port 7 198.51.9.9
# A gateway that answers ARP late: what has waited for it must not leave in one heap.
asked_twice() { ip -n client -s neigh show to 10.0.0.1 | grep -q 'probes [2-9]'; }
answer_late() { wait_for 10 asked_twice; ip -n server link set s0 arp on; }
ip -n server link set s0 arp off
ip -n client neigh flush all
answer_late & late=$!
full "caps behind a gateway that answers late" 10 ping --rate 1000000 --count 1000 --interval 1ms 198.51.9.0/28
wait $late
# So little late that only the first waits: the next one leaves a whole interval after that.
in_ns server sysctl -qw net.ipv4.conf.all.arp_ignore=8 net.ipv4.conf.s0.arp_ignore=8
ip netns exec server "$python" "$live/late_arp.py" s0 0.05 >"$work/late_arp" & late=$!
wait_for 10 grep -q ready "$work/late_arp"
ip -n client neigh flush all
full "cap for a target behind a gateway that answers a little late" 10 ping --rate 1000000 --count 1000 --interval 1ms 198.51.9.9
kill "$late"; wait "$late" 2>/dev/null
wait "${clients[@]}"
kill "$server"; wait "$server" 2>/dev/null
finish
