#!/usr/bin/python3
"""Has tshark dissect the golden answers, and compares what both say. Exit code 1 if they differ
where they should not, 77 without tshark."""

import glob
import ipaddress
import os
import shutil
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
DLT_RAW = 101
FIELDS = ("ip.src", "ip.dst", "ip.ttl", "ip.id", "ipv6.src", "ipv6.dst", "ipv6.hlim", "icmp.type",
          "icmp.code", "icmp.ident", "icmp.seq", "icmp.redir_gw", "icmpv6.type", "icmpv6.code",
          "icmpv6.echo.identifier", "icmpv6.echo.sequence_number", "icmpv6.nd.rd.target_address",
          "tcp.srcport", "tcp.dstport", "tcp.seq", "tcp.ack_raw", "udp.srcport", "udp.dstport",
          "udp.checksum", "icmp.mpls.label", "icmp.mpls.ttl", "icmp.mpls.exp")


# Where tshark sees it otherwise, and why that is right for it or wrong.
KNOWN = {
    "ext_old_checksum_0": "it takes 128 bytes for the quote, whatever follows",
    "ext_old_checksum_bad": "likewise; it marks the checksum as bad",
    "ext_mpls_old": "it does not look for one in ICMPv6 without a length",
    "ext_checksum_bad": "it shows labels in spite of the checksum, marked as bad",
    "ext_tag_beyond_length": "likewise",
    "ext_version_1": "it shows what it does not know",
    "ext_object_length_beyond": "it shows what is there",
    "ext_object_second_bad": "likewise",
    "ext_mpls_length_odd": "likewise",
    "ext_mpls_twice": "it shows all labels",
    "ext_length_short": "for IPv4 it takes 128 bytes for the quote at least",
    "ext_length_lies": "it believes in a quote of 4 bytes",
    "redirect_length_like": "it looks for extensions in redirects",
    "quote_mobility": "it stops at a mobility header",
}


def read_cases():
    for path in sorted(glob.glob(os.path.join(HERE, "*.txt"))):
        case, part = None, None
        with open(path, encoding="utf-8") as file:
            lines = [line.split("#")[0].strip() for line in file] + ["case: "]
        for line in lines:
            if line.startswith("case: ") or line == "case:":
                if case:
                    yield case
                case = {"name": f"{os.path.basename(path)}: {line[6:]}", "bytes": b"", "answer": {}}
            elif line.startswith("input: "):
                case["input"] = line[7:]
            elif line in ("packet:", "answer:"):
                part = line
            elif line and part == "packet:":
                case["bytes"] += bytes.fromhex(line)
            elif line == "rejected":
                case["answer"] = None
            elif line:
                case["answer"].update(word.split("=", 1) for word in line.split())


def write_pcap(path, cases):
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, DLT_RAW))
        for at, case in enumerate(cases):
            size = len(case["bytes"])
            file.write(struct.pack("<IIII", at, 0, size, size) + case["bytes"])


def dissect(path):
    command = ["tshark", "-n", "-r", path, "-T", "fields", "-E", "occurrence=a", "-E",
               "aggregator=;", "-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE", "-o",
               "tcp.relative_sequence_numbers:FALSE"]
    for field in FIELDS:
        command += ["-e", field]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    for line in output.splitlines():
        yield {field: value.split(";") if value else []
               for field, value in zip(FIELDS, line.split("\t"))}


def number(text):
    return int(text, 0)


def expected(case):
    """What tshark should say, from the golden answer: (what, value, values that tshark names)."""
    answer, v6 = case["answer"], case["input"] == "ipv6"
    quoted = answer["kind"] in ("error", "redirect")
    ip = "ipv6" if v6 else "ip"
    at = 1 if quoted else 0  # which of several headers is the probe's
    yield "source", answer["source"], ip + ".src", 0
    yield "ttl", int(answer["ttl"]), ip + (".hlim" if v6 else ".ttl"), 0
    yield "target", answer["target"], ip + (".dst" if quoted else ".src"), at
    icmp = "icmpv6" if v6 else "icmp"
    if quoted:
        yield "icmp_type", int(answer["icmp_type"]), icmp + ".type", 0
        yield "icmp_code", int(answer["icmp_code"]), icmp + ".code", 0
        yield "quoted_source", answer["quoted_source"], ip + ".src", 1
        yield "quoted_ttl", int(answer["quoted_ttl"]), ip + (".hlim" if v6 else ".ttl"), 1
        if not v6:
            yield "quoted_ip_id", int(answer["quoted_ip_id"]), "ip.id", 1
    us, them = ("src", "dst") if quoted else ("dst", "src")
    sequence = int(answer["sequence"])
    if answer["method"] == "icmp":
        yield ("flow_port", int(answer["flow_port"]),
               "icmpv6.echo.identifier" if v6 else "icmp.ident", 0)
        yield ("sequence", sequence,
               "icmpv6.echo.sequence_number" if v6 else "icmp.seq", 0)
    else:
        method = answer["method"]
        yield "flow_port", int(answer["flow_port"]), f"{method}.{us}port", 0
        yield "port", int(answer["port"]), f"{method}.{them}port", 0
        if method == "udp" and quoted:
            yield "sequence", sequence, "udp.checksum", 0
        elif method == "tcp":
            yield ("sequence", sequence if quoted else (sequence + 1) % 2**32,
                   "tcp.seq" if quoted else "tcp.ack_raw", 0)
    if answer["kind"] == "redirect":
        yield ("gateway", answer["gateway"],
               "icmpv6.nd.rd.target_address" if v6 else "icmp.redir_gw", 0)


def differences(case, seen):
    for what, value, field, at in expected(case):
        values = seen[field]
        if field == "tcp.seq" and not values and case["input"] == "ipv6":
            continue  # it tells but the ports if 8 bytes are quoted in ICMPv6
        try:
            found = values[at]
            same = (ipaddress.ip_address(found) == ipaddress.ip_address(value)
                    if isinstance(value, str) else number(found) == value)
        except (IndexError, ValueError):
            found, same = None, False
        if not same:
            yield f"{what} is {value}, tshark has {field} {found} (of {values})"
    labels = [int(label, 0) for label in seen["icmp.mpls.label"]]
    told = [int(label.split("/")[0]) for label in case["answer"].get("mpls", "").split(",") if label]
    if labels[:6] != told:
        yield f"labels are {told}, tshark has {labels}"


def main():
    if not shutil.which("tshark"):
        print("no tshark", file=sys.stderr)
        return 77
    cases = [case for case in read_cases() if case["answer"] and case["input"] != "icmp"
             and not case["input"].startswith("icmp ")]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "answers.pcap")
        write_pcap(path, cases)
        seen = list(dissect(path))
    assert len(seen) == len(cases), (len(seen), len(cases))
    differing = 0
    for case, fields in zip(cases, seen):
        if case["name"].split(": ")[1].partition("_")[2] in KNOWN:  # without v4_ or v6_
            continue
        for difference in differences(case, fields):
            print(f"{case['name']}: {difference}")
            differing += 1
    print(f"{len(cases)} answers, {differing} differences besides {len(KNOWN)} known ones")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
