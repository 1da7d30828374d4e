"""A small service to probe, of Python's standard library alone.

GET  /health                 200 while the notes can be written, else 503
GET  /notes                  the notes
GET  /notes?content=TEXT     appends TEXT as one line to the notes; POST does the same
"""

import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

PORT = int(os.environ.get("PORT", "8080"))
NOTES = os.environ.get("NOTES", "/notes/notes.txt")
LONGEST_NOTE = 1_000  # characters
LARGEST_FILE = 500_000  # bytes

writing = threading.Lock()


class BadNote(Exception):
    """A note that is not taken: status and why."""


def one_line(text):
    """The text without what would end the line or hide in it."""
    return "".join(character if character.isprintable() else " " for character in text).strip()


def append(text):
    if len(text) > LONGEST_NOTE:
        raise BadNote(413, f"a note has at most {LONGEST_NOTE} characters")
    line = one_line(text)
    if not line:
        raise BadNote(400, "the note is empty")
    data = (line + "\n").encode()
    with writing:
        size = os.path.getsize(NOTES) if os.path.exists(NOTES) else 0
        if size + len(data) > LARGEST_FILE:
            raise BadNote(507, "the notes are full")
        with open(NOTES, "ab") as notes:
            notes.write(data)


def read():
    with writing:
        try:
            with open(NOTES, "rb") as notes:
                return notes.read(LARGEST_FILE)
        except FileNotFoundError:
            return b""


class Handler(BaseHTTPRequestHandler):
    timeout = 10  # seconds that a client may stay silent
    server_version = "target"
    sys_version = ""

    def do_GET(self):
        url = urlsplit(self.path)
        try:
            if url.path == "/health":
                self.health()
            elif url.path == "/notes":
                self.notes(url.query)
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
