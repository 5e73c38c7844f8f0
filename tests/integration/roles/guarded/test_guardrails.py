# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refusals of the guardrails."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.tests.integration.roles.guarded.kubectl import (
    GUARDRAILS,
    Kubectl,
)
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import render_role

from localcloud.testing import eventually

pytestmark = pytest.mark.integration

CONFIRM = "dataplatform.fleet/confirm-delete"
COUNTER = itertools.count()


def claim(namespace: str, name: str, **labels: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }


def custom_resource_definition(plural: str, **labels: str) -> dict[str, Any]:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.example.com", "labels": labels},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"kind": plural.capitalize(), "plural": plural},
            "versions": [
                {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
            ],
        },
    }


def pod(namespace: str, **spec: Any) -> str:
    container = {
        "name": "main",
        "image": "registry.example.com/main:1",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"pod-{next(COUNTER)}", "namespace": namespace},
            "spec": {
                "automountServiceAccountToken": False,
                "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
                "containers": [container],
                **spec,
            },
        }
    )


@pytest.fixture
def protected(guarded: Kubectl) -> Iterator[str]:
    """A protected namespace of this test, with two claims."""
    name = f"protected-{next(COUNTER)}"
    guarded.apply(render_role("guardrails", guardrails_namespaces=[{"name": name}], guardrails_tenants=[]))
    guarded.apply([claim(name, "data-0"), claim(name, "data-1")])
    yield name
    # Some tests have deleted it.
    guarded.run("annotate", "--overwrite", "namespace", name, f"{CONFIRM}={name}")
    guarded.run("delete", "namespace", name, "--wait=false")


# -- irreversible deletions


def test_an_unconfirmed_namespace_deletion_names_the_confirmation(guarded: Kubectl) -> None:
    answer = guarded.refused("delete", "namespace", "ingress-nginx")
    assert "Namespace ingress-nginx is protected: deleting it deletes everything in it." in answer
    assert (
        "kubectl annotate --overwrite namespace ingress-nginx dataplatform.fleet/confirm-delete=ingress-nginx" in answer
    )
    assert guarded.get("namespace", "ingress-nginx")["status"]["phase"] == "Active"


def test_the_suggested_command_works(guarded: Kubectl, protected: str) -> None:
    answer = guarded.refused("delete", "namespace", protected)
    typed = answer.split("run: kubectl ")[1].split(" and delete it again")[0]
    guarded.do(*typed.split())
    guarded.do("delete", "namespace", protected, "--wait=false")


def test_the_confirmation_of_another_object_is_none(guarded: Kubectl, protected: str) -> None:
    guarded.do("annotate", "namespace", protected, f"{CONFIRM}=true")
    assert "is protected" in guarded.refused("delete", "namespace", protected)
    guarded.do("annotate", "--overwrite", "namespace", protected, f"{CONFIRM}=ingress-nginx")
    assert "is protected" in guarded.refused("delete", "namespace", protected)


def test_a_confirmed_namespace_with_claims_is_deleted(guarded: Kubectl, protected: str) -> None:
    guarded.do("annotate", "namespace", protected, f"{CONFIRM}={protected}")
    guarded.do("delete", "namespace", protected, "--timeout=90s")
    assert "NotFound" in guarded.refused("get", "namespace", protected)
    assert guarded.names("pvc", f"--namespace={protected}") == []


def test_deleting_all_claims_unconfirmed_is_refused(guarded: Kubectl, protected: str) -> None:
    answer = guarded.refused("delete", "pvc", "--all", f"--namespace={protected}", "--wait=false")
    for name in ("data-0", "data-1"):
        assert (
            f"kubectl annotate --overwrite --namespace {protected} pvc {name} dataplatform.fleet/confirm-delete={name}"
            in answer
        )
    assert guarded.names("pvc", f"--namespace={protected}") == ["data-0", "data-1"]


def test_deleting_the_collection_of_claims_is_refused_too(guarded: Kubectl, protected: str) -> None:
    answer = guarded.refused("delete", f"--raw=/api/v1/namespaces/{protected}/persistentvolumeclaims")
    assert "is protected" in answer
    for item in guarded.get("pvc", f"--namespace={protected}")["items"]:
        assert "deletionTimestamp" not in item["metadata"]


def test_only_the_confirmed_claim_is_deleted(guarded: Kubectl, protected: str) -> None:
    guarded.do("annotate", "pvc", "data-0", f"{CONFIRM}=data-0", f"--namespace={protected}")
    guarded.refused("delete", "pvc", "--all", f"--namespace={protected}", "--wait=false")
    eventually(
        lambda: guarded.names("pvc", f"--namespace={protected}") == ["data-1"],
        what="only the unconfirmed claim is left",
    )


def test_the_garbage_collector_is_not_stopped(guarded: Kubectl, protected: str) -> None:
    """A claim of a StatefulSet with ``whenDeleted: Delete`` is deleted with it."""
    guarded.apply([{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owner", "namespace": protected}}])
    owner = guarded.get("configmap", "owner", f"--namespace={protected}")["metadata"]
    owned = claim(protected, "owned")
    owned["metadata"]["ownerReferences"] = [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["uid"]}
    ]
    guarded.apply([owned])
    guarded.do("delete", "configmap", "owner", f"--namespace={protected}")
    eventually(
        lambda: "owned" not in guarded.names("pvc", f"--namespace={protected}"), what="the owned claim is collected"
    )


def test_claims_elsewhere_are_free_unless_labelled(guarded: Kubectl) -> None:
    guarded.apply(
        [
            claim("default", "free"),
            claim("default", "kept", **{"dataplatform.fleet/protected": "true"}),
            claim("scratch", "free"),
        ]
    )
    guarded.do("delete", "pvc", "free", "--namespace=default", "--wait=false")
    guarded.do("delete", "pvc", "free", "--namespace=scratch", "--wait=false")
    assert "default/kept is protected" in guarded.refused("delete", "pvc", "kept", "--namespace=default")


def test_namespaces_that_are_not_protected_are_free(guarded: Kubectl) -> None:
    guarded.do("create", "namespace", "somebodys")
    guarded.do("delete", "namespace", "somebodys", "--wait=false")
    guarded.do("delete", "namespace", "scratch", "--dry-run=server")


def test_a_custom_resource_definition_is_protected_by_default(guarded: Kubectl) -> None:
    guarded.apply(
        [
            custom_resource_definition("widgets"),
            custom_resource_definition("toys", **{"dataplatform.fleet/protected": "false"}),
        ]
    )
    guarded.do("delete", "crd", "toys.example.com", "--wait=false")
    answer = guarded.refused("delete", "crd", "widgets.example.com")
    assert "deleting it deletes every Widgets on the cluster" in answer
    guarded.do("annotate", "crd", "widgets.example.com", f"{CONFIRM}=widgets.example.com")
    guarded.do("delete", "crd", "widgets.example.com", "--timeout=60s")


def test_eks_itself_and_named_users_are_exempt(guarded: Kubectl) -> None:
    guarded.apply([custom_resource_definition("addons")])
    eks = Kubectl(guarded.program, guarded.kubeconfig, "eks:addon-manager", ("system:masters",))
    gitops = Kubectl(guarded.program, guarded.kubeconfig, "gitops", ("system:masters",))
    assert "is protected" in gitops.refused("delete", "crd", "addons.example.com", "--dry-run=server")
    eks.do("delete", "crd", "addons.example.com", "--dry-run=server")

    guarded.apply(render_role("guardrails", guardrails_exempt_users=["gitops"], **GUARDRAILS))
    eventually(
        lambda: gitops.run("delete", "crd", "addons.example.com", "--dry-run=server").returncode == 0,
        what="the named user is exempt",
    )
    guarded.apply(render_role("guardrails", **GUARDRAILS))


def test_policies_cannot_guard_policies(guarded: Kubectl) -> None:
    """Documented in the README. If Kubernetes changes it, the role can protect its policies."""
    rules = [{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["DELETE"], "resources": ["*"]}]
    guarded.apply(
        [
            {
                "apiVersion": "admissionregistration.k8s.io/v1",
                "kind": "ValidatingAdmissionPolicy",
                "metadata": {"name": "guard"},
                "spec": {
                    "failurePolicy": "Fail",
                    "matchConstraints": {"resourceRules": rules},
                    "matchConditions": [{"name": "probe", "expression": "request.name.startsWith('guard')"}],
                    "validations": [{"expression": "false", "message": "guarded"}],
                },
            },
            {
                "apiVersion": "admissionregistration.k8s.io/v1",
                "kind": "ValidatingAdmissionPolicyBinding",
                "metadata": {"name": "guard"},
                "spec": {"policyName": "guard", "validationActions": ["Deny"]},
            },
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "guard", "namespace": "default"}},
        ]
    )
    eventually(
        lambda: guarded.run("delete", "configmap", "guard", "--dry-run=server").returncode != 0, what="it is in force"
    )
    guarded.do("delete", "validatingadmissionpolicybinding", "guard")
    guarded.do("delete", "validatingadmissionpolicy", "guard")


# -- namespaces


def test_applying_again_changes_nothing(guarded: Kubectl) -> None:
    def state() -> list[dict[str, Any]]:
        items = guarded.read(render_role("guardrails", **GUARDRAILS))
        moving = ("resourceVersion", "managedFields")
        return [
            {key: value for key, value in item.items() if key not in ("metadata", "status")}
            | {"metadata": {key: value for key, value in item["metadata"].items() if key not in moving}}
            for item in items
        ]

    before = state()
    guarded.apply(render_role("guardrails", **GUARDRAILS))
    assert state() == before


def test_pod_security_is_enforced_at_the_level_of_each_namespace(guarded: Kubectl) -> None:
    host = {"hostNetwork": True}
    guarded.do("create", "--filename=-", "--dry-run=server", content=pod("ingress-nginx"))
    assert "violates PodSecurity" in guarded.refused(
        "create", "--filename=-", "--dry-run=server", content=pod("ingress-nginx", **host)
    )
    guarded.do("create", "--filename=-", "--dry-run=server", content=pod("agents", **host))


def test_pods_get_the_default_priority_and_limits(guarded: Kubectl) -> None:
    made = json.loads(
        guarded.do("create", "--filename=-", "--dry-run=server", "--output=json", content=pod("analytics"))
    )
    assert made["spec"]["priorityClassName"] == "tenant"
    assert made["spec"]["containers"][0]["resources"]["limits"] == {"cpu": "500m", "memory": "256Mi"}


def test_the_default_storage_class_is_encrypted(guarded: Kubectl) -> None:
    guarded.apply([claim("default", "of-the-default-class")])
    made = guarded.get("pvc", "of-the-default-class", "--namespace=default")
    assert made["spec"]["storageClassName"] == "gp3"
    storage = guarded.get("storageclass", "gp3")
    assert storage["parameters"] == {"type": "gp3", "encrypted": "true"}
    assert storage["volumeBindingMode"] == "WaitForFirstConsumer"
    assert storage["allowVolumeExpansion"] is True


# -- teams


@pytest.fixture
def team(guarded: Kubectl) -> Kubectl:
    """A user of the team analytics."""
    return guarded.member_of("system:authenticated", "tenant:analytics")


def test_a_team_works_in_its_own_namespace(team: Kubectl) -> None:
    for verb, resource in [
        ("create", "deployments.apps"),
        ("delete", "pods"),
        ("get", "pods/log"),
        ("create", "pods/exec"),
        ("create", "ingresses.networking.k8s.io"),
        ("patch", "statefulsets.apps/scale"),
        ("get", "networkpolicies.networking.k8s.io"),
    ]:
        assert team.can(verb, resource, "analytics"), f"{verb} {resource}"


def test_a_team_cannot_open_its_cage(team: Kubectl) -> None:
    for verb, resource in [
        ("create", "networkpolicies.networking.k8s.io"),
        ("delete", "networkpolicies.networking.k8s.io"),
        ("update", "resourcequotas"),
        ("delete", "limitranges"),
        ("create", "rolebindings.rbac.authorization.k8s.io"),
        ("create", "roles.rbac.authorization.k8s.io"),
        ("patch", "namespaces"),
        ("delete", "namespaces"),
        ("impersonate", "users"),
        ("get", "nodes"),
        ("create", "persistentvolumes"),
        ("create", "validatingadmissionpolicies.admissionregistration.k8s.io"),
        ("create", "serviceaccounts/token"),
    ]:
        assert not team.can(verb, resource, "analytics"), f"{verb} {resource}"


def test_a_team_cannot_read_objects_of_another_team(team: Kubectl) -> None:
    for namespace in ("research", "ingress-nginx", "kube-system", "default"):
        for resource in ("pods", "secrets", "configmaps"):
            assert not team.can("get", resource, namespace)
            assert not team.can("create", resource, namespace)


def test_the_groups_of_an_identity_provider_are_the_team_too(guarded: Kubectl) -> None:
    assert guarded.member_of("oidc:research").can("create", "deployments.apps", "research")
    assert not guarded.member_of("oidc:research").can("create", "deployments.apps", "analytics")


AWS = "service.beta.kubernetes.io/aws-load-balancer"
LEGACY = {f"{AWS}-internal": "true"}
SCHEME = {f"{AWS}-scheme": "internal"}
AUTO, CONTROLLER = "eks.amazonaws.com/nlb", "service.k8s.aws/nlb"


def service(namespace: str, annotations: dict[str, str] | None = None, **spec: Any) -> str:
    metadata = {"name": f"way-in-{next(COUNTER)}", "namespace": namespace, "annotations": annotations or {}}
    return json.dumps(
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [{"port": 80}], **spec}}
    )


@pytest.mark.parametrize("namespace", ["analytics", "frugal"])
@pytest.mark.parametrize(
    ("annotations", "spec", "reason"),
    [
        ({}, {"externalIPs": ["192.0.2.7"]}, "must not claim spec.externalIPs"),
        ({}, {"type": "NodePort"}, "must not be of the type NodePort"),
        ({}, {"type": "LoadBalancer"}, "must not be of the type LoadBalancer"),
        ({}, {"type": "LoadBalancer", "loadBalancerClass": AUTO}, "must not be of the type LoadBalancer"),
        (LEGACY, {"type": "LoadBalancer"}, "must not be of the type LoadBalancer"),
    ],
    ids=["external address", "node port", "public", "class", "internal"],
)
def test_a_team_takes_no_traffic_from_outside_whatever_its_quota(
    guarded: Kubectl, namespace: str, annotations: dict[str, str], spec: dict[str, Any], reason: str
) -> None:
    team = guarded.member_of("system:authenticated", f"tenant:{namespace}")
    content = service(namespace, annotations, **spec)
    for user in (team, guarded):
        eventually(
            lambda who=user: reason in who.run("create", "--filename=-", "--dry-run=server", content=content).stderr,
            what=f"refused, because it {reason}",
        )
    team.do("create", "--filename=-", "--dry-run=server", content=service(namespace, annotations))


@pytest.fixture
def balanced(guarded: Kubectl) -> Kubectl:
    """A user of the team that may have load balancers."""
    eventually(
        lambda: bool(guarded.get("resourcequota", "quota", "--namespace=balanced").get("status")),
        what="the quota is counted",
    )
    return guarded.member_of("system:authenticated", "tenant:balanced")


@pytest.mark.parametrize(
    ("annotations", "load_balancer_class"),
    [
        ({}, None),
        ({f"{AWS}-internal": "false"}, None),
        # An old spelling of the same, which not every controller reads.
        ({f"{AWS}-internal": "0.0.0.0/0"}, None),
        ({f"{AWS}-type": "nlb"}, None),
        # The Service controller does not read a scheme.
        (SCHEME, None),
        ({**SCHEME, f"{AWS}-type": "nlb"}, None),
        ({**LEGACY, f"{AWS}-scheme": "internet-facing"}, None),
        ({f"{AWS}-type": "external"}, None),
        ({f"{AWS}-type": "external", f"{AWS}-scheme": "internet-facing"}, None),
        ({f"{AWS}-type": "nlb-ip", f"{AWS}-internal": "false"}, None),
        ({}, AUTO),
        ({f"{AWS}-scheme": "internet-facing"}, CONTROLLER),
        ({f"{AWS}-scheme": "Internal"}, AUTO),
        ({**SCHEME, **LEGACY}, "example.com/another"),
    ],
)
def test_a_load_balancer_of_a_team_is_never_public(
    balanced: Kubectl, annotations: dict[str, str], load_balancer_class: str | None
) -> None:
    spec = {"loadBalancerClass": load_balancer_class} if load_balancer_class else {}
    answer = balanced.refused(
        "create", "--filename=-", content=service("balanced", annotations, type="LoadBalancer", **spec)
    )
    assert "must not be public" in answer
    assert f'Set the annotation {AWS}-internal to "true"' in answer


@pytest.mark.parametrize(
    ("annotations", "load_balancer_class"),
    [
        (LEGACY, None),
        ({**LEGACY, **SCHEME, f"{AWS}-type": "nlb"}, None),
        ({**SCHEME, f"{AWS}-type": "external"}, None),
        ({**LEGACY, f"{AWS}-type": "nlb-ip"}, None),
        (SCHEME, AUTO),
        (LEGACY, CONTROLLER),
    ],
)
def test_a_team_whose_quota_allows_it_has_internal_load_balancers(
    balanced: Kubectl, annotations: dict[str, str], load_balancer_class: str | None
) -> None:
    spec = {"loadBalancerClass": load_balancer_class} if load_balancer_class else {}
    content = service("balanced", annotations, type="LoadBalancer", **spec)
    balanced.do("create", "--filename=-", "--dry-run=server", content=content)
    balanced.do("create", "--filename=-", "--dry-run=server", content=service("balanced", type="NodePort"))


def test_load_balancers_open_node_ports_only_where_the_quota_has_some(guarded: Kubectl) -> None:
    """The quota has no services.nodeports, and 1k load balancers."""
    member = guarded.member_of("system:authenticated", "tenant:addressed")
    eventually(
        lambda: bool(guarded.get("resourcequota", "quota", "--namespace=addressed").get("status")),
        what="the quota is counted",
    )
    create = ("create", "--filename=-", "--dry-run=server")
    balancer: dict[str, Any] = {"type": "LoadBalancer", "loadBalancerClass": AUTO}
    closed = {**balancer, "allocateLoadBalancerNodePorts": False}
    member.do(*create, content=service("addressed", LEGACY, **closed))
    for spec in (balancer, {**closed, "ports": [{"port": 80, "nodePort": 30080}]}):
        answer = member.refused(*create, content=service("addressed", LEGACY, **spec))
        assert "must not be open on every node. Set spec.allocateLoadBalancerNodePorts to false" in answer
    assert "must not be of the type NodePort" in member.refused(*create, content=service("addressed", type="NodePort"))


def test_a_load_balancer_cannot_become_public_later(balanced: Kubectl) -> None:
    balanced.do("create", "--filename=-", content=service("balanced", LEGACY, type="LoadBalancer"))
    (name,) = balanced.names("services", "--namespace=balanced")
    there = ["service", name, "--namespace=balanced"]
    for change in (f"{AWS}-internal-", f"{AWS}-internal=false", f"{AWS}-scheme=internet-facing"):
        assert "must not be public" in balanced.refused("annotate", "--overwrite", *there, change)
    balanced.do("annotate", *there, "example.com/owner=me")
    balanced.do("delete", *there, "--wait=false")


def test_a_service_cannot_become_public_later(team: Kubectl) -> None:
    team.do("create", "--filename=-", content=service("analytics"))
    (name,) = team.names("services", "--namespace=analytics")
    there = ["service", name, "--namespace=analytics"]
    for spec, reason in [
        ({"type": "LoadBalancer"}, "must not be of the type LoadBalancer"),
        ({"type": "NodePort"}, "must not be of the type NodePort"),
        ({"externalIPs": ["192.0.2.7"]}, "must not claim spec.externalIPs"),
    ]:
        assert reason in team.refused("patch", *there, "--patch", json.dumps({"spec": spec}))
    team.do("delete", *there)


def test_objects_older_than_the_policy_can_be_deleted_but_not_opened_further(guarded: Kubectl, team: Kubectl) -> None:
    """Like a load balancer's controller, which removes its finalizer with an update."""
    label = ["namespace", "analytics", "--overwrite"]
    guarded.do("label", *label, "dataplatform.fleet/tenant-")
    old = json.loads(service("analytics", externalIPs=["192.0.2.7"]))
    old["metadata"]["finalizers"] = ["example.com/load-balancer"]
    name = old["metadata"]["name"]
    eventually(
        lambda: guarded.run("create", "--filename=-", content=json.dumps(old)).returncode == 0,
        what="the policy ignores the namespace",
    )
    guarded.do("label", *label, "dataplatform.fleet/tenant=analytics")
    there = ["service", name, "--namespace=analytics"]
    eventually(
        lambda: team.run("annotate", *there, "a=b", "--dry-run=server").returncode != 0, what="the policy looks again"
    )
    team.do("delete", *there, "--wait=false")
    worse = json.dumps({"spec": {"externalIPs": ["192.0.2.8"]}})
    assert "must not claim spec.externalIPs" in team.refused("patch", *there, "--patch", worse)
    team.do("patch", *there, "--patch", json.dumps({"metadata": {"finalizers": None}}))
    eventually(lambda: team.run("get", *there).returncode != 0, what="it is gone")


def ingress(name: str | None, annotation: str | None) -> str:
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    return json.dumps(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": {
                "name": "web",
                "namespace": "analytics",
                "annotations": {} if annotation is None else {"kubernetes.io/ingress.class": annotation},
            },
            "spec": {"defaultBackend": backend, **({"ingressClassName": name} if name else {})},
        }
    )


@pytest.mark.parametrize(
    ("name", "annotation", "refused"),
    [
        ("nginx", None, False),
        (None, None, False),
        (None, "nginx", False),
        (None, "", True),
        ("alb", None, True),
        (None, "alb", True),
        ("nginx", "alb", True),
    ],
)
def test_a_team_publishes_with_the_platforms_ingress_only(
    team: Kubectl, name: str | None, annotation: str | None, refused: bool
) -> None:
    # The API server itself refuses a new Ingress with both.
    done = team.run("create", "--filename=-", "--dry-run=server", content=ingress(name, annotation))
    assert (done.returncode != 0) is refused, done.stderr
    if refused and not (name and annotation):
        assert "must be of the class nginx" in done.stderr


def test_a_default_class_that_is_not_the_teams_is_not_got_by_naming_none(guarded: Kubectl, team: Kubectl) -> None:
    default = {"ingressclass.kubernetes.io/is-default-class": "true"}
    spec = {"controller": "ingress.k8s.aws/alb"}
    kind = {"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass"}
    guarded.apply([{**kind, "metadata": {"name": "alb", "annotations": default}, "spec": spec}])
    create = ("create", "--filename=-", "--dry-run=server")
    try:
        for annotation in (None, ""):
            eventually(
                lambda which=annotation: (
                    "must be of the class nginx" in team.run(*create, content=ingress(None, which)).stderr
                ),
                what="the default class is refused",
            )
        team.do("create", "--filename=-", content=ingress("nginx", None))
        # An update sets no default: a controller that serves Ingresses without a class would take it over.
        there = ("ingress", "web", "--namespace=analytics")
        without = json.dumps({"spec": {"ingressClassName": None}})
        assert "must keep a class" in team.refused("patch", *there, "--type=merge", "--patch", without)
        team.do("annotate", *there, "example.com/owner=me")
        team.do("delete", *there)
    finally:
        guarded.do("delete", "ingressclass", "alb")


@pytest.mark.parametrize("name", ["platform-critical", "platform", "system-node-critical"])
def test_a_team_cannot_push_the_platform_off_its_nodes(team: Kubectl, name: str) -> None:
    eventually(
        lambda: bool(team.get("resourcequota", "no-foreign-priority", "--namespace=analytics").get("status")),
        what="the quota is counted",
    )
    answer = team.refused("create", "--filename=-", content=pod("analytics", priorityClassName=name))
    assert "exceeded quota: no-foreign-priority" in answer
    team.do("create", "--filename=-", "--dry-run=server", content=pod("analytics", priorityClassName="tenant-batch"))


def test_a_team_runs_restricted_pods_only(team: Kubectl) -> None:
    answer = team.refused("create", "--filename=-", content=pod("analytics", hostPID=True))
    assert "violates PodSecurity" in answer
