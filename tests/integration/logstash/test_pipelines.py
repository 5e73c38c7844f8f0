# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logstash's pipelines, checked with a parser of the language. Logstash and its filters are not run."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import only, render_role

from localcloud.artifacts.programs import go_program

pytestmark = pytest.mark.integration
PIPELINES = ("metrics", "logs", "metrics-replay", "logs-replay")


@pytest.fixture(scope="module")
def mustache() -> Path:
    return go_program("mustache")


def written(folder: Path, **options: Any) -> list[Path]:
    data = only(render_role("logstash", **options), "ConfigMap", "logstash")["data"]
    paths = [folder / f"{name}.conf" for name in PIPELINES]
    for path in paths:
        path.write_text(data[path.name], encoding="utf-8")
    return paths


@pytest.mark.parametrize(
    "options",
    [
        {},
        {
            "logstash_size": "large",
            "logstash_kafka_bootstrap": "a.example.com:9096,b.example.com:9096",
            "logstash_elasticsearch_hosts": ["https://a:9200", "https://b:9200"],
        },
    ],
    ids=["default", "large"],
)
@pytest.mark.parametrize("command", ["check", "lint"])
def test_pipelines_pass(mustache: Path, tmp_path: Path, command: str, options: dict[str, Any]) -> None:
    found = subprocess.run(
        [mustache, command, *written(tmp_path, **options)], check=False, capture_output=True, text=True
    )
    assert (found.returncode, found.stdout + found.stderr) == (0, "")


def test_a_broken_pipeline_does_not(mustache: Path, tmp_path: Path) -> None:
    path = written(tmp_path)[0]
    path.write_text(path.read_text(encoding="utf-8").replace('=> "basic"', '=> basic"'), encoding="utf-8")
    found = subprocess.run([mustache, "check", path], check=False, capture_output=True, text=True)
    assert found.returncode == 1
    assert path.name in found.stdout + found.stderr
