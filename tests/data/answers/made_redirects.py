"""Redirects of both families."""

from made_extensions import ONE, mpls, structure
from packets import (NEIGHBOUR, OTHER_NEIGHBOUR, PROBES, ROUTER, TARGET, address, head, message)


def redirects(case):
    probe = PROBES[4]["icmp"]
    gateway = "192.0.2.254"

    def v4(name, comment, code, quote, quoted, better=gateway):
        answer = None if quoted is None else {**head(4, "redirect"), "icmp_type": 5,
                                              "icmp_code": code, "gateway": better, **quoted}
        case("v4_redirect_" + name, comment, message(4, 5, code, quote, address(better)), answer)

    sent = probe.packet(ttl=63)
    for code, what in enumerate(("network", "host", "type of service and network",
                                 "type of service and host")):
        v4(f"code_{code}", f"Redirect for the {what}: another gateway is the better way.", code,
           sent, probe.quoted(ttl=63))
    v4("8_bytes", "Redirect that quotes 8 bytes.", 1, sent[:28], probe.quoted(ttl=63, tag=False))
    v4("7_bytes", "Redirect that quotes 7 bytes: of whom does it speak?", 1, sent[:27], None)
    v4("code_4", "A redirect code that is not.", 4, sent, None)
    v4("length_like", "The gateway's second byte is where errors have a length: it is none.", 1,
       sent.ljust(128, b"\0") + structure(mpls(ONE)), probe.quoted(ttl=63), better="10.32.0.1")

    probe = PROBES[6]["tcp"]
    sent = probe.packet(ttl=63)

    def option(kind, data, length=None):
        data += b"\0" * (-(2 + len(data)) % 8)
        return bytes([kind, (2 + len(data)) // 8 if length is None else length]) + data

    def redirected(quote):
        return option(4, b"\0" * 6 + quote)

    link_layer = option(2, bytes.fromhex("02005e100001"))
    whole = redirected(sent)

    def v6(name, comment, options, good=True, code=0, source=NEIGHBOUR, better=OTHER_NEIGHBOUR,
           destination=TARGET[6], quoted=None, ttl=255, fixed=None):
        body = (address(better) + address(destination))[:fixed] + options
        answer = {**head(6, "redirect", source), "ttl": ttl, "icmp_type": 137, "icmp_code": 0,
                  "gateway": better, **(quoted or probe.quoted(ttl=63))} if good else None
        case("v6_redirect_" + name, comment,
             message(6, 137, code, body, source=source, ttl=ttl), answer)

    v6("whole", "Neighbour discovery redirect with the packet that caused it (RFC 4861).", whole)
    v6("link_layer", "The better gateway's link-layer address comes first.", link_layer + whole)
    v6("unknown_option", "An option that nobody knows is stepped over.",
       option(200, b"\1" * 14) + whole + option(201, b""))
    v6("two_packets", "Two packets are quoted: the first counts.",
       whole + redirected(PROBES[6]["udp"].packet(ttl=63)))
    v6("on_link", "The target is a neighbour itself: it is its own gateway.", whole,
       better=TARGET[6])
    v6("8_bytes", "8 bytes of the SYN are quoted.", redirected(sent[:48]))
    v6("7_bytes", "7 bytes of the SYN are quoted; the option's padding makes 8 of it. Who padded "
       "cannot be seen: the ledger will not know this sequence number.", redirected(sent[:47]),
       quoted=probe.quoted(ttl=63, sequence=probe.sequence & ~0xff))
    v6("no_packet", "Without the packet, nobody knows of what it speaks.", link_layer, False)
    v6("empty_packet", "The option for the packet is empty.", redirected(b""), False)
    v6("no_option", "No option at all.", b"", False)
    v6("option_length_0", "An option of length 0 (RFC 4861 section 8.1).",
       option(2, b"\0" * 6, length=0) + whole, False)
    v6("option_beyond", "An option that is said to reach beyond the end.",
       option(4, b"\0" * 6 + sent, length=200), False)
    v6("option_cut", "The end of a further option is missing.", whole + link_layer[:7], False)
    v6("fixed_cut", "It ends before the destination does.", b"", False, fixed=31)
    v6("code_1", "A redirect has code 0.", whole, False, code=1)
    v6("hop_limit", "It has come through a router: whoever sent it is no neighbour.", whole, False,
       ttl=254)
    v6("global_source", "A router redirects with its link-local address, or not at all.", whole,
       False, source=ROUTER[6])
    v6("other_destination", "It speaks of another destination than the packet that it quotes.",
       whole, False, destination="2001:db8:51::8")
    probe = PROBES[6]["icmp"]
    v6("echo", "It speaks of an echo request.", redirected(probe.packet(ttl=63)),
       quoted=probe.quoted(ttl=63))
