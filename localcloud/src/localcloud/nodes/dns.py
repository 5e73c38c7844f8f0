# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The DNS server of a VPC: its private zones, the names of load balancers, and forwarding to the host's server.

It answers the queries of clusters: A records and CNAMEs of them; for other types, an existing name has no records.
dnspython parses and writes the messages, and queries the host's server.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.resolver
import dns.rrset

from localcloud.controllers.cloud import Zone

PORT = 53
TTL_SECONDS = 10
"""TTL of answers of this server, which change when load balancers are created and deleted."""
UPSTREAM_SECONDS = 3.0
_CHAIN = 8
_LONGEST = 65535


def parse(message: bytes) -> dns.message.Message | None:
    """Parse a query with one question; None if it is invalid."""
    try:
        query = dns.message.from_wire(message)
    except (dns.exception.DNSException, ValueError):
        return None
    return None if query.flags & dns.flags.QR or len(query.question) != 1 else query


def respond(
    query: dns.message.Message, answers: Sequence[dns.rrset.RRset] = (), code: dns.rcode.Rcode = dns.rcode.NOERROR
) -> dns.message.Message:
    response = dns.message.make_response(query, recursion_available=True)
    response.answer.extend(answers)
    response.set_rcode(code)
    return response


def records(name: str, kind: str, *values: str) -> dns.rrset.RRset:
    absolute = [dns.name.from_text(value).to_text() if kind == "CNAME" else value for value in values]
    return dns.rrset.from_text(dns.name.from_text(name), TTL_SECONDS, "IN", kind, *absolute)


def answer(
    query: dns.message.Message, zones: Sequence[Zone], load_balancers: Mapping[str, str]
) -> dns.message.Message | None:
    """Answer from private zones and load balancers; None if the query must be forwarded.

    A private zone is authoritative for all names below it, including names that do not exist.
    """
    found: list[dns.rrset.RRset] = []
    asked = query.question[0]
    name, addresses_wanted = asked.name.to_text(omit_final_dot=True).lower(), asked.rdtype == dns.rdatatype.A
    for _ in range(_CHAIN):
        if name in load_balancers:
            if addresses_wanted:
                found.append(records(name, "A", load_balancers[name]))
            return respond(query, found)
        # The most specific zone answers, as in Route 53.
        zone = max((zone for zone in zones if zone.covers(name)), key=lambda zone: len(zone.name), default=None)
        if zone is None:
            # The client resolves the rest of a chain of CNAMEs.
            return respond(query, found) if found else None
        alias = zone.aliases.get(name)
        if alias:
            found.append(records(name, "CNAME", alias))
            name = alias
            continue
        if name not in zone.addresses:
            known = any(other.endswith(f".{name}") for other in (*zone.addresses, *zone.aliases))
            exists = known or name == zone.name or found
            return respond(query, found, dns.rcode.NOERROR if exists else dns.rcode.NXDOMAIN)
        if addresses_wanted and zone.addresses[name]:
            found.append(records(name, "A", *zone.addresses[name]))
        return respond(query, found)
    return respond(query, code=dns.rcode.SERVFAIL)


def upstream_servers(resolv_conf: Path = Path("/etc/resolv.conf")) -> list[str]:
    """Return the host's DNS servers."""
    with contextlib.suppress(OSError, dns.exception.DNSException):
        return [str(server) for server in dns.resolver.Resolver(str(resolv_conf)).nameservers if ":" not in str(server)]
    return []


class Resolver:
    """The resolver of one VPC."""

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
        """Return the response to a query; None for an invalid query."""
        query = parse(message)
        if query is None:
            return None
        own = answer(query, self._zones(), self._load_balancers())
        found = own or await self._forward(query) or respond(query, code=dns.rcode.SERVFAIL)
        return found.to_wire(max_size=_LONGEST)

    async def _forward(self, query: dns.message.Message) -> dns.message.Message | None:
        for server in self._servers:
            with contextlib.suppress(OSError, dns.exception.DNSException):
                return await dns.asyncquery.udp(query, server, UPSTREAM_SECONDS, PORT)
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
    """Serve the resolver on TCP, where messages have a length prefix (RFC 7766)."""
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
