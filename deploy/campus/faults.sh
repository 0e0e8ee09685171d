# Breaks the campus that network.sh has built, and mends it: runs inside the lab's own namespaces.
# Sourced by inside.sh after topology.sh (which lists the faults) and network.sh.
#
# fault_NAME and heal_NAME take the IP version ("4" or "6"), or "both" where --family has no say.
# Healing what is whole is harmless. Nothing here is random but what `loss` loses, so that the same
# hosts fail each time; and nobody on the campus is told: packets vanish without an ICMP error.
# shellcheck shell=bash

# --- a router that takes the student's box for a way out ------------------------------------------

fault_rogue_default() { # family
  ip -n r-mail "-$1" route replace default \
    nexthop via "$(backbone_address border "$1")" nexthop via "$(backbone_address student "$1")"
}
heal_rogue_default() {
  # Replacing a set of next hops by one is done differently by IPv4 and IPv6; deleting is not.
  while ip -n r-mail "-$1" route del default 2>/dev/null; do :; done
  ip -n r-mail "-$1" route add default via "$(backbone_address border "$1")"
}

fault_rogue_per_flow() { # family
  multipath_by_flow r-mail "$1"
  fault_rogue_default "$1"
}
heal_rogue_per_flow() {
  heal_rogue_default "$1"
  multipath_by_destination r-mail "$1"
}

fault_ipv6_only() { fault_rogue_default 6; }
heal_ipv6_only() { heal_rogue_default 6; }

fault_route_flap() { launch route-flap r-mail /bin/bash "$ROOT/deploy/campus/inside.sh" flapping; }
heal_route_flap() {
  halt route-flap
  heal_rogue_default 4
  heal_rogue_default 6
}
# The process `route-flap`. SIGTERM ends it between two turns, never in the middle of one.
cmd_flapping() {
  local state=fault nap=''
  trap 'kill "$nap" 2>/dev/null; exit 0' TERM
  while :; do
    "${state}_rogue_default" 4
    "${state}_rogue_default" 6
    echo "$(date +%T) rogue route: $state"
    if [[ $state == fault ]]; then state=heal; else state=fault; fi
    sleep "$FLAP_SECONDS" &
    nap=$!
    wait "$nap"
  done
}

# --- one way only ---------------------------------------------------------------------------------

lost_prefixes() { # family
  if [[ $1 == 4 ]]; then printf '%s\n' "${LOST4[@]}"; else printf '%s\n' "${LOST6[@]}"; fi
}
mail_network() { network_of "$(department_field mail $(($1 == 4 ? 3 : 4)))"; } # family

fault_return_path() { # family
  local prefix
  for prefix in $(lost_prefixes "$1"); do ip -n r-mail "-$1" route replace blackhole "$prefix"; done
}
heal_return_path() {
  local prefix
  for prefix in $(lost_prefixes "$1"); do
    ip -n r-mail "-$1" route del blackhole "$prefix" 2>/dev/null || true
  done
}

fault_inbound_path() { # family
  local prefix
  heal_inbound_path "$1"
  for prefix in $(lost_prefixes "$1"); do
    ip -n border "-$1" rule add from "$prefix" to "$(mail_network "$1")" blackhole pref 60
  done
}
heal_inbound_path() { while ip -n border "-$1" rule del pref 60 2>/dev/null; do :; done; }

# --- filters and losses ---------------------------------------------------------------------------

filter_add() { # node family|both fault hook rule...: a table of its own for each fault and family
  local node=$1 table fault=fault_${3//-/_} hook=$4 rule
  table=$(filter_family "$2")
  shift 4
  command -v nft >/dev/null || die "nft is missing; install it: apt-get install nftables"
  {
    printf 'table %s %s {\n  chain drops {\n' "$table" "$fault"
    printf '    type filter hook %s priority 0\n' "$hook"
    printf '    %s drop\n' "$@"
    printf '  }\n}\n'
  } | in_node "$node" nft -f -
}
filter_remove() { # node family|both fault
  in_node "$1" nft delete table "$(filter_family "$2")" "fault_${3//-/_}" 2>/dev/null || true
}
filter_family() { case $1 in 4) echo ip ;; 6) echo ip6 ;; *) echo inet ;; esac; }

fault_loss() { # family
  filter_add r-mail "$1" loss forward \
    "oifname bb0 meta random < $((LOSS_PERCENT * (2 ** 32 - 1) / 100))"
}
heal_loss() { filter_remove r-mail "$1" loss; }

# Forwarded packets only: the router itself, a gateway to its hosts, answers as ever.
fault_icmp_filtered() { # family
  filter_add r-library "$1" icmp-filtered forward \
    "meta l4proto $(if [[ $1 == 4 ]]; then echo icmp; else echo ipv6-icmp; fi)"
}
heal_icmp_filtered() { filter_remove r-library "$1" icmp-filtered; }

fault_silent_clients() { # family
  local silent rule='ip daddr { %s } icmp type echo-request'
  [[ $1 == 4 ]] || rule='ip6 daddr { %s } icmpv6 type echo-request'
  silent=$(cmd_clients list | if [[ $1 == 4 ]]; then grep -v :; else grep :; fi |
    awk -v n="$SILENT_OF_TEN" 'int(NR * n / 10) > int((NR - 1) * n / 10)' | paste -sd,)
  # shellcheck disable=SC2059
  filter_add inet "$1" silent-clients input "$(printf "$rule" "$silent")"
}
heal_silent_clients() { filter_remove inet "$1" silent-clients; }

fault_cut_off() {
  local collector4 collector6
  collector4=$(bare "$(host_field collector 3)") collector6=$(bare "$(host_field collector 4)")
  filter_add r-mail both cut-off forward \
    "ip daddr $collector4 tcp dport $COLLECTOR_PORT" \
    "ip saddr $collector4 tcp sport $COLLECTOR_PORT" \
    "ip6 daddr $collector6 tcp dport $COLLECTOR_PORT" \
    "ip6 saddr $collector6 tcp sport $COLLECTOR_PORT"
}
heal_cut_off() { filter_remove r-mail both cut-off; }

# --- gone -----------------------------------------------------------------------------------------

# Gone for everyone: neither do the hosts hear, nor do they speak, nor does anybody say so.
cluster_of() { if [[ $1 == 4 ]]; then echo "$CLUSTER4"; else echo "$CLUSTER6"; fi; }
fault_target_off() {
  ip -n inet "-$1" route replace blackhole "$(cluster_of "$1")" table local
  heal_target_off_rule "$1"
  ip -n inet "-$1" rule add from "$(cluster_of "$1")" blackhole pref 50
}
heal_target_off_rule() {
  while ip -n inet "-$1" rule del pref 50 2>/dev/null; do :; done
}
heal_target_off() {
  heal_target_off_rule "$1"
  ip -n inet "-$1" route del blackhole "$(cluster_of "$1")" table local 2>/dev/null || true
}

# The cable is pulled at the switch's end, as a switch port would die: the host keeps its addresses.
fault_uplink_down() { ip -n r-web link set web1 down; }
heal_uplink_down() { ip -n r-web link set web1 up; }
fault_border_down() { ip -n backbone link set border down; }
heal_border_down() { ip -n backbone link set border up; }

# --- a flood --------------------------------------------------------------------------------------

# IPv4 only: that is what the generator makes. It is built with the tests, so a lab may lack it.
fault_syn_flood() {
  local mac generator=$BIN/parallax_syn_generator
  [[ -x $generator ]] ||
    die "$generator is missing; build it: ninja -C ${BIN%/bin} parallax_syn_generator"
  mac=$(ip -n border -o link show wan0 | sed -n 's/.*link\/ether \([^ ]*\).*/\1/p')
  launch syn-flood inet "$generator" --interface eth0 --mac "$mac" \
    --destination "$FLOOD_TARGET" --rate "$FLOOD_RATE"
}
heal_syn_flood() { halt syn-flood; }
