# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cluster's pods are asked, all through its API server: a port's HTTPS, a command, a log.

A forwarded port enters the pod's own network, so that no NetworkPolicy has to let anybody in.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import select
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from .._apply.client import ATTEMPTS, Client, pause, transient
from .._apply.errors import ApplyError
from . import websocket

_STDOUT, _STDERR, _STATUS = 1, 2, 3
_PIECE: Final = 65536
_SECONDS: Final = 20.0


class AskError(ApplyError):
    """A pod did not answer, or refused."""


@dataclass(frozen=True)
class Place:
    """A pod, and where a port of it is asked: by TLS, under this name of its certificate."""

    namespace: str
    pod: str
    container: str = ""
    port: int = 0
    name: str = ""


@dataclass(frozen=True)
class User:
    """Who asks."""

    name: str
    password: str = field(repr=False)

    def header(self) -> dict[str, str]:
        text = f"{self.name}:{self.password}".encode()
        return {"Authorization": f"Basic {base64.b64encode(text).decode()}"}


@dataclass(frozen=True)
class Answer:
    """An HTTP answer."""

    status: int
    data: bytes

    def json(self) -> Any:  # noqa: ANN401 - what JSON holds
        try:
            return json.loads(self.data)
        except ValueError:
            raise AskError(f"HTTP {self.status}, and not JSON.") from None


@dataclass(frozen=True)
class Ran:
    """What a command printed. The code is that of the command."""

    code: int
    out: str
    err: str


class Pods(Protocol):
    """How pods are reached. Tests have others than ClusterPods."""

    def https(
        self,
        place: Place,
        method: str,
        path: str,
        /,
        *,
        user: User | None = None,
        body: Any = None,  # noqa: ANN401
    ) -> Answer:
        """Ask a port by HTTPS. Raises AskError."""

    def run(self, place: Place, command: list[str], seconds: float, /) -> Ran:
        """Run a command in the container. Raises AskError."""

    def log(self, place: Place, /) -> str:
        """The container's log so far, each line with its time in front. Raises AskError."""


class ClusterPods:
    """Pods of the cluster that *client* speaks to; *ca* is the PEM text of the fleet's roots."""

    def __init__(self, client: Client, ca: str) -> None:
        self._client = client
        self._context = ssl.create_default_context(cadata=ca)

    def https(
        self,
        place: Place,
        method: str,
        path: str,
        /,
        *,
        user: User | None = None,
        body: Any = None,  # noqa: ANN401
    ) -> Answer:
        headers = {"Accept": "application/json", "Connection": "close", **(user.header() if user else {})}
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(body).encode()
        for attempt in range(1, ATTEMPTS + 1):
            with self._forward(place) as plain:
                secured = self._secured(plain, place, last=attempt == ATTEMPTS)
                if secured is None:
                    continue
                try:
                    connection = http.client.HTTPConnection(place.name)
                    connection.sock = secured
                    connection.request(method, path, data, headers)
                    answer = connection.getresponse()
                    return Answer(answer.status, answer.read())
                except (OSError, http.client.HTTPException) as error:
                    raise AskError(f"The {_where(place)} does not answer: {error or type(error).__name__}") from None
        raise AssertionError("the last attempt returns or raises")

    def _secured(self, plain: socket.socket, place: Place, *, last: bool) -> ssl.SSLSocket | None:
        """TLS on a forwarded port; None where nothing was asked yet and another try can help. Raises AskError."""
        try:
            return self._context.wrap_socket(plain, server_hostname=place.name)
        except ssl.SSLCertVerificationError as error:
            problem = f"shows a certificate that is not trusted: {error.verify_message}"
        except OSError as error:
            # Where a connection only ends, the node says why.
            alert = isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError)
            if alert and not last and transient(error):
                pause(1)
                return None
            problem = f"does not answer: {error or type(error).__name__}"
        raise AskError(f"The {_where(place)} {problem}")

    def run(self, place: Place, command: list[str], seconds: float, /) -> Ran:
        query = [("command", part) for part in command]
        query += [("container", place.container), ("stdout", "true"), ("stderr", "true")]
        stream = self._open(place, "exec", query)
        found = {_STDOUT: bytearray(), _STDERR: bytearray(), _STATUS: bytearray()}
        until = time.monotonic() + seconds
        try:
            while stream.connected and not found[_STATUS]:
                left = until - time.monotonic()
                if left <= 0:
                    raise AskError(f"The command in the {_where(place)} did not end within {seconds:.0f} s.")
                stream.settimeout(left)
                for channel, data in _messages(stream):
                    found.setdefault(channel, bytearray()).extend(data)
        finally:
            stream.close(timeout=1)
        texts = {channel: bytes(data).decode(errors="replace") for channel, data in found.items()}
        return Ran(_exit_code(texts[_STATUS]), texts[_STDOUT], texts[_STDERR])

    def log(self, place: Place, /) -> str:
        query = {"container": place.container, "timestamps": "true", "tailLines": "200"}
        path = f"/api/v1/namespaces/{place.namespace}/pods/{place.pod}/log"
        return self._client.request("GET", path, query, accept="*/*").data.decode(errors="replace")

    def _open(self, place: Place, what: str, query: list[tuple[str, str]]) -> Any:  # noqa: ANN401
        path = f"/api/v1/namespaces/{place.namespace}/pods/{place.pod}/{what}"
        return websocket.connect(self._client, path, query)

    @contextlib.contextmanager
    def _forward(self, place: Place) -> Iterator[socket.socket]:
        stream = self._open(place, "portforward", [("ports", str(place.port))])
        near, far = socket.socketpair()
        near.settimeout(_SECONDS)
        problem: list[str] = []
        thread = threading.Thread(target=_pump, args=(stream, far, problem), daemon=True)
        thread.start()
        try:
            yield near
        except AskError:
            # What the node says of the port explains more than a connection that ended.
            near.close()
            thread.join(2)
            if problem:
                raise AskError(f"The {_where(place)}: {problem[0]}") from None
            raise
        finally:
            near.close()
            thread.join(2)


def _where(place: Place) -> str:
    pod = f"pod {place.namespace}/{place.pod}"
    return f"port {place.port} of {pod}" if place.port else pod


def _messages(stream: Any) -> Iterator[tuple[int, bytes]]:  # noqa: ANN401
    """The next message, if there is one before the stream's timeout: its channel, and what is in it."""
    import websocket as library  # noqa: PLC0415

    try:
        data = stream.recv()
    except library.WebSocketTimeoutException:
        return
    except (library.WebSocketException, OSError) as error:
        if stream.connected and not isinstance(error, library.WebSocketConnectionClosedException):
            raise AskError(f"The stream to the pod broke: {error}") from None
        stream.shutdown()
        return
    raw = data.encode() if isinstance(data, str) else data
    if raw:
        yield raw[0], raw[1:]


def _exit_code(status: str) -> int:
    """The code in a Status that ends a command, as Kubernetes' remotecommand says it."""
    try:
        found: Mapping[str, Any] = json.loads(status)
    except ValueError:
        raise AskError("The stream to the pod ended before the command did.") from None
    if found.get("status") == "Success":
        return 0
    for cause in (found.get("details") or {}).get("causes") or ():
        if cause.get("reason") == "ExitCode":
            return int(cause["message"])
    raise AskError(str(found.get("message") or "The command could not be run."))


def _pump(stream: Any, far: socket.socket, problem: list[str]) -> None:  # noqa: ANN401
    """Carry bytes both ways until one side ends. One thread: TLS connections are not for two at once.

    Channel 0 is the port's data and channel 1 its errors; each begins with the port's number in two bytes. Source:
    k8s.io/cri-streaming, pkg/streaming/portforward/websocket.go.
    """
    begun: set[int] = set()
    try:
        while stream.connected:
            pending = getattr(stream.sock, "pending", lambda: 0)()
            ready = [stream.sock] if pending else select.select([stream.sock, far], [], [], 1.0)[0]
            if far in ready:
                data = far.recv(_PIECE)
                if not data:
                    return
                stream.send_binary(b"\x00" + data)
            if stream.sock in ready:
                for channel, data in _messages(stream):
                    rest = data if channel in begun else data[2:]
                    begun.add(channel)
                    if channel == 0:
                        far.sendall(rest)
                    elif rest:
                        problem.append(rest.decode(errors="replace").strip())
                        return
    except AskError as error:
        problem.append(str(error))
    except (OSError, ValueError):  # the side that asks knows more of why it has ended
        pass
    finally:
        far.close()
        stream.close(timeout=1)
