# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's arguments with a real node exporter, on this machine in place of a host's mounts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.tests.integration.prometheus.real import Authority, running
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import only, render_role

from localcloud.artifacts.programs import go_program
from localcloud.host.loopback import HOST, free_port
from localcloud.testing import eventually
from observability import catalogue
from observability.catalogue.exposition import labels_by_name

pytestmark = pytest.mark.integration


def arguments(objects: list[dict[str, Any]], folder: Path, port: int) -> list[str]:
    web = folder / "web.yml"
    web.write_text(only(objects, "ConfigMap")["data"]["web.yml"].replace("/tls/", f"{folder}/"))
    given = only(objects, "DaemonSet")["spec"]["template"]["spec"]["containers"][0]["args"]
    moved = [
        ("$(HOST_IP):9100", f"{HOST}:{port}"),
        ("/etc/node-exporter/web.yml", str(web)),
        ("/host/root/run/udev/data", "/run/udev/data"),
        ("=/host/proc", "=/proc"),
        ("=/host/sys", "=/sys"),
        ("=/host/root", "=/"),
    ]
    for there, here in moved:
        given = [text.replace(there, here) for text in given]
    return list(given)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("node-exporter")
    authority = Authority(folder)
    authority.issue(folder, "node-exporter")
    port = free_port()
    command: list[str | Path] = [go_program("node_exporter"), *arguments(render_role("node_exporter"), folder, port)]
    with running(command, folder, "node_exporter"):
        yield eventually(lambda: authority.read(port), log=folder / "node_exporter.log")


def test_its_page_matches_the_catalogue(page: str) -> None:
    shown = labels_by_name(page)
    known = {one.name: one.labels for one in catalogue.read("node_exporter")}
    for name in (
        "node_cpu_seconds_total",
        "node_memory_MemAvailable_bytes",
        "node_filesystem_avail_bytes",
        "node_load1",
    ):
        assert name in shown
        assert shown[name] <= known[name]


def test_each_collector_is_one_that_there_is(page: str) -> None:
    collectors = {line.split('"')[1] for line in page.splitlines() if line.startswith("node_scrape_collector_success{")}
    wanted = {
        arg.removeprefix("--collector.")
        for arg in only(render_role("node_exporter"), "DaemonSet")["spec"]["template"]["spec"]["containers"][0]["args"]
        if arg.startswith("--collector.") and "=" not in arg
    } - {"disable-defaults"}
    assert collectors == wanted


def test_pods_interfaces_and_mounts_are_left_out(page: str) -> None:
    assert 'device="lo"' not in "".join(line for line in page.splitlines() if line.startswith("node_network_"))
    assert 'fstype="tmpfs"' not in page
