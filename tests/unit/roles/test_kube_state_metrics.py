# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the options of kube_state_metrics become objects."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import evaluate, only, render_role, select

from localcloud.artifacts.programs import version
from observability import catalogue

ROLE = "kube_state_metrics"


def args(**options: Any) -> dict[str, str]:
    deployment = only(render_role(ROLE, **options), "Deployment", "kube-state-metrics")
    found = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    return dict(arg.removeprefix("--").partition("=")[::2] for arg in found)


def rights(**options: Any) -> set[tuple[str, str]]:
    rules = only(render_role(ROLE, **options), "ClusterRole")["rules"]
    assert {verb for rule in rules for verb in rule["verbs"]} == {"list", "watch"}
    return {(group, kind) for rule in rules for group in rule["apiGroups"] for kind in rule["resources"]}


def test_the_version_is_the_one_that_tests_run_and_the_catalogue_lists() -> None:
    release = version("kube-state-metrics")
    deployment = only(render_role(ROLE), "Deployment")
    image = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image == f"registry.k8s.io/kube-state-metrics/kube-state-metrics:v{release}"
    sources = {" ".join(one.source.split()[:2]) for one in catalogue.read(ROLE)} - {"prometheus"}
    assert sources == {f"kube-state-metrics {release}"}


def test_it_may_read_what_it_shows_and_nothing_else() -> None:
    shown = set(args()["resources"].split(","))
    assert {kind for _, kind in rights()} == shown
    assert not shown & {"secrets", "configmaps"}
    few = {"kube_state_metrics_kinds": ["pods", "deployments"]}
    assert args(**few)["resources"] == "deployments,pods"
    assert rights(**few) == {("", "pods"), ("apps", "deployments")}


def test_unknown_kinds_are_named() -> None:
    assert evaluate(ROLE, "__kube_state_metrics_unknown", kube_state_metrics_kinds=["pods", "secrets"]) == ["secrets"]


def test_labels_and_denied_series_are_added_to() -> None:
    options = {"kube_state_metrics_labels": ["pods=[example.com/team]"], "kube_state_metrics_denied": ["kube_pod_x"]}
    assert args(**options)["metric-labels-allowlist"].endswith(",pods=[example.com/team]")
    assert args(**options)["metric-denylist"].endswith(",kube_pod_x")
    assert "nodes=[dataplatform.fleet/pool,topology.kubernetes.io/zone," in args()["metric-labels-allowlist"]


@pytest.mark.parametrize("shards", [1, 3])
def test_shards_divide_the_objects(shards: int) -> None:
    objects = render_role(ROLE, kube_state_metrics_shards=shards)
    deployments = select(objects, "Deployment")
    assert len(deployments) == shards
    names = [item["metadata"]["name"] for item in deployments]
    assert names[0] == "kube-state-metrics"
    given = [item["spec"]["template"]["spec"]["containers"][0]["args"][-2:] for item in deployments]
    assert given == [[f"--total-shards={shards}", f"--shard={number}"] for number in range(shards)]
    selectors = [tuple(item["spec"]["selector"]["matchLabels"].items()) for item in deployments]
    assert len(set(selectors)) == shards
    assert [item["spec"]["strategy"]["type"] for item in deployments] == ["Recreate"] * shards


def test_its_own_metrics_are_as_open_as_the_others() -> None:
    (rule,) = only(render_role(ROLE), "NetworkPolicy")["spec"]["ingress"]
    assert [port["port"] for port in rule["ports"]] == [8443, 8444]
    assert only(render_role(ROLE, kube_state_metrics_metrics_namespaces=[]), "NetworkPolicy")["spec"]["ingress"] == []


def test_both_ports_speak_tls() -> None:
    container = only(render_role(ROLE), "Deployment")["spec"]["template"]["spec"]["containers"][0]
    assert args()["tls-config"] == "/etc/kube-state-metrics/web.yml"
    assert (
        container["livenessProbe"]["httpGet"]["scheme"] == container["readinessProbe"]["httpGet"]["scheme"] == "HTTPS"
    )
