# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The VPC's DNS server with queries of a cluster: through CoreDNS, over UDP and TCP."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rcode
import pytest

from localcloud.artifacts.programs import go_program
from localcloud.controllers.cloud import Zone
from localcloud.host.loopback import HOST, free_port
from localcloud.nodes import dns as vpc_dns
from localcloud.testing import eventually

pytestmark = pytest.mark.integration

ZONE = Zone(
    "platform.internal",
    {"db.platform.internal": ["10.0.0.5", "10.0.0.6"], "many.platform.internal": [f"10.0.1.{n}" for n in range(100)]},
    {"kafka.platform.internal": "lb.elb.amazonaws.com", "www.platform.internal": "db.platform.internal"},
)


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    """The port of a VPC's DNS server."""
    port, loop = free_port(), asyncio.new_event_loop()
    resolver = vpc_dns.Resolver(lambda: [ZONE], lambda: {"lb.elb.amazonaws.com": "10.0.15.129"}, [])

    async def start() -> None:
        await loop.create_datagram_endpoint(lambda: vpc_dns.Server(resolver), local_addr=(HOST, port))
        await asyncio.start_server(lambda reader, writer: vpc_dns.serve_stream(resolver, reader, writer), HOST, port)

    loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield port
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)


@pytest.fixture(scope="module", params=["", "force_tcp"], ids=["udp", "tcp"])
def coredns(request: pytest.FixtureRequest, server: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a CoreDNS that forwards to it."""
    port, folder = free_port(), tmp_path_factory.mktemp("coredns")
    forward = f"forward . {HOST}:{server} {{\n    {request.param}\n    max_fails 0\n  }}"
    corefile: Path = folder / "Corefile"
    corefile.write_text(f".:{port} {{\n  bind {HOST}\n  errors\n  {forward}\n}}\n")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([go_program("coredns"), "-conf", corefile], stdout=log, stderr=log)
    try:
        eventually(lambda: _listens(port))
        yield port
    finally:
        process.terminate()
        process.wait(10)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def _ask(port: int, name: str, kind: str = "A") -> tuple[str, list[str]]:
    query = dns.message.make_query(name, kind)
    answer, _ = dns.query.udp_with_fallback(query, HOST, timeout=10, port=port)
    found = [record.to_text().rstrip(".") for records in answer.answer for record in records]
    return dns.rcode.to_text(answer.rcode()), sorted(found)


def test_addresses_and_chains(coredns: int) -> None:
    assert _ask(coredns, "db.platform.internal") == ("NOERROR", ["10.0.0.5", "10.0.0.6"])
    assert _ask(coredns, "www.platform.internal") == ("NOERROR", ["10.0.0.5", "10.0.0.6", "db.platform.internal"])
    assert _ask(coredns, "kafka.platform.internal") == ("NOERROR", ["10.0.15.129", "lb.elb.amazonaws.com"])


def test_names_and_types_that_are_not_there(coredns: int) -> None:
    assert _ask(coredns, "nothing.platform.internal") == ("NXDOMAIN", [])
    assert _ask(coredns, "db.platform.internal", "AAAA") == ("NOERROR", [])
    assert _ask(coredns, "example.org") == ("SERVFAIL", [])


def test_long_answers_are_whole(coredns: int) -> None:
    code, found = _ask(coredns, "many.platform.internal")
    assert (code, len(found)) == ("NOERROR", 100)
