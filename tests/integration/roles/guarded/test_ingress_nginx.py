# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ingress controller's objects on a real API server with the guardrails."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.tests.integration.roles.guarded.kubectl import Kubectl
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import only, render_role, select

from localcloud.testing import eventually

pytestmark = pytest.mark.integration

NAMESPACE = "ingress-nginx"
ACM = {
    "ingress_nginx_tls": "acm",
    "ingress_nginx_tls_certificate_arn": "arn:aws:acm:eu-central-1:111122223333:certificate/1",
}


@pytest.fixture(scope="session")
def installed(guarded: Kubectl) -> Kubectl:
    guarded.apply(rendered())
    return guarded


def rendered(**options: Any) -> list[dict[str, Any]]:
    """The role's objects with Ingress enabled for one of two teams."""
    return render_role("ingress_nginx", **{"ingress_nginx_served_namespaces": ["analytics"], **options})


def test_the_pods_pass_admission(installed: Kubectl) -> None:
    """Pod Security restricted, quota, limit range and priority class, as the ReplicaSet meets them."""

    def pods() -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = installed.get("pods", f"--namespace={NAMESPACE}")["items"]
        return items

    eventually(lambda: len(pods()) == 2, what="both pods are created")
    assert {pod["spec"]["priorityClassName"] for pod in pods()} == {"platform-critical"}


def test_applying_again_changes_nothing(installed: Kubectl) -> None:
    objects = rendered()
    eventually(
        lambda: "observedGeneration" in installed.read(select(objects, "Deployment"))[0].get("status", {}),
        what="the controllers have looked",
    )
    generations = [item["metadata"].get("generation") for item in installed.read(objects)]
    installed.apply(objects)
    assert [item["metadata"].get("generation") for item in installed.read(objects)] == generations


@pytest.mark.parametrize(
    "options",
    [
        ACM,
        {"ingress_nginx_tls_secret": "default-tls"},
        {"ingress_nginx_size": "large", "ingress_nginx_max_replicas": 6},
        {"ingress_nginx_http": False, "ingress_nginx_allowed_cidrs": ["10.0.0.0/8"]},
        {
            "ingress_nginx_tolerations": [{"key": "edge", "operator": "Exists"}],
            "ingress_nginx_node_selector": {"role": "edge"},
            "ingress_nginx_image_pull_secrets": ["mirror"],
            "ingress_nginx_image_digest": "sha256:" + "0" * 64,
        },
    ],
    ids=",".join,
)
def test_variants_pass_strict_validation(installed: Kubectl, options: dict[str, Any]) -> None:
    installed.apply(rendered(**options), "--dry-run=server")


@pytest.mark.parametrize("kind", ["auto_mode", "controller"])
def test_every_kind_of_load_balancer_can_be_the_first(kubectl: Kubectl, kind: str) -> None:
    objects = render_role("ingress_nginx", ingress_nginx_load_balancer=kind, ingress_nginx_namespace="default")
    kubectl.apply(select(objects, "Service"), "--dry-run=server")


@pytest.mark.parametrize(
    ("options", "becomes"),
    [
        ({"ingress_nginx_load_balancer": "controller"}, "controller, internet-facing"),
        ({"ingress_nginx_scheme": "internal"}, "builtin, internal"),
    ],
)
def test_the_load_balancer_cannot_become_another_in_place(
    installed: Kubectl, options: dict[str, Any], becomes: str
) -> None:
    changed = json.dumps(only(render_role("ingress_nginx", **options), "Service"))

    def refusal() -> str:
        done = installed.run("apply", "--server-side", "--filename=-", "--dry-run=server", content=changed)
        return done.stderr if done.returncode else ""

    eventually(lambda: bool(refusal()), what="the policy is in force")
    assert f"is 'builtin, internet-facing' and cannot become '{becomes}' in place" in refusal()
    assert f"kubectl --namespace {NAMESPACE} delete service ingress-nginx" in refusal()


def test_the_class_of_the_load_balancer_is_immutable(installed: Kubectl) -> None:
    """The role's diagnosis looks for these words in the API server's answer."""
    changed = json.dumps(only(render_role("ingress_nginx", ingress_nginx_load_balancer="auto_mode"), "Service"))
    answer = installed.refused("apply", "--server-side", "--filename=-", "--dry-run=server", content=changed)
    assert "spec.loadBalancerClass" in answer


class TestRights:
    """The controller has exactly the permissions that its source needs without custom resources."""

    @pytest.fixture
    def controller(self, installed: Kubectl) -> Kubectl:
        return Kubectl(installed.program, installed.kubeconfig, f"system:serviceaccount:{NAMESPACE}:ingress-nginx")

    @pytest.mark.parametrize(
        ("verb", "resource", "namespace"),
        [
            ("watch", "ingresses.networking.k8s.io", "analytics"),
            ("update", "ingresses.networking.k8s.io/status", "analytics"),
            ("watch", "endpointslices.discovery.k8s.io", "analytics"),
            ("list", "secrets", "analytics"),
            ("watch", "pods", "analytics"),
            ("watch", "services", NAMESPACE),
            ("get", "namespaces", "analytics"),
            ("list", "secrets", NAMESPACE),
            ("create", "events", "analytics"),
            ("watch", "configmaps", NAMESPACE),
            ("create", "leases.coordination.k8s.io", NAMESPACE),
        ],
    )
    def test_may(self, controller: Kubectl, verb: str, resource: str, namespace: str) -> None:
        assert controller.can(verb, resource, namespace)

    @pytest.mark.parametrize(
        ("verb", "resource", "namespace"),
        [
            ("update", "ingresses.networking.k8s.io", "analytics"),
            ("update", "services", NAMESPACE),
            ("create", "secrets", NAMESPACE),
            # Another team, which is not served; a namespace of the platform; all.
            ("get", "secrets", "research"),
            ("list", "ingresses.networking.k8s.io", "research"),
            ("update", "ingresses.networking.k8s.io/status", "research"),
            ("list", "pods", "research"),
            ("get", "secrets", "agents"),
            ("list", "services", "agents"),
            ("get", "secrets", "kube-system"),
            ("list", "secrets", ""),
            ("list", "pods", ""),
            ("list", "configmaps", "analytics"),
            ("list", "nodes", ""),
            ("create", "pods", NAMESPACE),
            ("update", "pods", "analytics"),
            ("create", "leases.coordination.k8s.io", "kube-system"),
        ],
    )
    def test_may_not(self, controller: Kubectl, verb: str, resource: str, namespace: str) -> None:
        assert not controller.can(verb, resource, namespace)

    def test_reads_its_own_class_only(self, controller: Kubectl) -> None:
        controller.do("get", "ingressclass", "nginx")
        assert "forbidden" in controller.refused("get", "ingressclass", "other")
