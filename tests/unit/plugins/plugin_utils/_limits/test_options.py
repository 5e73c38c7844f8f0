# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every option of every role with invalid values, by its type and its rule."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible._internal._datatag._tags import VaultedValue
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible.options import converted
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible.yaml_files import load
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._limits.kinds import KINDS
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._limits.options import (
    BY_END,
    own_rules,
    refusals,
    rule_of,
)
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._limits.rules import COMPOUND

ROLES = sorted(
    path.parents[1] for path in (Path(__file__).resolve().parents[5] / "roles").glob("*/meta/argument_specs.yml")
)
NUL, LONG = "a\x00b", "x" * (2**20 + 1)
AMOUNTS = ("0", "forever", "5x", "-1", "1e99", "1 Gi", "50GB", 0, -1, True)
TIMES = ("0", "0s", "forever", "5x", "-1d", "1 d", "d", "99999999999999d", 0, 5)
NAMES = ("../x", "x" * 400, "a b", "a\nb", "-a", "", "ü", "a/../b")
# By kind: what it refuses, if that is not what a name refuses.
BAD: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(("cpu", "memory", "volume", "some_quantity", "heap"), AMOUNTS),
    "quantity": ("forever", "5x", "-1", "1 Gi", "50GB", -1, True),
    **dict.fromkeys(
        ("days_or_hours", "elasticsearch_time", "prometheus_time", "go_time", "kibana_time", "logstash_age"), TIMES
    ),
    "cron": ("hourly", "* * * *", "60 * * * *", "* * * * * *", "*/0 * * * *", ""),
    "quartz_cron": ("17 * * * *", "0 30 1 * * *", "0 61 1 * * ?", "0 30 25 * * ?", ""),
    "cidr": ("10.0.0.0", "10.0.0.1/8", "10.0.0.0/33", "everywhere", "", *NAMES),
    "vpc_cidr": ("10.0.0.0/8", "10.0.0.0/29", "10.0.1.0/16", "fd00::/64", "10.0.0.0", ""),
    "url": ("example.com", "ftp://a", "https://", "https://a b", "https://a:99999", ""),
    "host_ports": ("kafka", "kafka:0", "kafka:99999", "kafka:9092;b:1", ""),
    "host_port": ("kafka", "kafka:99999", ""),
    "email": ("a", "a@", "@b", "a b@c", "a@b,c@d", ""),
    "path": ("var/lib", "/a/../b", "", "a"),
    "registry": ("https://docker.io", "Docker.IO/A/b C", "a b", ""),
    "repository": ("Nginx/nginx", "nginx:1", "/nginx", "a b", "../x", ""),
    "image_tag": ("a b", ":1", "-1", "x" * 129, ""),
    "kubernetes_version": ("latest", "2.0", "1", ""),
    "secret_path": ("a", "a/b", "a//b", "a/b/c d", "/a/b"),
    # Names of AWS with spaces and slashes.
    "aws_name": ("x" * 257, "a\nb", "", "ü*"),
    "label_value": ("a b", "-a", "x" * 64),
    "index_pattern": ("A", "a b", "../x", ""),
    "topic": ("../x", "a b", "x" * 250, ".", "..", ""),
    "word": ("../x", "a b", "-a", "x" * 64, ""),
    "user": ("a b", "a/b", "x" * 129, ""),
    "object_path": ("A", "a/b/c", "../x", "a b", ""),
    "dns_subdomain": ("A", "a_b", "../x", "a b", "-a", "x" * 254, ""),
}
# What takes any text of one or several lines, and why. Null, NUL and two million characters it refuses all the same.
FREE = {
    "text": "a line that people read, or that another program has its own grammar for",
    "some_text": "the same, but never empty",
    "lines": "PEM, passwords and expressions: the roles say what must be PEM, once it is there",
    "file": "a path of the controller, or a pattern of paths",
    "annotation": "Kubernetes takes any text",
    "anything": "settings of another program under its own names, held to its list of them by the role",
}
# Options whose rule takes 0 or -1, and what that means.
ZERO = {
    "cluster_autoscaler_scale_down_utilization_threshold": "no node counts as unneeded",
    "elasticsearch_metrics_late_hours": "no metric comes late",
    "elasticsearch_replicas": "one node has none",
    "ingress_nginx_max_replicas": "no autoscaling",
    "kafka_controllers": "the first brokers are controllers too",
    "kafka_record_ttl": "not to be cached",
    "pki_credential_overlap_days": "the former credential ends at once",
    "pki_issuer_overlap_days": "the former issuer ends at once",
    "pki_overlap_days": "the former root ends at once",
    "prometheus_sample_limit": "no limit",
    "prometheus_samples_per_second": "reckoned from the size",
}
MINUS_ONE = {"kafka_topic_retention_bytes": "no limit of bytes"}


def specification(role: Path) -> dict[str, Any]:
    found: dict[str, Any] = load(role / "meta" / "argument_specs.yml")["argument_specs"]
    return {name: option for entry in found.values() for name, option in (entry.get("options") or {}).items()}


OPTIONS = [(role, name, option) for role in ROLES for name, option in specification(role).items()]
every_option = pytest.mark.parametrize(("role", "name", "option"), OPTIONS, ids=[name for _, name, _ in OPTIONS])


def bad_values(name: str, option: dict[str, Any], rule: Any) -> Iterator[Any]:
    """Yield invalid values of the option."""
    kind = option.get("elements") if option["type"] == "list" else option["type"]
    if "choices" in option:
        yield "sometimes"
    elif kind in ("int", "float"):
        yield from (10**30, -(10**30), float("nan"), float("inf"))
        yield from () if name in MINUS_ONE else (-1,)
        yield from () if name in ZERO else (0,)
    elif kind == "bool":
        yield from ("maybe", 2, [])
    elif kind in ("str", "path"):
        assert isinstance(rule, str | list), f"{name} has no rule: write one into meta/limits.yml"
        yield from (NUL, LONG)
        if isinstance(rule, str) and rule.removesuffix("?") not in FREE:
            for value in BAD.get(rule.removesuffix("?"), NAMES):
                if value != "" or not rule.endswith("?"):
                    yield value
    elif kind in ("dict", "raw"):
        assert rule is not None, f"{name} has no rule: write one into meta/limits.yml"
        yield from ({"a": NUL}, {NUL: 1}) if kind == "dict" else ()
        yield from parts(rule)


def parts(rule: Any) -> Iterator[Any]:
    """Dictionaries in which one part is not valid."""
    rule = COMPOUND.get(rule, rule) if isinstance(rule, str) else rule
    if isinstance(rule, dict):
        for key, part in rule.items():
            key_kind = key.strip("<>")
            good = "cpu" if key_kind == "resource_name" else "a"
            where = good if key.startswith("<") else key
            yield from ({where: value} for value in parts(part))
            if isinstance(part, str) and part.removesuffix("?") in BAD:
                yield from ({where: value} for value in BAD[part.removesuffix("?")] if value != "")
            if isinstance(part, str) and " .. " in part:
                yield from ({where: value} for value in (10**30, -(10**30), "forever", None))
            if key_kind in KINDS and key_kind not in FREE:
                yield {"a\nb": "x"}


@every_option
def test_invalid_values_are_refused(role: Path, name: str, option: dict[str, Any]) -> None:
    rule = rule_of(role, name)
    values = [None, *bad_values(name, option, rule)]
    if option["type"] == "list":
        values = [None, [None], "" if "choices" in option else {"a": 1}, *([value] for value in values[1:])]
    for value in values:
        found = refusals(role, name, value, option)
        assert found, f"{name} takes {str(value)[:80]!r}"
        assert all(len(sentence) < 1200 for sentence in found)
        assert all(name in sentence for sentence in found)


@functools.cache
def defaults(role: Path) -> dict[str, Any]:
    found: dict[str, Any] = load(role / "defaults" / "main.yml")
    return found


@every_option
def test_the_defaults_are_taken(role: Path, name: str, option: dict[str, Any]) -> None:
    default = defaults(role).get(name, option.get("default"))
    if default is not None and "{{" not in str(default):
        assert refusals(role, name, default, option) == []


def found(name: str, value: Any) -> list[str]:
    """Return the errors of an option's value, as passed by the callback option_types."""
    role, option = next((role, option) for role, each, option in OPTIONS if each == name)
    return refusals(role, name, converted(name, value, option), option)


def vaulted(plain: str) -> Any:
    return VaultedValue(ciphertext="$ANSIBLE_VAULT;1.1;AES256").tag(plain)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("alarms_slack_url", "hooks.slack.com/hunter2"),
        ("kafka_member_passwords", ["hunter2"]),
        ("kafka_member_passwords", "hunter2"),
        ("kafka_member_passwords", {"staging": {"a": "hunter2"}}),
        ("kibana_elasticsearch_url", vaulted("hunter2")),
        ("kibana_elasticsearch_url", "https://elastic:hunter2 @es:9200"),
        ("grafana_database_host", "grafana:hunter2@db:5432"),
        ("logstash_elasticsearch_hosts", ["https://es:9200", vaulted("hunter2")]),
        ("elasticsearch_users", [{"name": vaulted("hunter2 "), "secret": "a/b/c"}]),
        ("kafka_mode", vaulted("hunter2")),
        ("kafka_topics", {"a": vaulted("hunter2")}),
    ],
)
def test_a_secret_is_in_no_message(name: str, value: Any) -> None:
    sentences = found(name, value)
    assert sentences
    assert not [sentence for sentence in sentences if "hunter2" in sentence]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("grafana_dashboards", [{"folder": "A", "json": {"id": None, "panels": [{"datasource": None}, None]}}]),
        ("elasticsearch_roles", {"a": {"indices": [{"names": ["a"], "query": None}]}}),
        ("kafka_topics", {"a": {"config": {"retention.ms": None}}}),
        ("alarms_mute_timings", [{"name": "a", "time_intervals": [{"times": None}]}]),
        ("guardrails_tenants", [{"name": "a", "network_policies": [{"name": "a", "spec": {"ingress": None}}]}]),
        ("eks_nodegroups", {"a": {"launch_template": None, "taints": None}}),
        ("eks_access_entries", {"a": {"policies": None}}),
        ("ingress_nginx_service_annotations", {"service.beta.kubernetes.io/aws-load-balancer-internal": False}),
        ("ingress_nginx_service_annotations", {"a": None, "b": 0.5, True: 3}),
        ("cluster_autoscaler_flags", {"skip-nodes-with-system-pods": False, "v": 4, "a": None}),
        ("eks_tags", {"backup": True, "a": None, "b": 5}),
        ("eks_nodegroups", {"a": {"labels": {"gpu": True, "a": None}}}),
        ("kafka_node_selector", {"gpu": None, "disk": True, "generation": 5}),
        ("kafka_tolerations", [{"key": "gpu", "value": True, "effect": "NoSchedule"}, {"key": 5, "value": None}]),
        ("alarms_email_addresses", "a@b.example, c@d.example"),
        ("vpc_azs", ["us-east-1-wl1-bos-wlz-1", "us-west-2-lax-1a"]),
        ("cluster_autoscaler_scale_down_delay_after_add", "0s"),
        ("grafana_logs_index", "remote:logs-*,_all"),
        ("elasticsearch_roles", {"logs:read": {}}),
        ("guardrails_default_quota", {"memory": "40Ti"}),
        *[("prometheus_resources", {"limits": {"cpu": cpu}}) for cpu in (".5", "1.", "1e-1", "100000u", "500000000n")],
        ("prometheus_resources", {"limits": {"memory": "+1Gi"}}),
        *[
            ("elasticsearch_reconcile_schedule", each)
            for each in ("@daily", "@every 1h", "0  4 * * *", "0\t4 ? jan-mar mon-fri")
        ],
        *[("elasticsearch_snapshot_schedule", f"0 0 22-2 ? * {day}") for day in ("FRIL", "MON#1", "6L", "FRI-MON")],
    ],
)
def test_values_of_the_roles_are_accepted(name: str, value: Any) -> None:
    assert found(name, value) == []


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("kafka_topics", {"a": {"partitions": None}}, "kafka_topics.a.partitions is null"),
        ("kafka_topics", {None: {}}, "A key of kafka_topics is null"),
        ("kafka_topic_config", {None: 1}, "A key of kafka_topic_config is null"),
        ("kafka_topic_config", None, "kafka_topic_config is null"),
        ("grafana_dashboards", [None], "grafana_dashboards[0] is null"),
        ("kafka_node_selector", {"a": "x" * 64}, "kafka_node_selector.a is 'xxx"),
        ("eks_tags", {"a": {"b": "c"}}, "eks_tags.a is {'b': 'c'}"),
        *[
            ("elasticsearch_reconcile_schedule", each, "five fields of cron")
            for each in ("0 4 * * 7", "0 23-4 * * *", "jan * * * *", "* * * mon *", "@every 1ms", "@fortnightly")
        ],
        ("elasticsearch_users", [{"name": "a@b", "secret": "a/b/c"}], "a key of a Secret"),
        ("guardrails_priority_classes", [{"name": "system-x", "value": 1}], "does not begin with system-"),
        ("kafka_topics", {"a": {"partitions": "6"}}, "is '6': it takes 1 to 4000, a number without quotes"),
        ("elasticsearch_reconcile_schedule", "\u00b2 * * * *", "five fields of cron"),
        ("kafka_version", "4.\u0663", "kafka_version is"),
        ("prometheus_resources", {"limits": {"cpu": "1e"}}, "cpu is '1e'"),
        ("prometheus_resources", {"limits": {"cpu": "1..5"}}, "cpu is '1..5'"),
    ],
)
def test_reports_the_errors(name: str, value: Any, words: str) -> None:
    assert any(words in sentence for sentence in found(name, value)), found(name, value)


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_every_rule_is_of_an_option_and_names_what_there_is(role: Path) -> None:
    declared = specification(role)

    def check(rule: Any, options: Any) -> None:
        if isinstance(rule, dict):
            inner = (options or {}).get("options")
            assert inner is None or set(inner) <= {*rule} or any(key.startswith("<") for key in rule)
            for key, part in rule.items():
                assert not key.startswith("<") or key.strip("<>") in KINDS
                check(part, (inner or {}).get(key))
        elif isinstance(rule, list):
            for part in rule:
                check(part, None)
        else:
            assert (
                " .. " in rule
                or rule.startswith("=")
                or rule in ("anything", "boolean")
                or rule in COMPOUND
                or rule.removesuffix("?") in KINDS
            )

    for name, rule in own_rules(role).items():
        assert name in declared
        check(rule, declared[name])


def test_the_kinds_name_their_sources_and_are_used() -> None:
    used = str([*BY_END.values(), *COMPOUND.values(), *map(own_rules, ROLES)])
    from ansible_collections.dataplatform.fleet.plugins.plugin_utils._limits import fleet  # noqa: PLC0415

    used += str([*fleet.MEMBER.values(), *fleet.OPTIONS.values(), "<member>"])
    assert [name for name in KINDS if name not in used] == []
    assert [name for name, kind in KINDS.items() if not kind.source or not kind.words] == []
