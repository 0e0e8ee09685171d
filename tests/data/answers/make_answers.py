#!/usr/bin/python3
"""Writes the answers that are made rather than recorded: made_*.txt, beside this script."""

import os
import struct

from packets import (ARRIVED, ECHO_REPLY, FAMILIES, ICMPV6, NEIGHBOUR, OTHER_NEIGHBOUR, PROBES,
                     ROUTER, TARGET, TCP, TRANSPORT_AT, UDP, UNREACHABLE, US, Cases, address,
                     error, from_target, head, icmp, message, sealed, tcp, udp)
from made_extensions import extensions
from made_quotes import extension_headers, quotes, quotes_v4
from made_redirects import redirects


def echo_replies(case):
    for f in FAMILIES:
        probe = PROBES[f]["icmp"]
        body = probe.transport()[8:]
        rest = struct.pack(">HH", probe.flow_port, probe.sequence)

        def reply(body, code=0, rest=rest, f=f):
            return icmp(TARGET[f], US[f], ECHO_REPLY[f], code, rest, body)

        whole = {**head(f, "echo_reply", TARGET[f]), **probe.reply()}
        bare = {key: value for key, value in whole.items() if key not in ("probe_id", "tag")}
        case(f"v{f}_echo_reply", "The target's echo reply.", from_target(f, reply(body)), whole)
        case(f"v{f}_echo_reply_no_payload", "An echo reply whose payload is missing: no tag.",
             from_target(f, reply(b"")), bare)
        case(f"v{f}_echo_reply_15_bytes", "An echo reply with all but one byte of the tag.",
             from_target(f, reply(body[:15])), bare)
        case(f"v{f}_echo_reply_16_bytes", "An echo reply with the tag and no more.",
             from_target(f, reply(body[:16])), whole)
        case(f"v{f}_echo_reply_code_1", "No such thing: an echo reply has code 0 (RFC 792, 4443).",
             from_target(f, reply(body, code=1)), None)
        case(f"v{f}_echo_reply_7_bytes", "An echo reply that ends within its header.",
             from_target(f, reply(b"", rest=rest[:3])), None)
        case(f"v{f}_echo_request", "Somebody pings us: that is no answer.",
             message(f, 8 if f == 4 else 128, 0, body, rest), None)
        case(f"v{f}_echo_reply_of_other_family",
             "The other family's type for an echo reply (0, 129) is none here.",
             message(f, ECHO_REPLY[10 - f], 0, body, rest), None)


def segments(case):
    for f in FAMILIES:
        probe = PROBES[f]["tcp"]
        good = {**head(f, "syn_ack", TARGET[f]), **probe.reply()}

        def segment(flags, ack=probe.sequence + 1, probe=probe, f=f, **more):
            return tcp(TARGET[f], US[f], probe.port, probe.flow_port, 0x1000, ack, flags, **more)

        options = bytes.fromhex("020405b4 0402 080a 0001e240 00000000 01 030307")
        case(f"v{f}_syn_ack", "The target accepts a connection.",
             from_target(f, segment(0x12, options=options), TCP), good)
        case(f"v{f}_syn_ack_ecn", "It accepts and speaks ECN (RFC 3168): SYN, ACK, ECE.",
             from_target(f, segment(0x52), TCP), good)
        case(f"v{f}_reset", "The target refuses: RST, ACK.", from_target(f, segment(0x14), TCP),
             {**good, "kind": "reset"})
        case(f"v{f}_syn_ack_wraps", "The acknowledgement is 0: sequence 0xffffffff was sent.",
             from_target(f, segment(0x12, ack=0), TCP), {**good, "sequence": 0xffffffff})
        case(f"v{f}_ack", "The target says again what it acknowledged of an earlier SYN.",
             from_target(f, segment(0x10), TCP), {**good, "kind": "ack"})
        case(f"v{f}_ack_options", "Likewise, with a timestamp: the header ends with the segment.",
             from_target(f, segment(0x10, options=bytes.fromhex("0101080a0001e24000000000")), TCP),
             {**good, "kind": "ack"})
        case(f"v{f}_ack_data", "An ACK with data is of a connection, which we never have.",
             from_target(f, segment(0x18) + b"220 ready", TCP), None)
        for flags, what in ((0x04, "RST without ACK acknowledges nothing"), (0x02, "a SYN of theirs"),
                            (0x11, "FIN, ACK: of a connection, which we never have"),
                            (0x00, "no flag at all")):
            case(f"v{f}_tcp_flags_{flags:02x}", what[0].upper() + what[1:] + ".",
                 from_target(f, segment(flags), TCP), None)
        case(f"v{f}_tcp_19_bytes", "A TCP header one byte too short.",
             from_target(f, segment(0x12)[:19], TCP), None)
        case(f"v{f}_tcp_offset_4", "A data offset shorter than the TCP header.",
             from_target(f, segment(0x12, offset=4), TCP), None)
        case(f"v{f}_tcp_offset_beyond", "A data offset beyond the end of the segment.",
             from_target(f, segment(0x12, offset=6), TCP), None)


def datagrams(case):
    for f in FAMILIES:
        probe = PROBES[f]["udp"]
        good = {**head(f, "udp_reply", TARGET[f]), **probe.reply(), "sequence": 0}

        def datagram(payload, probe=probe, f=f, **more):
            return udp(TARGET[f], US[f], probe.port, probe.flow_port, payload, **more)

        sent = probe.transport()[8:]
        case(f"v{f}_udp_reply", "A service answers in its own words.",
             from_target(f, datagram(b"no such request"), UDP), good)
        case(f"v{f}_udp_reply_empty", "It answers with an empty datagram.",
             from_target(f, datagram(b""), UDP), good)
        case(f"v{f}_udp_reply_echoed", "An echo service (RFC 862) gives our payload back.",
             from_target(f, datagram(sent), UDP), {**good, **probe.tag()})
        case(f"v{f}_udp_length_shorter", "The UDP length ends before the tag does: the bytes behind "
             "it are none of the datagram's.",
             from_target(f, datagram(sent, length=8 + 15), UDP), good)
        case(f"v{f}_udp_length_7", "A UDP length shorter than its header.",
             from_target(f, datagram(sent, length=7), UDP), None)
        case(f"v{f}_udp_length_beyond", "A UDP length beyond the end of the packet.",
             from_target(f, datagram(sent, length=9 + len(sent)), UDP), None)
        case(f"v{f}_udp_7_bytes", "A UDP header that is cut off.",
             from_target(f, datagram(b"")[:7], UDP), None)


MEANINGS = {
    4: {"unreachable": [(3, 0, "network unreachable"), (3, 1, "host unreachable"),
                        (3, 5, "source route failed"), (3, 6, "destination network unknown"),
                        (3, 7, "destination host unknown"), (3, 8, "source host isolated"),
                        (3, 11, "network unreachable for this type of service"),
                        (3, 12, "host unreachable for this type of service"),
                        (3, 77, "a code that nobody has defined"),
                        (11, 1, "fragment reassembly time exceeded: no TTL ran out"),
                        (12, 0, "parameter problem: the pointer names the byte"),
                        (12, 1, "parameter problem: a required option is missing"),
                        (12, 2, "parameter problem: bad length")],
        "prohibited": [(3, 2, "protocol unreachable"), (3, 3, "port unreachable"),
                       (3, 9, "network administratively prohibited"),
                       (3, 10, "host administratively prohibited"),
                       (3, 13, "communication administratively prohibited (RFC 1812)"),
                       (3, 14, "host precedence violation"), (3, 15, "precedence cutoff in effect")],
        "time_exceeded": [(11, 0, "TTL exceeded in transit")],
        None: [(3, 4, "fragmentation needed: not about a packet as short as a probe"),
               (4, 0, "source quench (deprecated by RFC 6633)"), (13, 0, "a timestamp request"),
               (14, 0, "a timestamp reply"), (30, 0, "traceroute (deprecated)"),
               (1, 0, "a type that is not in use")]},
    6: {"unreachable": [(1, 0, "no route to destination"),
                        (1, 2, "beyond scope of source address"), (1, 3, "address unreachable"),
                        (1, 6, "reject route: the routing table says so"),
                        (1, 7, "error in source routing header (RFC 6550)"),
                        (1, 8, "headers too long (RFC 8883)"),
                        (3, 1, "fragment reassembly time exceeded: no hop limit ran out"),
                        (4, 0, "erroneous header field"), (4, 1, "unrecognised next header"),
                        (4, 2, "unrecognised IPv6 option")],
        "prohibited": [(1, 1, "administratively prohibited"), (1, 4, "port unreachable"),
                       (1, 5, "source address failed ingress/egress policy")],
        "time_exceeded": [(3, 0, "hop limit exceeded in transit")],
        None: [(2, 0, "packet too big: not about a packet as short as a probe"),
               (133, 0, "a router solicitation"), (134, 0, "a router advertisement"),
               (135, 0, "a neighbour solicitation"), (136, 0, "a neighbour advertisement"),
               (100, 0, "private experimentation"), (127, 0, "reserved for expansion")]},
}


def meanings(case):
    for f in FAMILIES:
        probe = PROBES[f]["tcp"]
        quote = probe.packet(ttl=1)[:TRANSPORT_AT[f] + 8]
        for meaning, errors in MEANINGS[f].items():
            for kind, code, what in errors:
                answer = meaning and error(f, kind, code, meaning, probe.quoted())
                case(f"v{f}_type_{kind}_{code}", f"ICMP type {kind}, code {code}: {what}.",
                     message(f, kind, code, quote), answer)


def outer_v4(case):
    probe = PROBES[4]["icmp"]
    body = icmp(TARGET[4], US[4], 0, 0, struct.pack(">HH", probe.flow_port, probe.sequence),
                probe.transport()[8:])
    good = {**head(4, "echo_reply", TARGET[4]), **probe.reply()}

    def around(name, comment, answer=None, payload=body, after=b"", cut=None, **more):
        packet = from_target(4, payload, **more) + after
        case("v4_outer_" + name, comment, packet[:cut], answer, "ipv4")

    around("options", "The reply comes with a recorded route.", good,
           options=bytes([7, 39, 40]) + address(ROUTER[4]) * 9 + b"\0")
    around("padded", "Ethernet's padding is no part of the packet.", good, after=b"\x55" * 6)
    around("empty", "Not a byte.", cut=0)
    around("19_bytes", "The IP header is cut off.", cut=19)
    around("version_6", "The version is wrong.", version=6)
    around("ihl_4", "The header length is shorter than a header.", ihl=4)
    around("ihl_15", "The header length is longer than the packet.", ihl=15, cut=56,
           payload=body[:36], total=56)
    around("total_short", "The total length is shorter than the header.", total=19)
    around("total_header", "The total length is the header's: nothing within.", total=20)
    around("total_beyond", "The total length is longer than what came.", total=21 + len(body))
    around("total_cuts", "The total length ends early: the ICMP checksum covers all.",
           total=18 + len(body))
    around("fragment_first", "A first fragment; the kernel would have put it together.",
           flags=0x2000)
    around("fragment_later", "A later fragment.", flags=0x0002)
    around("checksum", "The ICMP checksum is wrong.", payload=body[:-1] + b"!")
    around("gre", "Another protocol.", protocol=47)
    around("icmpv6", "ICMPv6 within IPv4: no.", protocol=ICMPV6)
    around("icmp_7_bytes", "An ICMP message of 7 bytes, with the right checksum.",
           payload=sealed(body[:7], 2))


def alone(case):
    """For ParseIcmp: an ICMP message without a header."""
    for f in FAMILIES:
        probe = PROBES[f]["icmp"]
        rest = struct.pack(">HH", probe.flow_port, probe.sequence)
        reply = icmp(TARGET[f], US[f], ECHO_REPLY[f], 0, rest, probe.transport()[8:])
        good = {**head(f, "echo_reply", TARGET[f]), **probe.reply()}
        case(f"v{f}_alone_echo_reply", "An unprivileged socket delivers the message alone, and the "
             "TTL beside it.", reply, good, f"icmp from {TARGET[f]} ttl {ARRIVED}")
        case(f"v{f}_alone_checksum", "Here the kernel has verified the checksum: it is not looked "
             "at.", reply[:2] + b"\xff\xff" + reply[4:], good,
             f"icmp from {TARGET[f]} ttl {ARRIVED}")
        quote = probe.packet(ttl=1)
        body = icmp(ROUTER[f], US[f], UNREACHABLE[f], 0, b"\0\0\0\0", quote)
        case(f"v{f}_alone_error", "An error alone, with its TTL not known.", body,
             {**error(f, UNREACHABLE[f], 0, "unreachable", probe.quoted()), "ttl": 0},
             f"icmp from {ROUTER[f]} ttl 0")
        case(f"v{f}_alone_empty", "Nothing.", b"", None, f"icmp from {ROUTER[f]} ttl 0")
        case(f"v{f}_alone_7_bytes", "A message that ends within its header.", body[:7], None,
             f"icmp from {ROUTER[f]} ttl 0")
    probe = PROBES[6]["tcp"]
    quote = probe.packet(ttl=63)
    option = bytes([4, 1 + -(-len(quote) // 8)]) + b"\0" * 6 + quote + b"\0" * (-len(quote) % 8)
    body = icmp(NEIGHBOUR, US[6], 137, 0, b"\0\0\0\0",
                address(OTHER_NEIGHBOUR) + address(TARGET[6]) + option)
    case("v6_alone_redirect", "A redirect whose hop limit is not known.", body,
         {"kind": "redirect", "source": NEIGHBOUR, "ttl": 0, "icmp_type": 137, "icmp_code": 0,
          "gateway": OTHER_NEIGHBOUR, **probe.quoted(ttl=63)}, f"icmp from {NEIGHBOUR} ttl 0")


FILES = {
    "made_echo_replies": (echo_replies, "Echo replies, and what is none."),
    "made_tcp": (segments, "What a target says to a SYN, and segments that are no answer to one."),
    "made_udp": (datagrams, "Datagrams from the port that was asked."),
    "made_errors": (meanings, "Each type and code of ICMP and ICMPv6, quoting 8 bytes of a SYN."),
    "made_quotes": (quotes, "Errors, by how much they quote and of what."),
    "made_quotes_ipv4": (quotes_v4, "Quoted IPv4 headers with options, altered, fragmented, lying."),
    "made_quotes_ipv6": (extension_headers, "Quoted IPv6 extension headers."),
    "made_extensions": (extensions, "Extension structures behind the quote: RFC 4884, 4950, 5837."),
    "made_redirects": (redirects, "Redirects: RFC 792 and RFC 4861."),
    "made_ipv4_headers": (outer_v4, "The IPv4 header around an answer."),
    "made_icmp_alone": (alone, "ICMP messages without a header around them."),
}

if __name__ == "__main__":
    folder = os.path.dirname(os.path.abspath(__file__))
    count = 0
    for name, (make, comment) in FILES.items():
        case = Cases()
        make(case)
        count += case.save(os.path.join(folder, name + ".txt"),
                           comment + " Written by make_answers.py.")
    print(f"{count} answers")
