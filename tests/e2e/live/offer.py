#!/usr/bin/python3
"""Offers gateways through the ordinary sockets of this host, as a router would.

    offer.py rip|rip-withdrawn|rip-long|ripng|ospf|ospf3|advertisement|dhcp INTERFACE ADDRESS

ADDRESS is this host's own IPv4 address on the interface.
"""
import socket
import struct
import sys

what, interface, own = sys.argv[1:]
index = socket.if_nametoindex(interface)


def four(address):
    return socket.inet_aton(address)


def rip(*routes):
    return struct.pack("!BBH", 2, 2, 0) + b"".join(
        struct.pack("!HH4s4s4sI", 2, 0, four(prefix), four(mask), bytes(4), metric)
        for prefix, mask, metric in routes)


def udp(port):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
    s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, four(own))
    s.bind((own, port))
    return s


def raw4(protocol):
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, protocol)
    s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, four(own))
    return s


def six(kind, protocol):
    s = socket.socket(socket.AF_INET6, kind, protocol)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
    return s


DEFAULT = ("0.0.0.0", "0.0.0.0")
if what == "rip":
    udp(520).sendto(rip((*DEFAULT, 1)), ("224.0.0.9", 520))
elif what == "rip-withdrawn":
    udp(520).sendto(rip((*DEFAULT, 16)), ("224.0.0.9", 520))
elif what == "rip-long":  # the last of 25 routes
    udp(520).sendto(rip(*[("198.51.100.0", "255.255.255.0", 1)] * 24, (*DEFAULT, 7)), ("224.0.0.9", 520))
elif what == "ripng":
    s = six(socket.SOCK_DGRAM, 0)
    s.bind(("::", 521))
    s.sendto(struct.pack("!BBH16sHBB", 2, 1, 0, bytes(16), 0, 0, 1), ("ff02::9", 521, 0, index))
elif what == "ospf":
    hello = struct.pack("!BBH4sIHH8sIHBBIII", 2, 1, 44, four(own), 0, 0, 0, bytes(8), 0xffffff00, 10, 2, 1, 40, 0, 0)
    raw4(89).sendto(hello, ("224.0.0.5", 0))
elif what == "ospf3":
    hello = struct.pack("!BBH4sIHHIIHHII", 3, 1, 36, four(own), 0, 0, 0, 3, 0x01000013, 10, 40, 0, 0)
    six(socket.SOCK_RAW, 89).sendto(hello, ("ff02::5", 0, 0, index))
elif what == "advertisement":
    message = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0)
    six(socket.SOCK_RAW, socket.IPPROTO_ICMPV6).sendto(message, ("ff02::1", 0, 0, index))
elif what == "dhcp":
    head = struct.pack("!BBBBIHH4s4s4s4s16s64s128sI", 2, 1, 6, 0, 0x1234, 0, 0, bytes(4), four("192.0.2.50"),
                       bytes(4), bytes(4), bytes(16), bytes(64), bytes(128), 0x63825363)
    options = bytes([53, 1, 2, 51, 4, 0, 0, 14, 16, 3, 4]) + four("192.0.2.254") + b"\xff"
    udp(67).sendto(head + options, ("255.255.255.255", 68))
else:
    sys.exit(f"unknown: {what}")
