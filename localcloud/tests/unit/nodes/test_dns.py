# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The DNS server of a VPC."""

from __future__ import annotations

import asyncio
import struct
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import pytest

from localcloud.controllers.cloud import Zone
from localcloud.nodes import dns as vpc_dns

ZONES = [
    Zone(
        "platform.internal",
        {"db.platform.internal": ["10.0.0.5", "10.0.0.6"], "a.deep.platform.internal": ["10.0.0.7"]},
        {
            "kafka.platform.internal": "lb.elb.amazonaws.com",
            "www.platform.internal": "db.platform.internal",
            "loop.platform.internal": "loop.platform.internal",
            "out.platform.internal": "example.org",
        },
    ),
    Zone("deep.platform.internal", {"b.deep.platform.internal": ["10.0.0.8"]}, {}),
]
BALANCERS = {"lb.elb.amazonaws.com": "10.0.15.129"}


def _query(name: str, kind: str = "A") -> bytes:
    return dns.message.make_query(name, kind).to_wire()


def _ask(name: str, kind: str = "A") -> tuple[int, list[str]] | None:
    """Return the response code, and the addresses and names, as parsed by a client."""
    query = vpc_dns.parse(_query(name, kind))
    assert query is not None
    message = vpc_dns.answer(query, ZONES, BALANCERS)
    if message is None:
        return None
    read = dns.message.from_wire(message.to_wire())
    assert query.is_response(read)
    assert read.flags & dns.flags.RA
    # The order of addresses is undefined.
    return read.rcode(), [
        text for one in read.answer for text in sorted(entry.to_text().rstrip(".").lower() for entry in one)
    ]


def test_addresses_and_chains_of_names() -> None:
    assert _ask("db.platform.internal") == (0, ["10.0.0.5", "10.0.0.6"])
    assert _ask("WWW.Platform.internal") == (0, ["db.platform.internal", "10.0.0.5", "10.0.0.6"])
    assert _ask("kafka.platform.internal") == (0, ["lb.elb.amazonaws.com", "10.0.15.129"])
    assert _ask("lb.elb.amazonaws.com") == (0, ["10.0.15.129"])


def test_the_client_resolves_a_cname_outside_of_the_zone() -> None:
    assert _ask("out.platform.internal") == (0, ["example.org"])


def test_missing_name_of_a_zone_and_existing_name_without_that_type() -> None:
    assert _ask("nothing.platform.internal") == (3, [])
    assert _ask("db.platform.internal", "AAAA") == (0, [])
    assert _ask("lb.elb.amazonaws.com", "AAAA") == (0, [])


def test_zone_and_the_names_above_others_exist_without_addresses() -> None:
    assert _ask("platform.internal") == (0, [])
    assert _ask("deep.platform.internal") == (0, [])


def test_most_specific_zone_answers() -> None:
    assert _ask("b.deep.platform.internal") == (0, ["10.0.0.8"])
    assert _ask("a.deep.platform.internal") == (3, [])


def test_unknown_names_are_not_answered() -> None:
    assert _ask("example.org") is None
    assert _ask("notplatform.internal") is None


def test_chain_without_an_end_fails() -> None:
    found = _ask("loop.platform.internal")
    assert found is not None
    assert found[0] == 2


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\0" * 11,
        _query("a.b")[:-3],
        struct.pack(">HHHHHH", 1, 0x8100, 1, 0, 0, 0) + b"\1a\0\0\1\0\1",
        struct.pack(">HHHHHH", 1, 0x0100, 2, 0, 0, 0) + b"\1a\0\0\1\0\1",
        struct.pack(">HHHHHH", 1, 0x0100, 1, 0, 0, 0) + b"\xc0\x0c\0\1\0\1",
    ],
    ids=["empty", "short", "cut off", "an answer", "two questions", "compressed"],
)
def test_invalid_queries_are_not_answered(message: bytes) -> None:
    assert vpc_dns.parse(message) is None
    assert asyncio.run(vpc_dns.Resolver(list, dict, []).reply(message)) is None


def test_without_servers_of_the_host_unknown_names_fail() -> None:
    reply = asyncio.run(vpc_dns.Resolver(lambda: ZONES, dict, []).reply(_query("example.org")))
    assert reply is not None
    assert reply[3] & 0xF == 2


def test_unknown_names_are_forwarded_to_the_servers_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    async def udp(query: dns.message.Message, server: str, seconds: float, port: int) -> dns.message.Message:
        asked.append((server, port))
        if server == "192.0.2.1":
            raise dns.exception.Timeout
        answer = dns.message.make_response(query)
        answer.answer.append(vpc_dns.records("example.org", "A", "198.51.100.7"))
        return answer

    monkeypatch.setattr("dns.asyncquery.udp", udp)
    resolver = vpc_dns.Resolver(lambda: ZONES, dict, ["192.0.2.1", "192.0.2.2"])
    reply = asyncio.run(resolver.reply(_query("example.org")))
    assert reply is not None
    assert dns.message.from_wire(reply).answer[0][0].to_text() == "198.51.100.7"
    assert asked == [("192.0.2.1", 53), ("192.0.2.2", 53)]


def test_servers_of_the_host(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text("search x\nnameserver 192.0.2.1\nnameserver fe80::1\nnameserver\noptions ndots:1\n")
    assert vpc_dns.upstream_servers(path) == ["192.0.2.1"]
    assert vpc_dns.upstream_servers(tmp_path / "none") == []
