#!/usr/bin/python3
"""late_arp.py INTERFACE SECONDS: answers each ARP request on the interface, whatever it asks for, so much later.

For a host whose kernel does not answer (arp_ignore=8).
"""

import socket
import sys
import time

ARP = 0x0806
REQUEST, REPLY = b"\0\1", b"\0\2"

wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ARP))
wire.bind((sys.argv[1], ARP))
own = wire.getsockname()[4]
print("ready", flush=True)
while True:
    frame, source = wire.recvfrom(2048)
    if source[2] == socket.PACKET_OUTGOING or frame[20:22] != REQUEST:
        continue
    time.sleep(float(sys.argv[2]))
    asker, asked = frame[22:32], frame[38:42]
    wire.send(asker[:6] + own + b"\x08\x06" + frame[14:20] + REPLY + own + asked + asker)
