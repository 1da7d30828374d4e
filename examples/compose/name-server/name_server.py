"""A name server for one name, which resolves it with the resolver of its container.

name_server.py NAME listens on UDP port 5353.
"""

import signal
import socket
import sys

PORT = 5353
NAME = sys.argv[1].lower()
LABELS = b"".join(bytes([len(label)]) + label.encode() for label in NAME.split(".")) + b"\0"
HEADER = 12  # bytes
TYPE_A, CLASS_IN = b"\0\1", b"\0\1"
NXDOMAIN, REFUSED = 3, 5
TTL = 60  # seconds


def answer(query):
    """Returns the response to a query, or None if it is too short to be one."""
    end = HEADER + len(LABELS)
    if len(query) < HEADER:
        return None
    name, kind = query[HEADER:end], query[end : end + 4]
    if name.lower() != LABELS:
        return response(query, REFUSED)
    if kind != TYPE_A + CLASS_IN:
        return response(query, 0, name + kind)
    try:
        address = socket.inet_aton(socket.gethostbyname(NAME))
    except OSError:
        return response(query, NXDOMAIN, name + kind)
    # The name of the record is a pointer to that of the question.
    record = b"\xc0\x0c" + TYPE_A + CLASS_IN + TTL.to_bytes(4, "big") + b"\0\4" + address
    return response(query, 0, name + kind, record)


def response(query, status, question=b"", record=b""):
    recursion_desired = query[2] & 1
    flags = bytes([0x84 | recursion_desired, status])  # response, authoritative
    counts = bytes([0, bool(question), 0, bool(record), 0, 0, 0, 0])
    return query[:2] + flags + counts + question + record


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("", PORT))
        while True:
            query, client = server.recvfrom(512)
            if data := answer(query):
                server.sendto(data, client)


main()
