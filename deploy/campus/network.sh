# Builds the campus of topology.sh: runs inside the lab's own namespaces, where
# `ip netns` names are private to the lab. Sourced by inside.sh.
# shellcheck shell=bash

in_node() {
  local node=$1
  shift
  nsenter --net="/run/netns/$node" -- "$@"
}

bare() { printf '%s' "${1%/*}"; }

node_add() {
  ip netns add "$1"
  # IPv4 settings of a new namespace are inherited from the host: say what the lab relies on.
  # No duplicate address detection: it would keep IPv6 silent for the first second.
  in_node "$1" sysctl -qw \
    net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 \
    net.ipv4.conf.all.accept_redirects=0 net.ipv4.conf.default.accept_redirects=0 \
    net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.default.send_redirects=0 \
    net.ipv4.icmp_echo_ignore_all=0 \
    net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.default.disable_ipv6=0 \
    net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 \
    net.ipv6.conf.default.dad_transmits=0 net.ipv6.conf.default.accept_ra=0 \
    net.ipv6.conf.default.router_solicitations=0
  ip -n "$1" link set lo up
}

router_add() {
  node_add "$1"
  in_node "$1" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
  multipath_by_destination "$1" 4
  multipath_by_destination "$1" 6
}

# Multipath by source and destination only, as hardware of that kind does it by default. IPv4:
# policy 0 is just that. IPv6: policy 0 would hash the flow label too, which Linux hosts draw at
# random per connection, so that every destination would fail half of the time instead of half of
# the destinations failing; policy 3 with fields 0x3 is source and destination address alone.
multipath_by_destination() { # node family
  if [[ $2 == 4 ]]; then
    in_node "$1" sysctl -qw net.ipv4.fib_multipath_hash_policy=0 net.ipv4.fib_multipath_hash_fields=7
  else
    in_node "$1" sysctl -qw net.ipv6.fib_multipath_hash_policy=3 net.ipv6.fib_multipath_hash_fields=3
  fi
}
# By addresses, protocol and ports (fields 0x37). Not policy 1, which takes the hash that a packet
# brings along: here all hosts share one kernel, and their sockets draw that hash at random, anew
# for each retransmission. Packets without ports, ICMP for one, go by their addresses.
multipath_by_flow() { # node family
  in_node "$1" sysctl -qw "net.ipv$2.fib_multipath_hash_policy=3" \
    "net.ipv$2.fib_multipath_hash_fields=55"
}

addresses_add() { # node interface ipv4 ipv6
  ip -n "$1" addr add "$3" dev "$2"
  ip -n "$1" -6 addr add "$4" dev "$2" nodad
  ip -n "$1" link set "$2" up
}

default_via() { # node ipv4 ipv6
  ip -n "$1" route replace default via "$(bare "$2")"
  ip -n "$1" -6 route replace default via "$(bare "$3")"
}

bridge_add() { # node name
  ip -n "$1" link add "$2" type bridge stp_state 0 forward_delay 0 mcast_snooping 0
  ip -n "$1" link set "$2" up
}

plug() { # node interface bridge-node bridge port-name
  ip link add name "$2" netns "$1" type veth peer name "$5" netns "$3"
  ip -n "$3" link set "$5" master "$4" up
  ip -n "$1" link set "$2" up
}

backbone_address() { # node 4|6
  local row name v4 v6
  for row in "${BACKBONE[@]}"; do
    read -r name v4 v6 <<<"$row"
    [[ $name == "$1" ]] || continue
    if [[ $2 == 4 ]]; then bare "$v4"; else bare "$v6"; fi
    return
  done
  return 1
}

network_up() {
  local row name v4 v6 router department prefix other via4 via6
  router_add border
  node_add backbone
  bridge_add backbone bb
  for row in "${BACKBONE[@]}"; do
    read -r name v4 v6 <<<"$row"
    [[ $name == border ]] || router_add "$name"
    plug "$name" bb0 backbone bb "$name"
    addresses_add "$name" bb0 "$v4" "$v6"
  done

  # The internet: one namespace that owns whole prefixes ("local" routes) and answers for them.
  node_add inet
  in_node inet sysctl -qw net.ipv4.ip_nonlocal_bind=1 net.ipv6.ip_nonlocal_bind=1
  ip link add name wan0 netns border type veth peer name eth0 netns inet
  addresses_add border wan0 "$UPLINK_BORDER4" "$UPLINK_BORDER6"
  addresses_add inet eth0 "$UPLINK_INET4" "$UPLINK_INET6"
  default_via border "$UPLINK_INET4" "$UPLINK_INET6"
  ip -n inet route add "$CAMPUS4" via "$(bare "$UPLINK_BORDER4")"
  ip -n inet -6 route add "$CAMPUS6" via "$(bare "$UPLINK_BORDER6")"
  for prefix in "${REMOTE4[@]}"; do ip -n inet route add local "$prefix" dev lo; done
  for prefix in "${REMOTE6[@]}"; do ip -n inet -6 route add local "$prefix" dev lo; done

  # Departments: default route to the border, campus routes to each other. A bad default route
  # therefore leaves traffic inside the campus alone, as in the incident this campus retells.
  for row in "${DEPARTMENTS[@]}"; do
    read -r department router v4 v6 <<<"$row"
    bridge_add "$router" lan0
    addresses_add "$router" lan0 "$v4" "$v6"
    default_via "$router" "$(backbone_address border 4)" "$(backbone_address border 6)"
    via4=$(backbone_address "$router" 4) via6=$(backbone_address "$router" 6)
    v4=$(network_of "$v4") v6=$(network_of "$v6")
    for other in "${BACKBONE[@]}"; do
      read -r name _ <<<"$other"
      [[ $name == "$router" ]] && continue
      ip -n "$name" route add "$v4" via "$via4"
      ip -n "$name" -6 route add "$v6" via "$via6"
    done
  done
  for row in "${HOSTS[@]}"; do
    read -r name department v4 v6 _ <<<"$row"
    node_add "$name"
    router=$(department_field "$department" 2)
    plug "$name" eth0 "$router" lan0 "$name"
    addresses_add "$name" eth0 "$v4" "$v6"
    default_via "$name" "$(department_field "$department" 3)" "$(department_field "$department" 4)"
    # Room for the half-open connections of the incident, without the help of SYN cookies.
    in_node "$name" sysctl -qw net.core.somaxconn=8192 net.ipv4.tcp_max_syn_backlog=8192
  done

  # The student's box forwards, so hosts believe that it is a router; whatever leaves the campus
  # through it is swallowed without a word.
  ip -n student route add blackhole default
  ip -n student -6 route add blackhole default
}

department_field() { # department column, from 1
  local row
  local -a fields
  for row in "${DEPARTMENTS[@]}"; do
    read -ra fields <<<"$row"
    [[ ${fields[0]} == "$1" ]] && printf '%s' "${fields[$2 - 1]}" && return
  done
  return 1
}

network_of() { # 192.0.2.33/27 -> 192.0.2.32/27
  /usr/bin/python3 -c 'import ipaddress,sys; print(ipaddress.ip_interface(sys.argv[1]).network)' "$1"
}
