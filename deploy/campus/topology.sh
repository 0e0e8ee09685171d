# The campus that deploy/lab builds: every address of it stands here and nowhere else.
# shellcheck shell=bash disable=SC2034
#
#                        inet      answers for every address of REMOTE4 and REMOTE6
#                          |
#                        border
#                          |  .1
#        backbone LAN 192.0.2.0/27, 2001:db8:0:1::/64 (a bridge in its own namespace)
#       .2 |        .3 |         .4 |        .5 |        .30 |
#      r-mail       r-web     r-library      r-noc        student
#        |            |            |         |    |
#      mail1        web1         lib1      noc1  collector
#
# The campus uses documentation prefixes (RFC 5737, RFC 3849). The remote hosts live partly in
# those and partly in ordinary unicast space, because both must work.

CAMPUS4=192.0.2.0/24
CAMPUS6=2001:db8::/48

# Uplink between border and inet.
UPLINK_BORDER4=192.0.2.253/30 UPLINK_BORDER6=2001:db8:0:ff::1/64
UPLINK_INET4=192.0.2.254/30 UPLINK_INET6=2001:db8:0:ff::2/64

# Remote space: inet owns each address in it and answers ICMP echo, and TCP with RST.
REMOTE4=(198.51.0.0/16 203.0.0.0/16 185.32.0.0/16 64.28.0.0/16)
REMOTE6=(2a0a:4580::/32 2001:db8:f000::/36)

# Nodes on the backbone: name, IPv4, IPv6 (interface bb0).
BACKBONE=(
  "border     192.0.2.1/27   2001:db8:0:1::1/64"
  "r-mail     192.0.2.2/27   2001:db8:0:1::2/64"
  "r-web      192.0.2.3/27   2001:db8:0:1::3/64"
  "r-library  192.0.2.4/27   2001:db8:0:1::4/64"
  "r-noc      192.0.2.5/27   2001:db8:0:1::5/64"
  "student    192.0.2.30/27  2001:db8:0:1::666/64"
)

# Departments: name, router, the router's addresses towards its hosts (bridge lan0).
DEPARTMENTS=(
  "mail     r-mail     192.0.2.33/27   2001:db8:0:10::1/64"
  "web      r-web      192.0.2.65/27   2001:db8:0:20::1/64"
  "library  r-library  192.0.2.97/27   2001:db8:0:30::1/64"
  "noc      r-noc      192.0.2.129/27  2001:db8:0:40::1/64"
)

# Hosts: name, department, IPv4, IPv6 (interface eth0), TCP ports they serve ("-": none).
# Each host that serves something has a sensor of its own name, in the group of its department.
HOSTS=(
  "mail1      mail     192.0.2.34/27   2001:db8:0:10::25/64    25,587,993"
  "web1       web      192.0.2.66/27   2001:db8:0:20::80/64    80,443"
  "lib1       library  192.0.2.98/27   2001:db8:0:30::80/64    80,210,443"
  "noc1       noc      192.0.2.130/27  2001:db8:0:40::22/64    22,443"
  "collector  noc      192.0.2.131/27  2001:db8:0:40::7443/64  -"
)
COLLECTOR_PORT=7443

# Clients: how many remote hosts talk to the servers. CLUSTER: that many of them sit together in
# one small prefix, so that the fault `target-off` can take a whole neighbourhood away.
CLIENTS4=64 CLIENTS6=16
CLUSTER4=198.51.100.16/28 CLUSTER4_COUNT=8
CLUSTER6=2a0a:4580:100:16::/64 CLUSTER6_COUNT=4

# What `return-path` and `inbound-path` lose: half of the internet by prefix.
LOST4=(198.51.0.0/16 185.32.0.0/16) LOST6=(2a0a:4580::/32)
# Of ten clients, so many ignore echo requests under `silent-clients`.
SILENT_OF_TEN=7
LOSS_PERCENT=20
FLAP_SECONDS=10
FLOOD_RATE=3000 FLOOD_TARGET=192.0.2.34:25

# Faults: name, IP versions ("any": as --family says, "6", or "both": --family has no say), what is
# broken.
FAULTS=(
  "rogue-default   any   r-mail takes the student's box as a second default route: half of the hosts fail"
  "rogue-per-flow  any   the same, spread by port: every other flow fails, to any host"
  "ipv6-only       6     rogue-default for IPv6 alone"
  "route-flap      both  rogue-default, on and off every $FLAP_SECONDS s"
  "return-path     any   r-mail drops what mail1 sends to half of the internet; what it says arrives"
  "inbound-path    any   the border drops what that half sends to mail1; what mail1 says arrives"
  "loss            any   $LOSS_PERCENT % of the packets that leave the mail department are lost"
  "icmp-filtered   any   the library's firewall drops ICMP"
  "silent-clients  any   $SILENT_OF_TEN of 10 clients ignore echo requests"
  "target-off      any   hosts in $CLUSTER4 and $CLUSTER6 are gone for everyone"
  "uplink-down     both  web1 loses its own link"
  "border-down     both  the border router is off: nobody reaches the internet"
  "syn-flood       both  mail1's port 25 gets $FLOOD_RATE SYNs a second from forged sources"
  "cut-off         both  mail1 and the collector cannot talk (port $COLLECTOR_PORT); all else works"
)
# Of these one at a time and IP version: each sets the default route of the mail department's router.
ROGUES=(rogue-default rogue-per-flow ipv6-only route-flap)
