#!/usr/bin/python3
"""Writes captures full of random frames, valid and not, in every link type and file format.

    generate.py FOLDER [SEED] [FRAMES]

FRAMES (default 110000) are spread over the files. The same seed gives the same bytes. Knows nothing of
Parallax: frames are put together from the protocols' documents.
"""
import os
import random
import struct
import sys

SYN, ACK, RST, FIN = 0x02, 0x10, 0x04, 0x01
TELLING = (0, 1, 2, 4, 6, 8, 0x21, 0x2b, 0x2c, 0x33, 0x3c, 0x45, 0x4f, 0x57, 0x60, 0x64, 0x81, 0x86, 0x88,
           0xa8, 0xaa, 0xdd, 0xff)
START = 1767225600  # 2026-01-01T00:00:00Z


class Frames:
    """Random packets and what may stand before them."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.bits = self.random.getrandbits

    def chance(self, share):
        return self.random.random() < share

    def some(self, count):
        return self.random.randbytes(count)

    # TCP and what else may follow an IP header.
    def tcp(self):
        flags = self.random.choice((SYN, SYN, SYN | ACK, SYN | ACK, ACK, ACK | 8, RST, RST | ACK, FIN | ACK,
                                    SYN | 0xc0, SYN | ACK | 0x40, SYN | FIN, SYN | RST, 0, self.bits(8)))
        words = 5 if self.chance(.5) else 5 + self.bits(4) % 11
        if self.chance(.03):
            words = self.bits(4)
        options = b"\x01" * (4 * max(words - 5, 0))
        if len(options) >= 4 and self.chance(.7):
            options = b"\x02\x04\x05\xb4" + options[4:]
        head = struct.pack("!HHIIBBHHH", self.bits(16), self.bits(16), self.bits(32), self.bits(32),
                           words << 4 | (self.bits(3) if self.chance(.1) else 0), flags, self.bits(16),
                           self.bits(16), 0)
        return head + options + (self.some(self.bits(5)) if self.chance(.3) else b"")

    def inner(self):
        return self.v4(self.tcp(), 6) if self.chance(.5) else self.v6(self.tcp(), 6)

    def udp(self, port, payload):
        return struct.pack("!HHHH", 1024 + self.bits(14), port, 8 + len(payload), 0) + payload

    def tunnel(self, six):
        """(protocol, bytes) of something that is no TCP of the outer packet, but mostly holds some."""
        kind = self.bits(3)
        packet = self.inner()
        version = packet[0] >> 4
        if kind == 0:
            return 47, struct.pack("!HH", 0, 0x0800 if version == 4 else 0x86dd) + packet
        if kind == 1:
            return (4 if version == 4 else 41), packet
        if kind == 2:
            frame = self.some(12) + (b"\x08\x00" if version == 4 else b"\x86\xdd") + packet
            return 17, self.udp(4789, struct.pack("!II", 0x08000000, self.bits(24) << 8) + frame)
        if kind == 3:
            return 17, self.udp(2152, struct.pack("!BBHI", 0x30, 255, len(packet), self.bits(32)) + packet)
        if kind == 4:  # quoted in an error message
            return (58, struct.pack("!BBHI", 1, 0, 0, 0) + packet) if six else \
                (1, struct.pack("!BBHI", 3, 1, 0, 0) + packet)
        if kind == 5:
            return 50, struct.pack("!II", self.bits(32), self.bits(32)) + self.tcp()
        if kind == 6:
            return 17, self.udp(53, self.some(20))
        return 132, self.tcp()

    # The network layer.
    def authentication(self, following, rest):
        return struct.pack("!BBHII", following, 4, 0, self.bits(32), self.bits(32)) + self.some(12) + rest

    def v4(self, payload, protocol):
        options = b"\x01" * (4 * (self.bits(4) % 11)) if self.chance(.2) else b""
        if self.chance(.05):
            protocol, payload = 51, self.authentication(protocol, payload)
        fragment = 0x4000 if self.chance(.5) else 0
        if self.chance(.06):  # a first fragment (perhaps a tiny one) or a later one
            fragment = self.random.choice((0x2000, 0x2000, 0x2001, 0x0003, self.bits(13)))
            if fragment == 0x2000 and self.chance(.5):
                payload = payload[:8 * (1 + self.bits(1))]
        total = 20 + len(options) + len(payload)
        if self.chance(.05):
            total = self.random.choice((0, total - 1, total - 8, total + 1, total + 1400, self.bits(8))) & 0xffff
        return struct.pack("!BBHHHBBHII", 0x45 + len(options) // 4, self.bits(8), total, self.bits(16), fragment,
                           1 + self.bits(8) % 255, protocol, 0, self.bits(32), self.bits(32)) + options + payload

    def v6(self, payload, protocol):
        headers = self.bits(3) % 7 if self.chance(.3) else 0
        kinds = [self.random.choice((0, 43, 44, 60, 51)) for _ in range(headers)]
        # Hop-by-hop options come first or not at all (RFC 8200 section 4.1).
        kinds = [0] * (0 in kinds) + [kind for kind in kinds if kind]
        rest, following = payload, protocol
        for kind in reversed(kinds):
            if kind == 44:
                more = self.random.choice((0, 0, 1, 1, 8, 9)) if self.chance(.3) else 0
                rest = struct.pack("!BBHI", following, 0, more, self.bits(32)) + rest
            elif kind == 51:
                rest = self.authentication(following, rest)
            elif kind == 43:  # type 253, none left: no router would look into it
                units = self.bits(2)
                rest = struct.pack("!BBBB", following, units, 253, 0) + bytes(4 + 8 * units) + rest
            else:  # one padding option
                units = self.bits(2)
                rest = struct.pack("!BBBB", following, units, 1, 4 + 8 * units) + bytes(4 + 8 * units) + rest
            following = kind
        length = len(rest)
        if self.chance(.03):
            length = self.random.choice((0, length - 1, length - 8, length + 1, length + 1000)) & 0xffff
        return struct.pack("!IHBB", 0x60000000 | self.bits(28), length, following, 1 + self.bits(8) % 255) + \
            self.some(32) + rest

    def packet(self, version=None):
        six = version == 6 or (version is None and self.chance(.5))
        protocol, payload = (6, self.tcp()) if self.chance(.85) else self.tunnel(six)
        return self.v6(payload, protocol) if six else self.v4(payload, protocol)

    # What stands before it.
    def labels(self, packet, most=4):
        count = 1 + self.bits(4) % most
        stack = b"".join(struct.pack("!I", (16 + self.bits(16)) << 12 | (0x100 if i + 1 == count else 0) | 64)
                         for i in range(count))
        return stack + packet

    def ppp(self):
        packet = self.packet()
        protocol = 0x21 if packet[0] >> 4 == 4 else 0x57
        if self.chance(.15):
            return b"\x02\x81" + self.labels(packet)
        return bytes((protocol,)) + packet if self.chance(.2) else bytes((0, protocol)) + packet

    def pppoe(self):
        inside = self.ppp()
        code = 0 if self.chance(.95) else 0xa7
        return struct.pack("!BBHH", 0x11, code, self.bits(16), len(inside)) + inside

    def typed(self):
        """(EtherType, the rest)"""
        if self.chance(.12):
            return 0x8847 + self.bits(1), self.labels(self.packet())
        if self.chance(.12):
            return 0x8864, self.pppoe()
        packet = self.packet()
        return (0x0800 if packet[0] >> 4 == 4 else 0x86dd), packet

    def tagged(self):
        """(EtherType or length, the rest), under up to three tags and perhaps in 802.2 SNAP"""
        ethertype, rest = self.typed()
        if self.chance(.12):
            oui = b"\0\0\0" if self.chance(.7) else b"\0\0\xf8"
            rest = b"\xaa\xaa\x03" + oui + struct.pack("!H", ethertype) + rest
            ethertype = len(rest)
        if self.chance(.4):
            for _ in range(1 + self.bits(4) % 3):
                rest = struct.pack("!HH", self.bits(16), ethertype) + rest
                # tshark (4.0) does not know that a length may stand behind an 802.1ad tag.
                kinds = (0x8100, 0x8100, 0x9100) if ethertype < 0x600 else (0x8100, 0x8100, 0x88a8, 0x9100)
                ethertype = self.random.choice(kinds)
        return ethertype, rest

    def damage(self, frame, first):
        """From byte `first` on."""
        frame = bytearray(frame)
        for _ in range(1 + self.bits(1)):
            at = first + self.bits(16) % (min(len(frame), 96) - first)
            frame[at] = self.random.choice(TELLING) if self.chance(.6) else self.bits(8)
        return bytes(frame)


# Per link type: the number that files have for it, and a frame.
def ethernet(f):
    ethertype, rest = f.tagged()
    frame = b"\x02" + f.some(5) + b"\x02" + f.some(5) + struct.pack("!H", ethertype) + rest
    return frame.ljust(60, b"\0" if f.chance(.5) else b"\xff") if f.chance(.7) else frame


def sll(f):
    ethertype, rest = f.tagged()
    return struct.pack("!HHH8sH", f.bits(2), 1, 6, f.some(8), ethertype if ethertype >= 0x600 else 4) + rest


def sll2(f):
    ethertype, rest = f.tagged()
    return struct.pack("!HHIHBB8s", ethertype if ethertype >= 0x600 else 4, 0, 2, 1, f.bits(2), 6, f.some(8)) + rest


def family(f, loop):
    packet = f.packet()
    number = 2 if packet[0] >> 4 == 4 else f.random.choice((24, 28, 30))
    return struct.pack("!I" if loop or f.chance(.3) else "<I", number) + packet


def cisco(f):
    packet = f.packet()
    ethertype = 0x0800 if packet[0] >> 4 == 4 else 0x86dd
    if f.chance(.15):
        ethertype, packet = 0x8847, f.labels(packet)
    return struct.pack("!BBH", f.random.choice((0x0f, 0x8f)), 0, ethertype) + packet


def ppp(f):
    return (b"\xff\x03" if f.chance(.7) else b"") + f.ppp()


LINKS = {
    "ethernet": (1, ethernet),
    "raw": (101, Frames.packet),
    "ipv4": (228, lambda f: f.packet(4)),
    "ipv6": (229, lambda f: f.packet(6)),
    "null": (0, lambda f: family(f, False)),
    "loop": (108, lambda f: family(f, True)),
    "sll": (113, sll),
    "sll2": (276, sll2),
    "ppp": (9, ppp),
    "ppp_serial": (50, lambda f: cisco(f) if f.chance(.3) else ppp(f)),
    "pppoe": (51, Frames.pppoe),
    "c_hdlc": (104, cisco),
}


class Pcap:
    """order "<" or ">"; magic says microseconds, nanoseconds or Kuznetsov's variant"""

    def __init__(self, path, order, magic, links):
        self.out = open(path, "wb")
        self.order, self.magic = order, magic
        self.out.write(struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, links[0]))

    def frame(self, number, _link, captured, length):
        fraction = number * 10**5 % 10**9 if self.magic == 0xa1b23c4d else number * 100 % 10**6
        extra = struct.pack(self.order + "IHBB", 2, 0x800, 0, 0) if self.magic == 0xa1b2cd34 else b""
        self.out.write(struct.pack(self.order + "IIII", START + number // 10**4, fraction, len(captured), length) +
                       extra + captured)


class Pcapng:
    """An interface per link type, each with a clock of its own, and blocks that are no packets."""

    def __init__(self, path, order, _magic, links):
        self.out = open(path, "wb")
        self.order = order
        self.links = links
        self.section()

    def section(self):
        self.block(0x0a0d0d0a, struct.pack(self.order + "IHHq", 0x1a2b3c4d, 1, 0, -1))
        for index, link in enumerate(self.links):
            name = b"if%d" % index
            self.block(1, struct.pack(self.order + "HHI", link, 0, 0) +
                       struct.pack(self.order + "HH4s", 2, len(name), name.ljust(4, b"\0")) +
                       struct.pack(self.order + "HHB3xHH", 9, 1, (6, 9)[index % 2], 0, 0))

    def block(self, kind, body):
        body += bytes(-len(body) % 4)
        length = struct.pack(self.order + "I", len(body) + 12)
        self.out.write(struct.pack(self.order + "I", kind) + length + body + length)

    def frame(self, number, link, captured, length):
        index = self.links.index(link)
        if number % 1000 == 999:
            self.order = "><"[self.order == ">"]
            self.section()
        if number % 97 == 0:
            self.block(0x0afe, captured)  # a block that nobody knows
        if index == 0 and number % 5 == 0 and len(captured) == length:
            self.block(3, struct.pack(self.order + "I", length) + captured)
            return
        stamp = START * (10**6, 10**9)[index % 2] + number * (100, 10**5)[index % 2]
        if number % 7 == 0:  # the obsolete kind
            self.block(2, struct.pack(self.order + "HHIIII", index, 0, stamp >> 32, stamp & 0xffffffff,
                                      len(captured), length) + captured)
        else:
            self.block(6, struct.pack(self.order + "IIIII", index, stamp >> 32, stamp & 0xffffffff,
                                      len(captured), length) + captured)


def main():
    folder = sys.argv[1]
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    total = int(sys.argv[3]) if len(sys.argv) > 3 else 110000
    kinds = ((Pcap, "<", 0xa1b2c3d4), (Pcap, ">", 0xa1b2c3d4), (Pcap, "<", 0xa1b23c4d), (Pcap, ">", 0xa1b23c4d),
             (Pcap, "<", 0xa1b2cd34), (Pcap, ">", 0xa1b2cd34), (Pcapng, "<", 0), (Pcapng, ">", 0))
    plans = [([name], kinds[index % 6]) for index, name in enumerate(LINKS)]
    plans += [(list(LINKS), kinds[6]), (["sll2", "ethernet", "raw"], kinds[7])]
    # Ethernet is what most captures are.
    shares = [5 if names == ["ethernet"] else 4 if len(names) > 1 else 1 for names, _ in plans]
    for index, ((names, (writer, order, magic)), share) in enumerate(zip(plans, shares)):
        f = Frames(seed * 1000 + index)
        suffix = "pcapng" if writer is Pcapng else "pcap"
        path = os.path.join(folder, f"{'_'.join(names) if len(names) < 4 else 'mixed'}.{suffix}")
        out = writer(path, order, magic, [LINKS[name][0] for name in names])
        for number in range(total * share // sum(shares) + 1):
            link, make = LINKS[names[f.bits(16) % len(names)]]
            frame = make(f)
            if f.chance(.1):
                # tshark takes a damaged address family for one of 16 bits, as IRIX wrote them.
                frame = f.damage(frame, 4 if link == 0 else 0)
            captured = frame[:f.bits(16) % (len(frame) + 1)] if f.chance(.08) else frame
            out.frame(number, link, captured, len(frame))
        out.out.close()


if __name__ == "__main__":
    main()
