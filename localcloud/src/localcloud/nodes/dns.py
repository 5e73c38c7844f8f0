# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The DNS server of a VPC: its private zones, the names of load balancers, and what the host's own server knows.

Messages are those of RFC 1035. Only what clusters ask for is answered here: A records and the CNAMEs that lead to
them; of other types, a name that exists has none.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from localcloud.controllers.cloud import Zone

LOG = logging.getLogger("localcloud.nodes.dns")
PORT = 53
TTL_SECONDS = 10
"""Of the answers given here, which change when load balancers come and go."""
UPSTREAM_SECONDS = 3.0
_A, _CNAME, _SOA, _AAAA = 1, 5, 6, 28
_IN = 1
_NXDOMAIN, _SERVFAIL = 3, 2
_CHAIN = 8


@dataclass(frozen=True)
class Question:
    """What a client asks, and the part of its message that an answer repeats."""

    identifier: int
    recursion: bool
    name: str
    kind: int
    wire: bytes


def parse(message: bytes) -> Question | None:
    """Read a query with one question; None if it is none."""
    if len(message) < 17:
        return None
    identifier, flags, count = struct.unpack_from(">HHH", message)
    if flags & 0x8000 or count != 1:
        return None
    labels, offset = [], 12
    while offset < len(message) and message[offset]:
        length = message[offset]
        if length > 63:
            return None
        labels.append(message[offset + 1 : offset + 1 + length].decode("ascii", "replace"))
        offset += length + 1
    end = offset + 5
    if end > len(message):
        return None
    (kind,) = struct.unpack_from(">H", message, offset + 1)
    return Question(identifier, bool(flags & 0x0100), ".".join(labels).lower(), kind, message[12:end])


def respond(question: Question, answers: Sequence[bytes] = (), *, code: int = 0) -> bytes:
    """Return the message that answers a question with resource records."""
    flags = 0x8080 | (0x0100 if question.recursion else 0) | code
    return struct.pack(">HHHHHH", question.identifier, flags, 1, len(answers), 0, 0) + question.wire + b"".join(answers)


def record(name: str, kind: int, data: bytes, ttl: int = TTL_SECONDS) -> bytes:
    return encode(name) + struct.pack(">HHIH", kind, _IN, ttl, len(data)) + data


def encode(name: str) -> bytes:
    labels = [label.encode("ascii") for label in name.split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def answer(question: Question, zones: Sequence[Zone], load_balancers: Mapping[str, str]) -> bytes | None:
    """Answer from private zones and load balancers; None if others know the name.

    A private zone answers for all names below it, also for those that it does not have.
    """
    found: list[bytes] = []
    name = question.name
    for _ in range(_CHAIN):
        if name in load_balancers:
            if question.kind == _A:
                found.append(record(name, _A, socket.inet_aton(load_balancers[name])))
            return respond(question, found)
        # The most specific zone is asked, as Route 53 does.
        zone = max((zone for zone in zones if zone.covers(name)), key=lambda zone: len(zone.name), default=None)
        if zone is None:
            # The rest of a chain of names is its owner's to resolve.
            return respond(question, found) if found else None
        alias = zone.aliases.get(name)
        if alias:
            found.append(record(name, _CNAME, encode(alias)))
            name = alias
            continue
        if name not in zone.addresses:
            known = any(other.endswith(f".{name}") for other in (*zone.addresses, *zone.aliases))
            return respond(question, found, code=0 if known or name == zone.name or found else _NXDOMAIN)
        if question.kind == _A:
            found += [record(name, _A, socket.inet_aton(address)) for address in zone.addresses[name]]
        return respond(question, found)
    return respond(question, code=_SERVFAIL)


def upstream_servers(resolv_conf: Path = Path("/etc/resolv.conf")) -> list[str]:
    """Return the host's own DNS servers."""
    with contextlib.suppress(OSError):
        lines = [line.split() for line in resolv_conf.read_text(encoding="utf-8", errors="replace").splitlines()]
        return [words[1] for words in lines if len(words) > 1 and words[0] == "nameserver" and ":" not in words[1]]
    return []


class Resolver:
    """Answers one VPC's queries."""

    def __init__(
        self,
        zones: Callable[[], Sequence[Zone]],
        load_balancers: Callable[[], Mapping[str, str]],
        servers: Sequence[str] | None = None,
    ) -> None:
        self._zones = zones
        self._load_balancers = load_balancers
        self._servers = upstream_servers() if servers is None else list(servers)

    async def reply(self, message: bytes) -> bytes | None:
        """Return the answer to a query; None for what is none."""
        question = parse(message)
        if question is None:
            return None
        own = answer(question, self._zones(), self._load_balancers())
        if own is not None:
            return own
        return await self._forward(message) or respond(question, code=_SERVFAIL)

    async def _forward(self, message: bytes) -> bytes | None:
        loop = asyncio.get_running_loop()
        for server in self._servers:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.setblocking(False)
                try:
                    await loop.sock_connect(client, (server, PORT))
                    await loop.sock_sendall(client, message)
                    received = await asyncio.wait_for(loop.sock_recv(client, 4096), UPSTREAM_SECONDS)
                except (OSError, TimeoutError):
                    continue
                if received[:2] == message[:2]:
                    return received
        return None


class Server(asyncio.DatagramProtocol):
    """The resolver on UDP."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.DatagramTransport):
            self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        task = asyncio.get_running_loop().create_task(self._reply(data, addr))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reply(self, data: bytes, addr: tuple[str, int]) -> None:
        reply = await self._resolver.reply(data)
        if reply is not None and not self._transport.is_closing():
            self._transport.sendto(reply, addr)


async def serve_stream(resolver: Resolver, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The resolver on TCP, where a message follows its length (RFC 7766)."""
    try:
        while True:
            (length,) = struct.unpack(">H", await reader.readexactly(2))
            reply = await resolver.reply(await reader.readexactly(length))
            if reply is None:
                break
            writer.write(struct.pack(">H", len(reply)) + reply)
            await writer.drain()
    except (OSError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()
