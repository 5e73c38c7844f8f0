# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every alarm fires on one fixture and is silent on another, evaluated by Prometheus' own engine."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcloud.software import go_program
from observability.alarms import ALARMS, TOPICS
from observability.alarms.generate import RULES, promtool_tests, tested_rule
from observability.alarms.model import Topic, Where

CHECKOUT = Path(__file__).parents[3]
pytestmark = pytest.mark.integration
EDGE = [topic for topic in TOPICS if any(alarm.where is Where.EDGE for alarm in topic.alarms)]


def promtool(*arguments: str | Path) -> str:
    result = subprocess.run(
        [go_program("promtool"), *arguments], capture_output=True, text=True, check=False, timeout=300
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


def write(path: Path, document: Any) -> Path:
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return path


@pytest.mark.parametrize("topic", EDGE, ids=lambda topic: topic.name)
def test_rule_files_are_accepted(topic: Topic) -> None:
    number = sum(alarm.where is Where.EDGE for alarm in topic.alarms)
    output = promtool("check", "rules", "--lint=all", "--lint-fatal", CHECKOUT / RULES / f"alerts_{topic.name}.yml")
    assert f"{number} rules found" in output


@pytest.mark.parametrize("topic", EDGE, ids=lambda topic: topic.name)
def test_edge_alarms_fire_and_are_silent(topic: Topic, tmp_path: Path) -> None:
    rules = CHECKOUT / RULES / f"alerts_{topic.name}.yml"
    edge = [alarm for alarm in topic.alarms if alarm.where is Where.EDGE]
    promtool("test", "rules", write(tmp_path / "test.yml", promtool_tests(edge, str(rules))))


def test_grafanas_alarms_fire_and_are_silent(tmp_path: Path) -> None:
    alarms = [alarm for alarm in ALARMS if alarm.where in (Where.PROMETHEUS, Where.METRICS)]
    rules = {"groups": [{"name": "grafana", "rules": [tested_rule(alarm) for alarm in alarms]}]}
    write(tmp_path / "rules.yml", rules)
    promtool("test", "rules", write(tmp_path / "test.yml", promtool_tests(alarms, "rules.yml")))
