#!/usr/bin/python3
"""Who answers a TCP SYN, asked over several flows: the truth where a ping cannot tell it.

usage: reach.py [--from ADDRESS] [--port PORT] [--flows N [--first-port PORT]] < ADDRESSES

Reads addresses from standard input and prints, for each, "ADDRESS ANSWERED FLOWS"; --each prints
"ADDRESS SOURCE-PORT answered|silent" for each flow instead. A flow is a source port of its own; it
is answered if a SYN of it draws a SYN-ACK or a RST before --patience seconds are over (the kernel
repeats a SYN after one). --from takes any address, also one that no interface has.
"""

import argparse
import errno
import resource
import selectors
import socket
import sys
import time

IP_FREEBIND = getattr(socket, "IP_FREEBIND", 15)
ANSWERS = {0, errno.ECONNREFUSED, errno.ECONNRESET}


def start(address, port, source, source_port):
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET,
                         socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    sock.setsockopt(socket.SOL_IP, IP_FREEBIND, 1)
    # Closed with a RST, so that the port is free for the next look.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    if source or source_port:
        sock.bind((source or "", source_port))
    return sock, sock.connect_ex((address, port))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="source", metavar="ADDRESS")
    parser.add_argument("--port", type=int, default=443)
    parser.add_argument("--flows", type=int, default=1)
    parser.add_argument("--first-port", type=int, default=0, help="of the source; then the next ones")
    parser.add_argument("--patience", type=float, default=2.5)
    parser.add_argument("--each", action="store_true")
    args = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    answered = {}
    waiting = {}
    selector = selectors.DefaultSelector()
    for address in sys.stdin.read().split():
        for i in range(args.flows):
            sock, status = start(address, args.port, args.source,
                                 args.first_port and args.first_port + i)
            flow = (address, sock.getsockname()[1])
            answered[flow] = status in ANSWERS
            if status == errno.EINPROGRESS:
                selector.register(sock, selectors.EVENT_WRITE)
                waiting[sock] = flow
            else:
                sock.close()
    deadline = time.monotonic() + args.patience
    while waiting and (left := deadline - time.monotonic()) > 0:
        for key, _ in selector.select(left):
            sock = key.fileobj
            error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            answered[waiting.pop(sock)] = error in ANSWERS
            selector.unregister(sock)
            sock.close()

    sums = {}
    for (address, port), yes in answered.items():
        sums[address] = sums.get(address, 0) + yes
        if args.each:
            print(address, port, "answered" if yes else "silent")
    if not args.each:
        for address, count in sums.items():
            print(address, count, args.flows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
