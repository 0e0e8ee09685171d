#!/usr/bin/python3
"""wire.py FILE [--caps ALL PREFIX TARGET] [--allow PREFIX...] [--deny PREFIX...] [--from SECONDS]
[--least N] [--most N]: the probes in a capture of tcpdump, as the wire saw them, against a policy.

In any second at most ALL probes, PREFIX to one /24 (IPv4) or /64, TARGET to one address; each to an
address of --allow that is in none of --deny; at least N of them, or at most. --from leaves out what
was sent before that Unix time. Probes are echo requests, SYN segments and UDP datagrams; what the
kernel says by itself (RST, neighbour discovery) is none. Prints what is wrong, and exits 1; else how
many there were.
"""

import argparse
import collections
import ipaddress
import struct
import sys


def frames(path):
    """(time, bytes from the IP header on) of each packet of a pcap file."""
    with open(path, "rb") as file:
        data = file.read()
    magic, link = struct.unpack_from("<L", data)[0], struct.unpack_from("<L", data, 20)[0]
    unit = {0xA1B23C4D: 1e9, 0xA1B2C3D4: 1e6}[magic]
    skip = {1: 14, 113: 16, 276: 20}[link]  # Ethernet, Linux cooked v1 and v2
    at = 24
    while at + 16 <= len(data):
        seconds, part, length = struct.unpack_from("<LLL", data, at)
        yield seconds + part / unit, data[at + 16 + skip:at + 16 + length]
        at += 16 + length


def probe_target(packet):
    """Where a probe goes; None: the packet is none."""
    if not packet:
        return None
    if packet[0] >> 4 == 4:
        protocol, target, rest = packet[9], packet[16:20], packet[(packet[0] & 15) * 4:]
    elif packet[0] >> 4 == 6:
        protocol, target, rest = packet[6], packet[24:40], packet[40:]
    else:
        return None
    echo = (protocol, rest[:1]) in ((1, b"\x08"), (58, b"\x80"))
    syn = protocol == 6 and rest[13] & 0x17 == 2
    return ipaddress.ip_address(target) if echo or syn or protocol == 17 else None


# A sender that loses the CPU between counting a probe and sending it puts it on the wire so much
# later; on a busy machine that is longer than the 4 ms that the pacer leaves room for.
SECOND = 0.98


def most_in_a_second(times):
    first, most, when = 0, 0, 0.0
    for last, time in enumerate(times):
        while time - times[first] >= SECOND:
            first += 1
        if last - first + 1 > most:
            most, when = last - first + 1, times[first]
    return most, when


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument("--caps", type=int, nargs=3, default=[10**9] * 3)
    parser.add_argument("--allow", type=ipaddress.ip_network, nargs="+")
    parser.add_argument("--deny", type=ipaddress.ip_network, nargs="+", default=[])
    parser.add_argument("--from", type=float, default=0, dest="start")
    parser.add_argument("--least", type=int, default=0)
    parser.add_argument("--most", type=int, default=10**9)
    options = parser.parse_args()
    groups = collections.defaultdict(list)
    wrong, count = [], 0
    for time, packet in frames(options.file):
        target = probe_target(packet)
        if target is None or time < options.start:
            continue
        count += 1
        inside = [[net for net in nets if target.version == net.version and target in net]
                  for nets in (options.allow or [], options.deny)]
        if (options.allow and not inside[0]) or inside[1]:
            wrong.append(f"a probe to {target}, which is not allowed")
        prefix = ipaddress.ip_network((target, 24 if target.version == 4 else 64), strict=False)
        for cap, key in zip(options.caps, ("all", prefix, target)):
            groups[cap, key].append(time)
    for (cap, key), times in groups.items():
        most, when = most_in_a_second(sorted(times))
        if most > cap:
            wrong.append(f"{most} probes to {key} in the second from {when:.6f}, cap {cap}")
    if not options.least <= count <= options.most:
        wrong.append(f"{count} probes, which is not {options.least} to {options.most}")
    print("; ".join(wrong[:5]) or f"{count} probes")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
