"""Building blocks for answer packets and for the files that hold them (README.md). What an answer
must be read as is said by whoever builds it, never by the parser under test."""

import ipaddress
import struct
import textwrap

ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58


def address(text):
    return ipaddress.ip_address(text).packed


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total > 0xffff:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def sealed(data, at, extra=b""):
    """`data` with its checksum at offset `at`, computed over `extra` as well."""
    data = data[:at] + b"\0\0" + data[at + 2:]
    return data[:at] + struct.pack(">H", checksum(extra + data)) + data[at + 2:]


def pseudo(source, destination, protocol, length):
    if len(address(source)) == 4:
        return address(source) + address(destination) + struct.pack(">BBH", 0, protocol, length)
    return address(source) + address(destination) + struct.pack(">IHBB", length, 0, 0, protocol)


def ipv4(source, destination, protocol, payload, ttl=57, ip_id=0x1c46, options=b"", flags=0x4000,
         tos=0, total=None, ihl=None, version=4):
    ihl = 5 + len(options) // 4 if ihl is None else ihl
    total = 20 + len(options) + len(payload) if total is None else total
    header = struct.pack(">BBHHHBBH", version << 4 | ihl, tos, total, ip_id, flags, ttl, protocol,
                         0) + address(source) + address(destination) + options
    return sealed(header, 10) + payload


def ipv6(source, destination, protocol, payload, ttl=57, version=6):
    return struct.pack(">IHBB", version << 28, len(payload), protocol,
                       ttl) + address(source) + address(destination) + payload


def wrap(source, destination, protocol, payload, **more):
    build = ipv4 if len(address(source)) == 4 else ipv6
    return build(source, destination, protocol, payload, **more)


def icmp(source, destination, kind, code, rest, body=b""):
    """An ICMP or ICMPv6 message: `rest` is the second word of its header."""
    message = struct.pack(">BBH", kind, code, 0) + rest + body
    if len(address(source)) == 4:
        return sealed(message, 2)
    return sealed(message, 2, pseudo(source, destination, ICMPV6, len(message)))


def tcp(source, destination, sport, dport, seq, ack, flags, options=b"", offset=None):
    offset = 5 + len(options) // 4 if offset is None else offset
    segment = struct.pack(">HHIIBBHHH", sport, dport, seq, ack, offset << 4, flags, 64240, 0,
                          0) + options
    return sealed(segment, 16, pseudo(source, destination, TCP, len(segment)))


def udp(source, destination, sport, dport, payload, length=None):
    size = 8 + len(payload)
    datagram = struct.pack(">HHHH", sport, dport, size if length is None else length, 0) + payload
    return sealed(datagram, 6, pseudo(source, destination, UDP, size))


class Probe:
    """What Parallax sends (sensor/probe/wire/packet.h): id, tag, two bytes that make up for the
    rest, so that the checksum is what it shall be, and a text."""

    TEXT = b"Parallax reachability probe."
    PROBE_ID, TAG = 0x0000_0042_0000_0007, 0x8f3e_11d0_c2a5_7b96

    def __init__(self, method, source, target, port=0, flow_port=0, sequence=0, check=0x5a17,
                 ttl=64, ip_id=None, text=TEXT):
        self.method, self.source, self.target = method, source, target
        self.port, self.flow_port, self.sequence = port, flow_port, sequence
        self.ttl = ttl
        self.v4 = len(address(target)) == 4
        self.ip_id = sequence & 0xffff if ip_id is None else ip_id
        self.check = check
        self.text = text
        self.protocol = {"icmp": ICMP if self.v4 else ICMPV6, "tcp": TCP, "udp": UDP}[method]

    def transport(self):
        if self.method == "tcp":
            mss = struct.pack(">BBH", 2, 4, 1460 if self.v4 else 1440)
            return tcp(self.source, self.target, self.flow_port, self.port, self.sequence, 0, 2, mss)
        payload = struct.pack(">QQ", self.PROBE_ID, self.TAG)
        size = 8 + len(payload) + 2 + len(self.text)
        if self.method == "udp":
            head = struct.pack(">HHHH", self.flow_port, self.port, size, self.sequence)
            over = pseudo(self.source, self.target, UDP, size)
        else:
            check = self.check
            if not self.v4:  # the kernel adds the pseudo-header
                start = pseudo(self.source, self.target, ICMPV6, size)
                check = checksum(struct.pack(">HH", ~check & 0xffff, ~checksum(start) & 0xffff))
            head = struct.pack(">BBHHH", 8 if self.v4 else 128, 0, check, self.flow_port,
                               self.sequence)
            over = b"" if self.v4 else pseudo(self.source, self.target, ICMPV6, size)
        packet = head + payload + b"\0\0" + self.text
        return head + payload + struct.pack(">H", checksum(over + packet)) + self.text

    def packet(self, **more):
        more = {"ttl": self.ttl, **more}
        if self.v4:
            more = {"ip_id": self.ip_id, **more}
        return wrap(self.source, self.target, self.protocol, self.transport(), **more)

    def reply(self):
        """The answer's fields that name this probe, as an echo reply or SYN-ACK does."""
        fields = {"target": self.target, "method": self.method, "port": self.port,
                  "flow_port": self.flow_port, "sequence": self.sequence}
        if self.method == "icmp":
            fields.update(self.tag())
        return fields

    def tag(self):
        return {"probe_id": f"{self.PROBE_ID:016x}", "tag": f"{self.TAG:016x}"}

    def quoted(self, ttl=1, ip_id=None, tag=True, **changed):
        """The same as an error tells it that quotes the probe as it was when its TTL was `ttl`."""
        fields = {**self.reply(), "quoted_source": self.source, "quoted_ttl": ttl}
        for name in ("probe_id", "tag"):
            fields.pop(name, None)
        if self.v4:
            fields["quoted_ip_id"] = self.ip_id if ip_id is None else ip_id
        if self.method == "icmp":
            fields["quoted_checksum"] = struct.unpack(">H", self.transport()[2:4])[0]
        if self.method == "udp":
            fields["quoted_checksum"] = self.sequence
        if tag and self.method != "tcp":
            fields.update(self.tag())
        fields.update(changed)
        return fields


# --- the little world of the made answers ---------------------------------------------------------

US = {4: "192.0.2.10", 6: "2001:db8::10"}
TARGET = {4: "198.51.100.7", 6: "2001:db8:51::7"}
ROUTER = {4: "203.0.113.1", 6: "2001:db8:ffff::1"}
NEIGHBOUR, OTHER_NEIGHBOUR = "fe80::21", "fe80::fe"
ECHO_REPLY = {4: 0, 6: 129}
UNREACHABLE = {4: 3, 6: 1}
TIME_EXCEEDED = {4: 11, 6: 3}
ICMP_OF = {4: ICMP, 6: ICMPV6}
TRANSPORT_AT = {4: 20, 6: 40}
ARRIVED = 251  # TTL of answers


def probes(family):
    us, target = US[family], TARGET[family]
    return {
        "icmp": Probe("icmp", us, target, flow_port=0x3a21, sequence=0x0107),
        "tcp": Probe("tcp", us, target, port=443, flow_port=61234, sequence=0x9b1c44e2),
        "udp": Probe("udp", us, target, port=33434, flow_port=61440, sequence=0x7c31),
    }


PROBES = {4: probes(4), 6: probes(6)}
FAMILIES = (4, 6)


def from_target(family, payload, protocol=None, **more):
    return wrap(TARGET[family], US[family], protocol or ICMP_OF[family], payload, ttl=ARRIVED, **more)


def message(family, kind, code, body, rest=b"\0\0\0\0", source=None, **more):
    source = source or ROUTER[family]
    more = {"ttl": ARRIVED, **more}
    return wrap(source, US[family], ICMP_OF[family],
                icmp(source, US[family], kind, code, rest, body), **more)


def head(family, kind, source=None, **more):
    return {"kind": kind, "source": source or ROUTER[family], "ttl": ARRIVED, **more}


def error(family, kind, code, meaning, quoted, **more):
    return {**head(family, "error"), "icmp_type": kind, "icmp_code": code, "meaning": meaning,
            **quoted, **more}


# --- files ----------------------------------------------------------------------------------------

LINES = (("kind", "source", "ttl"),
         ("target", "method", "port", "flow_port", "sequence", "probe_id", "tag"),
         ("icmp_type", "icmp_code", "meaning", "mpls", "gateway"),
         ("quoted_source", "quoted_ttl", "quoted_ip_id", "quoted_checksum"))
FOLDED = 32  # bytes a line


class Cases:
    """What goes into one file."""

    def __init__(self):
        self.texts = {}

    def __call__(self, name, comment, packet, answer, input_line=None):
        """`answer`: None if nothing may be read from the packet."""
        assert name not in self.texts, name
        if input_line is None:
            input_line = "ipv6" if packet[:1] and packet[0] >> 4 == 6 else "ipv4"
        lines = ["# " + line for line in textwrap.wrap(comment, 96)]
        lines += [f"case: {name}", f"input: {input_line}", "packet:"]
        lines += [packet[at:at + FOLDED].hex(" ", 2) for at in range(0, len(packet), FOLDED)]
        lines.append("answer:")
        if answer is None:
            lines.append("rejected")
        else:
            unknown = set(answer) - {key for line in LINES for key in line}
            assert not unknown, unknown
            for keys in LINES:
                told = " ".join(f"{key}={answer[key]}" for key in keys if key in answer)
                lines += [told] if told else []
        self.texts[name] = "\n".join(lines) + "\n"

    def save(self, path, comment):
        with open(path, "w", encoding="utf-8") as file:
            file.write("".join("# " + line + "\n" for line in textwrap.wrap(comment, 96)) + "\n")
            file.write("\n".join(self.texts.values()))
        return len(self.texts)
