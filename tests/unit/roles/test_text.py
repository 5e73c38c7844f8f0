# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Booleans, numbers and null of YAML become text as YAML writes them, not as Python does."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible.options import converted, specifications
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._limits.options import refusals, rule_of
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import (
    ROLES,
    render_role,
    rendered_role,
    role_names,
    shared_values,
)

Value = Any  # whatever a YAML file holds
SCALARS = {"one": True, "two": False, "three": 3, "four": 0.5, "five": None, "six": "six"}
ENTRIES = [True, False, 3, 0.5, "six"]
TOLERATION = {"key": True, "operator": "Equal", "value": False, "effect": "NoExecute", "tolerationSeconds": 60}
NAMESPACE = {
    "name": "own",
    "labels": SCALARS,
    "pod_security": "baseline",
    "pod_security_reason": "Own",
}
SEVERITIES = ["critical", "warning"]
TUNED = {"AverageCpuHigh": {"threshold": 85.5, "enabled": True, "clusters": {"staging": {"threshold": "85"}}}}
OWN_ALARM = {
    "name": "Own",
    "severity": "info",
    "component": "own",
    "query": "up",
    "summary": "Own",
    "description": "Own",
    "labels": SCALARS,
    "direct": True,
}
# Options whose entries have a form of their own, or name what there is. Of the others the declared type says it.
FORMED: dict[str, Value] = {
    "alarms_environments": {"staging": {"email_addresses": ["a@example.com"], "severities": SEVERITIES}},
    "alarms_extra": [OWN_ALARM],
    "alarms_overrides": TUNED,
    "alarms_email_severities": SEVERITIES,
    "alarms_slack_severities": SEVERITIES,
    "alarms_group_by": ["alertname", True],
    "alarms_mute_timings": [
        {"name": "nights", "time_intervals": [{"times": [{"start_time": "20:00", "end_time": "23:00"}]}]}
    ],
    "alarms_repeat_intervals": {"critical": "1h", "warning": "12h", "info": "24h"},
    "eks_nodegroups": {"own": {"labels": SCALARS, "tags": SCALARS}},
    "elasticsearch_metrics_downsampling": [{"after": "40d", "fixed_interval": "5m"}],
    "elasticsearch_users": [{"name": True, "full_name": False, "secret": "controlplane/people/own"}],
    "fluent_bit_kafka_options": {"enable.idempotence": True, "socket.keepalive.enable": False, "retries": 3},
    "grafana_config": {"users": SCALARS, "server": {"domain": True}},
    "grafana_dashboards": [{"folder": "Own", "json": {"uid": "own", "title": "Own", "editable": False, "panels": []}}],
    "guardrails_default_limits": {"default": {"cpu": 1}, "default_request": {"cpu": 0.5}, "max": {"cpu": 2}},
    "guardrails_namespaces": [NAMESPACE],
    "guardrails_priority_classes": [{"name": "own", "value": 1, "description": False, "global_default": False}],
    "guardrails_tenants": [{**NAMESPACE, "groups": [True], "quota": {"pods": 1}}],
    "ingress_nginx_config": {"access-log-off": True, "http2": False, "keepalive": 3, "add-header-inherit": False},
    "kafka_topics": {"own": {"partitions": 1, "config": SCALARS}, "metrics-staging": {"config": {"preallocate": True}}},
    "kube_state_metrics_kinds": ["pods"],
    "logstash_elasticsearch_hosts": ["https://es.example.com:9200"],
    "logstash_pipelines": {"metrics": {"workers": 2}},
    "prometheus_alarms_extra": [OWN_ALARM],
    "prometheus_alarms_overrides": TUNED,
    "prometheus_rules": {
        "own": {"groups": [{"name": "own", "rules": [{"alert": "A", "expr": "up", "labels": SCALARS}]}]}
    },
    "prometheus_scrape_configs": [{"job_name": "own", "honor_labels": True, "sample_limit": 3}],
}
# What is taken away from what is there.
TAKEN_AWAY = {"guardrails_tenant_priority_classes", "node_exporter_collectors_off"}
# With these, all options show.
SETTINGS: dict[str, dict[str, Value]] = {
    "elasticsearch": {"fleet_values": shared_values() | {"controlplane/people/own": "correct horse"}},
    "grafana": {
        **{
            f"grafana_oidc_{name}": "https://login.example.com/"
            for name in ("client_id", "auth_url", "token_url", "api_url")
        },
        "grafana_oidc_secret": "controlplane/oidc/own",
        "grafana_exposure": "load_balancer",
        "grafana_host": "grafana.example.com",
        "grafana_load_balancer": "builtin",
        "fleet_values": shared_values() | {"controlplane/oidc/own": "correct horse"},
    },
    "kibana": {
        "kibana_exposure": "load_balancer",
        "kibana_host": "kibana.example.com",
        "kibana_load_balancer": "builtin",
    },
}
# Numbers, networks and what other roles tell: nothing of these ends in text.
ELSEWHERE = re.compile(
    r".*_(cidrs|ports|resources|connection)|.*_members?|.*_passwords|.*_former_members"
    r"|kafka_directory_ids|prometheus_certificates|guardrails_default_quota|.*(?<!load_balancer)_tags|.*_adopt"
)
PYTHONS = re.compile(r"\b(?:True|False|None)\b")
# Rules whose values the roles write as text.
AS_TEXT = ("annotation", "labels", "tags", "tolerations")
# A dictionary of these takes text only.
MAPS = ("annotations", "labels", "matchLabels", "nodeSelector", "data", "stringData")


def samples(role: str) -> dict[str, Value]:
    """For each option of the role that takes a dictionary or a list, a value with each type in it."""
    found: dict[str, Value] = {}
    for name, option in specifications(ROLES / role).items():
        if name in FORMED:
            found[name] = FORMED[name]
        elif option["type"] in ("dict", "list") and not ELSEWHERE.fullmatch(name):
            tolerations = name.endswith("_tolerations")
            found[name] = (
                [TOLERATION]
                if tolerations
                else {**SCALARS, "name": name}
                if option["type"] == "dict"
                else [*ENTRIES, name]
            )
    return found


def words(value: Value) -> Iterator[str]:
    """The lines of all texts of an object, keys too."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from words(key)
            yield from words(part)
    elif isinstance(value, list):
        for part in value:
            yield from words(part)
    elif isinstance(value, str):
        yield from value.splitlines()


def untyped(value: Value, where: str = "") -> Iterator[str]:
    """Yield values of an object that are not text where Kubernetes accepts only text."""
    if isinstance(value, list):
        for number, part in enumerate(value):
            yield from untyped(part, f"{where}[{number}]")
    elif isinstance(value, Mapping):
        for key, part in value.items():
            place = f"{where}.{key}"
            if key in MAPS and isinstance(part, Mapping):
                yield from (f"{place}.{name}" for pair in part.items() for name in pair if not isinstance(name, str))
            elif key in (
                "args",
                "command",
                "env",
                "imagePullSecrets",
                "tolerations",
                "drop",
                "subjects",
                "resourceNames",
            ):
                for entry in part:
                    texts = entry.items() if isinstance(entry, Mapping) else [("", entry)]
                    yield from (
                        f"{place}.{name}"
                        for name, text in texts
                        if name != "tolerationSeconds" and not isinstance(text, str | dict)
                    )
            yield from untyped(part, place)


@pytest.mark.parametrize("role", role_names())
def test_values_of_yaml_are_text_as_yaml_writes_them(role: str) -> None:
    options, usual = specifications(ROLES / role), set(words(rendered_role(role)))
    given = {name: converted(name, value, options[name]) for name, value in samples(role).items()}
    objects = render_role(role, **given, **SETTINGS.get(role, {}))
    assert not [line for line in words(objects) if line not in usual and PYTHONS.search(line)]
    assert not list(untyped(objects))
    shown = json.dumps(objects)
    general = {name for name in given.keys() - FORMED.keys() - TAKEN_AWAY if not name.endswith("_tolerations")}
    assert not objects or not {name for name in general if name not in shown}


@pytest.mark.parametrize("role", role_names())
def test_the_rules_take_what_becomes_text(role: str) -> None:
    """The preflight does not require text for options that the template converts to text."""
    options = specifications(ROLES / role)
    for name, value in samples(role).items():
        if any(kind in str(rule_of(ROLES / role, name)) for kind in AS_TEXT):
            assert refusals(ROLES / role, name, converted(name, value, options[name]), options[name]) == []


@pytest.mark.parametrize("role", role_names())
def test_tags_of_aws_are_text(role: str) -> None:
    """Modules of amazon.aws write Python's True into a tag."""
    for path in (ROLES / role / "tasks").rglob("*.yml"):
        for given in re.findall(r"^ +tags: (.*_tags\b.*)$", path.read_text(encoding="utf-8"), re.MULTILINE):
            assert "dataplatform.fleet.texts" in given, f"{path}: {given}"
