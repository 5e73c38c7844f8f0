# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fake IMAP mailbox and a fake of Slack's history API on loopback, with the calls that verify uses."""

from __future__ import annotations

import base64
import contextlib
import http.server
import json
import re
import socketserver
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from localcloud.kubernetes.pki import Authority


def certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """Return a root, and a server's context with its certificate of localhost."""
    authority = Authority(folder)
    pair = authority.server("localhost", "localhost", ["localhost"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.cert, pair.key)
    return authority.cert_file, context


@dataclass
class ImapMailbox:
    """The content of a mailbox, and the received commands. Messages are (number, INTERNALDATE, text)."""

    user: str
    password: str
    capabilities: str = "IMAP4rev1 AUTH=PLAIN"
    folder: str = "INBOX"
    # Some servers repeat what they do not take.
    echo: bool = False
    messages: list[tuple[int, str, bytes]] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)

    def answer(self, command: str, arguments: str) -> tuple[list[bytes], str]:
        """Untagged lines, and how the tagged one goes on: RFC 3501, section 6."""
        if command == "CAPABILITY":
            return [f"* CAPABILITY {self.capabilities}".encode()], "OK done"
        if command == "LOGIN":
            return [], self._login(arguments == f'{self.user} "{self.password}"', arguments)
        if command == "EXAMINE":
            known = arguments == f'"{self.folder}"'
            return [b"* %d EXISTS" % len(self.messages)], "OK [READ-ONLY] done" if known else "NO no such folder"
        if command == "UID" and arguments.startswith("SEARCH SINCE "):
            return [b"* SEARCH " + b" ".join(b"%d" % number for number, _, _ in self.messages)], "OK done"
        if command == "UID" and arguments.startswith("FETCH "):
            _, numbers, what = arguments.split(" ", 2)
            assert re.fullmatch(r"\(INTERNALDATE BODY\.PEEK\[\]<0\.\d+>\)", what)
            wanted = {int(number) for number in numbers.split(",")}
            return [self._message(*item) for item in self.messages if item[0] in wanted], "OK done"
        return [], "OK bye" if command == "LOGOUT" else "BAD unknown"

    def authenticated(self, data: bytes) -> str:
        return self._login(base64.b64decode(data) == f"\0{self.user}\0{self.password}".encode(), data.decode())

    def _login(self, right: bool, arguments: str) -> str:
        wrong = f"NO [AUTHENTICATIONFAILED] wrong{f': {arguments}' if self.echo else ''}"
        return "OK done" if right else wrong

    def _message(self, number: int, date: str, text: bytes) -> bytes:
        # The date behind the text, as some servers send it.
        return b"* %d FETCH (UID %d BODY[]<0> {%d}\r\n%s INTERNALDATE %s)" % (
            number,
            number,
            len(text),
            text,
            f'"{date}"'.encode(),
        )


@contextlib.contextmanager
def imap(mailbox: ImapMailbox, context: ssl.SSLContext, *, starttls: bool = False) -> Iterator[int]:
    """Serve the mailbox; yield its port."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            if not starttls:
                self._secure()
            self._say(b"* OK ready")
            while line := self.rfile.readline().decode().rstrip("\r\n"):
                tag, command, arguments = [*line.split(" ", 2), ""][:3]
                mailbox.commands.append(f"{command} {arguments}".strip())
                if command == "STARTTLS":
                    self._say(f"{tag} OK go on".encode())
                    self._secure()
                elif command == "AUTHENTICATE":
                    self._say(b"+ ")
                    self._say(f"{tag} {mailbox.authenticated(self.rfile.readline())}".encode())
                else:
                    lines, end = mailbox.answer(command, arguments)
                    self._say(*lines, f"{tag} {end}".encode())

        def _say(self, *lines: bytes) -> None:
            self.wfile.write(b"".join(line + b"\r\n" for line in lines))

        def _secure(self) -> None:
            self.connection = context.wrap_socket(self.connection, server_side=True)
            self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", buffering=0)

    with serving(_Threads(("127.0.0.1", 0), Handler)) as port:
        yield port


class _Threads(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, *_: Any) -> None:
        """Ignore clients that close the connection because of the certificate."""


@dataclass
class SlackHistory:
    """A channel's messages, or another response; and the received requests."""

    channel: str
    token: str
    messages: list[dict[str, Any]] = field(default_factory=list)
    status: int = 200
    answer: Any = None
    location: str = ""
    asked: list[dict[str, str]] = field(default_factory=list)

    def respond(self, path: str, authorization: str) -> Any:
        query = {key: values[0] for key, values in parse_qs(urlsplit(path).query).items()}
        self.asked.append({**query, "path": urlsplit(path).path})
        if self.answer is not None:
            return self.answer
        if authorization != f"Bearer {self.token}":
            return {"ok": False, "error": "invalid_auth"}
        if query["channel"] != self.channel:
            return {"ok": False, "error": "channel_not_found"}
        found = [item for item in self.messages if float(item["ts"]) > float(query["oldest"])]
        return {"ok": True, "messages": found[: int(query["limit"])], "has_more": False}


@contextlib.contextmanager
def slack(history: SlackHistory, context: ssl.SSLContext) -> Iterator[str]:
    """Serve the channel; yield the API's address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = history.respond(self.path, self.headers["Authorization"])
            data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(history.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            if history.location:
                self.send_header("Location", history.location)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with serving(server) as port:
        yield f"https://localhost:{port}/api"


@contextlib.contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[int]:
    """Run a server until the end of the block; yield its port."""
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
