#!/usr/bin/python3
"""flow_constants.py FILE: whether probes in a capture keep what routers hash.

The capture holds echo requests and UDP datagrams, IPv4 and IPv6: four flows of five packets. Within a
flow, identifier or ports and (ICMP) the checksum must be the same, and what tells the probes apart
must differ; IPv6 flow labels must be 0. Checksums are computed: those captured on the sending host
are left to the network card.
"""
import struct
import sys


def total(data):
    value = sum(struct.unpack(f">{len(data) // 2}H", data))
    while value > 0xFFFF:
        value = (value & 0xFFFF) + (value >> 16)
    return value


def frames(data):
    at = 24
    while at < len(data):
        size = struct.unpack("<I", data[at + 8:at + 12])[0]
        yield data[at + 16:at + 16 + size]
        at += 16 + size


def main():
    with open(sys.argv[1], "rb") as file:
        data = file.read()
    flows = {}
    for frame in frames(data):
        v6 = frame[12:14] == b"\x86\xdd"
        if not v6 and frame[12:14] != b"\x08\x00":
            continue
        protocol = frame[20] if v6 else frame[23]
        addresses = frame[22:54] if v6 else frame[26:34]
        length = struct.unpack(">H", frame[18:20])[0] if v6 else struct.unpack(">H", frame[16:18])[0] - 20
        body = (frame[54:] if v6 else frame[34:])[:length]
        if protocol in (1, 58) and body[0] in (8, 128):
            key, own = (protocol, body[4:6]), body[6:8]
            constant = total(body[:2] + body[4:])  # the pseudo-header's sum is the flow's own
        elif protocol == 17:
            key = (protocol, v6, body[0:4])
            own = total(addresses) + total(body[:6] + body[8:])
            constant = length
        else:
            continue
        if v6 and frame[14:18] != b"\x60\0\0\0":
            sys.exit("flow label " + frame[14:18].hex())
        flow = flows.setdefault(key, {"constants": set(), "own": []})
        flow["constants"].add(constant)
        flow["own"].append(own)
    if len(flows) != 4:
        sys.exit(f"{len(flows)} flows: {flows}")
    for key, flow in flows.items():
        if len(flow["own"]) != 5 or len(set(flow["own"])) != 5 or len(flow["constants"]) != 1:
            sys.exit(f"{key}: {flow}")


main()
