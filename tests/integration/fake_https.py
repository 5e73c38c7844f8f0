# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shared code of the fake HTTPS APIs and of the reconcilers' tests."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from ansible_collections.dataplatform.fleet.tests.integration.certificates import server_certificate


@dataclass(frozen=True)
class Request:
    """A request and the user of its password; path and query are decoded, header names are in lower case."""

    method: str
    path: str
    text: str
    who: str | None
    headers: dict[str, str]
    query: dict[str, str]


@dataclass(frozen=True)
class Outcome:
    """The output of a reconciler: a line for each change, and the number of drifted objects."""

    reconciler: str
    status: int
    lines: list[str]

    @property
    def changes(self) -> list[str]:
        return self.lines[:-1]

    @property
    def drift(self) -> int:
        last = json.loads(self.lines[-1])
        assert set(last) == {"reconciler", "drift_objects", "time"}
        assert last["reconciler"] == self.reconciler
        return int(last["drift_objects"])


@contextmanager
def serving(
    folder: Path, passwords: Mapping[str, str], answer: Callable[[Request], tuple[int, str]]
) -> Iterator[tuple[str, Path]]:
    """Answer on a free port of the loopback: its URL, and the PEM file to verify it by, which is in ``folder``."""

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            text = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            headers = {name.lower(): value for name, value in self.headers.items()}
            url = urlsplit(self.path)
            query = dict(parse_qsl(url.query, keep_blank_values=True))
            status, body = answer(Request(self.command, unquote(url.path), text, self.who(), headers, query))
            payload = body.encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        do_GET = do_PUT = do_POST = do_DELETE = handle_any  # noqa: N815

        def who(self) -> str | None:
            kind, _, code = (self.headers.get("Authorization") or "").partition(" ")
            user, _, password = base64.b64decode(code).decode().partition(":") if kind == "Basic" else ("", "", "")
            return user if user and passwords.get(user) == password else None

        def log_message(self, *_: Any) -> None:
            pass

    ca, certificate, key = server_certificate(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"https://localhost:{server.server_address[1]}", ca
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
