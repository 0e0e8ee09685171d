"""Errors with an extension structure (RFC 4884)."""

import struct

from packets import (FAMILIES, PROBES, TARGET, TIME_EXCEEDED, TRANSPORT_AT, UDP, UNREACHABLE, US,
                     Probe, address, checksum, error, ipv6, message, sealed)


def obj(kind, c_type, payload, length=None):
    return struct.pack(">HBB", 4 + len(payload) if length is None else length, kind, c_type) + payload


def mpls(*labels, c_type=1, **more):
    entries = b"".join(
        struct.pack(">I", label << 12 | tc << 9 | (at == len(labels) - 1) << 8 | ttl)
        for at, (label, tc, ttl) in enumerate(labels))
    return obj(1, c_type, entries, **more)


def structure(*objects, version=2, check=None):
    data = struct.pack(">BBH", version << 4, 0, 0) + b"".join(objects)
    return sealed(data, 2) if check is None else data[:2] + struct.pack(">H", check) + data[4:]


ONE = (24015, 0, 1)
THREE = ((24015, 5, 1), (299792, 0, 2), (16, 7, 255))
MANY = tuple((100 + i, i % 8, 250 - i) for i in range(8))


def text(*labels):
    return ",".join(f"{label}/{tc}/{ttl}" for label, tc, ttl in labels)


# RFC 5837: an incoming interface with index, IPv4 address, name and MTU.
INTERFACE = obj(2, 0x0f, struct.pack(">IHH", 7, 1, 0) + address("203.0.113.1") +
                b"\x0cge-0/0/1.0\0" + struct.pack(">I", 1500))


def extensions(case):
    for f in FAMILIES:
        kind = TIME_EXCEEDED[f]
        unit = 4 if f == 4 else 8
        probe = PROBES[f]["icmp"]
        sent = probe.packet(ttl=1)
        padded = sent.ljust(128, b"\0")

        def extended(name, comment, body, stated, mpls_text=None, tag=True, kind=kind, code=0,
                     meaning="time_exceeded", rest=None, quoted=None, f=f, probe=probe):
            """`stated`: the length field, in its own units."""
            if rest is None:
                rest = bytes([0, stated, 0, 0]) if f == 4 else bytes([stated, 0, 0, 0])
            more = {"mpls": mpls_text} if mpls_text else {}
            answer = error(f, kind, code, meaning, quoted or probe.quoted(tag=tag), **more)
            case(f"v{f}_ext_{name}", comment, message(f, kind, code, body, rest), answer)

        words = 128 // unit
        one = structure(mpls(ONE))
        extended("mpls", "An LSR says with which label the packet came in (RFC 4950).", padded + one,
                 words, text(ONE))
        extended("mpls_stacked", "A stack of three labels.", padded + structure(mpls(*THREE)), words,
                 text(*THREE))
        extended("mpls_deep", "A stack deeper than there is room for: its top is kept.",
                 padded + structure(mpls(*MANY)), words, text(*MANY[:6]))
        extended("mpls_long_quote", "More than 128 bytes are quoted: the length says so.",
                 sent.ljust(160, b"\0") + one, 160 // unit, text(ONE))
        extended("mpls_8_bytes", "8 bytes are quoted, padded with zeros: labels, and no tag.",
                 sent[:TRANSPORT_AT[f] + 8].ljust(128, b"\0") + one, words, text(ONE), tag=False)
        extended("mpls_old", "A router older than RFC 4884: no length, and the structure behind 128 "
                 "bytes.", padded + one, 0, text(ONE))
        extended("mpls_unreachable", "Labels in an unreachable, likewise.", padded + one, words,
                 text(ONE), kind=UNREACHABLE[f], meaning="unreachable")
        extended("old_checksum_0", "No length, and no checksum: that may be anything.",
                 padded + structure(mpls(ONE), check=0), 0)
        extended("old_checksum_bad", "No length, and a wrong checksum: that is something else.",
                 padded + structure(mpls(ONE), check=0x1234), 0)
        extended("old_long_quote", "No length, and a quote of more than 128 bytes without any "
                 "structure.", padded + b"\x20" * 40, 0)
        extended("checksum_0", "A checksum of 0: the router has not computed any (RFC 4884 section "
                 "7).", padded + structure(mpls(ONE), check=0), words, text(ONE))
        extended("checksum_bad", "A wrong checksum: an error all the same, but no labels.",
                 padded + structure(mpls(ONE), check=0xbad0), words)
        extended("version_1", "A structure of another version is ignored.",
                 padded + structure(mpls(ONE), version=1), words)
        extended("no_object", "A structure without an object.", padded + structure(), words)
        extended("header_cut", "The structure's header is cut off.", padded + one[:3], words)
        extended("object_cut", "The structure ends within the object's header.",
                 padded + structure(mpls(ONE)[:3]), words)
        extended("nothing_behind", "A length, and nothing behind the quote.", padded, words)
        extended("object_length_0", "An object of length 0 would be read for ever.",
                 padded + structure(mpls(ONE, length=0)), words)
        extended("object_length_3", "An object shorter than its header.",
                 padded + structure(mpls(ONE, length=3)), words)
        extended("object_length_2", "Likewise, and from its middle on it looks like an object.",
                 padded + structure(b"\0\2" + mpls(ONE)), words)
        extended("object_length_beyond", "An object longer than the structure.",
                 padded + structure(mpls(ONE, length=12)), words)
        extended("object_second_bad", "The second object is malformed: then the first is not to be "
                 "relied on.", padded + structure(mpls(ONE), mpls(ONE, length=2)), words)
        extended("mpls_length_odd", "A label stack that is no multiple of 4 bytes.",
                 padded + structure(obj(1, 1, mpls(ONE)[4:] + b"\0\0")), words)
        extended("mpls_empty", "A label stack without a label.", padded + structure(obj(1, 1, b"")),
                 words)
        extended("mpls_twice", "Two label stacks: the first counts.",
                 padded + structure(mpls(ONE), mpls(*THREE)), words, text(ONE))
        extended("mpls_c_type_2", "Class 1 with a C-type that nobody has defined.",
                 padded + structure(mpls(ONE, c_type=2)), words)
        extended("interface", "The incoming interface (RFC 5837): skipped.",
                 padded + structure(INTERFACE), words)
        extended("interface_and_mpls", "The incoming interface, then labels.",
                 padded + structure(INTERFACE, mpls(*THREE)), words, text(*THREE))
        extended("mpls_and_unknown", "Labels, then an object of a class of private use.",
                 padded + structure(mpls(ONE), obj(250, 9, b"what is this")), words, text(ONE))
        extended("length_beyond", "The length reaches beyond the end: taken for none.", padded, 255)
        extended("length_short", "The quote is shorter than 128 bytes, which RFC 4884 forbids, and "
                 "the structure is where the length says: no part of it is read as our tag.",
                 sent[:TRANSPORT_AT[f] + 8] + structure(mpls(*THREE)),
                 (TRANSPORT_AT[f] + 8) // unit, text(*THREE), tag=False)
        extended("length_lies", "A length of one unit, and no structure there: a router that fills "
                 "the field with something else. The probe is known by its 8 bytes; what would be "
                 "its tag is beyond the length.", sent, 1, tag=False)
        extended("tag_beyond_length", "The length ends before the tag: what follows is a structure "
                 "that is broken, not our tag.",
                 sent[:TRANSPORT_AT[f] + 8] + structure(mpls(*THREE), check=1),
                 (TRANSPORT_AT[f] + 8) // unit, tag=False)
    probe = PROBES[6]["udp"]
    options = bytes([UDP, 10, 1, 84]) + b"\0" * 84  # destination options, up to the 128th byte
    quote = ipv6(US[6], TARGET[6], 60, options + probe.transport(), ttl=1)
    for name, check in (("right", None), ("broken", 1)):
        case(f"v6_ext_before_transport_{name}", "Extension headers fill all of the quote: what "
             f"follows is a ({name}) structure, not UDP.",
             message(6, 3, 0, quote[:128] + structure(mpls(*THREE), check=check),
                     bytes([16, 0, 0, 0])), None)
    case("v6_ext_behind_transport", "A longer quote has the UDP header.",
         message(6, 3, 0, quote[:136] + one, bytes([17, 0, 0, 0])),
         error(6, 3, 0, "time_exceeded", probe.quoted(tag=False), mpls=text(ONE)))
    probe = PROBES[4]["udp"]
    padded = probe.packet(ttl=1).ljust(128, b"\0")
    case("v4_ext_parameter_problem", "A parameter problem has a pointer beside the length.",
         message(4, 12, 0, padded + one, bytes([20, 32, 0, 0])),
         error(4, 12, 0, "unreachable", probe.quoted(), mpls=text(ONE)))
    probe = PROBES[6]["udp"]
    case("v6_ext_parameter_problem", "ICMPv6 parameter problems have a pointer where others have the "
         "length, and no extension.",
         message(6, 4, 0, probe.packet(ttl=1).ljust(128, b"\0") + one, bytes([16, 0, 0, 0])),
         error(6, 4, 0, "unreachable", probe.quoted()))
    field = bytes.fromhex("2000 993a 0008 0101 04bb 4101")
    assert checksum(field) == 0
    probe = PROBES[4]["icmp"]
    case("v4_ext_mpls_field", "An extension structure as it came from the field (trippy's tests have "
         "it, too), behind a probe of ours.",
         message(4, 11, 0, probe.packet(ttl=1).ljust(128, b"\0") + field, bytes([0, 32, 0, 0])),
         error(4, 11, 0, "time_exceeded", probe.quoted(), mpls="19380/0/1"))
    case("v4_ext_long_text", "A probe with a long contact, all of it quoted, and no length: its own "
         "text is where an old router would put the structure.",
         message(4, 11, 0, (long := Probe("icmp", US[4], TARGET[4], flow_port=0x3a21, sequence=0x107,
                                          text=b"Parallax reachability probe - " +
                                          b"https://noc.example.edu/parallax, noc@example.edu, "
                                          b"room 2 031 (at)")).packet(ttl=1)),
         error(4, 11, 0, "time_exceeded", long.quoted()))
