#!/usr/bin/python3
"""Remote hosts that talk to the campus: real TCP connections from many addresses of this machine.

Every connection is opened from the address of one remote host to one server, says a line, reads
what comes, and closes. All retransmissions are the kernel's own; a connection that does not come
about is given up after --patience seconds, and that host tries again when it is its turn. Nothing
stops for a fault: the half-open connections on the other side are the incident.

Counters are printed as one JSON object on SIGUSR1 and at the end; --list prints the addresses.
"""

import argparse
import errno
import heapq
import ipaddress
import json
import random
import resource
import selectors
import signal
import socket
import sys
import time

IP_FREEBIND = getattr(socket, "IP_FREEBIND", 15)
# Errors of a new connection that say: no way out just now. Not a fault of this program.
REFUSALS = {errno.ECONNREFUSED, errno.ECONNRESET, errno.EHOSTUNREACH, errno.ENETUNREACH,
            errno.ETIMEDOUT, errno.EPIPE, errno.EINVAL, errno.EACCES, errno.EADDRNOTAVAIL,
            errno.EADDRINUSE, errno.EPERM}


def spread(prefixes, count):
    """`count` addresses over `prefixes` in turn, scattered inside each, always the same ones."""
    chosen = []
    seen = set()
    step = 0
    while prefixes and len(chosen) < count:
        prefix = prefixes[step % len(prefixes)]
        # A multiplicative walk visits a prefix unevenly enough to look like hosts of many networks.
        span = min(prefix.num_addresses, 1 << 64)
        offset = (0x9E3779B97F4A7C15 * (step + 1)) % span
        step += 1
        stride = prefix.num_addresses // span  # above 1 for IPv6 alone: many networks, not one /64
        address = prefix.network_address + offset * stride + (step if stride > 1 else 0)
        if offset in (0, span - 1) or int(address) & 0xFF in (0, 255) or address in seen:
            continue
        seen.add(address)
        chosen.append(address)
    return chosen


def clustered(text):
    prefix, _, count = text.rpartition("=")
    network = ipaddress.ip_network(prefix)
    return [network.network_address + 1 + i for i in range(int(count))]


def client_addresses(args):
    prefixes = [ipaddress.ip_network(text) for text in args.prefix]
    clusters = [address for text in args.cluster for address in clustered(text)]
    result = []
    for version, count in ((4, args.count4), (6, args.count6)):
        near = [a for a in clusters if a.version == version][:count]
        far = spread([p for p in prefixes if p.version == version], count - len(near))
        result += near + far
    return result


class Generator:
    """Opens `rate` connections a second, with jitter, and follows each to its end."""

    def __init__(self, clients, servers, rate, patience, seed):
        self.random = random.Random(seed)
        self.pairs = [(client, server) for client in clients for server in servers
                      if client.version == server[0].version]
        if not self.pairs:
            raise ValueError("no client has a server of its own IP version")
        self.turn = []
        self.rate = rate
        self.patience = patience
        self.selector = selectors.DefaultSelector()
        self.deadlines = []
        self.serial = 0
        self.counters = {"opened": 0, "completed": 0, "failed": 0, "timed_out": 0, "pending": 0}

    def next_pair(self):
        if not self.turn:
            self.turn = self.pairs[:]
            self.random.shuffle(self.turn)
        return self.turn.pop()

    def open(self, now):
        client, (server, port) = self.next_pair()
        family = socket.AF_INET if client.version == 4 else socket.AF_INET6
        sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            sock.setsockopt(socket.SOL_IP, IP_FREEBIND, 1)
            sock.bind((str(client), 0))
            status = sock.connect_ex((str(server), port))
            if status not in (0, errno.EINPROGRESS):
                raise OSError(status, "connect")
        except OSError as error:
            sock.close()
            if error.errno not in REFUSALS:
                raise
            self.counters["failed"] += 1
            return
        self.counters["opened"] += 1
        self.counters["pending"] += 1
        self.serial += 1
        state = {"sock": sock, "connected": False, "done": False}
        self.selector.register(sock, selectors.EVENT_WRITE, state)
        heapq.heappush(self.deadlines, (now + self.patience, self.serial, state))

    def finish(self, state, counter):
        if state["done"]:
            return
        state["done"] = True
        self.selector.unregister(state["sock"])
        state["sock"].close()
        self.counters["pending"] -= 1
        self.counters[counter] += 1

    def advance(self, state):
        sock = state["sock"]
        try:
            if not state["connected"]:
                error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if error:
                    raise OSError(error, "connect")
                state["connected"] = True
                sock.send(b"HELO\r\n")
                self.selector.modify(sock, selectors.EVENT_READ, state)
            elif not sock.recv(4096):
                self.finish(state, "completed")
        except BlockingIOError:
            pass
        except OSError:
            self.finish(state, "failed")

    def run(self, stop):
        due = time.monotonic()
        while not stop():
            now = time.monotonic()
            while due <= now:
                self.open(now)
                due += self.random.uniform(0.5, 1.5) / self.rate
                if now - due > 1.0:  # the machine slept: no burst to catch up
                    due = now
            while self.deadlines and self.deadlines[0][0] <= now:
                self.finish(heapq.heappop(self.deadlines)[2], "timed_out")
            for key, _ in self.selector.select(max(0.0, min(due - now, 0.2))):
                self.advance(key.data)


def parse_server(text):
    host, _, port = text.rpartition(":")
    return ipaddress.ip_address(host.strip("[]")), int(port)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--prefix", action="append", default=[], help="address space of the clients")
    parser.add_argument("--cluster", action="append", default=[], metavar="PREFIX=COUNT",
                        help="that many clients side by side in PREFIX")
    parser.add_argument("--count4", type=int, default=64)
    parser.add_argument("--count6", type=int, default=16)
    parser.add_argument("--server", action="append", default=[], metavar="ADDRESS:PORT")
    parser.add_argument("--rate", type=float, default=20.0, help="connections per second, in all")
    parser.add_argument("--patience", type=float, default=25.0, help="seconds before giving one up")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--list", action="store_true", help="print the clients' addresses and leave")
    args = parser.parse_args()
    try:
        clients = client_addresses(args)
        if args.list:
            print("\n".join(map(str, clients)))
            return 0
        if args.rate <= 0:
            raise ValueError("--rate must be above zero")
        generator = Generator(clients, [parse_server(text) for text in args.server], args.rate,
                              args.patience, args.seed)
    except ValueError as error:
        print(f"clients.py: {error}", file=sys.stderr)
        return 2

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    stopping = []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(1))
    signal.signal(signal.SIGINT, lambda *_: stopping.append(1))
    signal.signal(signal.SIGUSR1, lambda *_: print(json.dumps(generator.counters), flush=True))
    generator.run(lambda: bool(stopping))
    print(json.dumps(generator.counters), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
