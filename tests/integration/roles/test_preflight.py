# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refusals before any change, and here before any AWS call."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.tests.integration import commands
from ansible_collections.dataplatform.fleet.tests.integration.roles.running import CHECKOUT

pytestmark = pytest.mark.integration
# The port is closed: a run that passed the checks would fail with another message.
NOWHERE = "http://127.0.0.1:9"
OPEN = {"eks_public_access_cidrs": ["203.0.113.0/24"]}


def refused(playbook: str, host: str, **variables: Any) -> str:
    """Run a playbook that must fail, and return its message."""
    given = {"aws_endpoint_url": NOWHERE, "aws_access_key": "a", "aws_secret_key": "b", **OPEN, **variables}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = commands.run(
        *("ansible-playbook", "-i", f"inventories/{host}", playbook, "-e", json.dumps(given)),
        env={**os.environ, "PATH": path, "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
    )
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode != 0, said
    assert said.count("fatal: [") == 1, said
    assert "127.0.0.1:9" not in said, said
    assert "changed=0" in said
    return said


@pytest.mark.parametrize("playbook", ["site.yml", "playbooks/clusters.yml"])
def test_more_replicas_than_brokers(playbook: str) -> None:
    said = refused(playbook, "controlplane", kafka_topic_replication=2, kafka_topics={"invoices": {"replication": 5}})
    assert "controlplane: invoices (5) would have more replicas than the 3 brokers of kafka_replicas." in said
    assert "Lower kafka_topic_replication (or replication in kafka_topics), or raise kafka_replicas." in said


@pytest.mark.parametrize(("host", "version"), [("controlplane", "1.33"), ("testing", 1.3)])
def test_a_kubernetes_version_that_is_too_old(host: str, version: object) -> None:
    said = refused("playbooks/clusters.yml", host, eks_version=version)
    assert f"{host}: eks_version is {version}, and the roles need Kubernetes 1.34 or newer." in said
    assert 'Set eks_version to "1.34" or newer, with quotes' in said


@pytest.mark.parametrize("host", ["controlplane", "testing"])
def test_a_public_kubernetes_api_without_allowed_networks_is_refused(host: str) -> None:
    said = refused("playbooks/clusters.yml", host, eks_public_access_cidrs=[])
    assert f"{host}: eks_public_access_cidrs is empty" in said
    assert f"could reach the Kubernetes API of dataplatform-{host}. Set eks_public_access_cidrs to the networks" in said
    assert "set eks_endpoint_public_access to false" in said


@pytest.mark.parametrize("access", [{"ec2_ssh_key": "ops"}, {"ec2_ssh_key": "ops", "source_security_groups": []}])
def test_nodes_whose_ssh_is_open_to_the_internet(access: dict[str, Any]) -> None:
    groups = {"closed": {"remote_access": {"ec2_ssh_key": "ops", "source_security_groups": ["sg-1"]}}}
    said = refused(
        "playbooks/clusters.yml", "testing", eks_nodegroups={**groups, "open": {"remote_access": access}, "none": {}}
    )
    assert "testing: eks_nodegroups.open has remote_access without source_security_groups" in said


def test_settings_that_nginx_would_ignore() -> None:
    said = refused("playbooks/ingress.yml", "testing", ingress_nginx_config={"htp2": False, "http2": "off"})
    assert "The role ingress_nginx has no such option: ingress_nginx_config.htp2 (did you mean http2?)" in said
    assert "ingress_nginx_config.http2: off (it takes true or false)" in said


@pytest.mark.parametrize(
    ("options", "hours"),
    [
        ({"kafka_topic_retention": "7d"}, 168 + 14),
        ({"kafka_topics": {"metrics-staging": {"config": {"retention.ms": "432000000"}}}}, 120 + 6),
        ({"kafka_topics": {"metrics-staging": {"config": {"segment.ms": 604800000}}}}, 72 + 168),
    ],
)
def test_downsampling_before_kafka_forgets(options: dict[str, Any], hours: int) -> None:
    said = refused("playbooks/controlplane.yml", "controlplane", **options)
    assert (
        "controlplane: the first round of elasticsearch_metrics_downsampling comes after 5d, but a metric can be"
        in said
    )
    assert f" {hours} hours old when it is read from Kafka" in said
    assert f"Begin after {hours + 24}h, or keep metrics shorter in Kafka." in said


def test_two_dashboards_with_one_uid(tmp_path: Path) -> None:
    paths = [str(tmp_path / name) for name in ("one.json", "other.json")]
    for path in paths:
        Path(path).write_text(json.dumps({"uid": "jobs", "title": "Jobs"}), encoding="utf-8")
    dashboards = [{"folder": "A", "file": path} for path in paths]
    said = refused("playbooks/controlplane.yml", "controlplane", grafana_dashboards=dashboards)
    assert f'controlplane: The uid "jobs" is in {paths[0]} and in {paths[1]}: Grafana would show only one' in said


HUB = {"purpose": "controlplane", "region": "eu-central-1", "vpc_cidr": "10.40.0.0/16"}
STAGING = {"purpose": "workload", "region": "eu-central-1", "vpc_cidr": "10.42.0.0/16"}


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        (
            {"fleet_members": {"controlplane": HUB, "staging": {**STAGING, "aws_rolearn": "arn:aws:iam::1:role/a"}}},
            "fleet_members.staging.aws_rolearn is not an option of a member (did you mean aws_role_arn?)",
        ),
        ({"fleet_name": "f" * 40}, "The IAM role of the Cluster Autoscaler of staging would be"),
    ],
)
def test_a_fleet_that_cannot_be_built(variables: dict[str, Any], words: str) -> None:
    said = refused("playbooks/clusters.yml", "staging", **variables)
    assert words in said
    assert "It is set in the variables of staging." in said
    assert "Traceback" not in said


def test_more_brokers_than_certificates_name() -> None:
    """Together with other invalid values, which are refused first."""
    bad: dict[str, Any] = {
        "kafka_replicas": 10,
        "kafka_topic_retention": "-1",
        "prometheus_retention": "forever",
        "vpc_nat": None,
    }
    bad |= {"guardrails_default_quota": {"pods": 0}, "elasticsearch_name": "a\x00"}
    said = refused("playbooks/controlplane.yml", "controlplane", **bad)
    for words in (
        "kafka_topic_retention is '-1': it takes a duration in d or h, such as 3d or 72h.",
        "prometheus_retention is 'forever': it takes a duration such as 30s, 5m or 1h30m, above 0.",
        "vpc_nat is null or empty: give it a value, or leave it out.",
        "guardrails_default_quota.pods is 0: it takes a quantity of Kubernetes above 0",
        "elasticsearch_name has the control character U+0000 in it: take it out.",
    ):
        assert words in said
    assert "kafka_replicas is" not in said
    said = refused("playbooks/controlplane.yml", "controlplane", kafka_replicas=10)
    assert "kafka_replicas is 10, and the certificate of the brokers names 9: members" in said


def test_placeholders_of_secrets() -> None:
    said = refused("playbooks/controlplane.yml", "controlplane", fleet_stand_ins=True)
    assert "fleet_stand_ins is not an option of the fleet" in said


def test_overlapping_networks() -> None:
    members = {
        "controlplane": {**HUB, "vpc_cidr": "10.40.0.0/16"},
        "staging": {**STAGING, "vpc_cidr": "10.40.128.0/17"},
    }
    said = refused("site.yml", "staging", fleet_members=members)
    assert "inventories/fleet.yml: controlplane (10.40.0.0/16) and staging (10.40.128.0/17) overlap" in said
    assert "Give each member a vpc_cidr of its own" in said


def test_misspelt_options_are_found_first_and_together() -> None:
    misspelt: dict[str, Any] = {
        "vpc_nta": "none",
        "eks_nodegroups": {"general": {"min_szie": 2}},
        "guardrails_tennants": [],
        "ingress_nginx_replcias": 3,
    }
    said = refused("site.yml", "staging", **misspelt)
    for words in (
        "role vpc has no such option: vpc_nta (did you mean vpc_nat?)",
        "eks_nodegroups.general.min_szie (did you mean min",
        "guardrails_tennants (did you mean guardrails_tenants?)",
        "ingress_nginx_replcias (did you mean ingress_nginx_replica",
    ):
        assert words in said
    for role in ("vpc", "eks", "guardrails", "ingress_nginx"):
        assert f"roles/{role}/meta/argument_specs.yml" in said
    assert "Refuse misspelt options of all roles" in said
    assert "It is set in the variables of staging" in said


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        (
            {
                "alarms_overrides": {
                    "AverageCpuHihg": {"threshold": 85},
                    "AverageCpuHigh": {"clusters": {"stagign": {}}},
                }
            },
            [
                "unknown alarm AverageCpuHihg: did you mean AverageCpuHigh?",
                "unknown member stagign: did you mean staging?",
            ],
        ),
        (
            {"alarms_extra": "../no-alarms.yml"},
            ["which is not there: relative paths start at the inventory's directory"],
        ),
    ],
    ids=["names", "path"],
)
def test_an_alarm_that_cannot_be_tuned(variables: dict[str, Any], words: list[str]) -> None:
    said = refused("playbooks/agents.yml", "staging", **variables)
    assert [text for text in words if text not in said] == []
    assert "It is set in the variables of staging" in said
