# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports and commands through streams of a fake API server, with a real TLS server as the target."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import websocket as library
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.client import Client, Server, StaticToken
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.errors import ApiError, UnreachableError
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._verify import websocket
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._verify.pods import AskError, ClusterPods, Place, User
from ansible_collections.dataplatform.fleet.tests.integration.certificates import server_certificate
from ansible_collections.dataplatform.fleet.tests.integration.fake_https import Request, serving

PLACE = Place("agents", "prometheus-0", "prometheus", 9090, "localhost")
SUCCESS = b'{"status": "Success"}'
# RFC 6455, 1.3
_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Stream:
    """The server's side of a WebSocket."""

    def __init__(self, connection: socket.socket) -> None:
        self._file = connection.makefile("rwb")

    def send(self, channel: int, data: bytes) -> None:
        payload = bytes([channel]) + data
        size = struct.pack("!BBH", 0x82, 126, len(payload)) if len(payload) > 125 else bytes([0x82, len(payload)])
        self._file.write(size + payload)
        self._file.flush()

    def receive(self) -> bytes:
        """A message without its mask; empty at the end."""
        head = self._file.read(2)
        if len(head) < 2 or head[0] & 0xF == 8:
            return b""
        size = head[1] & 0x7F
        if size == 126:
            (size,) = struct.unpack("!H", self._file.read(2))
        mask = self._file.read(4)
        return bytes(byte ^ mask[index % 4] for index, byte in enumerate(self._file.read(size)))


Behaviour = Callable[[Stream, dict[str, list[str]]], None]


@contextlib.contextmanager
def api_server(behave: Behaviour, accepts: str = "good") -> Iterator[Client]:
    """A fake API server that accepts one token, and its stream requests."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.headers["Authorization"] != f"Bearer {accepts}":
                body = json.dumps({"message": "Unauthorized"}).encode()
                self.send_response(401)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                return
            assert self.headers["Sec-WebSocket-Protocol"] == "v4.channel.k8s.io"
            key = self.headers["Sec-WebSocket-Key"] + _GUID
            self.send_response(101)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            self.send_header("Sec-WebSocket-Protocol", "v4.channel.k8s.io")
            accept = base64.b64encode(hashlib.sha1(key.encode(), usedforsecurity=False).digest()).decode()
            self.send_header("Sec-WebSocket-Accept", accept)
            self.end_headers()
            self.close_connection = True
            url = urlsplit(self.path)
            with contextlib.suppress(OSError):
                behave(Stream(self.connection), {"path": [url.path], **parse_qs(url.query)})

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        with Client(Server(f"http://127.0.0.1:{server.server_port}", credentials=StaticToken("good"))) as client:
            yield client
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def forwarding(port: int, pieces: int = 5000) -> Behaviour:
    """As a kubelet forwards a port: its number first on both channels, then what the port says, in pieces."""

    def behave(stream: Stream, query: dict[str, list[str]]) -> None:
        assert query["path"] == ["/api/v1/namespaces/agents/pods/prometheus-0/portforward"]
        assert query["ports"] == ["9090"]
        for channel in (0, 1):
            stream.send(channel, struct.pack("<H", 9090))
        with socket.create_connection(("127.0.0.1", port)) as there:

            def back() -> None:
                with contextlib.suppress(OSError):
                    while data := there.recv(pieces):
                        stream.send(0, data)

            thread = threading.Thread(target=back, daemon=True)
            thread.start()
            while message := stream.receive():
                assert message[0] == 0
                there.sendall(message[1:])

    return behave


@pytest.fixture
def service(tmp_path: Path) -> Iterator[tuple[int, str]]:
    """A TLS server behind the port, with a long answer; and by what it is verified."""

    def answer(request: Request) -> tuple[int, str]:
        return 200, json.dumps({"who": request.who, "path": request.path, "text": request.text, "long": "x" * 200_000})

    with serving(tmp_path, {"reader": "secret-word"}, answer) as (url, ca):
        yield urlsplit(url).port or 0, ca.read_text()


def test_a_port_is_asked_by_https_through_the_stream(service: tuple[int, str]) -> None:
    port, ca = service
    with api_server(forwarding(port)) as client:
        pods = ClusterPods(client, ca)
        found = pods.https(PLACE, "POST", "/x", user=User("reader", "secret-word"), body={"a": "b" * 50_000})
        assert found.json()["who"] == "reader"
        assert json.loads(found.json()["text"]) == {"a": "b" * 50_000}
        assert len(found.json()["long"]) == 200_000


def test_a_handshake_that_the_port_aborts_is_retried(service: tuple[int, str]) -> None:
    streams = []

    def behave(stream: Stream, query: dict[str, list[str]]) -> None:
        streams.append(stream)
        if len(streams) > 2:
            forwarding(service[0])(stream, query)
            return
        for channel in (0, 1):
            stream.send(channel, struct.pack("<H", 9090))
        stream.receive()
        stream.send(0, bytes([21, 3, 3, 0, 2, 2, 80]))  # a fatal internal_error: RFC 8446, 6

    with api_server(behave) as client:
        found = ClusterPods(client, service[1]).https(PLACE, "GET", "/x", user=User("reader", "secret-word"))
    assert found.json()["path"] == "/x"
    assert len(streams) == 3


@pytest.mark.parametrize(
    ("problem", "attempts"),
    [
        (ssl.SSLError(1, "[SSL: TLSV1_ALERT_INTERNAL_ERROR] tlsv1 alert internal error"), 2),
        (ConnectionResetError("reset"), 2),
        (ssl.SSLCertVerificationError("not trusted"), 1),
    ],
)
def test_a_stream_whose_handshake_fails_is_opened_again(
    monkeypatch: pytest.MonkeyPatch, problem: OSError, attempts: int
) -> None:
    answers: list[Any] = [problem, "stream"]

    def create(*_: object, **__: object) -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(library, "create_connection", create)
    refused = contextlib.nullcontext() if attempts == 2 else pytest.raises(UnreachableError, match="opens no stream")
    with Client(Server("http://127.0.0.1:9")) as client, refused:
        assert websocket.connect(client, "/x", []) == "stream"
    assert len(answers) == 2 - attempts


def test_a_certificate_of_another_authority_is_refused(service: tuple[int, str], tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    ca, _, _ = server_certificate(tmp_path / "other")
    with api_server(forwarding(service[0])) as client, pytest.raises(AskError, match="not trusted"):
        ClusterPods(client, ca.read_text()).https(PLACE, "GET", "/")


def test_a_name_that_the_certificate_lacks_is_refused(service: tuple[int, str]) -> None:
    place = Place("agents", "prometheus-0", "prometheus", 9090, "elsewhere.example")
    with api_server(forwarding(service[0])) as client, pytest.raises(AskError, match="not trusted"):
        ClusterPods(client, service[1]).https(place, "GET", "/")


def test_a_closed_port_is_reported_with_the_nodes_message(service: tuple[int, str]) -> None:
    def behave(stream: Stream, _: dict[str, list[str]]) -> None:
        for channel in (0, 1):
            stream.send(channel, struct.pack("<H", 9090))
        stream.send(1, b"an error occurred forwarding 9090: connection refused")
        stream.receive()

    with (
        api_server(behave) as client,
        pytest.raises(AskError, match="port 9090 of pod agents/prometheus-0: an error occurred"),
    ):
        ClusterPods(client, service[1]).https(PLACE, "GET", "/")


def test_a_command_runs_to_its_end(service: tuple[int, str]) -> None:
    def behave(stream: Stream, query: dict[str, list[str]]) -> None:
        assert query["command"] == ["/bin/bash", "-c", "echo $1 && exit 3", "a b"]
        assert query["container"] == ["prometheus"]
        stream.send(1, b"one ")
        stream.send(2, b"warned")
        stream.send(1, b"two")
        cause = {"reason": "ExitCode", "message": "3"}
        stream.send(3, json.dumps({"status": "Failure", "details": {"causes": [cause]}}).encode())

    with api_server(behave) as client:
        ran = ClusterPods(client, service[1]).run(PLACE, ["/bin/bash", "-c", "echo $1 && exit 3", "a b"], 5)
    assert (ran.code, ran.out, ran.err) == (3, "one two", "warned")


@pytest.mark.parametrize(
    ("messages", "says"),
    [
        ([(1, b"begun")], "ended before"),
        ([(3, b'{"status": "Failure", "message": "container not found"}')], "container not found"),
    ],
)
def test_a_command_that_could_not_run_is_an_error(
    service: tuple[int, str], messages: list[tuple[int, bytes]], says: str
) -> None:
    def behave(stream: Stream, _: dict[str, list[str]]) -> None:
        for channel, data in messages:
            stream.send(channel, data)

    with api_server(behave) as client, pytest.raises(AskError, match=says):
        ClusterPods(client, service[1]).run(PLACE, ["x"], 5)


def test_a_command_that_does_not_end_is_stopped(service: tuple[int, str]) -> None:
    with (
        api_server(lambda stream, _: [stream.receive()].clear()) as client,
        pytest.raises(AskError, match="within 0 s"),
    ):
        ClusterPods(client, service[1]).run(PLACE, ["sleep"], 0.3)


def test_credentials_that_are_refused_are_reported(service: tuple[int, str]) -> None:
    with (
        api_server(lambda *_: None, accepts="another") as client,
        pytest.raises(ApiError, match="Unauthorized"),
    ):
        ClusterPods(client, service[1]).run(PLACE, ["x"], 1)
