# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A mail server and a webhook on loopback that store the messages that they receive."""

from __future__ import annotations

import contextlib
import email
import email.message
import email.policy
import http.server
import json
import socketserver
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.dataplatform.fleet.tests.unit.plugins.plugin_utils._verify.receivers import serving

HOST = "127.0.0.1"


@dataclass
class Mail:
    """A message and its envelope recipients."""

    to: list[str]
    raw: bytes

    @property
    def message(self) -> email.message.EmailMessage:
        found = email.message_from_bytes(self.raw, policy=email.policy.default)
        assert isinstance(found, email.message.EmailMessage)
        return found

    @property
    def subject(self) -> str:
        return str(self.message["Subject"])

    @property
    def text(self) -> str:
        body = self.message.get_body(("plain",))
        assert body is not None
        return str(body.get_content())


@dataclass
class Received:
    """The received messages, the oldest first. Posts are (path, body)."""

    mails: list[Mail] = field(default_factory=list)
    posts: list[tuple[str, Any]] = field(default_factory=list)
    mail_port: int = 0
    web_port: int = 0


@contextlib.contextmanager
def receivers() -> Iterator[Received]:
    """Run both."""
    received = Received()

    class Smtp(socketserver.StreamRequestHandler):
        """The part of RFC 5321 that a sender needs."""

        def handle(self) -> None:
            self._say("220 localhost")
            to: list[str] = []
            while line := self.rfile.readline().decode().rstrip("\r\n"):
                verb = line.split(":")[0].upper()
                if verb == "RCPT TO":
                    to.append(line[line.index("<") + 1 : line.rindex(">")])
                if verb == "DATA":
                    self._say("354 go on")
                    received.mails.append(Mail(to, self._message()))
                    to = []
                self._say("250 localhost" if verb != "QUIT" else "221 bye")
                if verb == "QUIT":
                    return

        def _message(self) -> bytes:
            lines = []
            while (line := self.rfile.readline()) != b".\r\n":
                lines.append(line.removeprefix(b"."))
            return b"".join(lines)

        def _say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

    class Web(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.posts.append((self.path, json.loads(body)))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            # What Slack's webhooks answer.
            self.wfile.write(b"ok")

        def log_message(self, *_: Any) -> None:
            pass

    mail, web = socketserver.ThreadingTCPServer((HOST, 0), Smtp), http.server.ThreadingHTTPServer((HOST, 0), Web)
    with serving(mail) as received.mail_port, serving(web) as received.web_port:
        yield received


@contextlib.contextmanager
def page(text: Any) -> Iterator[int]:
    """Serve what the function *text* returns at each time, as a page of metrics; yield the port."""

    class Web(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = text().encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    with serving(http.server.ThreadingHTTPServer((HOST, 0), Web)) as port:
        yield port
