# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Streams to pods through the API server: WebSockets with the subprotocol v4.channel.k8s.io.

A message's first byte is its channel. Source: kubernetes, apimachinery's pkg/util/httpstream/wsstream.
"""

from __future__ import annotations

import json
import ssl
from typing import Any, Final
from urllib.parse import unquote, urlencode, urlsplit

from ansible_collections.dataplatform.fleet.plugins.module_utils._libraries import needed

from .._apply.client import ATTEMPTS, Client, pause, ssl_context, transient
from .._apply.errors import ApiError, ApplyError, UnreachableError

PROTOCOL: Final = "v4.channel.k8s.io"
_SECONDS: Final = 15.0


def connect(client: Client, path: str, query: list[tuple[str, str]]) -> Any:  # noqa: ANN401 - a websocket.WebSocket
    """Open a stream. A token that the server refuses is renewed once, and a connection that broke is made again.

    Raises ApiError and UnreachableError.
    """
    with needed("websocket-client", ApplyError):
        import websocket  # noqa: PLC0415 - only streams need it

    server = client.server
    url = urlsplit(server.url)
    scheme = "wss" if url.scheme == "https" else "ws"
    address = f"{scheme}://{url.netloc}{url.path.rstrip('/')}{path}?{urlencode(query)}"
    options: dict[str, Any] = {"subprotocols": [PROTOCOL], "timeout": _SECONDS, "suppress_origin": True}
    if scheme == "wss":
        checks = {} if server.verify else {"check_hostname": False, "cert_reqs": ssl.CERT_NONE}
        options["sslopt"] = {"context": ssl_context(server), "server_hostname": server.tls_server_name, **checks}
    if server.proxy_url:
        proxy = urlsplit(server.proxy_url)
        options |= {"http_proxy_host": proxy.hostname, "http_proxy_port": proxy.port or 80, "proxy_type": "http"}
        if proxy.username:
            options["http_proxy_auth"] = (unquote(proxy.username), unquote(proxy.password or ""))
    else:
        # Whether there is a proxy was decided before.
        options["http_no_proxy"] = [url.hostname]
    renewed, attempt = False, 1
    while True:
        headers = [f"{name}: {value}" for name, value in server.credentials.headers(renew=renewed).items()]
        try:
            return websocket.create_connection(address, header=headers, **options)
        except websocket.WebSocketBadStatusException as error:
            if error.status_code != 401 or renewed:
                raise ApiError(_message(error.resp_body) or f"HTTP {error.status_code}", error.status_code) from None
            renewed = True
        except (websocket.WebSocketException, OSError) as error:
            broke = isinstance(error, (OSError, websocket.WebSocketConnectionClosedException))
            if attempt == ATTEMPTS or not broke or not transient(error):
                raise UnreachableError(f"The API server {server} opens no stream to the pod: {error}") from None
            pause(attempt)
            attempt += 1


def _message(body: bytes | str | None) -> str:
    text = body.decode(errors="replace") if isinstance(body, bytes) else body or ""
    try:
        return str(json.loads(text).get("message") or "")
    except (ValueError, AttributeError):
        return text.strip()[:200]
