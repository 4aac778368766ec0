"""Logs of Python: `logging` in three formats, with tracebacks, beside what asyncio and http.client say when they are asked to debug.

logs.py MESSAGES BYTES: writes about BYTES bytes to stdout.
"""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import http.server
import json
import logging
import sys
import threading
import uuid
from pathlib import Path


class AsJson(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        said = {"time": self.formatTime(record), "level": record.levelname, "logger": record.name, "message": record.getMessage()}
        if record.exc_info:
            said["exception"] = self.formatException(record.exc_info)
        return json.dumps(said | getattr(record, "fields", {}))


def main(messages: list[str], size: int) -> None:
    formats = [
        logging.Formatter("%(asctime)s %(levelname)s %(name)s[%(process)d] %(filename)s:%(lineno)d %(message)s"),
        logging.Formatter("%(levelname)-8s %(name)s:%(lineno)s %(message)s"),
        AsJson(),
    ]
    handlers = [logging.StreamHandler(sys.stdout) for _ in formats]
    for handler, form in zip(handlers, formats, strict=True):
        handler.setFormatter(form)
    logging.basicConfig(level=logging.DEBUG, handlers=handlers)
    http.client.HTTPConnection.debuglevel = 1
    served()
    asyncio.run(asyncio.sleep(0), debug=True)
    log, written, number = logging.getLogger("web.orders"), 0, 0
    while written < size:
        message = messages[number % len(messages)]
        digest = hashlib.sha256(message.encode() + bytes([number % 251])).hexdigest()
        fields = {"request": str(uuid.uuid5(uuid.NAMESPACE_URL, digest)), "digest": f"sha256:{digest}", "took_ms": number % 997}
        if number % 17:
            log.info("%s request=%s", message, fields["request"], extra={"fields": fields})
        else:
            try:
                json.loads(message)
            except ValueError:
                log.exception("cannot be read: %s", message)
        number += 1
        written += 3 * (len(message) + 150)


def served() -> None:
    """A server of the standard library asked a few times, which http.client tells of."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for path in ("/", "/none?password=&token=", "/a/b?user=ann"):
        client = http.client.HTTPConnection("127.0.0.1", server.server_port)
        client.request("GET", path, headers={"Accept": "application/json"})
        client.getresponse().read()
        client.close()
    server.shutdown()


main([line for line in Path(sys.argv[1]).read_text().splitlines() if line], int(sys.argv[2]))
