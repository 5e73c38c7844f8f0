# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A TCP relay on loopback that delays the data of clients by a fixed time, like network latency to the server.

What the server answers is not delayed, so each request on an open connection takes that much longer, and so does each
flight of a TLS handshake. It relays bytes: TLS stays between client and server, the same for every client measured.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_CHUNK = 65536


async def _delayed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    """Forward chunks with their original intervals: a request in several parts is delayed only once."""
    loop = asyncio.get_running_loop()
    chunks: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def forward() -> None:
        while True:
            due, data = await chunks.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            if not data:
                with suppress(OSError):
                    writer.write_eof()
                return
            writer.write(data)

    async with asyncio.TaskGroup() as group:
        group.create_task(forward())
        while True:
            try:
                data = await reader.read(_CHUNK)
            except OSError:
                data = b""
            chunks.put_nowait((loop.time() + seconds, data))
            if not data:
                return


async def _relay(client: tuple[asyncio.StreamReader, asyncio.StreamWriter], port: int, seconds: float) -> None:
    reader, writer = client
    server_reader, server_writer = await asyncio.open_connection("127.0.0.1", port)
    with suppress(OSError, ExceptionGroup, asyncio.CancelledError):
        async with asyncio.TaskGroup() as group:
            group.create_task(_delayed(reader, server_writer, seconds))
            group.create_task(_delayed(server_reader, writer, 0))
    for end in (writer, server_writer):
        end.close()


@contextmanager
def relay(port: int, seconds: float) -> Iterator[int]:
    """Relay to *port* on loopback; yields the port to connect to."""
    loop = asyncio.new_event_loop()
    ports: list[int] = []
    ready = threading.Event()
    stop = asyncio.Event()

    async def serve() -> None:
        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await _relay((reader, writer), port, seconds)

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        ports.append(server.sockets[0].getsockname()[1])
        ready.set()
        await stop.wait()
        server.close()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    ready.wait(10)
    try:
        yield ports[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(5)
