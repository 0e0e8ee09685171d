#!/usr/bin/python3
"""asks.py SEED COUNT: random arguments for `parallax-sensor probe`, one command a line, that ask for
more, faster and elsewhere than the policy of policy_live.sh allows."""

import random
import sys

TARGETS = [
    "198.51.0.0/20", "198.51.4.0/22", "198.51.8.0/24", "198.51.8.64/27", "198.51.4.0/24",
    "198.51.8.77", "198.51.1.1", "198.51.9.9", "198.51.100.7", "198.52.0.1", "8.8.8.8",
    "10.0.0.2", "127.0.0.1", "0.0.0.0", "169.254.1.1", "192.168.1.1", "224.0.0.5",
    "255.255.255.255",
    "2001:db8:51:1::/120", "2001:db8:51:4::/122", "2001:db8:51:4::1", "2001:db8:51:9::9",
    "2001:db8:52::1", "::1", "fe80::1", "ff02::1", "fd00:0:0:1::2", "::ffff:198.51.4.1",
    "2002:c633:0401::1", "64:ff9b::198.51.4.1",
]


def main():
    chance = random.Random(int(sys.argv[1]))
    for _ in range(int(sys.argv[2])):
        method = chance.choice(["ping", "tcp", "udp", "trace"])
        ask = [method]
        if method == "trace":
            ask += ["--method", chance.choice(["icmp", "tcp", "udp"]), "--max-ttl", "4"]
        if method in ("tcp", "udp"):
            ask += ["--port", str(chance.choice([7, 9, 53, 80]))]
        if chance.random() < 0.8:
            ask += ["--rate", str(chance.choice([1000, 50000, 10000000]))]
        if chance.random() < 0.6:
            ask += ["--flows", str(chance.choice([2, 16, 48, 512]))]
        if chance.random() < 0.6:
            ask += ["--count", str(chance.choice([1, 3, 50]))]
            if method != "trace":
                ask += ["--interval", chance.choice(["1us", "1ms", "10ms"])]
        ask += ["--timeout", chance.choice(["20ms", "300ms"])]
        print(*ask, *chance.sample(TARGETS, chance.randint(4, 12)))


if __name__ == "__main__":
    main()
