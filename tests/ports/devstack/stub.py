"""A server that does nothing but be ready; each option is one way to be difficult."""

import argparse
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Health(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *_: object) -> None:  # noqa: A002
        del format


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)
    parser.add_argument("--after", type=float, default=0.0)
    parser.add_argument("--exit", type=int)
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    sys.stderr.write("cleanroom-dev: here I am\n")
    time.sleep(given.after)
    if given.exit is not None:
        return int(given.exit)
    ThreadingHTTPServer(("127.0.0.1", given.port), Health).serve_forever(0.05)
    return 0


if __name__ == "__main__":
    sys.exit(main())
