# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fluent Bit accepts and applies its settings. Needs an installed Fluent Bit, which no package registry has for CI."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import CHECKOUT, only, render_role

FLUENT_BIT = shutil.which("fluent-bit")
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(FLUENT_BIT is None, reason="fluent-bit is not on the PATH"),
]
TAG = "kube.var.log.containers.kafka-reconciler-1a2b-xyz_{}_reconciler-0123.log"
ENVIRONMENT = {
    "NODE_IP": "127.0.0.1",
    "NODE_NAME": "node-1",
    "POD_NAME": "test",
    "KAFKA_USERNAME": "staging",
    "KAFKA_PASSWORD": "test",
}


def settings(name: str, folder: Path, **options: Any) -> dict[str, Any]:
    """Return the settings of one of the two workloads, with the pod's folders below ``folder``."""
    data = only(render_role("fluent_bit", **options), "ConfigMap", name)["data"]
    text = data["fluent-bit.yaml"]
    for path in ("/etc/fluent-bit-ca", "/etc/fluent-bit", "/var/lib/fluent-bit"):
        (folder / path.lstrip("/")).mkdir(parents=True, exist_ok=True)
    for script in set(data) - {"fluent-bit.yaml"}:
        (folder / "etc/fluent-bit" / script).write_text(data[script], encoding="utf-8")
    found: dict[str, Any] = yaml.safe_load(text.replace(" /etc/fluent-bit", f" {folder}/etc/fluent-bit"))
    return found


def written(found: dict[str, Any], folder: Path) -> Path:
    path = folder / "fluent-bit.yaml"
    path.write_text(yaml.safe_dump(found, sort_keys=False), encoding="utf-8")
    return path


def sample(tag: str, record: dict[str, Any]) -> dict[str, Any]:
    return {"name": "dummy", "tag": tag, "samples": 1, "dummy": json.dumps(record)}


def line(**words: Any) -> dict[str, Any]:
    return {"message": json.dumps(words), "log_processed": words}


def scraped(
    inputs: list[dict[str, Any]], filters: list[dict[str, Any]], beginning: str, number: int, folder: Path
) -> dict[str, str]:
    """Return the series with that beginning, once there are as many, and leave the records in ``folder / "out"``."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    path = written(
        {
            "service": {"flush": 1, "log_level": "error"},
            "pipeline": {
                "inputs": inputs,
                "filters": filters,
                "outputs": [
                    {"name": "prometheus_exporter", "match": "metrics.*", "host": "127.0.0.1", "port": port},
                    {"name": "file", "match": "kube.*", "path": str(folder), "file": "out", "format": "plain"},
                ],
            },
        },
        folder,
    )
    seen: dict[str, str] = {}

    def complete() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                text = answer.read().decode()
        except OSError:
            return False
        seen.update(entry.rsplit(" ", 1) for entry in text.splitlines() if entry.startswith(beginning))
        return len(seen) == number

    _run_until(path, complete)
    return seen


@pytest.mark.parametrize("name", ["fluent-bit", "fluent-bit-events"])
def test_settings_are_accepted(name: str, tmp_path: Path) -> None:
    path = written(settings(name, tmp_path, fluent_bit_exclude_paths=["/var/log/containers/a*.log"]), tmp_path)
    found = subprocess.run(
        [str(FLUENT_BIT), "--dry-run", f"--config={path}"],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | ENVIRONMENT,
    )
    assert found.returncode == 0, found.stderr
    assert "configuration test is successful" in found.stdout + found.stderr


def test_documents_of_the_journal_and_of_events(tmp_path: Path) -> None:
    filters = [
        item
        for name in ("fluent-bit", "fluent-bit-events")
        for item in settings(name, tmp_path)["pipeline"]["filters"]
        if str(item.get("match", "")).startswith(("host.", "event."))
    ]
    entry = {
        "message": "started",
        "priority": "6",
        "systemd_unit": "kubelet.service",
        "hostname": "ip-10",
        "boot_id": "1",
    }
    event = {"metadata": {"name": "a"}, "involvedObject": {"kind": "Pod"}, "reason": "BackOff", "message": "back-off"}
    path = written(
        {
            "service": {"flush": 1, "log_level": "error"},
            "pipeline": {
                "inputs": [sample("host.kubelet.service", entry), sample("event.kubernetes", event)],
                "filters": filters,
                "outputs": [{"name": "file", "match": "*", "path": str(tmp_path), "file": "out", "format": "plain"}],
            },
        },
        tmp_path,
    )
    _run_until(path, lambda: (tmp_path / "out").exists() and len(_lines(tmp_path / "out")) == 2)
    assert sorted(_lines(tmp_path / "out"), key=lambda record: str(record["dataset"])) == [
        {
            "message": "started",
            "message_key": "ip-10",
            "dataset": "journal",
            "journal": {"priority": "6", "systemd_unit": "kubelet.service", "hostname": "ip-10"},
        },
        {"kubernetes_event": event, "dataset": "kubernetes-event", "message_key": "kubernetes-event"},
    ]


def test_a_line_without_end_is_cut_and_the_next_one_is_whole(tmp_path: Path) -> None:
    found = settings("fluent-bit", tmp_path)
    (tail,) = [item for item in found["pipeline"]["inputs"] if item["name"] == "tail"]
    tail |= {
        "path": str(tmp_path / "web-1_shop_main-0a.log"),
        "db": str(tmp_path / "tail.db"),
        "storage.type": "memory",
    }
    with Path(tail["path"]).open("w", encoding="utf-8") as file:
        for kind, text in [("F", "x" * 9)] + [("P", "y" * 16384)] * 100 + [("F", ""), ("P", "z" * 16384), ("P", "z")]:
            file.write(f"2026-11-25T00:00:00.000000001Z stdout {kind} {text}\n")
    path = written(
        {
            "service": {"flush": 1, "log_level": "error"},
            "parsers": found["parsers"],
            "pipeline": {
                "inputs": [tail],
                "filters": [
                    item for item in found["pipeline"]["filters"] if item["alias"] in ("lines", "container_record")
                ],
                "outputs": [{"name": "file", "match": "*", "path": str(tmp_path), "file": "out", "format": "plain"}],
            },
        },
        tmp_path,
    )
    _run_until(path, lambda: (tmp_path / "out").exists() and len(_lines(tmp_path / "out")) == 3)
    assert [
        (record["node"], record["message"][0], len(record["message"]), record.get("line_cut"))
        for record in _lines(tmp_path / "out")
    ] == [
        ("node-1", "x", 9, None),
        ("node-1", "y", 262144, "true"),
        ("node-1", "z", 16385, None),
    ]


def test_the_last_line_of_a_reconciler_becomes_metrics_and_that_of_a_team_does_not(tmp_path: Path) -> None:
    found = settings("fluent-bit", tmp_path)
    filters = [item for item in found["pipeline"]["filters"] if "reconciler" in str(item.get("match_regex"))]
    assert len(filters) == 4
    for item in filters:
        if "flush_interval_sec" in item:
            item["flush_interval_sec"] = 2
    seen = scraped(
        [
            sample(TAG.format("kafka"), line(reconciler="kafka", drift_objects=2, time="2026-11-25T00:00:00Z")),
            sample(TAG.format("kafka"), line(reconciler="kafka", progress="half")),
            sample(TAG.format("shop"), line(reconciler="kafka", drift_objects=99, time="2026-11-25T00:00:00Z")),
        ],
        filters,
        "reconciler_",
        2,
        tmp_path,
    )
    label = '{reconciler="kafka"}'
    assert seen[f"reconciler_drift_objects{label}"] == "2"
    assert int(seen[f"reconciler_last_run_timestamp_seconds{label}"]) > 1_700_000_000
    assert not any("last_run" in record for record in _lines(tmp_path / "out"))


def test_trouble_is_counted(tmp_path: Path) -> None:
    filters = [
        item for item in settings("fluent-bit", tmp_path)["pipeline"]["filters"] if item.get("tag") == "metrics.trouble"
    ]
    for item in filters:
        item["flush_interval_sec"] = 2
    own = f"kube.var.log.containers.fluent-bit-x7k2p_node-agents_fluent-bit-{'0a' * 32}.log"
    known = {"kubernetes": {"pod_name": "x"}}
    lines = [
        "[error] [output:kafka:kafka] fluent-bit-x7k2p#producer-1: [thrd:main]: 1/1 brokers are down",
        "[ warn] [output:kafka:kafka] message delivery failed: Broker: Message size too large",
        "[error] [input:tail:containers] cannot open /var/log/containers/a.log",
        "[ info] [input:tail:containers] multiline core started",
    ]
    inputs = [sample(own, {"message": text, **known}) for text in lines]
    inputs += [sample(own.replace("_node-agents_", "_shop_"), {"message": text, **known}) for text in lines]
    inputs += [sample(own.replace("_node-agents_", "_shop_"), {"message": text}) for text in ("one", "two")]
    seen = scraped(inputs, filters, "fluentbit_trouble_", 4, tmp_path)
    assert seen == {
        "fluentbit_trouble_disconnected_total": "1",
        "fluentbit_trouble_refused_total": "1",
        "fluentbit_trouble_unread_total": "1",
        "fluentbit_trouble_unlabelled_total": "2",
    }


def test_the_script_is_the_only_file_it_loads() -> None:
    assert [path.name for path in (CHECKOUT / "roles" / "fluent_bit" / "files").iterdir()] == ["reconciler.lua"]


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for text in path.read_text(encoding="utf-8").splitlines()]


def _run_until(path: Path, ready: Any, tries: int = 60) -> None:
    process = subprocess.Popen(
        [str(FLUENT_BIT), f"--config={path}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | ENVIRONMENT,
    )
    try:
        for _ in range(tries):
            if ready():
                return
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.5)
        process.terminate()
        pytest.fail(process.communicate()[0])
    finally:
        process.terminate()
        process.wait()
