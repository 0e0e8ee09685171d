#!/bin/bash
# How long one echo request to each of 65,536 answering hosts takes: `parallax-sensor probe ping`,
# fping and zmap, one after the other in each of seven rounds. And whether the states are right where
# some hosts do not answer and others are unreachable. A benchmark, not a test.
#
#   tests/bench/probe_speed_live.sh [BINARY_DIR]
#
# BINARY_DIR holds parallax-sensor; default: bin in $PARALLAX_BUILD_DIR, else build/bin. Prints a
# table (probe_meter.py explains it); exit 0, 1 if something could not run, 77 without namespaces.
# shellcheck source=tests/bench/probe_world.sh
. "$(dirname "$0")/probe_world.sh"
mac=$(ip -n far -o link show dev f0 | sed 's/.*ether \([0-9a-f:]*\).*/\1/')
meter speed --interface n0 --gateway-mac "$mac" --rounds 7 || exit 1

ip -n far route add unreachable 198.19.0.0/16
in_ns far nft -f - <<'NFT'
table ip mute {
  chain input { type filter hook input priority 0; ip daddr & 0.0.0.3 == 0.0.0.1 drop; }
}
NFT
meter mixed
