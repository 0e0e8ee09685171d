#!/bin/bash
# How well `parallax-sensor probe ping --rate` keeps to its rate, as seen by tcpdump at the other end
# of the cable, and what it costs; fping at the same rates for comparison. A benchmark, not a test.
#
#   tests/bench/probe_pace_live.sh [BINARY_DIR]
#
# BINARY_DIR holds parallax-sensor; default: bin in $PARALLAX_BUILD_DIR, else build/bin. Prints a
# table (probe_meter.py explains it); exit 0, 1 if something could not run, 77 without namespaces.
# shellcheck source=tests/bench/probe_world.sh
. "$(dirname "$0")/probe_world.sh"
meter pace --far far --interface f0 --seconds 10 10 100 1000 5000
