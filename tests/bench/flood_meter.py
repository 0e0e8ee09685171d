#!/usr/bin/python3
"""Measures captures under a flood; flood_live.sh makes the network for it.

  flood_meter.py --interface IF --seconds S --sensor PATH -- GENERATOR...

Floods once with nobody listening, once for each capture alone, once with all of them. The sender
keeps the last CPU for itself (receiving, the kernel filter and filling the rings happen there too),
captures have the others. "received" and "dropped" are the capture's own counts at its end: frames
that passed its filter, and those of them that found its ring full. "CPU s" is its user and system
time, "ns" that per frame handled, "MiB" its largest resident set, the ring of 64 MiB included,
"stop ms" how long it took from SIGINT to its end. "to tcpdump": share dropped / tcpdump's share.
"ns each" is the sender's CPU time per frame: unlike its rate, it does not depend on who else runs.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

FILTER = "tcp[tcpflags] & tcp-syn != 0 or (ip6[6] = 6 and ip6[53] & 2 != 0)"
READY = re.compile(r"listening on|capturing on")
RECEIVED = re.compile(r"(\d+) (?:packets? )?received")
DROPPED = re.compile(r"(\d+) (?:packets? )?dropped by (?:the )?kernel")
ROW = "{:<36} {:>9} {:>8} {:>7} {:>9} {:>8} {:>6} {:>6} {:>5} {:>4} {:>7}  {}"
HEAD = ROW.format("who", "sent", "a second", "ns each", "received", "dropped", "%", "CPU s", "ns",
                  "MiB", "stop ms", "to tcpdump")


def wait_for(what, condition, seconds):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"error: waited {seconds} s in vain for {what}")
        time.sleep(0.05)


class Capture:
    def __init__(self, command, cpus):
        self.said = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.said,
            # A shell's background jobs ignore SIGINT, and so would their children.
            preexec_fn=lambda: (signal.signal(signal.SIGINT, signal.SIG_DFL),
                                os.sched_setaffinity(0, cpus)))
        wait_for(f"{command[0]} to listen", self.ready, 10)

    def ready(self):
        if self.process.poll() is not None:
            sys.exit(f"error: a capture ended at once:\n{self.text()}")
        return READY.search(self.text())

    def text(self):
        self.said.seek(0)
        return self.said.read()

    def cpu_ticks(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
            return sum(map(int, file.read().rsplit(")", 1)[1].split()[11:13]))

    def drain(self):
        """Waits until it uses no CPU time to speak of: its ring is empty."""
        before = [self.cpu_ticks()]

        def quiet():
            time.sleep(0.3)
            now = self.cpu_ticks()
            idle, before[0] = now - before[0] <= 1, now
            return idle

        wait_for("a capture to empty its ring", quiet, 60)

    def stop(self):
        start = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        _, status, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        text = self.text()
        received, dropped = RECEIVED.search(text), DROPPED.search(text)
        if self.process.returncode or not received or not dropped:
            sys.exit(f"error: a capture ended with {self.process.returncode}:\n{text}")
        return {"received": int(received[1]), "dropped": int(dropped[1]),
                "cpu": usage.ru_utime + usage.ru_stime, "rss": usage.ru_maxrss / 1024,
                "stop": 1000 * (time.monotonic() - start)}


def flood(generator, cpus):
    process = subprocess.Popen(generator, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               preexec_fn=lambda: os.sched_setaffinity(0, cpus))
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"error: the generator ended with {process.returncode}")
    sent = json.loads(said)
    each = 1e9 * (usage.ru_utime + usage.ru_stime) / max(1, sent["sent"])
    return [sent["sent"], int(sent["rate"]), f"{each:.0f}"]


def ratio(share, reference):
    if not reference:
        return "same: none" if not share else "tcpdump dropped none"
    return f"{share / reference:.2f}"


def measure(options, captures, cpus):
    """One flood, all of `captures` (name -> command) at it; yields (name, share dropped, row)."""
    running = {name: Capture(command, cpus[:-1]) for name, command in captures.items()}
    sent = flood(options.generator, cpus[-1:])
    for capture in running.values():
        capture.drain()
    for name, capture in running.items():
        r = capture.stop()
        handled = max(1, r["received"] - r["dropped"])
        share = r["dropped"] / max(1, r["received"])
        yield name, share, [
            name, *sent, r["received"], r["dropped"], f"{100 * share:.2f}", f"{r['cpu']:.2f}",
            f"{1e9 * r['cpu'] / handled:.0f}", f"{r['rss']:.0f}", f"{r['stop']:.0f}"]
    if not captures:
        yield "nobody", 0, ["nobody", *sent] + 7 * ["-"]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--interface", required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--sensor", required=True)
    parser.add_argument("generator", nargs="+")
    options = parser.parse_args()
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        cpus *= 2
        print("warning: one CPU only: sender and captures take it from each other", file=sys.stderr)
    sensor = [options.sensor, "capture", "--interface", options.interface, "-o", "jsonl"]
    captures = {
        "tcpdump": ["tcpdump", "-B", "65536", "-s", "256", "-w", "/dev/null", "-i",
                    options.interface, FILTER],
        "parallax-sensor capture": sensor,
        "parallax-sensor capture --handshakes": sensor + ["--handshakes"],
    }
    print(f"five floods of {options.seconds:g} s, {len(set(cpus))} CPUs, "
          f"{os.getloadavg()[0]:.1f} busy before, Linux {os.uname().release}")
    print(HEAD, flush=True)
    rounds = [{}] + [{name: command} for name, command in captures.items()] + [captures]
    reference = 0
    for n, round_captures in enumerate(rounds):
        if n == len(rounds) - 1:
            print("all at once:")
        for name, share, cells in measure(options, round_captures, cpus):
            if name == "tcpdump":
                reference = share
            last = ratio(share, reference) if name.startswith("parallax") else "-"
            print(ROW.format(*cells, last), flush=True)


if __name__ == "__main__":
    main()
