"""A small service to probe, of Python's standard library alone.

GET  /health                 200 while the notes can be written, else 503
GET  /notes                  the notes
GET  /notes?content=TEXT     appends TEXT as one line to the notes; POST does the same
GET  /metrics                metrics of the requests
"""

import os
import signal
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

PORT = int(os.environ.get("PORT", "8080"))
NOTES = os.environ.get("NOTES", "/notes/notes.txt")
MAX_NOTE = 1_000  # characters
MAX_FILE = 500_000  # bytes
BUCKETS = (0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5)  # seconds
PATHS = ("/health", "/metrics", "/notes")

writing = threading.Lock()
measuring = threading.Lock()
responses = Counter()  # by path and status
buckets = Counter()  # by path and upper limit
seconds = Counter()  # by path


class BadNote(Exception):
    """A note that is not taken: status and why."""


def one_line(text):
    """The text without what would end the line or hide in it."""
    return "".join(character if character.isprintable() else " " for character in text).strip()


def append(text):
    if len(text) > MAX_NOTE:
        raise BadNote(413, f"a note has at most {MAX_NOTE} characters")
    line = one_line(text)
    if not line:
        raise BadNote(400, "the note is empty")
    data = (line + "\n").encode()
    with writing:
        size = os.path.getsize(NOTES) if os.path.exists(NOTES) else 0
        if size + len(data) > MAX_FILE:
            raise BadNote(507, "the notes are full")
        with open(NOTES, "ab") as notes:
            notes.write(data)


def read():
    with writing:
        try:
            with open(NOTES, "rb") as notes:
                return notes.read(MAX_FILE)
        except FileNotFoundError:
            return b""


def record(path, status, duration):
    """Counts a response. Other paths share one label, so that clients cannot create series."""
    path = path if path in PATHS else "other"
    with measuring:
        responses[path, status] += 1
        seconds[path] += duration
        for limit in (*BUCKETS, "+Inf"):
            buckets[path, limit] += limit == "+Inf" or duration <= limit


def metrics():
    lines = ["# HELP http_requests_total Responses.", "# TYPE http_requests_total counter"]
    with measuring:
        for (path, status), count in responses.items():
            lines.append(f'http_requests_total{{path="{path}",status="{status}"}} {count}')
        name = "http_request_duration_seconds"
        lines += [f"# HELP {name} Time until the response.", f"# TYPE {name} histogram"]
        for (path, limit), count in buckets.items():
            lines.append(f'{name}_bucket{{path="{path}",le="{limit}"}} {count}')
        for path, total in seconds.items():
            lines.append(f'{name}_sum{{path="{path}"}} {total}')
            lines.append(f'{name}_count{{path="{path}"}} {buckets[path, "+Inf"]}')
    return "\n".join(lines).encode() + b"\n"


class Handler(BaseHTTPRequestHandler):
    timeout = 10  # seconds that a client may stay silent
    server_version = "target"
    sys_version = ""

    def do_GET(self):
        self.started_at = time.monotonic()
        url = urlsplit(self.path)
        try:
            if url.path == "/health":
                self.health()
            elif url.path == "/notes":
                self.notes(url.query)
            elif url.path == "/metrics":
                self.answer(200, metrics())
            else:
                self.answer(404, b"not found\n")
        except BadNote as error:
            status, why = error.args
            self.answer(status, why.encode() + b"\n")
        except OSError:
            self.answer(503, b"the notes cannot be used\n")

    do_HEAD = do_GET
    do_POST = do_GET

    def log_message(self, *_):
        """Probes come all the time: quiet."""

    def health(self):
        writable = os.access(os.path.dirname(NOTES) or ".", os.W_OK)
        self.answer(*((200, b"ok\n") if writable else (503, b"the notes cannot be written\n")))

    def notes(self, query):
        try:
            fields = parse_qs(query, keep_blank_values=True, max_num_fields=10)
        except ValueError:
            raise BadNote(400, "the query cannot be read") from None
        if "content" in fields:
            append(fields["content"][0])
            self.answer(201, b"noted\n")
        elif self.command == "POST":
            raise BadNote(400, "content is missing: /notes?content=TEXT")
        else:
            self.answer(200, read())

    def answer(self, status, body):
        record(urlsplit(self.path).path, status, time.monotonic() - self.started_at)
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def main():
    server = ThreadingHTTPServer(("", PORT), Handler)
    server.daemon_threads = True
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"listening on port {server.server_port}", file=sys.stderr, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
