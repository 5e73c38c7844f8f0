# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refusals of the roles' admission policies, with and without check mode, and their messages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply import render
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.applier import Result
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.errors import PlanError
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import ROLES, Objects, render_template

from localcloud.testing import eventually

from .conftest import Cluster

pytestmark = pytest.mark.integration
MEMBERS = {"staging": {"purpose": "workload", "vpc_cidr": "10.42.0.0/16"}}


class Protected:
    """A role's policies and their parameters, in a separate namespace."""

    def __init__(self, cluster: Cluster, role: str, namespace: str, templates: list[str], **options: Any) -> None:
        self.cluster = cluster
        self.role = role
        self.namespace = namespace
        self._templates = templates
        self._options = options | {f"{role}_namespace": namespace}

    def objects(self, **options: Any) -> Objects:
        kinds = ("ConfigMap", "StatefulSet", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
        folder = ROLES / self.role / "templates"
        found = [
            item
            for name in self._templates
            for item in render_template(folder / f"{name}.yaml.j2", host="controlplane", **self._options | options)
        ]
        return [item for item in found if item["kind"] in kinds]

    def apply(self, *, check: bool = False, **options: Any) -> bool:
        applier = self.cluster.applier(self.role, self.namespace, check=check)
        return applier.present(render.from_definition(self.objects(**options))).changed

    def refusal(self, **options: Any) -> str:
        """Return the message when the policy is effective; nothing may have been changed before."""

        def refused() -> bool:
            try:
                self.apply(check=True, **options)
            except PlanError:
                return True
            return False

        eventually(refused, what="the policy refuses in check mode")
        with pytest.raises(PlanError) as caught:
            self.apply(**options)
        assert not self.apply(), "something was changed all the same"
        return str(caught.value)


@pytest.fixture
def kafka(cluster: Cluster, namespace: str) -> Iterator[Protected]:
    found = Protected(
        cluster, "kafka", namespace, ["safety", "statefulsets", "reconciler"], kafka_members=MEMBERS, kafka_replicas=4
    )
    found.apply()
    yield found
    cluster.absent("kafka", namespace, confirm="kafka")


@pytest.fixture
def elasticsearch(cluster: Cluster, namespace: str) -> Iterator[Protected]:
    found = Protected(cluster, "elasticsearch", namespace, ["safety", "statefulset"], elasticsearch_nodes=5)
    found.apply()
    yield found
    cluster.absent("elasticsearch", namespace, confirm="elasticsearch")


def test_partitions_of_a_topic_are_not_lowered(kafka: Protected) -> None:
    assert "metrics-staging has 6 and cannot have 2. Set kafka_topic_partitions or kafka_topics back." in kafka.refusal(
        kafka_topics={"metrics-staging": {"partitions": 2}, "invoices": {"partitions": 1}}
    )
    said = kafka.refusal(kafka_topic_partitions=5)
    assert "logs-staging has 6 and cannot have 5" in said
    assert "metrics-staging has 6 and cannot have 5" in said
    assert kafka.apply(kafka_topic_partitions=7)


def test_brokers_are_not_removed(kafka: Protected) -> None:
    assert "Kafka has 4 brokers and 3 are asked for" in kafka.refusal(kafka_replicas=3)
    said = kafka.refusal(kafka_replicas=2)
    assert "The quorum of Kafka was formed of 3 brokers and cannot be formed of 1 brokers" in said


def test_nodes_are_not_removed(elasticsearch: Protected) -> None:
    said = elasticsearch.refusal(elasticsearch_nodes=3)
    assert "Elasticsearch has 5 nodes and 3 are asked for" in said
    assert elasticsearch.apply(elasticsearch_nodes=6)


def test_a_system_namespace_leaves_a_set_without_changes(cluster: Cluster, namespace: str) -> None:
    """The API server refuses to delete kube-system, so a set that adopts it could never remove it."""
    path = "/api/v1/namespaces/kube-system"
    taken: Objects = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system", "labels": {"tier": "tenant"}}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "own", "namespace": "kube-system"}},
    ]
    rest: Objects = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "rest"}}]
    before = cluster.get(path)
    assert before is not None

    def without(**settings: Any) -> Result:
        return cluster.apply("taken", namespace, rest, prune_limit=1, **settings)

    def absent(**settings: Any) -> Result:
        return cluster.absent("taken", namespace, **settings)

    def outside(done: Result) -> set[tuple[str, str]]:
        return {(action.key.name, action.action) for action in done.actions if action.key.namespace != namespace}

    try:
        for leave in (without, absent):
            cluster.apply("taken", namespace, rest + taken, allow_namespaces=True)
            assert cluster.get(path)["metadata"]["labels"]["tier"] == "tenant"
            announced = outside(leave(check=True))
            assert announced == {("kube-system", "released"), ("own", "pruned")}
            done = leave(wait=True, wait_timeout=30)
            assert outside(done) == announced
            assert cluster.get(path)["metadata"]["labels"] == before["metadata"]["labels"]
            assert cluster.get("/api/v1/namespaces/kube-system/configmaps/own") is None
    finally:
        cluster.absent("taken", namespace)
