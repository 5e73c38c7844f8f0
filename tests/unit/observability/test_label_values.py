# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Label values in alarms, fixtures and panels are values that the roles set."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible.yaml_files import parse
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import only, rendered_role

from observability.alarms import ALARMS, Alarm
from observability.alarms.fixtures import fixtures

CHECKOUT = Path(__file__).parents[3]
DASHBOARDS = sorted((CHECKOUT / "roles" / "grafana" / "files" / "dashboards").glob("*.json"))
_SELECTOR = re.compile(r"([a-z]\w+)\{([^{}]*)\}")
_MATCHER = re.compile(r'(\w+)(=~|=|!=|!~)"([^"]*)"')


@functools.cache
def decided() -> dict[tuple[str, str], frozenset[str]]:
    """Return the values of labels that the roles' settings name, by the metric's beginning and the label."""
    found: dict[tuple[str, str], frozenset[str]] = {}
    for part in ("inputs", "filters", "outputs"):
        names = {
            item.get("alias", f"{item['name']}.{at}")
            for name in ("fluent-bit", "fluent-bit-events")
            for at, item in enumerate(parse(_file("fluent_bit", name, "fluent-bit.yaml"))["pipeline"][part])
        }
        found[f"fluentbit_{part.removesuffix('s')}_", "name"] = frozenset(names)
    telegraf = _file("prometheus", "prometheus-telegraf", "telegraf.conf")
    found["internal_write_", "output"] = frozenset(re.findall(r"^\[\[outputs\.(\w+)\]\]", telegraf, re.MULTILINE))
    prometheus = parse(_file("prometheus", "prometheus", "prometheus.yml"))
    found["prometheus_remote_storage_", "remote_name"] = frozenset(item["name"] for item in prometheus["remote_write"])
    pipelines = [_file("logstash", "logstash", f"{name}.conf") for name in ("metrics", "logs")]
    found["kafka_consumergroup_", "consumergroup"] = frozenset(
        re.findall(r'^ +group_id => "([^"]+)"', "\n".join(pipelines), re.MULTILINE)
    )
    return found


def _file(role: str, config_map: str, name: str) -> str:
    return str(only(rendered_role(role), "ConfigMap", config_map)["data"][name])


def unknown(text: str) -> Iterator[str]:
    """Yield each selector with a label's value that no role gives it."""
    for metric, matchers in _SELECTOR.findall(text):
        for label, operator, value in _MATCHER.findall(matchers):
            if "$" in value or "@" in value:
                continue
            for (beginning, of), values in decided().items():
                if of == label and metric.startswith(beginning):
                    if operator in ("=", "!="):
                        good = value in values
                    else:
                        good = any(re.fullmatch(value, each) for each in values)
                    if not good:
                        yield f"{metric}{{{label}{operator}{value!r}}}, but there are {', '.join(sorted(values))}"


def test_all_are_found() -> None:
    assert all(decided().values()), decided()
    assert list(unknown('fluentbit_output_errors_total{name="kafka"} + internal_write_errors{output=~"ka.+"}')) == []
    assert (
        len(list(unknown('fluentbit_input_records_total{pod="a",name="tail.0"} fluentbit_output_x{name=~"x.*"}'))) == 2
    )


@pytest.mark.parametrize("alarm", ALARMS, ids=lambda alarm: alarm.name)
def test_an_alarm_looks_for_what_is_there(alarm: Alarm) -> None:
    both = fixtures()[alarm.name]
    series = [name for fixture in (both.firing, both.silent) if fixture for name in fixture.series]
    assert list(unknown("\n".join([alarm.expression, *series]))) == []


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_panel_looks_for_what_is_there(path: Path) -> None:
    assert list(unknown("\n".join(_queries(json.loads(path.read_text(encoding="utf-8")))))) == []


def _queries(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "expr" and isinstance(value, str):
                yield value
            yield from _queries(value)
    elif isinstance(node, list):
        for value in node:
            yield from _queries(value)
