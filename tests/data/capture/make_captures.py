#!/usr/bin/env python3
"""Writes the golden captures of this folder. Run it after adding a frame or a scenario, look at what
changed in NAME.jsonl and NAME.handshakes.jsonl (see README.md), and commit both.

Knows nothing of Parallax' own code: frames are put together here from the protocols' documents.
"""
import os
import socket
import struct

HERE = os.path.dirname(os.path.abspath(__file__))
SYN, SYNACK, RST, RSTACK, ACK, FINACK = 0x02, 0x12, 0x04, 0x14, 0x10, 0x11
START = 1767225600  # 2026-01-01T00:00:00Z


def tcp(flags=SYN, seq=1, ack=0, sport=40000, dport=443, words=5, length=20):
    head = struct.pack("!HHIIBBHHH", sport, dport, seq, ack, words << 4, flags, 65535, 0, 0)
    return (head + bytes(4 * max(words - 5, 0)))[:length + 4 * max(words - 5, 0)]


def v4(payload, src="192.0.2.1", dst="198.51.100.2", protocol=6, fragment=0, options=b"", ttl=61):
    words = 5 + len(options) // 4
    return struct.pack("!BBHHHBBH4s4s", 0x40 | words, 0, 4 * words + len(payload), 7, fragment, ttl,
                       protocol, 0, socket.inet_aton(src), socket.inet_aton(dst)) + options + payload


def v6(payload, src="2001:db8::1", dst="2001:db8:f::2", following=6, ttl=57):
    return struct.pack("!IHBB16s16s", 0x60000000, len(payload), following, ttl,
                       socket.inet_pton(socket.AF_INET6, src),
                       socket.inet_pton(socket.AF_INET6, dst)) + payload


def extension(following, rest):
    return bytes([following, 0, 1, 4, 0, 0, 0, 0]) + rest


def fragment_header(following, offset_and_more, rest):
    return struct.pack("!BBHI", following, 0, offset_and_more, 99) + rest


def mpls(labels, packet):
    return b"".join(struct.pack("!I", (100 + i) << 12 | (0x100 if i == labels - 1 else 0) | 64)
                    for i in range(labels)) + packet


def ether(ethertype, rest, *tags):
    head = bytes.fromhex("020000000001020000000002")
    for tpid, tci in tags:
        head += struct.pack("!HH", tpid, tci)
    return head + struct.pack("!H", ethertype) + rest


def pppoe(protocol, packet):
    return struct.pack("!BBHHH", 0x11, 0, 5, len(packet) + 2, protocol) + packet


def write_pcap(name, link_type, frames, order="<", nano=False, snap=65535):
    """frames: (nanoseconds since START, bytes)"""
    with open(os.path.join(HERE, name), "wb") as out:
        out.write(struct.pack(order + "IHHiIII", 0xa1b23c4d if nano else 0xa1b2c3d4, 2, 4, 0, 0, snap,
                              link_type))
        for when, frame in frames:
            fraction = when % 10**9 if nano else when % 10**9 // 1000
            out.write(struct.pack(order + "IIII", START + when // 10**9, fraction,
                                  min(len(frame), snap), len(frame)) + frame[:snap])


def write_pcapng(name, interfaces, frames, order="<"):
    """interfaces: (link type, name or "", decimals of a second, snap length)
    frames: (nanoseconds since START, bytes) or (..., number of the interface)"""
    def block(kind, body):
        body += bytes(-len(body) % 4)
        length = struct.pack(order + "I", len(body) + 12)
        return struct.pack(order + "I", kind) + length + body + length

    def option(code, value):
        return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4) if value else b""
    with open(os.path.join(HERE, name), "wb") as out:
        out.write(block(0x0a0d0d0a, struct.pack(order + "IHHq", 0x1a2b3c4d, 1, 0, -1)))
        for link_type, label, decimals, snap in interfaces:
            out.write(block(1, struct.pack(order + "HHI", link_type, 0, snap) + option(2, label.encode()) +
                            option(9, bytes([decimals])) + bytes(4)))
        for when, frame, *rest in frames:
            number = rest[0] if rest else 0
            _, _, decimals, snap = interfaces[number]
            stamp = (START * 10**9 + when) // 10**(9 - decimals)
            captured = frame[:snap]
            out.write(block(6, struct.pack(order + "IIIII", number, stamp >> 32, stamp & 0xffffffff,
                                           len(captured), len(frame)) + captured))


def spaced(frames, step=1_000_001_000):
    return [(i * step, frame) for i, frame in enumerate(frames)]


def ethernet_frames():
    """One frame each; the sequence number is its place."""
    frames = []

    def add(make):
        frames.append(make(len(frames) + 1))
    plain = [
        lambda n: ether(0x0800, v4(tcp(seq=n))),
        lambda n: ether(0x86dd, v6(tcp(seq=n))),
        lambda n: ether(0x0800, v4(tcp(SYNACK, seq=n, ack=9))),
        lambda n: ether(0x0800, v4(tcp(ACK, seq=n))),  # no SYN
        lambda n: ether(0x0800, v4(tcp(FINACK, seq=n))),
        lambda n: ether(0x0800, v4(tcp(RST, seq=n))),
        lambda n: ether(0x0800, v4(tcp(0xc2, seq=n, words=10))),  # ECN set-up, TCP options
        lambda n: ether(0x86dd, v6(tcp(0x52, seq=n))),
        lambda n: ether(0x0800, v4(tcp(seq=n), options=bytes([1] * 12))),
        lambda n: ether(0x0800, v4(tcp(seq=n), fragment=0x2000)),  # a first fragment
        lambda n: ether(0x0800, v4(tcp(seq=n), fragment=0x2003)),  # a later one: no TCP header
        lambda n: ether(0x0800, v4(tcp(seq=n)[:8], fragment=0x2000)) + b"\xff" * 20,
        lambda n: ether(0x86dd, v6(extension(6, tcp(seq=n)), following=0)),
        lambda n: ether(0x86dd, v6(extension(60, extension(6, tcp(seq=n))), following=43)),
        lambda n: ether(0x86dd, v6(fragment_header(6, 0, tcp(seq=n)), following=44)),
        lambda n: ether(0x86dd, v6(fragment_header(6, 8, tcp(seq=n)), following=44)),  # a later one
        lambda n: ether(0x0800, v4(tcp(seq=n)), (0x8100, 100)),
        lambda n: ether(0x86dd, v6(tcp(seq=n)), (0x8100, 0xe000 | 4094)),
        lambda n: ether(0x0800, v4(tcp(seq=n)), (0x8100, 0xe000)),  # priority tag
        lambda n: ether(0x0800, v4(tcp(seq=n)), (0x88a8, 10), (0x8100, 20)),
        lambda n: ether(0x86dd, v6(tcp(seq=n)), (0x88a8, 1), (0x8100, 2), (0x8100, 3)),
        lambda n: ether(0x8847, mpls(2, v4(tcp(seq=n)))),
        lambda n: ether(0x8864, pppoe(0x21, v4(tcp(seq=n)))),
        lambda n: ether(0x8864, pppoe(0x57, v6(tcp(seq=n))), (0x8100, 7)),
        lambda n: ether(0x0800, v4(struct.pack("!HH", 0, 0x0800) + v4(tcp(seq=n)), protocol=47)),
        lambda n: ether(0x0800, v4(v4(tcp(seq=n)), protocol=4)),
        lambda n: ether(0x0800, v4(struct.pack("!BBHI", 3, 1, 0, 0) + v4(tcp(seq=n)), protocol=1)),
        lambda n: ether(0x0800, v4(struct.pack("!HHHH", 53, 53, 28, 0) + tcp(seq=n), protocol=17)),
        lambda n: ether(0x0806, bytes(46)),
        lambda n: bytes(5),
        lambda n: ether(0x0800, v4(tcp(seq=0xffffffff)).ljust(46, b"\0")),
    ]
    for make in plain:
        add(make)
    return frames


def handshakes():
    """Every rule of the attempt tracker; clients are 203.0.113.N or 2001:db8:c::N."""
    frames = []
    server4, server6 = "192.0.2.25", "2001:db8:5::25"

    def send(t, host, flags, seq, ack=0, from_server=False, six=False):
        client = f"2001:db8:c::{host}" if six else f"203.0.113.{host}"
        server = server6 if six else server4
        ports = (25, 40000) if from_server else (40000, 25)
        segment = tcp(flags, seq=seq, ack=ack, sport=ports[0], dport=ports[1])
        ends = (server, client) if from_server else (client, server)
        packet = v6(segment, *ends) if six else v4(segment, *ends)
        frames.append((round(t * 10**9), ether(0x86dd if six else 0x0800, packet)))

    def answer(t, host, isn, six=False, seq=9000):
        send(t, host, SYNACK, seq, isn + 1, True, six)
    # 1: completed. 2: the same over IPv6.
    for host, six in ((1, False), (2, True)):
        send(0, host, SYN, 100, six=six)
        answer(0.001, host, 100, six)
        send(0.030, host, ACK, 101, 9001, six=six)
    # 3: half-open, on the schedule of a Linux server; 4: client and server both repeat.
    send(1, 3, SYN, 100)
    for t in (0, 1.0, 3.0, 7.3, 15.5, 31.6):
        answer(1.0002 + t, 3, 100)
    for t in (0, 1.0, 3.0):
        send(2 + t, 4, SYN, 100, six=True)
        answer(2.0002 + t, 4, 100, six=True)
    # 5: unanswered, on the schedule of a Linux client. 6: one SYN and no more.
    for t in (0, 1.0, 2.0, 3.1, 4.1, 5.1, 7.1, 11.3, 19.5, 35.6, 68.4):
        send(3 + t, 5, SYN, 100)
    send(4, 6, SYN, 100)
    # 7: refused. 8: a client that never asked. 9: a client that hangs up at once.
    send(5, 7, SYN, 100)
    send(5.0001, 7, RSTACK, 0, 101, True)
    send(6, 8, SYN, 100)
    answer(6.0002, 8, 100)
    send(6.04, 8, RST, 101)
    send(7, 9, SYN, 100)
    answer(7.0002, 9, 100)
    send(7.04, 9, RSTACK, 101, 9001)
    # 10: every frame captured twice. 11: SYN-ACK only. 12: SYN-ACK before SYN.
    for twice in (0, 0.0003):
        send(8 + twice, 10, SYN, 100)
        answer(8.001 + twice, 10, 100)
    answer(9, 11, 100)
    answer(10, 12, 100)
    send(10.0004, 12, SYN, 100)
    # 13: a second attempt from the same port. 14: a scanner's SYN and FIN.
    send(11, 13, SYN, 100)
    send(11.5, 13, SYN, 200)
    answer(11.501, 13, 200)
    send(12, 14, SYN | 1, 100)
    frames.sort(key=lambda f: f[0])
    return frames


class Talk:
    """Segments between clients and a server, as Ethernet frames with their times."""

    def __init__(self, server="192.0.2.25", port=25):
        self.server, self.port, self.frames = server, port, []

    def send(self, t, client, flags, seq, ack=0, from_server=False, sport=40000, data=b"", options=b""):
        ports = (self.port, sport) if from_server else (sport, self.port)
        head = tcp(flags, seq=seq, ack=ack, sport=ports[0], dport=ports[1], words=5 + len(options) // 4)[:20]
        ends = (self.server, client) if from_server else (client, self.server)
        packet = (v6 if ":" in client else v4)(head + options + data, *ends)
        self.frames.append((round(t * 10**9), ether(0x86dd if ":" in client else 0x0800, packet)))

    def client(self, t, who, flags, seq, ack=0, **more):
        self.send(t, who, flags, seq, ack, **more)

    def answer(self, t, who, flags, seq, ack=0, **more):
        self.send(t, who, flags, seq, ack, from_server=True, **more)

    def sorted(self):
        return sorted(self.frames, key=lambda frame: frame[0])


def fast_open():
    """TCP Fast Open (RFC 7413): data in the SYN, which the SYN-ACK accepts or not."""
    talk = Talk()
    cookie = bytes([34, 10]) + bytes(range(8)) + bytes([1, 1])
    # 1: accepted, 100 bytes. 2: not accepted, sent again behind the handshake.
    talk.client(0, "203.0.113.1", SYN, 1000, data=bytes(100), options=cookie)
    talk.answer(0.001, "203.0.113.1", SYNACK, 9000, 1101)
    talk.client(0.030, "203.0.113.1", ACK, 1101, 9001)
    talk.client(1, "203.0.113.2", SYN, 2000, data=bytes(100), options=cookie)
    talk.answer(1.001, "203.0.113.2", SYNACK, 9000, 2001)
    talk.client(1.030, "203.0.113.2", ACK, 2001, 9001, data=bytes(100))
    # 3: accepted, and the server answers with data before the client says anything.
    talk.client(2, "203.0.113.3", SYN, 3000, data=bytes(50), options=cookie)
    talk.answer(2.001, "203.0.113.3", SYNACK, 9000, 3051)
    talk.answer(2.002, "203.0.113.3", ACK, 9001, 3051, data=bytes(200))
    # 4: accepted, but the SYN-ACK does not arrive: both repeat, the client without data.
    talk.client(3, "203.0.113.4", SYN, 4000, data=bytes(100), options=cookie)
    talk.client(4, "203.0.113.4", SYN, 4000)
    for t in (0.001, 1.001, 3.001):
        talk.answer(3 + t, "203.0.113.4", SYNACK, 9000, 4101)
    # 5: a middlebox eats SYNs with data; the second goes without and is answered.
    talk.client(5, "203.0.113.5", SYN, 5000, data=bytes(100), options=cookie)
    talk.client(6, "203.0.113.5", SYN, 5000)
    talk.answer(6.001, "203.0.113.5", SYNACK, 9000, 5001)
    talk.client(6.030, "203.0.113.5", ACK, 5001, 9001)
    # 6: refused, with the data acknowledged.
    talk.client(7, "203.0.113.6", SYN, 6000, data=bytes(100), options=cookie)
    talk.answer(7.001, "203.0.113.6", RSTACK, 0, 6101)
    return talk.sorted()


def one_side(of_client):
    """Six handshakes and some data, of which only one direction passes here."""
    talk = Talk()
    for n in range(1, 7):
        who, t = (f"203.0.113.{n}" if n < 5 else f"2001:db8:c::{n}"), n * 0.5
        talk.server = "192.0.2.25" if n < 5 else "2001:db8:5::25"
        if of_client:
            talk.client(t, who, SYN, 100 * n)
            talk.client(t + 0.030, who, ACK, 100 * n + 1, 9001)
            talk.client(t + 0.031, who, ACK | 8, 100 * n + 1, 9001, data=bytes(20))
        else:
            talk.answer(t, who, SYNACK, 9000, 100 * n + 1)
            talk.answer(t + 0.060, who, ACK | 8, 9001, 100 * n + 1, data=bytes(20))
    # The last one does not come to anything: one SYN, or one SYN-ACK, and no more.
    talk.server = "192.0.2.25"
    if of_client:
        talk.client(5, "203.0.113.9", SYN, 900)
    else:
        talk.answer(5, "203.0.113.9", SYNACK, 9000, 901)
    return talk.sorted()


def first_syn_lost():
    """The client's first SYN gets lost behind us, the second is answered: no fault of anybody's."""
    talk = Talk()
    for n, again in ((1, 1.0), (2, 3.0)):  # Linux today, others
        who = f"203.0.113.{n}"
        talk.client(n, who, SYN, 100)
        talk.client(n + again, who, SYN, 100)
        talk.answer(n + again + 0.0005, who, SYNACK, 9000, 101)
        talk.client(n + again + 0.03, who, ACK, 101, 9001)
    # 3: the same, without the acknowledgement.
    talk.client(6, "203.0.113.3", SYN, 100)
    talk.client(7, "203.0.113.3", SYN, 100)
    talk.answer(7.0005, "203.0.113.3", SYNACK, 9000, 101)
    return talk.sorted()


def spoofed_flood():
    """Half a minute of calm, then 60 forged SYNs in a second: nobody is there for the SYN-ACKs."""
    talk = Talk("192.0.2.80", 80)
    for n in range(4):
        t, who = 8.0 * n, f"203.0.113.{n + 1}"
        talk.client(t, who, SYN, 100)
        talk.answer(t + 0.0002, who, SYNACK, 9000, 101)
        talk.client(t + 0.020, who, ACK, 101, 9001)
    for n in range(60):
        t, who = 32 + n / 60, f"198.51.100.{n * 4 + 1}"
        talk.client(t, who, SYN, 7 * n, sport=1024 + 1009 * n)
        for again in (0, 1.0):
            talk.answer(t + 0.0002 + again, who, SYNACK, 9000 + n, 7 * n + 1, sport=1024 + 1009 * n)
    return talk.sorted()


def return_path_cut():
    """The way back to 198.51.100.0/24 is gone: ten clients there try three times each, and both ends
    repeat themselves. Clients elsewhere notice nothing."""
    talk = Talk("192.0.2.25", 25)
    for n in range(1, 11):
        for attempt in range(3):
            t, who, isn = 2.0 * attempt + 0.1 * n, f"198.51.100.{n}", 1000 * n + attempt
            more = {"sport": 40000 + attempt}
            for again in (0, 1.0, 3.0):
                talk.client(t + again, who, SYN, isn, **more)
                talk.answer(t + again + 0.0003, who, SYNACK, 9000 + isn, isn + 1, **more)
    for n in range(1, 5):
        t, who = 1.1 * n + 0.05, f"203.0.113.{n}"
        talk.client(t, who, SYN, 100)
        talk.answer(t + 0.0003, who, SYNACK, 9000, 101)
        talk.client(t + 0.025, who, ACK, 101, 9001)
    return talk.sorted()


def two_interfaces():
    """A connection that comes in on one interface and, tunnelled on, goes out on the other."""
    frames = []
    for n, (t, flags, seq, ack, from_server) in enumerate(
            ((0, SYN, 100, 0, False), (0.010, SYNACK, 9000, 101, True), (0.030, ACK, 101, 9001, False))):
        ports = (443, 40000) if from_server else (40000, 443)
        ends = ("198.51.100.2", "192.0.2.1") if from_server else ("192.0.2.1", "198.51.100.2")
        segment = tcp(flags, seq=seq, ack=ack, sport=ports[0], dport=ports[1])
        outside = ether(0x0800, v4(segment, *ends, ttl=61), (0x8100, 5)).ljust(200, b"\0")
        inside = v4(segment, *ends, ttl=60)
        t = round(t * 10**9)
        frames += [(t, outside, 0), (t + 250_123, inside, 1)] if not from_server else \
            [(t, inside, 1), (t + 250_123, outside, 0)]
    frames.append((10**9, ether(0x86dd, v6(tcp(seq=5))), 0))
    return frames


def main():
    write_pcap("ethernet.pcap", 1, spaced(ethernet_frames()))
    few = [ether(0x0800, v4(tcp(seq=1))), ether(0x86dd, v6(tcp(SYNACK, seq=2, ack=5))),
           ether(0x0800, v4(tcp(seq=3)), (0x8100, 5))]
    write_pcap("big_endian.pcap", 1, spaced(few), order=">")
    write_pcap("nanoseconds.pcap", 1, spaced(few, 1_000_000_001), nano=True)
    write_pcap("big_endian_nanoseconds.pcap", 1, spaced(few, 1_000_000_001), order=">", nano=True)
    plain = [(1, "", 9, 65535)]
    write_pcapng("plain.pcapng", plain, spaced(few, 1_000_000_001))
    write_pcapng("big_endian.pcapng", plain, spaced(few, 1_000_000_001), order=">")
    write_pcapng("two_interfaces.pcapng", [(1, "eth0", 6, 96), (101, "tun0", 9, 65535)], two_interfaces())
    write_pcap("snap_length_54.pcap", 1, spaced(few), snap=54)  # cuts IPv6 and tags, not IPv4
    one, two = v4(tcp(seq=1)), v6(tcp(seq=2))
    write_pcap("raw.pcap", 101, spaced([one, two]))
    write_pcap("ipv4.pcap", 228, spaced([one]))
    write_pcap("ipv6.pcap", 229, spaced([two]))
    write_pcap("null.pcap", 0, spaced([struct.pack("<I", 2) + one, struct.pack("<I", 30) + two]))
    write_pcap("loop.pcap", 108, spaced([struct.pack("!I", 2) + one, struct.pack("!I", 24) + two]))
    sll = struct.pack("!HHH8s", 0, 1, 6, bytes(8))
    write_pcap("linux_sll.pcap", 113, spaced([sll + b"\x08\x00" + one, sll + b"\x86\xdd" + two,
                                              sll + struct.pack("!HHH", 0x8100, 9, 0x0800) + one]))
    sll2 = struct.pack("!HIHBB8s", 0, 2, 1, 0, 6, bytes(8))
    write_pcap("linux_sll2.pcap", 276, spaced([b"\x08\x00" + sll2 + one, b"\x86\xdd" + sll2 + two]))
    write_pcap("ppp.pcap", 9, spaced([b"\xff\x03\x00\x21" + one, b"\xff\x03\x00\x57" + two]))
    write_pcap("c_hdlc.pcap", 104, spaced([b"\x0f\x00\x08\x00" + one, b"\x0f\x00\x86\xdd" + two]))
    write_pcap("handshakes.pcap", 1, handshakes())
    write_pcap("fast_open.pcap", 1, fast_open())
    write_pcap("client_side_only.pcap", 1, one_side(True))
    write_pcap("server_side_only.pcap", 1, one_side(False))
    write_pcap("first_syn_lost.pcap", 1, first_syn_lost())
    write_pcap("spoofed_flood.pcap", 1, spoofed_flood())
    write_pcap("return_path_cut.pcap", 1, return_path_cut())
    write_pcap("empty.pcap", 1, [])


if __name__ == "__main__":
    main()
