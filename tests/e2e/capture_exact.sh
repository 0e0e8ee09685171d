#!/bin/bash
# Exactness of `parallax-sensor capture --read` against tshark: every SYN and SYN-ACK of more than
# 100,000 random frames, valid and damaged, in every link type and file format, and of the golden
# captures. What is compared, and by which rules frames are left out, stands in
# capture_exact/compare.py.
#
#   tests/e2e/capture_exact.sh [BINARY_DIR] [CAPTURE...]
#
# BINARY_DIR holds parallax-sensor; default: bin in $PARALLAX_BUILD_DIR, else build/bin. With CAPTUREs
# those are compared instead. PARALLAX_SEED picks other random frames (default 1).
# Prints "ok - ..." or "not ok - ..." per capture; exit 0 if all agree, 1 if not, 77 without tshark.
set -u
here=$(cd "$(dirname "$0")/../.." && pwd)
bin=$(cd "${1:-${PARALLAX_BUILD_DIR:-$here/build}/bin}" && pwd) || exit 1
[ -x "$bin/parallax-sensor" ] || { echo "no $bin/parallax-sensor: build it first" >&2; exit 1; }
[ $# = 0 ] || shift
command -v tshark >/dev/null || { echo "no tshark here: apt install tshark" >&2; exit 77; }
python=$(command -v /usr/bin/python3 python3 | head -1)
parts=$here/tests/e2e/capture_exact
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Nobody's own preferences or plug-ins.
export HOME=$work XDG_CONFIG_HOME=$work WIRESHARK_CONFIG_DIR=$work

if [ $# = 0 ]; then
  "$python" "$parts/generate.py" "$work" "${PARALLAX_SEED:-1}" || exit 1
  set -- "$work"/*.pcap*
  for golden in "$here"/tests/data/capture/*.pcap "$here"/tests/data/capture/*.pcapng; do set -- "$@" "$golden"; done
fi
compare() {
  local name why
  name=${1#"$work"/} name=${name#"$here"/}
  if why=$("$python" "$parts/compare.py" "$bin/parallax-sensor" "$1" 2>&1); then
    echo "ok - capture_exact $name: $why"
  else
    echo "not ok - capture_exact $name: $why"
    return 1
  fi
}
export -f compare
export python parts bin work here
printf '%s\0' "$@" | xargs -0 -n 1 -P "$(nproc)" bash -c 'compare "$1"' compare || exit 1
