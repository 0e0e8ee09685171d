#!/usr/bin/python3
"""odd_router.py INTERFACE READY: says "time exceeded" as no Linux router does.

Answers what comes in for 198.52.X.0/24 and 2001:db8:52:X::/64 and creates the file READY once it
listens. X says how: 1 with MPLS labels 100 and 200 behind 128 bytes (RFC 4884, RFC 4950), 2 the same,
but without stating the length, 3 quoting 8 bytes of the transport header, 4 with an extension whose
checksum is wrong, any other quoting half of the payload's tag.
"""
import socket
import struct
import sys


def checksum(data):
    data += b"\0" * (len(data) % 2)
    value = sum(struct.unpack(f">{len(data) // 2}H", data))
    while value > 0xFFFF:
        value = (value & 0xFFFF) + (value >> 16)
    return ~value & 0xFFFF


def extension(labels):
    stack = b"".join(struct.pack(">I", label << 12 | (i == len(labels) - 1) << 8 | 1)
                     for i, label in enumerate(labels))
    body = struct.pack(">HBB", 4 + len(stack), 1, 1) + stack
    return b"\x20\0" + struct.pack(">H", checksum(b"\x20\0\0\0" + body)) + body


def error_body(kind, packet, header):
    """(stated length in bytes, quote, what follows)"""
    padded = packet[:128].ljust(128, b"\0")
    if kind == 1:
        return 128, padded, extension([100, 200])
    if kind == 2:
        return 0, padded, extension([100, 200])
    if kind == 3:
        return 0, packet[:header + 8], b""
    if kind == 4:
        return 128, padded, b"\x20\0\x12\x34" + extension([1])[4:]
    return 0, packet[:header + 8 + 12], b""


def answer_v4(packet):
    length, quote, tail = error_body(packet[18], packet, 20)
    body = struct.pack(">BBH", 0, length // 4, 0) + quote + tail
    icmp = struct.pack(">BBH", 11, 0, checksum(b"\x0b\0\0\0" + body)) + body
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(icmp), 1, 0, 61, 1, 0,
                       socket.inet_aton("10.0.0.7"), packet[12:16])
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + icmp


def answer_v6(packet):
    router = socket.inet_pton(socket.AF_INET6, "fd00:0:0:1::7")
    length, quote, tail = error_body(packet[31], packet, 40)
    body = struct.pack(">BBH", length // 8, 0, 0) + quote + tail
    pseudo = router + packet[8:24] + struct.pack(">II", len(body) + 4, 58)
    icmp = struct.pack(">BBH", 3, 0, checksum(pseudo + b"\x03\0\0\0" + body)) + body
    return struct.pack(">IHBB", 6 << 28, len(icmp), 58, 61) + router + packet[8:24] + icmp


def main():
    link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    link.bind((sys.argv[1], 0))
    own = link.getsockname()[4]
    with open(sys.argv[2], "w", encoding="ascii"):
        pass
    prefix6 = socket.inet_pton(socket.AF_INET6, "2001:db8:52::")[:6]
    while True:
        frame = link.recv(2048)
        packet = frame[14:]
        back = frame[6:12] + frame[0:6] + frame[12:14]
        if frame[6:12] == own:
            continue
        if frame[12:14] == b"\x08\0" and packet[16:18] == b"\xc6\x34":
            link.send(back + answer_v4(packet))
        elif frame[12:14] == b"\x86\xdd" and packet[24:30] == prefix6:
            link.send(back + answer_v6(packet))


main()
