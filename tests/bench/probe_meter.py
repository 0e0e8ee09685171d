#!/usr/bin/python3
"""Measures probing; probe_{speed,pace,memory}_live.sh make the network for it.

speed: wall time, process start to process end, of one echo request to each host of a list. fping
5.1 cannot do more than 65,535, so it and "parallax-sensor (same list)" get one less. zmap runs at
the rate, of those tried, where it is fastest with at least 99.9 % answered; a run with less is done
again. Its time is given with and without the second that it waits at its end (-c 1: with 0, it
misses too many). "wrong" counts hosts with another state than the right one, hosts named twice and
hosts never asked about.
mixed: the same check where a quarter of 198.18.0.0/20 is silent and 198.19.0.0/22 unreachable.
pace: the packets' own stamps at the far end of the cable. "error" is of the rate between the first
and the last packet, "worst 1 s" the most packets in any second as a share of the rate; gaps in ms;
"CPU" is user and system time / wall time of the process, in a run that nobody captures.
memory: VmHWM of the process when so many probes are in flight.
"""

import argparse
import collections
import ipaddress
import json
import os
import resource
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import time

HOSTS = [str(ipaddress.IPv4Address("198.18.0.0") + n) for n in range(65536)]


def fail(why):
    sys.exit(f"error: {why}")


def run(command, out="/dev/null", good=(0,)):
    """Runs it to its end: (seconds, CPU seconds, what it said on stderr)."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    with open(out, "wb") as file:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=file,
                              stderr=subprocess.PIPE, check=False)
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in good:
        fail(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.decode()[-500:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, cpu, done.stderr.decode()


def write_list(options, name, hosts):
    path = os.path.join(options.work, name)
    with open(path, "w", encoding="ascii") as file:
        file.write("".join(host + "\n" for host in hosts))
    return path


def sweep(options, hosts_file, hosts, answering, more=()):
    """One echo request to each; (seconds, CPU seconds, answered, wrong)."""
    out = os.path.join(options.work, "records")
    seconds, cpu, _ = run([options.sensor, "probe", "ping", "-f", hosts_file, "--count", "1", "-o",
                           "jsonl", *more], out, (0, 6))
    states = collections.defaultdict(list)
    with open(out, encoding="utf-8") as file:
        for line in file:
            record = json.loads(line)
            states[record["target"]].append(record["state"])
    wrong = sum(len(states[host]) != 1 or (states[host][0] == "up") != (host in answering)
                for host in hosts) + len(states.keys() - set(hosts))
    return seconds, cpu, sum(said[0] == "up" for said in states.values() if said), wrong


# --- speed ----------------------------------------------------------------------------------------
def fping(hosts_file):
    seconds, cpu, said = run(["fping", "-q", "-i0", "-r0", "-s", "-f", hosts_file], good=(0, 1))
    return seconds, cpu, int(said.split(" alive")[0].split()[-1]), "-"


def zmap(options, rate):
    out = os.path.join(options.work, "zmap.csv")
    seconds, cpu, _ = run([
        "zmap", "--config=/dev/null", "--disable-syslog", "-q", "-v", "0", "-b", "/dev/null", "-M",
        "icmp_echoscan", "-i", options.interface, "-G", options.gateway_mac, "-r", str(rate), "-c",
        "1", "-O", "csv", "-f", "saddr", "--output-filter=success = 1 && repeat = 0", "-o", out,
        "198.18.0.0/16"])
    with open(out, encoding="ascii") as file:
        answered = {line.strip() for line in file} & set(HOSTS)
    return seconds, cpu, len(answered), "-"


def full_zmap(options, rate):
    """Again if it got less than 99.9 %, as happens when it shares its CPUs."""
    for _ in range(5):
        result = zmap(options, rate)
        if result[2] >= 0.999 * len(HOSTS):
            break
    return result


def best_zmap_rate(options):
    good = []
    for rate in (50000, 100000, 150000, 200000, 300000, 0):
        tries = [zmap(options, rate) for _ in range(3)]
        if all(answered >= 0.999 * len(HOSTS) for _, _, answered, _ in tries):
            good.append((min(tries)[0], rate))
    if not good:
        fail("zmap gets 99.9 % of the answers at no rate")
    return min(good)[1]


def speed(options):
    all_file = write_list(options, "hosts", HOSTS)
    one_less = write_list(options, "hosts-less", HOSTS[:-1])
    ways = {
        "fping -q -i0 -r0": lambda: fping(one_less),
        "parallax-sensor (same list)":
            lambda: sweep(options, one_less, HOSTS[:-1], set(HOSTS[:-1])),
        "parallax-sensor": lambda: sweep(options, all_file, HOSTS, set(HOSTS)),
    }
    if shutil.which("zmap"):
        rate = best_zmap_rate(options)
        ways[f"zmap -r {rate} -c 1"] = lambda: full_zmap(options, rate)
    else:
        print("no zmap here")
    results = {who: [] for who in ways}
    for _ in range(options.rounds):
        for who, way in ways.items():
            results[who].append(way())
    median = {who: statistics.median(r[0] for r in rows) for who, rows in results.items()}
    of_zmap = [who for who in ways if who.startswith("zmap")]
    for who in of_zmap:  # the same runs, less the second
        results[who + ", less that second"] = [(r[0] - 1, *r[1:]) for r in results[who]]
        median[who + ", less that second"] = median[who] - 1
    row = "{:<38} {:>8} {:>7} {:>7} {:>7} {:>15} {:>6} {:>8} {:>7}"
    print(f"{options.rounds} rounds, {os.cpu_count()} CPUs, {os.getloadavg()[0]:.1f} busy before, "
          f"Linux {os.uname().release}")
    print(row.format("who", "median s", "least", "most", "CPU s", "answered, least", "wrong",
                     "to fping", "to zmap"))
    for who, rows in results.items():
        times = [r[0] for r in rows]
        reference = median[of_zmap[0]] - 1 if of_zmap else 0
        print(row.format(
            who, f"{median[who]:.3f}", f"{min(times):.3f}", f"{max(times):.3f}",
            f"{statistics.median(r[1] for r in rows):.3f}", min(r[2] for r in rows),
            max(r[3] for r in rows) if rows[0][3] != "-" else "-",
            f"{median[who] / median['fping -q -i0 -r0']:.2f}",
            f"{median[who] / reference:.2f}" if reference else "-"))
    print("target: same list <= 0.6 of fping, as many answered; <= 1 of zmap (less that second), "
          ">= 99.9 % (65471) answered; none wrong")


def mixed(options):
    hosts = HOSTS[:4096] + [f"198.19.{n >> 8}.{n & 255}" for n in range(1024)]
    answering = {host for host in HOSTS[:4096] if int(host.rsplit(".", 1)[1]) % 4 != 1}
    hosts_file = write_list(options, "mixed", hosts)
    seconds, cpu, answered, wrong = sweep(options, hosts_file, hosts, answering,
                                          ["--timeout", "500ms"])
    print(f"{len(hosts)} hosts, some silent, some unreachable: {answered} of {len(answering)} "
          f"answered, {wrong} wrong, {seconds:.3f} s (500 ms of it waiting), {cpu:.3f} s CPU")


# --- pace -----------------------------------------------------------------------------------------
class Wire:
    """Echo requests as they pass an interface of another namespace, by tcpdump."""

    def __init__(self, options):
        self.path = os.path.join(options.work, "wire.pcap")
        self.said = open(os.path.join(options.work, "wire.err"), "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", options.far, "tcpdump", "-Z", "root", "-n", "-U", "-B", "32768",
             "--immediate-mode", "-s", "64", "--time-stamp-precision=nano", "-w", self.path, "-i",
             options.interface, "icmp[icmptype] = icmp-echo"], stdout=subprocess.DEVNULL, stderr=self.said)
        end = time.monotonic() + 10
        while "listening on" not in self.text():
            if time.monotonic() > end or self.process.poll() is not None:
                fail(f"tcpdump: {self.text()}")
            time.sleep(0.05)

    def text(self):
        self.said.seek(0)
        return self.said.read()

    def stamps(self):
        """Ends the capture; the time of each packet, in seconds."""
        size = -1
        while size != os.path.getsize(self.path):  # what waits in the ring comes within 100 ms
            size = os.path.getsize(self.path)
            time.sleep(0.5)
        self.process.send_signal(signal.SIGINT)
        self.process.wait()
        if " 0 packets dropped by kernel" not in self.text().replace("\n", " "):
            print("warning: " + self.text().splitlines()[-1], file=sys.stderr)
        with open(self.path, "rb") as file:
            data = file.read()
        at, stamps = 24, []
        while at < len(data):
            seconds, nanos, length = struct.unpack_from("<LLL", data, at)
            stamps.append(seconds + nanos / 1e9)
            at += 16 + length
        return stamps


def most_in_a_second(stamps):
    first, most = 0, 0
    for last, stamp in enumerate(stamps):
        while stamp - stamps[first] >= 1:
            first += 1
        most = max(most, last - first + 1)
    return most


def pace(options):
    row = "{:<17} {:>6} {:>7} {:>9} {:>8} {:>10} {:>8} {:>8} {:>8} {:>8} {:>7}"
    print(row.format("who", "pps", "packets", "measured", "error %", "worst 1 s", "gap p1", "p50",
                     "p99", "max", "CPU %"))
    for rate in options.rates:
        hosts = write_list(options, "paced", HOSTS[:rate * options.seconds])
        for who, command in {
                "parallax-sensor": [options.sensor, "probe", "ping", "-f", hosts, "--count", "1",
                                    "--rate", str(rate), "-o", "jsonl"],
                "fping": ["fping", "-q", "-r0", "-i", f"{1000 / rate:g}", "-f", hosts]}.items():
            # Whoever watches a cable makes each packet dearer to who sends it.
            seconds, cpu, _ = run(command)
            wire = Wire(options)
            run(command)
            stamps = wire.stamps()
            gaps = sorted(1000 * (b - a) for a, b in zip(stamps, stamps[1:]))
            if not gaps:
                fail(f"{who} sent {len(stamps)} packets")
            measured = (len(stamps) - 1) / (stamps[-1] - stamps[0])
            print(row.format(
                who, rate, len(stamps), f"{measured:.2f}", f"{100 * (measured / rate - 1):+.2f}",
                f"{most_in_a_second(stamps) / rate:.3f}",
                *(f"{gaps[int(p * (len(gaps) - 1))]:.3f}" for p in (0.01, 0.5, 0.99, 1)),
                f"{100 * cpu / seconds:.1f}"), flush=True)
    print("target: error within 1 %, worst 1 s <= 1, CPU <= 5 % at 1000 pps")


# --- memory ---------------------------------------------------------------------------------------
def status(pid, field):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(line.split()[1] for line in file if line.startswith(field + ":"))


def memory(options):
    count = options.rates[0]
    hosts = [str(ipaddress.IPv4Address("198.18.0.0") + n) for n in range(count)]
    path = write_list(options, "silent", hosts)
    counter = ["ip", "netns", "exec", options.far, "cat",
               f"/sys/class/net/{options.interface}/statistics/rx_packets"]

    def arrived():
        return int(subprocess.check_output(counter))

    before, start = arrived(), time.monotonic()
    process = subprocess.Popen([options.sensor, "probe", "ping", "-f", path, "--count", "1",
                                "--timeout", "60s", "-o", "jsonl"], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    while arrived() - before < count:
        if process.poll() is not None:
            fail(f"ended with {process.returncode} after {arrived() - before} packets: "
                 f"{process.stderr.read().decode()[-500:]}")
        if time.monotonic() - start > 50:
            fail(f"after 50 s, {arrived() - before} packets have arrived")
        time.sleep(0.05)
    seconds = time.monotonic() - start
    peak, now = (int(status(process.pid, name)) / 1024 for name in ("VmHWM", "VmRSS"))
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    print(f"{count} probes in flight after {seconds:.2f} s: peak {peak:.1f} MiB, now {now:.1f} MiB "
          f"(target: <= 64); after SIGINT exit code {process.returncode}")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["speed", "mixed", "pace", "memory"])
    parser.add_argument("rates", type=int, nargs="*", help="pace: packets a second; memory: probes")
    parser.add_argument("--sensor", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--far", help="namespace at the other end of the cable")
    parser.add_argument("--interface")
    parser.add_argument("--gateway-mac")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=10)
    options = parser.parse_intermixed_args()
    {"speed": speed, "mixed": mixed, "pace": pace, "memory": memory}[options.what](options)


if __name__ == "__main__":
    main()
