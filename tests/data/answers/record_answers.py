#!/usr/bin/python3
"""Records answers of the Linux kernel: client - router - internet, each a network namespace inside a
private one. Sends probes by hand, and writes what comes back as recorded_linux.txt beside this
script, with what each must be read as. Needs root (or user namespaces) and nft."""

import os
import select
import socket
import struct
import subprocess
import sys
import time

from packets import ICMPV6, Cases, Probe, checksum, ipv6, pseudo

HERE = os.path.dirname(os.path.abspath(__file__))
# Client, the router's two sides, the internet's side, by family.
CLIENT = {4: "192.0.2.10", 6: "2001:db8::10"}
ROUTER = {4: "192.0.2.1", 6: "2001:db8::1"}
OUTSIDE = {4: "203.0.113.1", 6: "2001:db8:113::1"}
INTERNET = {4: "203.0.113.2", 6: "2001:db8:113::2"}
NEIGHBOUR = {4: "192.0.2.254", 6: "fe80::fe"}
TARGET = {4: "198.51.100.{}", 6: "2001:db8:51::{:x}"}
# The target's last number decides what becomes of it.
UP, UNREACHABLE, PROHIBIT, NO_ROUTE, LOST, REDIRECTED, NAT = 7, 33, 44, 55, 66, 129, 77
REJECTS = {4: {100: ("host-prohibited", 3, 10), 101: ("net-prohibited", 3, 9),
               102: ("admin-prohibited", 3, 13), 103: ("port-unreachable", 3, 3)},
           6: {0x100: ("admin-prohibited", 1, 1), 0x101: ("policy-fail", 1, 5),
               0x102: ("reject-route", 1, 6), 0x103: ("port-unreachable", 1, 4)}}
RESET_BY_FILTER = 104
LISTENS, CLOSED, DATAGRAMS, OTHER_PORT = 8080, 443, 33435, 1044


def target(family, number):
    return TARGET[family].format(number)


def run(*words, node=None, stdin=None):
    command = (["ip", "netns", "exec", node] if node else []) + " ".join(words).split()
    subprocess.run(command, check=True, input=stdin, text=True)


def build_world():
    run("mount -t tmpfs tmpfs /run")
    os.mkdir("/run/netns")
    for node in ("client", "router", "internet"):
        run("ip netns add", node)
        run("sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0"
            " net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0", node=node)
        run("ip link set lo up", node=node)
    run("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1", node="router")
    run("ip link add c0 netns client type veth peer name r0 netns router")
    run("ip link add r1 netns router type veth peer name i0 netns internet")
    run("ip link set r0 addrgenmode none", node="router")
    for node, device, side in (("client", "c0", CLIENT), ("router", "r0", ROUTER),
                               ("router", "r1", OUTSIDE), ("internet", "i0", INTERNET)):
        run(f"ip addr add {side[4]}/24 dev {device}", node=node)
        run(f"ip addr add {side[6]}/64 dev {device} nodad", node=node)
        run(f"ip link set {device} up", node=node)
    run("ip -6 addr add fe80::1/64 dev r0 nodad", node="router")
    for family in (4, 6):
        ip, host = f"ip -{family}", 32 if family == 4 else 128
        whole = "198.51.100.0/24" if family == 4 else "2001:db8:51::/64"
        run(f"{ip} route add default via {ROUTER[family]}", node="client")
        run(f"{ip} route add default via {OUTSIDE[family]}", node="internet")
        run(f"{ip} route add local {whole} dev lo", node="internet")
        for number in (UP, NAT):  # an address, to speak with
            run(f"{ip} addr add {target(family, number)}/{host} dev lo", node="internet")
        run(f"{ip} route add {whole} via {INTERNET[family]}", node="router")
        run(f"{ip} route add unreachable {target(family, UNREACHABLE)}/{host}", node="router")
        run(f"{ip} route add prohibit {target(family, PROHIBIT)}/{host}", node="router")
        run(f"{ip} route add throw {target(family, NO_ROUTE)}/{host}", node="router")
        run(f"{ip} route add {target(family, LOST)}/{host} dev r1", node="router")
        run(f"{ip} route add unreachable {target(family, LOST)}/{host}", node="internet")
        run(f"{ip} route add {target(family, REDIRECTED)}/{host} via {NEIGHBOUR[family]} dev r0",
            node="router")
    rules = ["table inet wall {", "chain raw { type filter hook prerouting priority -300;",
             f"ip daddr {target(4, NAT)} udp sport set {OTHER_PORT} notrack",
             f"ip6 daddr {target(6, NAT)} udp sport set {OTHER_PORT} notrack",
             "}", "chain forward { type filter hook forward priority 0;"]
    for family, word, icmp in ((4, "ip", "icmp"), (6, "ip6", "icmpv6")):
        for number, (kind, _, _) in REJECTS[family].items():
            rules.append(f"{word} daddr {target(family, number)} reject with {icmp} {kind}")
        rules.append(f"{word} daddr {target(family, RESET_BY_FILTER)} meta l4proto tcp "
                     "reject with tcp reset")
    run("nft -f -", node="router", stdin="\n".join(rules + ["}", "}"]) + "\n")


def serve():
    """The internet's services: one listens, one sends datagrams back."""
    listener = socket.create_server(("::", LISTENS), family=socket.AF_INET6, dualstack_ipv6=True)
    datagrams = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    datagrams.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    # The answer leaves from the address that was asked.
    datagrams.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    datagrams.bind(("::", DATAGRAMS))
    print("ready", flush=True)
    while True:
        readable, _, _ = select.select([listener, datagrams], [], [])
        if listener in readable:
            listener.accept()[0].close()
        if datagrams in readable:
            data, ((level, kind, came_in),), _, sender = datagrams.recvmsg(2048, 256)
            leave_by = [(level, kind, came_in[:16] + bytes(4))]  # any interface
            datagrams.sendmsg([data], leave_by, 0, sender)


class Wire:
    """The client's interface."""

    def __init__(self):
        self.tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
        self.tap.bind(("c0", 0))
        self.out = {4: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW),
                    6: socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)}

    def ask(self, packet, wanted):
        """Sends the packet, and returns the first packet to come in that is `wanted`. Linux says no
        to a host but once a second (net.ipv4.route.error_cost), so that it is asked again."""
        family = packet[0] >> 4
        raw = packet[16:20] if family == 4 else packet[24:40]
        to = socket.inet_ntop(socket.AF_INET if family == 4 else socket.AF_INET6, raw)
        for _ in range(5):
            self.out[family].sendto(packet, (to, 0))
            end = time.monotonic() + 1.5
            while select.select([self.tap], [], [], max(0, end - time.monotonic()))[0]:
                data, came = self.tap.recvfrom(2048)
                if came[2] == socket.PACKET_OUTGOING or data[0] >> 4 != family:
                    continue
                size = struct.unpack(">H", data[2:4] if family == 4 else data[4:6])[0]
                data = data[:size if family == 4 else 40 + size]
                protocol, at = (data[9], data[0] % 16 * 4) if family == 4 else (data[6], 40)
                if wanted(protocol, data[at]) and raw in data:
                    return data
        raise SystemExit(f"no answer from {to}")


def is_icmp(kind):
    return lambda protocol, first: protocol in (1, ICMPV6) and first == kind


def is_protocol(wanted):
    return lambda protocol, first: protocol == wanted


def record():
    wire, case = Wire(), Cases()
    kernel = os.uname().release.split("-")[0]
    number = [0x2000]

    def probe(family, method, to, port=0, ttl=64):
        number[0] += 0x11
        return Probe(method, CLIENT[family], to, port, 0x3a21 if method == "icmp" else 61440,
                     number[0] if method != "tcp" else number[0] << 16 | 0x5a5a, ttl=ttl)

    def answers(name, what, family, method, port, kind, protocol):
        sent = probe(family, method, target(family, UP), port)
        wanted = is_icmp(0 if family == 4 else 129) if method == "icmp" else is_protocol(protocol)
        packet = wire.ask(sent.packet(), wanted)
        fields = {"kind": kind, "source": sent.target, "ttl": 63, **sent.reply()}
        if method == "udp":
            fields.update(sequence=0, **sent.tag())
        case(f"v{family}_{name}", what, packet, fields)

    def errs(name, what, sent, source, kind, code, meaning, arrived=64, quoted_ttl=None, packet=None,
             **changed):
        family = 4 if sent.v4 else 6
        data = wire.ask(packet or sent.packet(), is_icmp(kind))
        quoted_ttl = sent.ttl if quoted_ttl is None else quoted_ttl
        case(f"v{family}_{name}", what, data,
             {"kind": "error", "source": source, "ttl": arrived, "icmp_type": kind,
              "icmp_code": code, "meaning": meaning, **sent.quoted(ttl=quoted_ttl), **changed})

    for f in (4, 6):
        wide = f == 6
        answers("echo", "Echo reply.", f, "icmp", 0, "echo_reply", None)
        answers("syn_ack", "A program listens there.", f, "tcp", LISTENS, "syn_ack", 6)
        answers("reset", "Nobody listens there.", f, "tcp", CLOSED, "reset", 6)
        answers("udp_echo", "A program sends our datagram back.", f, "udp", DATAGRAMS, "udp_reply",
                17)
        unreachable, exceeded = (1, 3) if wide else (3, 11)
        closed = probe(f, "udp", target(f, UP), 33434)
        errs("udp_closed", "Port unreachable, from the target itself.", closed, closed.target,
             unreachable, 4 if wide else 3, "prohibited", arrived=63, quoted_ttl=63)
        for method, port in (("icmp", 0), ("tcp", 443), ("udp", 33434)):
            errs(f"exceeded_{method}", "The TTL ends at the router.",
                 probe(f, method, target(f, UP), port, ttl=1), ROUTER[f], exceeded, 0,
                 "time_exceeded")
        errs("unreachable", "`ip route add unreachable`.", probe(f, "icmp", target(f, UNREACHABLE)),
             ROUTER[f], unreachable, 0 if wide else 1, "unreachable")
        errs("prohibit", "`ip route add prohibit`.", probe(f, "tcp", target(f, PROHIBIT), 443),
             ROUTER[f], unreachable, 1 if wide else 13, "prohibited")
        errs("no_route", "The router has no route.", probe(f, "udp", target(f, NO_ROUTE), 33434),
             ROUTER[f], unreachable, 0, "unreachable")
        errs("nobody_there", "Nobody answers ARP or neighbour solicitations: the router gives up "
             "after three.", probe(f, "icmp", target(f, LOST)),
             ROUTER[f], unreachable, 3 if wide else 1, "unreachable",
             quoted_ttl=63)
        for last, (what, kind, code) in REJECTS[f].items():
            meaning = "unreachable" if what == "reject-route" else "prohibited"
            errs("reject_" + what.replace("-", "_"), f"nftables: reject with {what}.",
                 probe(f, "tcp", target(f, last), 443), ROUTER[f], kind, code, meaning,
                 quoted_ttl=63)
        sent = probe(f, "tcp", target(f, RESET_BY_FILTER), 443)
        data = wire.ask(sent.packet(), is_protocol(6))
        case(f"v{f}_reject_reset", "nftables: reject with tcp reset. The filter speaks with the "
             "target's address: only its TTL gives it away.", data,
             {"kind": "reset", "source": sent.target, "ttl": 64, **sent.reply()})
        sent = probe(f, "udp", target(f, NAT), 33434)
        datagram = struct.pack(">H", OTHER_PORT) + sent.transport()[2:]
        changed = checksum(pseudo(sent.source, sent.target, 17, len(datagram)) + datagram[:6] +
                           b"\0\0" + datagram[8:])
        errs("nat", "A stateless NAT has changed the source port, and the checksum accordingly; the "
             "target quotes what it got, and nobody changes it back.", sent, sent.target,
             unreachable, 4 if wide else 3, "prohibited", arrived=63, quoted_ttl=63,
             flow_port=OTHER_PORT, sequence=changed, quoted_checksum=changed)
        sent = probe(f, "tcp", target(f, REDIRECTED), 443)
        data = wire.ask(sent.packet(), is_icmp(137 if wide else 5))
        case(f"v{f}_redirect", "The router would send it back to where it came from.", data,
             {"kind": "redirect", "source": "fe80::1" if wide else ROUTER[f],
              "ttl": 255 if wide else 64, "icmp_type": 137 if wide else 5,
              "icmp_code": 0 if wide else 1, "gateway": NEIGHBOUR[f], **sent.quoted(ttl=64 if wide else 63)})
    sent = probe(4, "icmp", target(4, UP), ttl=1)
    route = bytes([7, 15, 4]) + b"\0" * 12 + b"\0"
    errs("exceeded_options", "The probe had a record-route option: so has the answer.", sent, ROUTER[4], 11, 0,
         "time_exceeded", packet=sent.packet(options=route))
    sent = probe(6, "udp", target(6, UP), 33434, ttl=1)
    headers = bytes([60, 0, 1, 4, 0, 0, 0, 0, 17, 0, 1, 4, 0, 0, 0, 0])  # hop-by-hop, destination
    errs("exceeded_headers", "The probe had hop-by-hop and destination options.", sent, ROUTER[6], 3,
         0, "time_exceeded",
         packet=ipv6(sent.source, sent.target, 0, headers + sent.transport(), ttl=1))
    count = case.save(os.path.join(HERE, "recorded_linux.txt"),
                      f"Answers of Linux {kernel}: client - router - internet in network namespaces, "
                      "recorded at the client. Written by record_answers.py.")
    print(f"{count} answers")


def main():
    me = [sys.executable, os.path.abspath(__file__)]
    step = sys.argv[1] if len(sys.argv) > 1 else ""
    if step == "--record":
        record()
    elif step == "--serve":
        serve()
    elif step == "--inside":
        build_world()
        with subprocess.Popen(["ip", "netns", "exec", "internet"] + me + ["--serve"],
                              stdout=subprocess.PIPE) as services:
            services.stdout.readline()
            try:
                subprocess.run(["ip", "netns", "exec", "client"] + me + ["--record"], check=True)
            finally:
                services.terminate()
    else:
        user = [] if os.geteuid() == 0 else ["-Ur"]
        os.execvp("unshare", ["unshare"] + user + ["-nmp", "--fork", "--kill-child", "--mount-proc"]
                  + me + ["--inside"])


if __name__ == "__main__":
    main()
