"""Errors, by how much they quote and of what."""

from packets import (ECHO_REPLY, FAMILIES, ICMP_OF, PROBES, ROUTER, TARGET, TIME_EXCEEDED,
                     TRANSPORT_AT, US, Probe, address, error, ipv6, message, wrap)


def quotes(case):
    for f in FAMILIES:
        kind = TIME_EXCEEDED[f]
        at = TRANSPORT_AT[f]

        def exceeded(name, comment, quote, quoted, f=f, kind=kind, **more):
            answer = None if quoted is None else error(f, kind, 0, "time_exceeded", quoted)
            case(f"v{f}_{name}", comment, message(f, kind, 0, quote, **more), answer)

        for method, probe in PROBES[f].items():
            sent = probe.packet(ttl=1)
            exceeded(f"quote_{method}_8", f"Quotes 8 bytes of the {method} probe (RFC 792).",
                     sent[:at + 8], probe.quoted(tag=False))
            exceeded(f"quote_{method}_7", f"Quotes but 7 bytes of the {method} probe: too little.",
                     sent[:at + 7], None)
            exceeded(f"quote_{method}_whole", f"Quotes the whole {method} probe (RFC 1812, 4443).",
                     sent, probe.quoted())
            exceeded(f"quote_{method}_ethernet", f"Quotes the {method} probe and the padding that "
                     "Ethernet had put behind it.", sent + b"\0" * 6, probe.quoted())
        probe = PROBES[f]["icmp"]
        sent = probe.packet(ttl=1)
        exceeded("quote_icmp_23", "Quotes all but the last byte of the tag.", sent[:at + 23],
                 probe.quoted(tag=False))
        exceeded("quote_icmp_24", "Quotes just as far as the tag.", sent[:at + 24], probe.quoted())
        exceeded("quote_icmp_8_padded", "8 bytes are quoted, padded with zeros to 128 (RFC 4884 "
                 "section 5.1): no tag.", sent[:at + 8].ljust(128, b"\0"), probe.quoted(tag=False))
        exceeded("quote_icmp_8_padded_24", "Likewise, but only as far as the tag would reach.",
                 sent[:at + 8].ljust(at + 24, b"\0"), probe.quoted(tag=False))
        exceeded("quote_icmp_20_padded", "The padding begins within the tag: no tag.",
                 sent[:at + 20].ljust(128, b"\0"), probe.quoted(tag=False))
        exceeded("quote_udp_12_padded", "Likewise of UDP.",
                 PROBES[f]["udp"].packet(ttl=1)[:at + 12].ljust(128, b"\0"),
                 PROBES[f]["udp"].quoted(tag=False))
        exceeded("quote_header_cut", "The quoted IP header is cut off.", sent[:at - 1], None)
        exceeded("quote_nothing", "Nothing is quoted.", b"", None)
        exceeded("quote_of_other_version", "The quote says that it is of the other IP version.",
                 bytes([sent[0] ^ 0x20]) + sent[1:], None)
        reply = bytes([ECHO_REPLY[f]]) + sent[at + 1:]
        exceeded("quote_of_reply", "It is an echo reply that is quoted; those we do not send as "
                 "probes.", sent[:at] + reply, None)
        exceeded("quote_of_request_code_1", "The quoted echo request has a code of 1.",
                 sent[:at] + sent[at:at + 1] + b"\1" + sent[at + 2:], None)
        nested = message(f, kind, 0, sent, source=US[f])
        exceeded("quote_of_error", "It is an ICMP error that is quoted; no such is to be answered "
                 "by one (RFC 1122).", nested, None)
        exceeded("quote_other_icmp", "The quoted packet has the other family's ICMP within.",
                 wrap(US[f], TARGET[f], ICMP_OF[10 - f], probe.transport()), None)
        exceeded("quote_gre", "The quoted packet is of a protocol that no probe has.",
                 wrap(US[f], TARGET[f], 47, probe.transport()), None)
        exceeded("from_this_host", "This host's own kernel says that it has no way.",
                 sent, {**probe.quoted(), "source": US[f]}, source=US[f])
        exceeded("quote_ttl_0", "A router that decrements before it quotes (or forwards packets of "
                 "TTL 0: the zero-TTL bug).", probe.packet(ttl=0), probe.quoted(ttl=0))
        tcp_probe = PROBES[f]["tcp"]
        natted = Probe("tcp", US[f], TARGET[f], port=443, flow_port=1044,
                       sequence=tcp_probe.sequence, ip_id=0x0bad)
        exceeded("quote_nat_port", "A NAT between us and the router has changed the source port "
                 "and not changed it back.", natted.packet(ttl=1)[:at + 8], natted.quoted())
        outside = Probe("udp", ROUTER[f], TARGET[f], port=33434, flow_port=61440, sequence=0x7c31)
        exceeded("quote_nat_source", "A NAT has left its own address and its checksum in the quote.",
                 outside.packet(ttl=1)[:at + 6] + b"\x12\x34",
                 outside.quoted(tag=False, sequence=0x1234, quoted_checksum=0x1234))


def quotes_v4(case):
    probe = PROBES[4]["tcp"]
    segment = probe.transport()

    def exceeded(name, comment, quote, quoted):
        answer = None if quoted is None else error(4, 11, 0, "time_exceeded", quoted)
        case("v4_" + name, comment, message(4, 11, 0, quote), answer)

    route = bytes([7, 39, 8]) + address(ROUTER[4]) + b"\0" * 32 + b"\0"
    for name, options in (("nop", b"\1\1\1\0"), ("router_alert", bytes([148, 4, 0, 0])),
                          ("record_route", route)):
        exceeded(f"quote_options_{name}", f"The quoted header has options ({name}): 8 bytes of the "
                 "probe follow them.", probe.packet(ttl=1, options=options)[:20 + len(options) + 8],
                 probe.quoted())
    exceeded("quote_options_cut", "The quoted header has options, and the quote ends in the probe's "
             "7th byte.", probe.packet(ttl=1, options=route)[:60 + 7], None)
    exceeded("quote_ihl_4", "A quoted header that is said to be shorter than a header can be.",
             probe.packet(ttl=1, ihl=4), None)
    exceeded("quote_ihl_15", "A quoted header that is said to be longer than the quote.",
             probe.packet(ttl=1, ihl=15)[:48], None)
    exceeded("quote_fragment_first", "The first fragment of a probe is quoted: all is there.",
             probe.packet(ttl=1, flags=0x2000), probe.quoted())
    exceeded("quote_fragment_later", "A later fragment is quoted: what is where the ports would be "
             "are no ports.", probe.packet(ttl=1, flags=0x0001), None)
    exceeded("quote_fragment_evil", "The evil bit (RFC 3514) means nothing.",
             probe.packet(ttl=1, flags=0x8000), probe.quoted())
    header = bytearray(probe.packet(ttl=1)[:20])
    header[1], header[2:4], header[4:6], header[10:12] = 0xb8, b"\xff\xff", b"\x77\x77", b"\xde\xad"
    changed = bytes(header) + segment[:16] + b"\xbe\xef" + segment[18:]
    exceeded("quote_altered", "DSCP, total length, identification and checksums have been changed on "
             "the way.", changed, probe.quoted(ip_id=0x7777))
    header = bytearray(probe.packet(ttl=1)[:20])
    header[2:4], header[6:8] = header[3:1:-1], b"\0\x40"
    exceeded("quote_byte_order", "Old BSD routers quote total length and flags in the byte order of "
             "their own: the flag DF then looks like an offset.", bytes(header) + segment[:8], None)


def extension_headers(case):
    udp_probe = PROBES[6]["udp"]

    def exceeded(name, comment, headers, quoted, cut=None, probe=udp_probe):
        """`headers`: (number, bytes behind the next header's number) in order."""
        data = b""
        numbers = [number for number, _ in headers] + [probe.protocol]
        for (_, rest), following in zip(headers, numbers[1:]):
            data += bytes([following]) + rest
        quote = ipv6(US[6], TARGET[6], numbers[0], data + probe.transport(), ttl=1)
        quote = quote[:40 + len(data) + cut] if cut is not None else quote
        answer = None if quoted is None else error(6, 3, 0, "time_exceeded", quoted)
        case("v6_quote_" + name, comment, message(6, 3, 0, quote), answer)

    short = udp_probe.quoted(tag=False)
    padding = b"\0\1\4\0\0\0\0"
    hop_by_hop = (0, b"\0\5\2\0\0\1\0")  # router alert, PadN
    destination = (60, b"\1" + b"\1\x0c" + b"\0" * 12)
    routing = (43, b"\2\4\0" + b"\0" * 4 + address("2001:db8:51::99"))  # an SRH, RFC 8754
    fragment = (44, b"\0\0\1\0\0\0\x2a")  # offset 0, more to come
    authentication = (51, b"\4\0\0" + b"\0\0\1\0" + b"\0\0\0\7" + b"\x5a" * 12)
    mobility = (135, b"\0\5\0\0\0\0\0")
    for name, header in (("hop_by_hop", hop_by_hop), ("destination", destination),
                         ("routing", routing), ("fragment_first", fragment),
                         ("authentication", authentication), ("mobility", mobility)):
        exceeded(name, f"The probe is quoted with an extension header ({name}), and 8 bytes of UDP.",
                 [header], short, 8)
        exceeded(name + "_7", f"An extension header ({name}), and 7 bytes of UDP: too little.",
                 [header], None, 7)
    chain = [hop_by_hop, destination, routing, fragment, authentication, destination]
    exceeded("chain", "All that a packet may have, in the order of RFC 8200.", chain,
             udp_probe.quoted())
    echo = PROBES[6]["icmp"]
    exceeded("chain_echo", "Likewise before an echo request.", chain, echo.quoted(), probe=echo)
    segment = PROBES[6]["tcp"]
    exceeded("chain_tcp", "Likewise before a SYN of which 8 bytes are quoted.", chain,
             segment.quoted(), 8, segment)
    exceeded("fragment_atomic", "An atomic fragment (RFC 6946): offset 0, nothing to come.",
             [(44, b"\0\0\0\0\0\0\x2a")], udp_probe.quoted())
    exceeded("fragment_later", "A later fragment: the transport header is in another.",
             [(44, b"\0\0\x08\0\0\0\x2a")], None)
    exceeded("headers_8", "Eight extension headers: as many as are stepped over.",
             [(60, padding)] * 8, udp_probe.quoted())
    exceeded("headers_9", "Nine: somebody is playing.", [(60, padding)] * 9, None)
    exceeded("extension_beyond", "An extension header that is said to reach beyond the quote.",
             [(60, b"\xff" + padding[1:])], None)
    exceeded("extension_cut", "The quote ends within an extension header.", [(60, padding)], None, -1)
    exceeded("extension_missing", "The quote ends where an extension header should begin.",
             [(60, padding)], None, -8)
    exceeded("extension_1_byte", "The quote ends with the first byte of an extension header.",
             [(60, padding)], None, -7)
    exceeded("esp", "ESP (50): what follows is encrypted.", [(50, padding)], None)
    exceeded("no_next_header", "No next header (59).", [(59, padding)], None)
