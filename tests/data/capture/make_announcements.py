#!/usr/bin/env python3
"""Writes the golden captures of packets in which somebody offers a gateway. As make_captures.py, it
knows nothing of Parallax' own code.
"""
import socket
import struct

from make_captures import ether, extension, spaced, tcp, v4, v6, write_pcap


def four(address):
    return socket.inet_aton(address)


def six(address):
    return socket.inet_pton(socket.AF_INET6, address)


def udp(sport, dport, payload):
    return struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload


def rip(*routes, version=2, command=2):
    """RFC 2453 section 4; a route: (prefix, mask, next hop, metric)"""
    return struct.pack("!BBH", command, version, 0) + b"".join(
        struct.pack("!HH4s4s4sI", 2, 0, four(p), four(m), four(n), metric) for p, m, n, metric in routes)


def ripng(*routes):
    """RFC 2080 section 2.1; a route: (prefix, length, metric)"""
    return struct.pack("!BBH", 2, 1, 0) + b"".join(
        struct.pack("!16sHBB", six(p), 0, length, metric) for p, length, metric in routes)


def ospf(version):
    """A hello: RFC 2328 appendix A.3.2, RFC 5340 appendix A.3.2."""
    if version == 2:
        return struct.pack("!BBH4sIHH8sIHBBIII", 2, 1, 44, four("203.0.113.9"), 0, 0, 0, bytes(8),
                           0xffffff00, 10, 2, 1, 40, 0, 0)
    return struct.pack("!BBH4sIHHIIHHII", 3, 1, 36, four("203.0.113.9"), 0, 0, 0, 3, 0x01000013, 10, 40, 0, 0)


def dhcp(options, operation=2):
    """RFC 2131 section 2; an option: (code, value)"""
    head = struct.pack("!BBBBIHH4s4s4s4s16s64s128sI", operation, 1, 6, 0, 0x1234, 0, 0, bytes(4),
                       four("192.0.2.50"), bytes(4), bytes(4), bytes(16), bytes(64), bytes(128), 0x63825363)
    return head + b"".join(bytes([code, len(value)]) + value for code, value in options) + b"\xff"


def from4(protocol, payload, dst="224.0.0.9", src="192.0.2.66"):
    return v4(payload, src, dst, protocol, ttl=1)


def from6(following, payload, dst="ff02::1", src="fe80::66", ttl=255):
    return v6(payload, src, dst, following, ttl)


def advertisement(lifetime, options=b""):
    """RFC 4861 section 4.2"""
    return struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, lifetime, 0, 0) + options


DEFAULT = ("0.0.0.0", "0.0.0.0", "0.0.0.0", 1)


def announcements():
    """In this order: what is printed, what is counted only, what is none."""
    ip4, ip6 = 0x0800, 0x86dd
    long_route = ("198.51.100.0", "255.255.255.0", "0.0.0.0", 2)
    redirected = v4(bytes(8), "192.0.2.10", "203.0.113.7", 17)
    return [
        ether(ip4, from4(17, udp(520, 520, rip(DEFAULT)))),
        ether(ip4, from4(17, udp(520, 520, rip(long_route, ("0.0.0.0", "0.0.0.0", "192.0.2.99", 3))))),
        ether(ip4, from4(17, udp(520, 520, rip(DEFAULT, version=1), ), "255.255.255.255")),
        ether(ip4, from4(17, udp(520, 520, rip(("0.0.0.0", "0.0.0.0", "0.0.0.0", 16))))),
        ether(ip4, from4(17, udp(520, 520, rip(("128.0.0.0", "128.0.0.0", "0.0.0.0", 1)))), (0x8100, 100)),
        ether(ip6, from6(17, udp(521, 521, ripng(("fe80::99", 0, 255), ("::", 0, 1))), "ff02::9")),
        ether(ip4, from4(89, ospf(2), "224.0.0.5")),
        ether(ip6, from6(89, ospf(3), "ff02::5")),
        ether(ip6, from6(58, advertisement(1800)), (0x88a8, 10), (0x8100, 20)),
        ether(ip6, from6(0, extension(58, advertisement(0)))),
        ether(ip4, from4(1, struct.pack("!BBHBBH4sI", 9, 0, 0, 1, 2, 1800, four("192.0.2.66"), 0), "224.0.0.1")),
        ether(ip4, from4(1, struct.pack("!BBH4s", 5, 1, 0, four("192.0.2.99")) + redirected, "192.0.2.10")),
        ether(ip6, from6(58, struct.pack("!BBHI16s16s", 137, 0, 0, 0, six("fe80::99"), six("2001:db8:f::7")),
                         "2001:db8::1")),
        ether(ip4, from4(17, udp(67, 68, dhcp([(53, b"\x02"), (3, four("192.0.2.254") + four("192.0.2.253"))])),
                         "255.255.255.255", "192.0.2.67")),
        ether(ip4, from4(17, udp(67, 68, dhcp([(53, b"\x05"), (121, b"\0" + four("192.0.2.252"))])),
                         "255.255.255.255", "192.0.2.67")),

        ether(ip4, from4(17, udp(520, 520, rip(DEFAULT, command=1)))),
        ether(ip4, from4(17, udp(520, 520, rip(long_route, long_route)))),
        ether(ip6, from6(58, advertisement(1800), ttl=254)),
        ether(ip4, from4(17, udp(67, 68, dhcp([(53, b"\x06")])), "192.0.2.10", "192.0.2.67")),
        ether(ip4, from4(17, udp(520, 520, rip(("0.0.0.0", "0.0.0.0", "0.0.0.0", 99))))),

        ether(ip4, v4(tcp(seq=1))),
        ether(ip4, from4(17, udp(519, 519, rip(DEFAULT)))),
        ether(ip4, from4(89, b"\x02\x02" + ospf(2)[2:])),
        ether(ip6, from6(58, struct.pack("!BBHI16s", 135, 0, 0, 0, six("fe80::66")))),
        ether(ip4, from4(17, udp(68, 67, dhcp([(53, b"\x01")], 1)), "255.255.255.255", "0.0.0.0")),
    ]


def long_ones():
    """What a capture with a snapshot length of 256 has of them."""
    routes = [("198.51.100.0", "255.255.255.0", "0.0.0.0", 1)] * 25
    first, last = [DEFAULT] + routes[1:], routes[1:] + [DEFAULT]
    return [ether(0x0800, from4(17, udp(520, 520, rip(*first)))),
            ether(0x0800, from4(17, udp(520, 520, rip(*last)))),
            ether(0x0800, from4(17, udp(67, 68, dhcp([(53, b"\x02"), (3, four("192.0.2.254"))])),
                                "255.255.255.255", "192.0.2.67"))]


def main():
    write_pcap("announcements.pcap", 1, spaced(announcements()))
    write_pcap("announcements_snap_256.pcap", 1, spaced(long_ones()), snap=256)
    write_pcap("announcements_raw.pcap", 101, spaced([from4(17, udp(520, 520, rip(DEFAULT))),
                                                      from6(58, advertisement(1800))]))


if __name__ == "__main__":
    main()
