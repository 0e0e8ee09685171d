#!/usr/bin/python3
"""serve.py READY_FILE UDP_PORT TCP_PORT: on every address of its namespace, both families, answers
each UDP datagram with itself and accepts TCP connections, until killed."""

import selectors
import socket
import struct
import sys

IP_PKTINFO, IPV6_FREEBIND = 8, 78  # the module has no names for them


def udp_echo(family, port):
    server = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        # For the addresses that are this host's by a local route only.
        server.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
    else:
        server.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    server.bind(("", port))
    return server


def echo(server):
    data, extra, _, sender = server.recvmsg(2048, 256)
    for level, kind, value in extra:
        if (level, kind) == (socket.IPPROTO_IP, IP_PKTINFO):
            # The source of the answer is the address that was asked (ifindex, spec_dst, addr).
            extra = [(level, kind, struct.pack("=i4s4s", 0, value[8:12], value[8:12]))]
        elif (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO):
            extra = [(level, kind, value[:16] + struct.pack("=i", 0))]
    server.sendmsg([data], extra, 0, sender)


def main():
    ready, udp, tcp = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    selector = selectors.DefaultSelector()
    for family in (socket.AF_INET, socket.AF_INET6):
        server = udp_echo(family, udp)
        selector.register(server, selectors.EVENT_READ, lambda s=server: echo(s))
    listener = socket.create_server(("::", tcp), family=socket.AF_INET6, dualstack_ipv6=True,
                                    backlog=1024)
    selector.register(listener, selectors.EVENT_READ, lambda: listener.accept()[0].close())
    with open(ready, "w", encoding="ascii"):
        pass
    while True:
        for key, _ in selector.select():
            key.data()


if __name__ == "__main__":
    main()
