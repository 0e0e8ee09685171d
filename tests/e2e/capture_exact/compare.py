#!/usr/bin/python3
"""Compares what parallax-sensor and tshark see in a capture, SYN by SYN.

    compare.py SENSOR CAPTURE

Prints how many SYNs they agree on, exit code 0; else the first differences, 1. Compared are frame
number, flags, addresses, ports, sequence number, TTL or hop limit, and VLAN ids.

Where the two cannot agree, a rule says which frames those are and what Parallax must do:

  not TCP of the outer packet (in a tunnel, quoted in an error), or behind more tags, labels or
    extension headers than Parallax follows                            nothing
  PPPoE whose code is not that of a session (RFC 2516 section 4), or PPP whose control field is not 3
    (RFC 1662 section 3.1: discard), or on a line of that link type Cisco HDLC whose control field is
    not 0: tshark goes on all the same                                 nothing
  the capture, or the packet, ends within the 20 bytes of the TCP header: tshark then shows no flags,
    Parallax needs no more than these                                  either
  an option of an IPv6 extension header runs past its end: Parallax passes over options unread  either
  an IEEE 802.3 or PPPoE length that is too short, or 0: Parallax trusts the IP header's        either
  a raw IP packet whose second and third byte make tshark believe that it is PPP                either
"""
import json
import re
import subprocess
import sys

FIELDS = ("frame.number", "frame.protocols", "tcp.flags", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst",
          "tcp.srcport", "tcp.dstport", "tcp.seq_raw", "ip.ttl", "ipv6.hlim", "vlan.id", "ieee8021ad.id",
          "ieee8021ad.svid", "ieee8021ad.cvid", "mpls.label", "pppoe.code",
          "ppp.control", "chdlc.control")
# Fragments are not put together, as they are not by Parallax.
OPTIONS = ("ip.defragment:FALSE", "ipv6.defragment:FALSE", "tcp.analyze_sequence_numbers:FALSE")

# The layers between which Parallax looks for TCP. All others hide it: tunnels, quotes in errors.
FOLLOWED = re.compile(
    r"^(?:(?:(?:eth|sll)(?P<tags>(?::ethertype:(?:vlan|ieee8021ad))*):(?:ethertype|llc)(?::pppoes:ppp)?"
    r"|null|raw|chdlc|(?:pppoes:)?ppp(?::chdlc)?)(?::mpls)*:)?"
    r"(?P<version>ip(?!v6|.*:ipv6\.)|ipv6)(?P<chain>(?::ipv6\.\w+|:ah)*):tcp(?::|$)")
GIVEN_UP = re.compile(r":ipv6\.(?:hopopts|dstopts|routing)$|:llc(?::|$)|pppoes(?::|$)|^raw:ppp(?::|$)|:ethertype:data$")
SEEN = "tcp or _ws.malformed or (raw and ppp) or eth.type < 0x600 or vlan.etype < 0x600"


def tshark(path):
    command = ["tshark", "-r", path, "-n", "-Y", SEEN, "-T", "fields",
               "-E", "occurrence=a", "-E", "separator=|"]
    for option in OPTIONS:
        command += ["-o", option]
    for field in FIELDS:
        command += ["-e", field]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"tshark: {done.stderr}")
    for line in done.stdout.splitlines():
        yield dict(zip(FIELDS, (value.split(",") if value else [] for value in line.split("|"))))


def vlan_ids(frame, tags):
    """In the order of the tags; two 802.1ad tags in a row are one layer to tshark."""
    left = {key: iter(frame[key]) for key in ("vlan.id", "ieee8021ad.id", "ieee8021ad.svid", "ieee8021ad.cvid")}
    ids = []
    for layer in re.findall(r"vlan|ieee8021ad", tags):
        service = next(left["ieee8021ad.svid"], None) if layer == "ieee8021ad" else None
        if service is not None:
            ids += [service, next(left["ieee8021ad.cvid"])]
        else:
            ids.append(next(left[layer + ".id"]))
    return [int(number) for number in ids]


def expected(frame):
    """What Parallax must say of a frame in which tshark sees TCP: a tuple, None for nothing, "either"."""
    layers = "".join(frame["frame.protocols"])
    path = FOLLOWED.match(layers)
    if not path and "tcp" not in layers.split(":"):
        return "either" if GIVEN_UP.search(layers) else None
    if not path or any(int(code, 16) for code in frame["pppoe.code"]) or \
            any(int(control, 16) != 3 for control in frame["ppp.control"]) or \
            (layers.startswith("ppp:chdlc") and any(int(control, 16) for control in frame["chdlc.control"])):
        return None
    if not frame["tcp.flags"]:  # the header does not end within the frame; the flags may be there
        return "either"
    flags = int(frame["tcp.flags"][0], 16)
    if not flags & 2:
        return None
    ids = vlan_ids(frame, path["tags"] or "")
    chain = path["chain"].count(":")
    if len(ids) > 3 or len(frame["mpls.label"]) > 4 or chain > (1 if path["version"] == "ip" else 6):
        return None  # deeper than Parallax follows
    version = path["version"]
    return ("SA" if flags & 0x10 else "S", frame[version + ".src"][0], int(frame["tcp.srcport"][0]),
            frame[version + ".dst"][0], int(frame["tcp.dstport"][0]), int(frame["tcp.seq_raw"][0]),
            int(frame["ip.ttl" if version == "ip" else "ipv6.hlim"][0]), ids)


def parallax(sensor, path):
    done = subprocess.run([sensor, "capture", "--read", path, "-o", "jsonl"], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{sensor} ends with {done.returncode}: {done.stderr}")
    return {r["frame"]: (r["flags"], r["src"], r["sport"], r["dst"], r["dport"], r["isn"], r["ttl"], r["vlan"])
            for r in map(json.loads, done.stdout.splitlines())}


def main():
    sensor, path = sys.argv[1:]
    ours = parallax(sensor, path)
    differences, agreed, hidden, either = [], 0, 0, 0
    for frame in tshark(path):
        number = int(frame["frame.number"][0])
        theirs, mine = expected(frame), ours.pop(number, None)
        if theirs == "either":
            either += 1
        elif theirs != mine:
            differences.append(f"frame {number}: {mine} here, {theirs} there, {frame['frame.protocols']}")
        elif theirs:
            agreed += 1
        elif frame["tcp.flags"] and int(frame["tcp.flags"][0], 16) & 2:
            hidden += 1
    differences += [f"frame {number}: {mine} here, no TCP there" for number, mine in ours.items()]
    if differences:
        print(f"{len(differences)} differences: " + "; ".join(differences[:20]))
        return 1
    print(f"{agreed} SYNs agree, {hidden} are in tunnels, {either} cut off or damaged")
    return 0


if __name__ == "__main__":
    sys.exit(main())
