# shellcheck shell=bash disable=SC2034
# The network of the probe benchmarks; source it, do not run it. Two hosts and a cable, `near` and
# `far`; all of 198.18.0.0/16 answers in far. `meter WHAT` runs probe_meter.py in near.
programs=(parallax-sensor)
needs_root=yes
# shellcheck source=tests/e2e/live/lib.sh
. "$(dirname "$0")/../e2e/live/lib.sh"
host near far
cable near n0 far f0 10.9.0 fd00:0:0:9
ip -n near route add default via 10.9.0.2
ip -n far route add local 198.18.0.0/16 dev lo
cat >"$work/policy.toml" <<'TOML'
packets_per_second = 10000000
per_prefix_per_second = 10000000
per_target_per_second = 10000000
allow = ["198.18.0.0/15"]
TOML
meter() {
  PARALLAX_POLICY=$work/policy.toml in_ns near "$python" "$here/tests/bench/probe_meter.py" \
    --sensor "$sensor" --work "$work" "$@"
}
in_ns near ping -c 1 -w 5 -q 198.18.0.1 >/dev/null || { echo "the far host does not answer" >&2; exit 1; }
