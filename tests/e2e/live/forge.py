#!/usr/bin/python3
"""forge.py INTERFACE READY_FILE: answers, in the stead of the host behind an interface, each probe
of 198.51.33.N and 2001:db8:51:33::N (N in hex there) in the way of number N, see WAYS: some truthful,
some as a liar, a broken router or a NAT would. Stands on the target's side of the cable; until killed.
"""

import random
import socket
import struct
import sys
import threading


def ones_sum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - total


class Probe:
    """A packet of the prober: addresses as bytes, `ip` and `load` from the IP and transport header on."""

    def __init__(self, frame):
        self.ethernet, self.ip = frame[6:12] + frame[0:6] + frame[12:14], frame[14:]
        self.v4 = frame[12:14] == b"\x08\x00"
        if self.v4:
            self.ip = self.ip[:struct.unpack("!H", self.ip[2:4])[0]]
            self.protocol, self.ttl = self.ip[9], self.ip[8]
            self.me, self.prober, self.head = self.ip[16:20], self.ip[12:16], self.ip[:20]
            self.load = self.ip[20:]
            self.way = self.me[3]
        else:
            self.protocol, self.ttl = self.ip[6], self.ip[7]
            self.me, self.prober, self.head = self.ip[24:40], self.ip[8:24], self.ip[:40]
            self.load = self.ip[40:40 + struct.unpack("!H", self.ip[4:6])[0]]
            self.way = self.me[15]
        self.is_echo = self.load[:1] in (b"\x08", b"\x80") and self.protocol in (1, 58)

    def other(self, last):
        """An address beside the target's."""
        return self.me[:-1] + bytes([last])

    def packet(self, load, protocol=None, source=None, to=None, length=None, icmp_sum=None):
        """A frame for the prober. Sums are right, but for what `icmp_sum` turns in ICMP's."""
        source, to = source or self.me, to or self.prober
        protocol = protocol if protocol is not None else self.protocol
        where = {1: 2, 58: 2, 6: 16, 17: 6}[protocol]
        pseudo = b"" if protocol == 1 else source + to + struct.pack("!LL", len(load), protocol)
        load = bytearray(load)
        load[where:where + 2] = b"\0\0"
        right = ones_sum(pseudo + bytes(load)) ^ (icmp_sum or 0)
        load[where:where + 2] = struct.pack("!H", right or 0xFFFF)
        size = len(load) if length is None else length
        if self.v4:
            head = bytearray(struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + size, 7, 0, 64,
                                         protocol, 0, source, to))
            head[10:12] = struct.pack("!H", ones_sum(bytes(head)))
        else:
            head = struct.pack("!LHBB", 6 << 28, size, protocol, 64) + source + to
        return self.ethernet + bytes(head) + bytes(load)

    def answer(self, ack=1, spoil=None, **rest):
        """What a host that is there says; `spoil`: which byte of it to turn."""
        load = bytearray(self.load)
        if self.is_echo:
            load[0] = 0 if self.v4 else 129
        elif self.protocol == 6:
            sequence = struct.unpack("!L", load[4:8])[0]
            load = bytearray(load[2:4] + load[0:2] + struct.pack(
                "!LLBBHHH", 7, (sequence + ack) & 0xFFFFFFFF, 0x50, 0x12, 1000, 0, 0))
        else:
            load[0:4] = load[2:4] + load[0:2]
        if spoil is not None:
            load[spoil] ^= 1
        return self.packet(bytes(load), **rest)

    def error(self, kind="unreachable", quote=None, extra=b"", router=250, **rest):
        """An ICMP error from a router; `quote` instead of the whole probe."""
        types = {"unreachable": ((3, 1), (1, 0)), "prohibited": ((3, 13), (1, 1)),
                 "exceeded": ((11, 0), (3, 0))}
        kind, code = types[kind][0 if self.v4 else 1]
        quote = self.ip if quote is None else quote
        words = b"\0\0\0\0"
        if extra:  # RFC 4884: 128 bytes of quote, its length, then the extensions
            quote = quote[:128].ljust(128, b"\0")
            words = b"\0\x20\0\0" if self.v4 else b"\x10\0\0\0"
        return self.packet(bytes([kind, code, 0, 0]) + words + quote + extra, 1 if self.v4 else 58,
                           self.other(router), **rest)

    def quote(self, change_head=None, options=b"", load=None):
        """The probe as quoted: changes to its IP header, options or extension headers in it."""
        head, load = bytearray(self.head), self.load if load is None else load
        if change_head:
            head[change_head[0]:change_head[0] + len(change_head[1])] = change_head[1]
        if options and self.v4:
            head[0] += len(options) // 4
            head[2:4] = struct.pack("!H", len(head) + len(options) + len(self.load))
        elif options:
            options = bytes([head[6], len(options) // 8 - 1]) + options[2:]
            head[6] = 0
        return bytes(head) + options + load


def mpls(*labels):
    """RFC 4950, inside RFC 4884's structure: (label, class, ttl)..."""
    stack = b"".join(struct.pack("!L", label << 12 | tc << 9 | (n == len(labels) - 1) << 8 | ttl)
                     for n, (label, tc, ttl) in enumerate(labels))
    body = b"\x20\0\0\0" + struct.pack("!HBB", 4 + len(stack), 1, 1) + stack
    return body[:2] + struct.pack("!H", ones_sum(body)) + body[4:]


def as_path(p):
    """Three routers, labels at the first, a forwarder of TTL 0 before the third; the target."""
    if p.ttl > 3:
        return [p.answer()]
    ttl = 8 if p.v4 else 7
    quoted = p.quote(change_head=(ttl, bytes([0 if p.ttl == 3 else 1])))
    return [p.error("exceeded", quote=quoted, router=200 + p.ttl,
                    extra=mpls((1234, 5, 1), (99, 0, 2)) if p.ttl == 1 else b"")]


def garbage(p):
    chance = random.Random(1)
    types = [0, 3, 5, 11, 12, 129, 1, 2]
    return [p.packet(bytes([chance.choice(types)]) + chance.randbytes(chance.randint(8, 90)),
                     1 if p.v4 else 58, p.other(chance.randint(100, 200))) for _ in range(50)]


# The first answer to each, which is all that is ever said.
STORED = {}


def replay(p):
    return [STORED.setdefault((p.me, p.protocol), p.answer())]


def short(p):
    """An answer cut off within its header; of UDP, right after it."""
    if p.is_echo:
        return (b"\0" if p.v4 else b"\x81") + p.load[1:8]
    return p.load[2:4] + p.load[0:2] + (p.load[4:8] if p.protocol == 17 else b"\0" * 14)


def tag_at(p):
    return 20 if p.is_echo else 12  # within the payload's keyed part


WAYS = {
    1: lambda p: [p.answer()],
    2: lambda p: [p.answer(ack=2) if p.protocol == 6 else p.answer(spoil=tag_at(p))],
    3: lambda p: [p.answer(spoil=5)] if p.is_echo else [p.answer(spoil=3)],  # identifier; our port
    # acknowledgement; sequence; their port
    4: lambda p: [p.answer(ack=0x10000) if p.protocol == 6 else p.answer(spoil=7 if p.is_echo else 1)],
    5: lambda p: [p.answer(source=p.other(240))],
    6: lambda p: [p.packet(short(p))],
    7: lambda p: [p.answer(length=4)],
    8: lambda p: [p.answer(icmp_sum=0x0101)] if p.is_echo else [],
    9: lambda p: [p.answer(), p.answer()],
    10: replay,
    11: lambda p: [p.error(quote=p.quote(load=p.load[:8]))],
    12: lambda p: [p.error(quote=p.quote(load=p.load[:4] + bytes(b ^ 0x55 for b in p.load[4:8])))],
    13: lambda p: [p.error(quote=p.quote(load=p.load[:4]))],
    14: lambda p: [p.error(quote=p.quote(options=b"\x01" * 8))],
    15: lambda p: [p.error(extra=mpls((16, 0, 1)))],
    16: lambda p: [p.packet(p.load[2:4] + p.load[0:2] + b"\0\x08\0\0")],  # UDP: empty, and right
    17: lambda p: [p.error(icmp_sum=0x0101)],
    18: lambda p: [p.error("prohibited")],
    19: lambda p: [p.error("exceeded")],
    20: garbage,
    21: lambda p: garbage(p) + [p.answer()],
    22: lambda p: [p.error(quote=p.quote(change_head=(1, b"\x48") if p.v4 else (0, b"\x6a\xa0")))],
    23: lambda p: [p.error(quote=p.ip[:n]) for n in range(0, len(p.head) + 4, 3)],
    24: lambda p: [],  # 0.6 s later
    40: as_path,
}


def main():
    interface, ready = sys.argv[1:]
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    wire.bind((interface, 0))
    mine = (socket.inet_aton("198.51.33.0")[:3],
            socket.inet_pton(socket.AF_INET6, "2001:db8:51:33::")[:15])
    with open(ready, "w", encoding="ascii"):
        pass
    while True:
        frame, address = wire.recvfrom(2000)
        if address[2] == socket.PACKET_OUTGOING or frame[12:14] not in (b"\x08\x00", b"\x86\xdd"):
            continue
        probe = Probe(frame)
        if probe.me[:-1] not in mine or not (probe.is_echo or probe.protocol in (6, 17)):
            continue
        if probe.protocol == 6 and probe.load[13] != 2:
            continue  # the RST of the prober's own kernel
        for answer in WAYS.get(probe.way, lambda p: [])(probe):
            wire.send(answer)
        if probe.way == 24:
            threading.Timer(0.6, wire.send, (probe.answer(),)).start()


if __name__ == "__main__":
    main()
