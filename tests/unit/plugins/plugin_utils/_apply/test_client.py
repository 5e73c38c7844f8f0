# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import datetime
import json
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply import client as client_module
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.client import Client, Server, StaticToken
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.errors import ApiError, UnreachableError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.integration.existing.test_inventory import expired

Answer = tuple[int, Mapping[str, str], Any]


class Script:
    """A server with prepared responses, of which the last is repeated."""

    def __init__(self) -> None:
        self.answers: list[Answer] = [(200, {}, {"ok": True})]
        self.seen: list[tuple[str, str, str]] = []
        self.proxy_authorization: list[str] = []
        script = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                script.seen.append((self.command, self.path, self.headers.get("Authorization", "")))
                if "Proxy-Authorization" in self.headers:
                    script.proxy_authorization.append(self.headers["Proxy-Authorization"])
                status, headers, body = script.answers.pop(0) if len(script.answers) > 1 else script.answers[0]
                if status == 0:
                    self.close_connection = True
                    return
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(data))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                """Be quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def secure(self, context: ssl.SSLContext) -> None:
        """Speak TLS from now on."""
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = self.url.replace("http:", "https:")

    def alert(self, context: ssl.SSLContext, *alerts: int) -> None:
        """Speak TLS, but end the first handshakes with these alerts (RFC 8446, 6); 0 is a connection that breaks."""
        self.handshakes, remaining = 0, list(alerts)
        accept = self._server.get_request

        def get_request() -> Any:
            plain, address = accept()
            self.handshakes += 1
            if remaining:
                plain.recv(4096)
                alert = remaining.pop(0)
                plain.sendall(bytes([21, 3, 3, 0, 2, 2, alert]) if alert else b"")
                plain.close()
                raise OSError
            return context.wrap_socket(plain, server_side=True), address

        self._server.get_request = get_request  # type: ignore[method-assign]
        self.url = self.url.replace("http:", "https:")

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def script() -> Iterator[Script]:
    found = Script()
    yield found
    found.stop()


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The client's sleeps are recorded and skipped. Threads of other tests still sleep."""
    slept: list[float] = []
    monkeypatch.setattr(client_module, "time", SimpleNamespace(sleep=slept.append))
    return slept


def status(code: int, message: str = "", reason: str = "") -> Answer:
    return code, {}, {"kind": "Status", "message": message, "reason": reason, "code": code}


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
def test_requests_to_busy_servers_are_retried(script: Script, code: int) -> None:
    script.answers = [status(code), status(code), (200, {}, {"a": 1})]
    with Client(Server(script.url)) as client:
        assert client.get("/x", {"a": "b c"}) == {"a": 1}
        assert client.requests == 3
    assert script.seen[0][1] == "/x?a=b+c"


def test_the_retry_delay_of_the_server_is_used(script: Script, pauses: list[float]) -> None:
    script.answers = [(429, {"Retry-After": "7"}, {}), (200, {}, {})]
    with Client(Server(script.url)) as client:
        client.get("/x")
    assert 7 < pauses[0] < 8


def test_a_dropped_connection_is_made_again(script: Script) -> None:
    script.answers = [(0, {}, {}), (200, {}, {"a": 1})]
    with Client(Server(script.url)) as client:
        assert client.get("/x") == {"a": 1}


def test_retries_end(script: Script) -> None:
    script.answers = [status(503, "overloaded")]
    with Client(Server(script.url)) as client:
        with pytest.raises(ApiError, match="overloaded"):
            client.get("/x")
        assert client.requests == client_module.ATTEMPTS


@pytest.mark.parametrize(
    "answer",
    [
        status(403, "no", "Forbidden"),
        status(404, "not found", "NotFound"),
        status(409, "conflict", "Conflict"),
        status(422, "invalid", "Invalid"),
        status(500, "failed to create typed patch object (x): .spec.x: field not declared in schema"),
    ],
)
def test_errors_that_are_not_retried(script: Script, answer: Answer) -> None:
    script.answers = [answer]
    with Client(Server(script.url)) as client:
        with pytest.raises(ApiError) as caught:
            client.get("/x")
        assert client.requests == 1
    assert caught.value.status == answer[0]
    assert caught.value.message == answer[2]["message"]
    assert caught.value.reason == answer[2]["reason"]


class Renewing:
    """Credentials, the first of which are not valid."""

    def __init__(self) -> None:
        self.renewed = 0

    def headers(self, *, renew: bool = False) -> Mapping[str, str]:
        self.renewed += renew
        return {"Authorization": f"Bearer {self.renewed}"}


def test_a_token_that_expired_is_renewed_once(script: Script) -> None:
    script.answers = [status(401, "Unauthorized"), (200, {}, {"a": 1})]
    with Client(Server(script.url, credentials=Renewing())) as client:
        assert client.get("/x") == {"a": 1}
    assert [seen[2] for seen in script.seen] == ["Bearer 0", "Bearer 1"]


def test_credentials_that_are_refused_twice_are_wrong(script: Script) -> None:
    script.answers = [status(401, "Unauthorized")]
    with Client(Server(script.url, label="staging", credentials=StaticToken("abc"))) as client:
        with pytest.raises(ApiError, match=r"staging \(http.*does not accept the credentials") as caught:
            client.get("/x")
        assert client.requests == 2
    assert "abc" not in str(caught.value)


def test_a_client_certificate_that_has_expired_is_named(script: Script) -> None:
    """The server's error is the same as for an unknown certificate."""
    script.answers = [status(401, "Unauthorized")]
    certificate, key = expired()
    with (
        Client(Server(script.url, client_cert=certificate, client_key=key)) as client,
        pytest.raises(ApiError, match=r"\(401 Unauthorized\): its client certificate expired on 20[0-9-]+\."),
    ):
        client.get("/x")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "urllib3", None)
    with pytest.raises(UnreachableError, match=r"required Python library \(urllib3\)"):
        Client(Server("http://127.0.0.1:9"))


def test_no_holder() -> None:
    with (
        Client(Server("http://127.0.0.1:9", label="staging")) as client,
        pytest.raises(UnreachableError, match=r"staging .* cannot be reached: the connection was refused") as caught,
    ):
        client.get("/x")
    assert "\n" not in str(caught.value)


def test_a_name_that_cannot_be_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with (
        Client(Server("http://kubernetes.example:9")) as client,
        pytest.raises(UnreachableError, match=r"its name cannot be resolved \(Name or service not known\)"),
    ):
        client.get("/x")


def test_an_unreachable_proxy() -> None:
    server = Server("https://kubernetes.example", proxy_url="http://user:pass@127.0.0.1:9")
    with Client(server) as client, pytest.raises(UnreachableError, match=r"through proxy 127\.0\.0\.1:9") as caught:
        client.get("/x")
    assert "pass" not in str(caught.value)


@pytest.mark.parametrize("url", ["socks5://user:pass@proxy.example:1", "http://user:pass@proxy example:1"])
def test_a_proxy_that_cannot_be_used_is_named_without_its_password(url: str) -> None:
    with pytest.raises(UnreachableError, match=r"Cannot use 'proxy.example:1': ") as caught:
        Client(Server("https://kubernetes.example", proxy_url=url))
    assert "pass" not in str(caught.value)


def test_a_proxy_gets_the_credentials(script: Script) -> None:
    proxy = script.url.replace("//", "//user:p%40ss@")
    with Client(Server("http://kubernetes.example", proxy_url=proxy)) as client:
        assert client.get("/x") == {"ok": True}
    assert script.proxy_authorization == [f"Basic {base64.b64encode(b'user:p@ss').decode()}"]


def test_a_proxy_is_asked_for_a_plain_server(script: Script) -> None:
    with Client(Server("http://kubernetes.example/prefix", proxy_url=script.url)) as client:
        assert client.get("/x") == {"ok": True}
    assert script.seen[0][1] == "http://kubernetes.example/prefix/x"


def test_calls_run_together_and_keep_their_order(script: Script) -> None:
    with Client(Server(script.url)) as client:
        barrier = threading.Barrier(4, timeout=10)

        def call(number: int) -> int:
            barrier.wait()
            return number * 2

        assert client.map(call, range(4)) == [0, 2, 4, 6]


def test_a_server_s_representation_shows_no_credentials() -> None:
    server = Server("https://x", client_key="KEYTEXT", client_cert="CERTTEXT", credentials=StaticToken("abc"))
    assert "KEYTEXT" not in repr(server)
    assert "abc" not in repr(server)


def plain_authority(directory: Path) -> tuple[str, Path]:
    """A CA as EKS makes it, without key identifiers, and the file of a serving certificate with its key."""
    now = datetime.datetime.now(datetime.UTC)

    def sign(subject: str, public: Any, *extensions: x509.ExtensionType) -> bytes:
        builder = x509.CertificateBuilder(
            issuer_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubernetes")]),
            subject_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]),
            public_key=public,
            serial_number=x509.random_serial_number(),
            not_valid_before=now - datetime.timedelta(hours=1),
            not_valid_after=now + datetime.timedelta(hours=1),
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        return builder.sign(authority, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = sign("kubernetes", authority.public_key(), x509.BasicConstraints(ca=True, path_length=None))
    name = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = directory / "serving.pem"
    file.write_bytes(sign("kube-apiserver", key.public_key(), name) + private)
    return ca.decode(), file


def test_the_authorities_of_eks_are_trusted_and_only_for_their_names(script: Script, tmp_path: Path) -> None:
    ca, serving = plain_authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(serving)
    script.secure(context)
    with Client(Server(script.url.replace("127.0.0.1", "localhost"), ca=ca)) as client:
        assert client.get("/version") == {"ok": True}
    with (
        Client(Server(script.url, ca=ca)) as client,
        pytest.raises(UnreachableError, match="certificate is not trusted"),
    ):
        client.get("/version")


@pytest.fixture
def tls(tmp_path: Path) -> tuple[str, ssl.SSLContext]:
    """A CA certificate, and the server's TLS context."""
    ca, serving = plain_authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(serving)
    return ca, context


# close_notify, bad_record_mac, handshake_failure, decode_error, internal_error, user_canceled
@pytest.mark.parametrize("alert", [0, 20, 40, 50, 80, 90])
def test_a_handshake_that_the_server_aborts_is_retried(
    script: Script, tls: tuple[str, ssl.SSLContext], alert: int
) -> None:
    script.alert(tls[1], alert, alert)
    with Client(Server(script.url.replace("127.0.0.1", "localhost"), ca=tls[0])) as client:
        assert client.get("/x") == {"ok": True}
    assert script.handshakes == 3


# bad_certificate, certificate_expired, certificate_unknown, unknown_ca, protocol_version, unrecognized_name,
# certificate_required
@pytest.mark.parametrize("alert", [42, 45, 46, 48, 70, 112, 116])
def test_a_handshake_that_always_fails_is_reported(script: Script, tls: tuple[str, ssl.SSLContext], alert: int) -> None:
    script.alert(tls[1], *[alert] * client_module.ATTEMPTS)
    with (
        Client(Server(script.url.replace("127.0.0.1", "localhost"), ca=tls[0])) as client,
        pytest.raises(UnreachableError, match="cannot be reached: "),
    ):
        client.get("/x")
    assert script.handshakes == 1


def test_handshakes_are_retried_for_a_limited_time(script: Script, tls: tuple[str, ssl.SSLContext]) -> None:
    script.alert(tls[1], *[80] * client_module.ATTEMPTS)
    with (
        Client(Server(script.url.replace("127.0.0.1", "localhost"), ca=tls[0])) as client,
        pytest.raises(UnreachableError, match="internal error"),
    ):
        client.get("/x")
    assert script.handshakes == client_module.ATTEMPTS


def test_connections_share_no_context(script: Script, tls: tuple[str, ssl.SSLContext]) -> None:
    """urllib3 sets a context's protocols for each connection; OpenSSL's may not be changed while others use it."""
    script.alert(tls[1])
    with Client(Server(script.url.replace("127.0.0.1", "localhost"), ca=tls[0])) as client:
        assert client.map(client.get, ["/x"] * 8) == [{"ok": True}] * 8
        connections = [client._pool._get_conn() for _ in range(4)]
        assert len({id(connection.ssl_context) for connection in connections}) == 4
