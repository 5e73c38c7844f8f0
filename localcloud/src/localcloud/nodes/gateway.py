# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections between a control plane on the host's loopback and a real node in its namespaces, in both directions.

The API server connects to the node with its egress selector: ``CONNECT`` requests on a Unix socket, for which the
gateway connects in the node's network namespace. In the other direction, listeners in the namespace forward connections
to loopback. The host therefore needs no interface, no route and no IP forwarding.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from functools import partial
from pathlib import Path
from typing import Any

from localcloud.host.loopback import HOST
from localcloud.model import LocalCloudError
from localcloud.nodes import dns
from localcloud.nodes.namespaces import Sockets

LOG = logging.getLogger("localcloud.nodes.gateway")
CONNECT_SECONDS = 10.0
_CHUNK = 1 << 16
_HEAD = 1 << 14
_ANSWER_SECONDS = 30.0

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Gateway:
    """The relays of all real nodes, on one event loop in a separate thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._servers: dict[str, list[asyncio.Server | asyncio.BaseTransport]] = {}
        self._thread = threading.Thread(target=self._loop.run_forever, name="gateway", daemon=True)
        self._thread.start()

    def run[T](self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the event loop and wait for it."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(_ANSWER_SECONDS)
        except FutureTimeoutError:
            future.cancel()
            raise LocalCloudError("The gateway of real nodes does not respond") from None

    def listen_for_api_server(self, owner: str, path: Path, sockets: Callable[[], Sockets | None]) -> None:
        """Serve an API server's CONNECT requests with connections from the namespace that ``sockets`` returns."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await _connect(reader, writer, partial(_from_namespace, sockets))

        path.unlink(missing_ok=True)
        self.run(self._serve_path(owner, path, serve))

    def pass_on(self, owner: str, sockets: Sockets, addresses: Sequence[tuple[str, int]], port: int) -> None:
        """Listen on addresses in a namespace and forward connections to a port of the host's loopback."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await _relay_to((HOST, port), reader, writer)

        for address in addresses:
            self.run(self._serve_socket(owner, _listener(sockets, address), serve))

    def serve_proxy(self, owner: str, sockets: Sockets, address: tuple[str, int]) -> None:
        """Serve CONNECT requests in a namespace with connections from the host, for containerd."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await _connect(reader, writer, _from_host)

        self.run(self._serve_socket(owner, _listener(sockets, address), serve))

    def serve_names(self, owner: str, sockets: Sockets, address: str, resolver: dns.Resolver) -> None:
        """Serve DNS at an address in a namespace."""
        datagrams = sockets.make(socket.SOCK_DGRAM)
        datagrams.bind((address, dns.PORT))

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await dns.serve_stream(resolver, reader, writer)

        self.run(self._serve_datagrams(owner, datagrams, resolver))
        self.run(self._serve_socket(owner, _listener(sockets, (address, dns.PORT)), serve))

    def forget(self, owner: str) -> None:
        """Close the listeners of an owner; existing connections end with their namespaces."""
        self.run(self._close(self._servers.pop(owner, [])))

    def stop(self) -> None:
        """Close all listeners and connections."""
        for owner in list(self._servers):
            with contextlib.suppress(LocalCloudError):
                self.forget(owner)
        with contextlib.suppress(LocalCloudError):
            self.run(self._cancel())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)

    @staticmethod
    async def _cancel() -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve_path(self, owner: str, path: Path, serve: Any) -> None:  # noqa: ANN401 - asyncio's callback
        server = await asyncio.start_unix_server(serve, path)
        path.chmod(0o600)
        self._servers.setdefault(owner, []).append(server)

    async def _serve_socket(self, owner: str, listener: socket.socket, serve: Any) -> None:  # noqa: ANN401
        self._servers.setdefault(owner, []).append(await asyncio.start_server(serve, sock=listener))

    async def _serve_datagrams(self, owner: str, made: socket.socket, resolver: dns.Resolver) -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: dns.Server(resolver), sock=made)
        self._servers.setdefault(owner, []).append(transport)

    @staticmethod
    async def _close(servers: Sequence[asyncio.Server | asyncio.BaseTransport]) -> None:
        for server in servers:
            server.close()


def _listener(sockets: Sockets, address: tuple[str, int]) -> socket.socket:
    made = sockets.make()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(address)
    made.listen(128)
    return made


async def _from_namespace(sockets: Callable[[], Sockets | None], target: tuple[str, int]) -> Streams | None:
    """Connect from a namespace; None if it does not exist."""
    namespace = sockets()
    if namespace is None:
        return None
    made = namespace.make()
    try:
        await asyncio.get_running_loop().sock_connect(made, target)
    except BaseException:
        made.close()
        raise
    return await asyncio.open_connection(sock=made)


async def _from_host(target: tuple[str, int]) -> Streams | None:
    return await asyncio.open_connection(*target)


async def _connect(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    dial: Callable[[tuple[str, int]], Awaitable[Streams | None]],
) -> None:
    """Serve one CONNECT request (RFC 9110, section 9.3.6)."""
    try:
        target = _target(await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), CONNECT_SECONDS))
        if target is None:
            _refuse(writer, "405 Only CONNECT")
            return
        try:
            other = await asyncio.wait_for(dial(target), CONNECT_SECONDS)
        except (OSError, TimeoutError) as error:
            _refuse(writer, f"502 {error or 'no answer'}")
            return
        if other is None:
            _refuse(writer, "503 No real node")
            return
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await _relay(reader, writer, *other)
    except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        LOG.debug("CONNECT: %s", error)
        writer.close()


def _refuse(writer: asyncio.StreamWriter, reason: str) -> None:
    writer.write(f"HTTP/1.1 {reason}\r\nContent-Length: 0\r\n\r\n".encode())
    writer.close()


def _target(head: bytes) -> tuple[str, int] | None:
    words = head[:_HEAD].split(b"\r\n", 1)[0].decode(errors="replace").split()
    if len(words) != 3 or words[0] != "CONNECT":
        return None
    host, _, port = words[1].rpartition(":")
    return (host.strip("[]"), int(port)) if port.isdigit() else None


async def _relay_to(target: tuple[str, int], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        other_reader, other_writer = await asyncio.wait_for(asyncio.open_connection(*target), CONNECT_SECONDS)
    except (OSError, TimeoutError):
        writer.close()
        return
    await _relay(reader, writer, other_reader, other_writer)


async def _relay(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    other_reader: asyncio.StreamReader,
    other_writer: asyncio.StreamWriter,
) -> None:
    """Copy in both directions until both sides have closed, or one has failed."""
    try:
        await asyncio.gather(_copy(reader, other_writer), _copy(other_reader, writer))
    except OSError:
        pass
    finally:
        writer.close()
        other_writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(_CHUNK):
        writer.write(chunk)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
