#!/usr/bin/python3
"""A host of the campus that answers: greets each TCP connection, waits for a line, closes.

usage: server.py NAME PORT[,PORT...]

Listens on IPv4 and IPv6 in sockets of their own (so that `ss` shows plain IPv4 addresses), with a
backlog that holds the half-open connections of the incident.
"""

import asyncio
import resource
import socket
import sys

BACKLOG = 4096
IDLE_SECONDS = 5.0


async def talk(name, reader, writer):
    try:
        writer.write(f"220 {name} ready\r\n".encode())
        await asyncio.wait_for(reader.readline(), IDLE_SECONDS)
        writer.write(b"221 bye\r\n")
        await asyncio.wait_for(writer.drain(), IDLE_SECONDS)
    except (OSError, asyncio.TimeoutError, ValueError):
        pass
    finally:
        writer.close()


def listener(family, address, port):
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.bind((address, port))
    return sock


async def serve(name, ports):
    servers = []
    for port in ports:
        for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
            servers.append(await asyncio.start_server(
                lambda reader, writer: talk(name, reader, writer),
                sock=listener(family, address, port), backlog=BACKLOG))
    print(f"{name} serves {', '.join(map(str, ports))}", flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


def main():
    if len(sys.argv) != 3:
        print("usage: server.py NAME PORT[,PORT...]", file=sys.stderr)
        return 2
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        asyncio.run(serve(sys.argv[1], [int(port) for port in sys.argv[2].split(",")]))
    except (OSError, ValueError) as error:
        print(f"server.py: {sys.argv[1]}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
