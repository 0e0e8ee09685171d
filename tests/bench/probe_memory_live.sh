#!/bin/bash
# How much memory 100,000 echo requests in flight take. A benchmark, not a test.
#
#   tests/bench/probe_memory_live.sh [BINARY_DIR]
#
# BINARY_DIR holds parallax-sensor; default: bin in $PARALLAX_BUILD_DIR, else build/bin. Exit 0, 1 if
# something could not run, 77 without namespaces.
# shellcheck source=tests/bench/probe_world.sh
. "$(dirname "$0")/probe_world.sh"
ip -n far route del local 198.18.0.0/16 dev lo
ip -n far route add blackhole 198.18.0.0/15
meter memory --far far --interface f0 100000
