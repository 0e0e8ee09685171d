#!/usr/bin/python3
"""What strangers may send to the enrolment port: each gets a clear status or is hung up on, in
bounded time, and the port serves the next one. usage: strangers.py HOST PORT PID"""

import json
import os
import socket
import ssl
import sys
import time

HOST, PORT, PID = sys.argv[1], int(sys.argv[2]), sys.argv[3]
PATIENCE = 10
CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
CONTEXT.check_hostname = False
CONTEXT.verify_mode = ssl.CERT_NONE


def connect():
    return socket.create_connection((HOST, PORT), timeout=3 * PATIENCE)


def tls():
    return CONTEXT.wrap_socket(connect())


def read_all(stream):
    data = b""
    try:
        while chunk := stream.recv(65536):
            data += chunk
    except (ConnectionError, ssl.SSLError):
        pass
    return data


def ask(data):
    with tls() as stream:
        try:
            stream.sendall(data)
        except (ConnectionError, ssl.SSLError):
            pass
        return read_all(stream)


def post(body, path="/v1/enroll", method="POST"):
    return ask(f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
               + body)


def expect(what, answer, status, word):
    line = answer.split(b"\r\n", 1)[0].decode(errors="replace")
    if f" {status} " not in line:
        sys.exit(f"{what}: {line!r}, not {status}")
    body = json.loads(answer.split(b"\r\n\r\n", 1)[1])
    if word is not None and body.get("error") != word:
        sys.exit(f"{what}: {body}, not {word}")
    print(f"{what}: {line}: {body.get('message', '')}")


def memory():
    with open(f"/proc/{PID}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))


def descriptors():
    return len(os.listdir(f"/proc/{PID}/fd"))


def until(what, condition, limit=3 * PATIENCE):
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"not within {limit} s: {what}")
        time.sleep(0.05)


before = descriptors()

# What is no request, and requests for what is not there.
expect("ca", post(b"", "/v1/ca", "GET"), 200, None)
expect("garbage", ask(b"\x00\x01\x02\x03 garbage\r\n\r\n"), 400, "bad_request")
expect("unknown path", post(b"{}", "/admin"), 404, "not_found")
expect("wrong method", post(b"{}", method="PUT"), 405, "bad_method")
expect("no JSON", post(b"hello"), 400, "bad_request")
expect("deep JSON", post(b"[" * 10000), 400, "bad_request")
expect("no request", post(b'{"name": "x"}'), 400, "bad_request")
expect("broken CSR", post(json.dumps({"request": "-----BEGIN", "name": "x"}).encode()), 400,
       "bad_request")
expect("bad name", post(json.dumps({"request": "x", "name": "../x"}).encode()), 400, "bad_request")
expect("long header", ask(b"GET /v1/ca HTTP/1.1\r\nX: " + b"a" * 20000 + b"\r\n\r\n"), 413,
       "too_large")
expect("long body", post(b"a" * 100000), 413, "too_large")

# Too much of it, and the address has to wait; whoever asks nothing wrong does not.
for _ in range(20):
    answer = post(b"hello")
expect("one too many", answer, 429, "too_many")
expect("ca all the same", post(b"", "/v1/ca", "GET"), 200, None)

# Not TLS at all, half a handshake, hung up in the middle, half closed.
with connect() as plain:
    plain.sendall(b"GET / HTTP/1.0\r\n\r\n" * 10)
    read_all(plain)
with connect() as plain:
    plain.sendall(b"\x16\x03\x01\x02\x00\x01")
with tls() as stream:
    stream.sendall(b"POST /v1/enroll HTTP/1.1\r\nContent-Length: 100\r\n\r\nhalf")
with tls() as stream:
    stream.sendall(b"POST /v1/enroll HTTP/1.1\r\nContent-Length: 100\r\n\r\nhalf")
    try:
        stream.unwrap()
    except (ConnectionError, ssl.SSLError):
        pass  # it hung up without a word, which is one way to put it

# Slow ones: each is cut off in time, and more than a few of one address are not even listened to.
slow = []
began = time.monotonic()
for _ in range(20):
    try:
        slow.append(tls())
    except (ConnectionError, ssl.SSLError, OSError):
        pass
if not 1 <= len(slow) <= 8:
    sys.exit(f"{len(slow)} connections of one address at a time")
open_ones = list(slow)
while open_ones:
    if time.monotonic() - began > 2.5 * PATIENCE:
        sys.exit(f"{len(open_ones)} slow connections are still open")
    for stream in list(open_ones):
        try:
            stream.sendall(b"G")
            stream.settimeout(0.05)
            if not stream.recv(100):
                open_ones.remove(stream)
        except (TimeoutError, ssl.SSLWantReadError):
            pass
        except (ConnectionError, ssl.SSLError, OSError):
            open_ones.remove(stream)
    time.sleep(0.2)
print(f"{len(slow)} slow connections were cut off after {time.monotonic() - began:.1f} s")
for stream in slow:
    stream.close()

# Nothing is left of them.
until("descriptors are given back", lambda: descriptors() <= before + 1)
resting = memory()
for _ in range(300):
    with connect() as plain:
        plain.sendall(os.urandom(200))
        read_all(plain)
until("descriptors are given back", lambda: descriptors() <= before + 1)
if memory() > resting + 16 * 1024:
    sys.exit(f"memory grew from {resting} to {memory()} KiB")
