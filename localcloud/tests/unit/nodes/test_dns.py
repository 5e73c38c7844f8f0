# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The DNS server of a VPC."""

from __future__ import annotations

import asyncio
import socket
import struct
from pathlib import Path

import pytest

from localcloud.controllers.cloud import Zone
from localcloud.nodes import dns

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


def _query(name: str, kind: int = 1) -> bytes:
    return struct.pack(">HHHHHH", 4711, 0x0100, 1, 0, 0, 0) + dns.encode(name) + struct.pack(">HH", kind, 1)


def _ask(name: str, kind: int = 1) -> tuple[int, list[str]] | None:
    """The answer's code, and its addresses and names."""
    question = dns.parse(_query(name, kind))
    assert question is not None
    message = dns.answer(question, ZONES, BALANCERS)
    if message is None:
        return None
    identifier, flags, questions, count = struct.unpack_from(">HHHH", message)
    assert (identifier, questions, flags & 0x8100) == (4711, 1, 0x8100)
    offset, found = len(_query(name)), []
    for _ in range(count):
        _, offset = _name(message, offset)
        kind, _, _, length = struct.unpack_from(">HHIH", message, offset)
        data = message[offset + 10 : offset + 10 + length]
        found.append(socket.inet_ntoa(data) if kind == 1 else _name(data, 0)[0])
        offset += 10 + length
    assert offset == len(message)
    return flags & 0xF, found


def _name(message: bytes, offset: int) -> tuple[str, int]:
    labels = []
    while message[offset]:
        labels.append(message[offset + 1 : offset + 1 + message[offset]].decode())
        offset += message[offset] + 1
    return ".".join(labels), offset + 1


def test_addresses_and_chains_of_names() -> None:
    assert _ask("db.platform.internal") == (0, ["10.0.0.5", "10.0.0.6"])
    assert _ask("WWW.Platform.internal") == (0, ["db.platform.internal", "10.0.0.5", "10.0.0.6"])
    assert _ask("kafka.platform.internal") == (0, ["lb.elb.amazonaws.com", "10.0.15.129"])
    assert _ask("lb.elb.amazonaws.com") == (0, ["10.0.15.129"])


def test_name_that_leads_outside_is_left_to_the_client() -> None:
    assert _ask("out.platform.internal") == (0, ["example.org"])


def test_missing_name_of_a_zone_and_existing_name_without_that_type() -> None:
    assert _ask("nothing.platform.internal") == (3, [])
    assert _ask("db.platform.internal", 28) == (0, [])
    assert _ask("lb.elb.amazonaws.com", 28) == (0, [])


def test_zone_and_the_names_above_others_exist_without_addresses() -> None:
    assert _ask("platform.internal") == (0, [])
    assert _ask("deep.platform.internal") == (0, [])


def test_most_specific_zone_answers() -> None:
    assert _ask("b.deep.platform.internal") == (0, ["10.0.0.8"])
    assert _ask("a.deep.platform.internal") == (3, [])


def test_names_of_nobody_here_are_others_to_answer() -> None:
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
def test_what_is_no_query_is_not_answered(message: bytes) -> None:
    assert dns.parse(message) is None
    assert asyncio.run(dns.Resolver(list, dict, []).reply(message)) is None


def test_without_a_server_of_the_host_others_names_fail() -> None:
    reply = asyncio.run(dns.Resolver(lambda: ZONES, dict, []).reply(_query("example.org")))
    assert reply is not None
    assert reply[3] & 0xF == 2


def test_servers_of_the_host(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text("search x\nnameserver 192.0.2.1\nnameserver fe80::1\nnameserver\noptions ndots:1\n")
    assert dns.upstream_servers(path) == ["192.0.2.1"]
    assert dns.upstream_servers(tmp_path / "none") == []
