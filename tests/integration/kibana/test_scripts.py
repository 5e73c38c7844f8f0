# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kibana's reconciler and exporter, run by Node.js as in the image, against a fake of the API.

The real Kibana is not available here. What this proves: what the scripts send, that they tell what is as declared from
what is not, and that they show no password. Whether Kibana takes the saved objects, it does not prove.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.tests.integration.fake_https import Outcome
from ansible_collections.dataplatform.fleet.tests.integration.kibana.fake_kibana import FakeKibana, running
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import CHECKOUT, only, render_role

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js"),
]

Json = dict[str, Any]
PASSWORD = 'a "quoted" pässword'


Reconcile = Callable[..., Outcome]


@pytest.fixture
def kibana(tmp_path: Path) -> Iterator[FakeKibana]:
    with running(tmp_path) as state:
        state.passwords |= {"kibana_reconciler": PASSWORD, "kibana_system": PASSWORD}
        yield state


@pytest.fixture(scope="module")
def rendered() -> dict[str, str]:
    objects = render_role("kibana")
    return {
        **only(objects, "ConfigMap", "kibana-reconciler")["data"],
        "exporter.mjs": only(objects, "ConfigMap", "kibana")["data"]["exporter.mjs"],
    }


@pytest.fixture
def reconcile(tmp_path: Path, kibana: FakeKibana, rendered: dict[str, str]) -> Reconcile:
    for name, text in rendered.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "password").write_text(PASSWORD)

    def run(*arguments: str, change: Callable[[Json], None] | None = None, wait: int = 20) -> Outcome:
        wanted = json.loads(rendered["declared.json"])
        if change:
            change(wanted)
        (tmp_path / "declared.json").write_text(json.dumps(wanted))
        done = subprocess.run(
            ["node", str(tmp_path / "reconcile.mjs"), *arguments],
            env={
                "PATH": os.environ["PATH"],
                "URL": kibana.url,
                "CA": str(tmp_path / "ca.crt"),
                "DECLARED": str(tmp_path / "declared.json"),
                "PASSWORD": str(tmp_path / "password"),
                "WAIT": str(wait),
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.stderr == ""
        assert PASSWORD not in done.stdout
        return Outcome("kibana", done.returncode, done.stdout.splitlines())

    return run


def test_makes_everything_and_then_nothing(kibana: FakeKibana, reconcile: Reconcile) -> None:
    first = reconcile()
    assert first.status == 0
    assert first.drift == len(first.changes)
    assert kibana.data_views["platform-logs"]["title"] == "logs-k8s.container-*"
    assert kibana.default_data_view == "platform-logs"
    assert ("dashboard", "platform-logs") in kibana.saved_objects

    kibana.writes.clear()
    second = reconcile()
    assert (second.status, second.changes, second.drift, kibana.writes) == (0, [], 0, [])


def test_a_plan_changes_nothing(kibana: FakeKibana, reconcile: Reconcile) -> None:
    planned = reconcile("--plan")
    assert planned.drift > 0
    assert kibana.writes == []
    assert reconcile().changes == planned.changes


def test_repairs_manual_changes(kibana: FakeKibana, reconcile: Reconcile) -> None:
    reconcile()
    kibana.data_views["platform-metrics"]["title"] = "metrics-*"
    kibana.default_data_view = "theirs"
    kibana.saved_objects["search", "platform-errors"]["attributes"]["columns"] = ["log"]
    del kibana.saved_objects["search", "platform-drift"]
    # Objects of users are not changed.
    kibana.data_views["theirs"] = {"title": "x"}
    kibana.saved_objects["search", "theirs"] = {"type": "search", "id": "theirs", "attributes": {}, "references": []}

    planned, repaired = reconcile("--plan"), reconcile()
    assert planned.changes == repaired.changes
    assert repaired.drift == 4
    assert '~ data view platform-metrics: title "metrics-*" -> "metrics-k8s.prometheus-*"' in repaired.changes
    assert "+ search platform-drift" in repaired.changes
    assert reconcile().drift == 0
    assert "theirs" in kibana.data_views
    assert ("search", "theirs") in kibana.saved_objects


def test_undeclared_objects_are_removed(kibana: FakeKibana, reconcile: Reconcile) -> None:
    reconcile()

    def without(declared: Json) -> None:
        del declared["data_views"]["platform-metrics"]
        declared["saved_objects"] = [item for item in declared["saved_objects"] if item["id"] != "platform-drift"]

    assert reconcile(change=without).changes == ["- search platform-drift", "- data view platform-metrics"]
    assert reconcile(change=without).drift == 0


def test_a_refused_import_is_reported(kibana: FakeKibana, reconcile: Reconcile) -> None:
    kibana.refuse_import = True
    outcome = reconcile()
    assert outcome.status == 1
    assert "! import failed: search platform-errors: missing_references" in outcome.lines
    assert "platform-logs" in kibana.data_views


def test_waits_for_kibana(kibana: FakeKibana, reconcile: Reconcile) -> None:
    kibana.not_ready = 2
    assert reconcile().status == 0


def test_reports_why_it_stopped(kibana: FakeKibana, reconcile: Reconcile) -> None:
    kibana.passwords.clear()
    outcome = reconcile(wait=0)
    assert outcome.status == 1
    assert outcome.lines[-1].endswith("it answers 401 Unauthorized")


# -- the exporter

STATUS: Json = {
    "name": "kibana",
    "version": {"number": "90.1.2"},
    "status": {"overall": {"level": "degraded"}, "plugins": {"a": {"level": "available"}, "b": {"level": "degraded"}}},
    "metrics": {
        "collection_interval_in_millis": 5000,
        "process": {
            "memory": {
                "heap": {"total_in_bytes": 3, "used_in_bytes": 2, "size_limit": 4},
                "resident_set_size_in_bytes": 5,
            },
            "event_loop_delay": 12.5,
            "event_loop_utilization": {"utilization": 0.25},
            "uptime_in_millis": 90000,
        },
        "response_times": {"avg_in_millis": 20, "max_in_millis": 40},
        "requests": {"total": 10, "disconnects": 0, "status_codes": {"200": 9, "404": 1}},
        "concurrent_connections": 7,
        "elasticsearch_client": {"totalActiveSockets": 1, "totalIdleSockets": 2, "totalQueuedRequests": 0},
    },
}


@pytest.fixture
def scrape(tmp_path: Path, kibana: FakeKibana, rendered: dict[str, str]) -> Iterator[Callable[[], dict[str, float]]]:
    (tmp_path / "exporter.mjs").write_text(rendered["exporter.mjs"])
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        ["node", str(tmp_path / "exporter.mjs")],
        env={
            "PATH": os.environ["PATH"],
            "URL": kibana.url,
            "CA": str(tmp_path / "ca.crt"),
            "CERTIFICATE": str(tmp_path / "tls.crt"),
            "KEY": str(tmp_path / "tls.key"),
            "PASSWORD": PASSWORD,
            "HOST": "127.0.0.1",
            "PORT": str(port),
        },
    )
    context = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))

    def get(path: str) -> str:
        with urllib.request.urlopen(f"https://localhost:{port}{path}", context=context, timeout=10) as answer:
            return str(answer.read().decode())

    def samples() -> dict[str, float]:
        lines = [line for line in get("/metrics").splitlines() if not line.startswith("#")]
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}

    try:
        for _ in range(100):
            try:
                assert get("/healthz") == "ok\n"
                break
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.1)
        yield samples
    finally:
        process.terminate()
        process.wait(timeout=10)


def test_the_exporter_reports_what_kibana_reports(kibana: FakeKibana, scrape: Callable[[], dict[str, float]]) -> None:
    kibana.status = STATUS
    found = scrape()
    assert found["kibana_up"] == 1
    assert found['kibana_status{level="degraded"}'] == 1
    assert found['kibana_status{level="available"}'] == 0
    assert found['kibana_plugins{level="degraded"}'] == 1
    assert found['kibana_build_info{version="90.1.2"}'] == 1
    assert found["kibana_uptime_seconds"] == 90
    assert found["kibana_event_loop_delay_seconds"] == 0.0125
    assert found["kibana_requests_per_second"] == 2
    assert found['kibana_responses_per_second{code="404"}'] == 0.2
    assert found["kibana_response_time_average_seconds"] == 0.02

    lines = (CHECKOUT / "observability" / "metrics" / "kibana.txt").read_text(encoding="utf-8").splitlines()
    listed = {line.split("\t")[0] for line in lines if not line.endswith("\tprometheus")}
    assert {name.partition("{")[0] for name in found} == listed


def test_the_exporter_without_a_password_reports_the_level_only(
    kibana: FakeKibana, scrape: Callable[[], dict[str, float]]
) -> None:
    kibana.status = STATUS
    kibana.passwords.clear()
    found = scrape()
    assert found["kibana_up"] == 1
    assert found['kibana_status{level="degraded"}'] == 1
    assert "kibana_uptime_seconds" not in found


def test_kibana_is_down_when_it_does_not_answer(scrape: Callable[[], dict[str, float]]) -> None:
    assert scrape() == {"kibana_up": 0}
