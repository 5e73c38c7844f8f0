# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A private API server behind an HTTP proxy, with a host name that its certificate does not contain."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply import connection
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.client import Client
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.errors import UnreachableError

from localcloud.kubernetes.control_plane import ControlPlane

pytestmark = pytest.mark.integration
PRIVATE = "private.eks.invalid"


class _Tunnel(BaseHTTPRequestHandler):
    """A proxy that connects all names to loopback, like a proxy in the network of a private endpoint."""

    asked: list[str]

    def do_CONNECT(self) -> None:
        self.asked.append(self.path)
        with socket.create_connection(("127.0.0.1", int(self.path.rpartition(":")[2]))) as server:
            self.send_response(200)
            self.end_headers()
            ends = {self.connection: server, server: self.connection}
            while True:
                for end in select.select(list(ends), [], [])[0]:
                    data = end.recv(65536)
                    if not data:
                        return
                    ends[end].sendall(data)

    def log_message(self, *_: object) -> None:
        """Be quiet."""


@pytest.fixture
def proxy() -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Tunnel", (_Tunnel,), {"asked": asked}))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def test_through_a_proxy_with_the_certificate_s_own_name(
    api_server: ControlPlane, proxy: tuple[str, list[str]]
) -> None:
    url, asked = proxy
    private = api_server.endpoint.replace("127.0.0.1", PRIVATE).replace("localhost", PRIVATE)
    options = {
        "host": private,
        "ca_cert": str(api_server.ca_file),
        "client_cert": str(api_server.client_cert),
        "client_key": str(api_server.client_key),
        "proxy_url": url,
    }
    with Client(connection.server_for({**options, "tls_server_name": "localhost"})) as client:
        assert client.get("/api/v1/namespaces/default")["metadata"]["name"] == "default"
    assert asked == [f"{PRIVATE}:{private.rpartition(':')[2]}"]
    with Client(connection.server_for(options)) as client, pytest.raises(UnreachableError, match="certificate"):
        client.get("/api")
