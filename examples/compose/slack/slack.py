"""A receiver for messages in the format of Slack's webhooks. It prints the title and the text of each."""

import json
import signal
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

PORT = int(sys.argv[1]) if len(sys.argv) > 1 else 8080
MAX_MESSAGE = 100_000  # bytes


class Handler(BaseHTTPRequestHandler):
    timeout = 10  # seconds

    def do_POST(self):
        size = int(self.headers.get("Content-Length", 0))
        if size > MAX_MESSAGE:
            self.send_error(413)
            return
        message = json.loads(self.rfile.read(size))
        for part in message.get("attachments", [message]):
            print(message.get("channel"), part.get("title"), part.get("text"), sep="\n  ", flush=True)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        """Logs no requests."""


signal.signal(signal.SIGTERM, lambda *_: sys.exit())
HTTPServer(("", PORT), Handler).serve_forever()
