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
from observability.alarms.generate import RULES, as_rule, promtool_tests
from observability.alarms.model import Alarm, Topic, Where

CHECKOUT = Path(__file__).parents[3]
pytestmark = pytest.mark.integration
EVALUATED = [alarm for alarm in ALARMS if alarm.where is not Where.LOGS]
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


def in_the_checkout(alarm: Alarm) -> dict[str, Any]:
    """Return the rule of an edge alarm as the role prometheus ships it."""
    (topic,) = (topic for topic in TOPICS if alarm in topic.alarms)
    document = yaml.safe_load((CHECKOUT / RULES / f"alerts_{topic.name}.yml").read_text(encoding="utf-8"))
    (found,) = (rule for group in document["groups"] for rule in group["rules"] if rule["alert"] == alarm.name)
    return dict(found)


@pytest.mark.parametrize("topic", EDGE, ids=lambda topic: topic.name)
def test_rule_files_are_accepted(topic: Topic) -> None:
    number = sum(alarm.where is Where.EDGE for alarm in topic.alarms)
    output = promtool("check", "rules", "--lint=all", "--lint-fatal", CHECKOUT / RULES / f"alerts_{topic.name}.yml")
    assert f"{number} rules found" in output


@pytest.mark.parametrize("alarm", EVALUATED, ids=lambda alarm: alarm.name)
def test_it_fires_and_is_silent(alarm: Alarm, tmp_path: Path) -> None:
    # Each by itself: some fixtures are days long, and all rules of a file would be evaluated for each minute of them.
    rule = in_the_checkout(alarm) if alarm.where is Where.EDGE else as_rule(alarm)
    write(tmp_path / "rules.yml", {"groups": [{"name": "alarm", "rules": [rule]}]})
    output = promtool("test", "rules", write(tmp_path / "test.yml", promtool_tests([alarm], "rules.yml")))
    assert "SUCCESS" in output
