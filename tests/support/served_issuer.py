"""An issuer of tests/support/token_issuer.py that answers over https: whatever header and claims a test signs, a real reader can
check."""

from __future__ import annotations

import http.server
import json
import ssl
import threading
import time
from pathlib import Path
from types import TracebackType

from l7gw.demo.pki import Authority
from tests.support.manual_clock import ManualClock
from tests.support.token_issuer import Issuer


class ServedIssuer(Issuer):
    """An issuer that serves https, which `with` starts. `certificate_authority` is the path of its https authority's certificate.
    At `url` + `/NAME` it serves another issuer with the same keys.

    Where `moved` is a URL, every answer redirects there.
    """

    def __init__(self, folder: Path) -> None:
        authority = Authority(folder / "issuer", "issuer CA")
        self.certificate_authority = authority.certificate
        self.moved = ""
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer._serve(self)

            def log_message(self, *_: object) -> None:
                """Write no log."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*authority.server("idp", "127.0.0.1"))
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        super().__init__(ManualClock(time.time()), f"https://127.0.0.1:{self._server.server_port}")

    def __enter__(self) -> ServedIssuer:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _serve(self, request: http.server.BaseHTTPRequestHandler) -> None:
        name, found, _ = request.path.partition("/.well-known/openid-configuration")
        discovery = {
            "issuer": self.url + name,
            "jwks_uri": f"{self.url}/keys",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256"],
        }
        document = discovery if found else {"keys": self.keys}
        body = json.dumps(document).encode()
        request.send_response(302 if self.moved else 200)
        if self.moved:
            request.send_header("Location", self.moved)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)
