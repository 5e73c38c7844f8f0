# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opening of streams: URL, token, proxy and retries.

Streams to a server are in test_pods.py.
"""

from __future__ import annotations

import ssl
from typing import Any

import pytest
import websocket as library
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply import client as apply_client
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.client import ATTEMPTS, Client, Server
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.errors import ApiError, UnreachableError
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._verify import websocket


class Renewed:
    """A token that the server accepts only after renewal."""

    def __init__(self) -> None:
        self.renewals = 0

    def headers(self, *, renew: bool = False) -> dict[str, str]:
        self.renewals += renew
        return {"Authorization": f"Bearer token-{self.renewals}"}


class Library:
    """A fake of the library's connections: prepared responses or errors, and the recorded requests."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, address: str, **options: Any) -> Any:
        self.asked.append((address, options))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def options(self) -> dict[str, Any]:
        return self.asked[-1][1]


def refused(status: int, body: bytes | None = b"") -> library.WebSocketBadStatusException:
    return library.WebSocketBadStatusException("%d %s", status, "x", resp_headers={}, resp_body=body)


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> Any:
    def given(*answers: Any) -> Library:
        found = Library(*answers)
        monkeypatch.setattr(library, "create_connection", found)
        return found

    monkeypatch.setattr(apply_client.time, "sleep", lambda _: None)
    return given


def connect(url: str = "https://api.example.com", **server: Any) -> Any:
    with Client(Server(url, **server)) as client:
        return websocket.connect(client, "/api/v1/x", [("command", "a b"), ("command", "c"), ("stdout", "true")])


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://api.example.com", "wss://api.example.com/api/v1/x"),
        ("https://api.example.com:6443/", "wss://api.example.com:6443/api/v1/x"),
        ("https://rancher.example.com/k8s/c-1/", "wss://rancher.example.com/k8s/c-1/api/v1/x"),
        ("http://127.0.0.1:8001", "ws://127.0.0.1:8001/api/v1/x"),
    ],
)
def test_a_stream_is_where_the_server_is(connections: Any, url: str, address: str) -> None:
    found = connections("stream")
    assert connect(url) == "stream"
    ((asked, options),) = found.asked
    assert asked == f"{address}?command=a+b&command=c&stdout=true"
    assert options["subprotocols"] == ["v4.channel.k8s.io"]
    assert options["suppress_origin"] is True, "an API server takes an Origin for a browser's"
    assert options["timeout"] > 0
    assert ("sslopt" in options) is url.startswith("https")
    assert options["http_no_proxy"] == [asked.partition("//")[2].partition("/")[0].partition(":")[0]]


def test_a_servers_certificate_is_verified_unless_the_kubeconfig_disables_it(connections: Any) -> None:
    found = connections("stream", "stream")
    connect(tls_server_name="other.example.com")
    options = found.options["sslopt"]
    assert options["server_hostname"] == "other.example.com"
    assert isinstance(options["context"], ssl.SSLContext)
    assert options["context"].verify_mode == ssl.CERT_REQUIRED
    assert not {"check_hostname", "cert_reqs"} & options.keys()
    connect(verify=False)
    options = found.options["sslopt"]
    assert (options["check_hostname"], options["cert_reqs"]) == (False, ssl.CERT_NONE)


@pytest.mark.parametrize(
    ("proxy", "host", "port", "auth"),
    [
        ("http://proxy.example.com:3128", "proxy.example.com", 3128, None),
        ("http://proxy.example.com", "proxy.example.com", 80, None),
        ("http://us%40er:p%3Aw@proxy.example.com:1", "proxy.example.com", 1, ("us@er", "p:w")),
        ("http://user@proxy.example.com:1", "proxy.example.com", 1, ("user", "")),
    ],
)
def test_a_proxy_is_asked_for_the_stream(
    connections: Any, proxy: str, host: str, port: int, auth: tuple[str, str] | None
) -> None:
    found = connections("stream")
    connect(proxy_url=proxy)
    options = found.options
    assert (options["http_proxy_host"], options["http_proxy_port"], options["proxy_type"]) == (host, port, "http")
    assert options.get("http_proxy_auth") == auth
    assert "http_no_proxy" not in options


def test_a_token_that_is_refused_is_renewed_once(connections: Any) -> None:
    found = connections(refused(401), "stream")
    assert connect(credentials=Renewed()) == "stream"
    assert [options["header"] for _, options in found.asked] == [
        ["Authorization: Bearer token-0"],
        ["Authorization: Bearer token-1"],
    ]
    found = connections(refused(401), refused(401, b'{"message": "Unauthorized"}'), "stream")
    with pytest.raises(ApiError, match="Unauthorized") as said:
        connect(credentials=Renewed())
    assert said.value.status == 401
    assert found.answers == ["stream"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"message": "pods is forbidden", "kind": "Status"}', "pods is forbidden"),
        (b"upstream connect error\n", "upstream connect error"),
        (b"[1]", "[1]"),
        (b"x" * 500, "x" * 200),
        (b"\xff", "\ufffd"),
        ('{"message": "as text"}', "as text"),
        (b"{}", "HTTP 403"),
        (b"", "HTTP 403"),
        (None, "HTTP 403"),
    ],
)
def test_a_refusal_is_reported_in_the_servers_words(connections: Any, body: Any, message: str) -> None:
    found = connections(refused(403, body), "stream")
    with pytest.raises(ApiError) as said:
        connect()
    assert (said.value.message, said.value.status) == (message, 403)
    assert found.answers == ["stream"], "it is final"


BROKE = [
    ConnectionRefusedError("refused"),
    library.WebSocketConnectionClosedException("closed"),
    ConnectionResetError("reset"),
    TimeoutError("timed out"),
]


@pytest.mark.parametrize("problem", BROKE, ids=lambda error: type(error).__name__)
def test_a_connection_that_broke_is_made_again(connections: Any, problem: Exception) -> None:
    found = connections(*[problem] * (ATTEMPTS - 1), "stream")
    assert connect() == "stream"
    assert len(found.asked) == ATTEMPTS
    found = connections(*[problem] * ATTEMPTS, "stream")
    with pytest.raises(UnreachableError, match=r"^The API server one \(https://api\.example\.com\) opens no stream"):
        connect(label="one")
    assert found.answers == ["stream"]


@pytest.mark.parametrize(
    "problem", [library.WebSocketProxyException("no"), ssl.SSLCertVerificationError("not trusted")], ids=str
)
def test_permanent_errors_are_not_retried(connections: Any, problem: Exception) -> None:
    found = connections(problem, "stream")
    with pytest.raises(UnreachableError, match="opens no stream to the pod: "):
        connect()
    assert found.answers == ["stream"]


def test_between_attempts_a_token_is_not_renewed(connections: Any) -> None:
    token = Renewed()
    connections(ConnectionResetError("reset"), "stream")
    connect(credentials=token)
    assert token.renewals == 0
