# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects of the roles for OpenShift: each pod may use what it requests, and no more."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import (
    Objects,
    conditions,
    evaluate,
    only,
    render_role,
    rendered_role,
    select,
)

# The roles that run on an existing workload.
RUNNING = ("fluent_bit", "guardrails", "kube_state_metrics", "node_exporter", "prometheus", "verify")
WITH_PODS = [role for role in RUNNING if role != "guardrails"]
OPENSHIFT = ("route.openshift.io", "security.openshift.io")


def on_openshift(role: str, **options: Any) -> Objects:
    return render_role(role, **{f"{role}_openshift": True, **options})


def workloads(objects: Objects) -> Objects:
    return [each for kind in ("DaemonSet", "Deployment", "StatefulSet") for each in select(objects, kind)]


def kinds(pod: dict[str, Any]) -> set[str]:
    """The kinds of a pod's volumes, as SecurityContextConstraints call them."""
    found = {next(key for key in volume if key != "name") for volume in pod.get("volumes", [])}
    return found | ({"projected"} if pod["automountServiceAccountToken"] else set())


def constraints_of(objects: Objects, pod: dict[str, Any]) -> str:
    """The one SecurityContextConstraints that a pod's account may use."""
    account = pod["serviceAccountName"]
    binding = only(objects, "RoleBinding", f"{account}-scc")
    assert [each["name"] for each in binding["subjects"]] == [account]
    (rule,) = only(objects, "Role", binding["roleRef"]["name"], binding["metadata"]["namespace"])["rules"]
    assert (rule["apiGroups"], rule["verbs"]) == (["security.openshift.io"], ["use"])
    assert rule["resources"] == ["securitycontextconstraints"]
    (name,) = rule["resourceNames"]
    return str(name)


@pytest.mark.parametrize("role", RUNNING)
def test_nothing_of_openshift_elsewhere(role: str) -> None:
    objects = rendered_role(role)
    assert not [each for each in objects if each["apiVersion"].partition("/")[0] in OPENSHIFT]
    assert not [each for each in objects if each["metadata"]["name"].endswith("-scc")]
    assert evaluate(role, f"{role}_openshift") is False


@pytest.mark.parametrize("platform", ["openshift", "rosa"])
def test_the_platform_decides(platform: str) -> None:
    member = {"purpose": "workload", "provider": "existing", "region": "eu-central-1", "vpc_cidr": "10.60.0.0/16"}
    fleet = {"staging": {**member, "platform": platform}}
    assert evaluate("node_exporter", "node_exporter_openshift", host="staging", fleet_members=fleet) is True
    assert evaluate("node_exporter", "node_exporter_port", host="staging", fleet_members=fleet) == 9110
    found = {"kubeconfig_discovered": {"platform": platform, "kubeconfig": "/k", "context": "c"}}
    options = {"host": "staging", "fleet_members": {"staging": member}, **found}
    assert evaluate("node_exporter", "node_exporter_openshift", **options) is True
    way = evaluate("node_exporter", "kube_connection", **options)
    assert (way["kubeconfig"], way["context"]) == ("/k", "c")


@pytest.mark.parametrize("role", WITH_PODS)
def test_constraints_allow_what_the_pods_ask_for_and_no_more(role: str) -> None:
    objects = on_openshift(role)
    for workload in workloads(objects):
        template = workload["spec"]["template"]
        pod, name = template["spec"], constraints_of(objects, template["spec"])
        containers = pod["containers"] + pod.get("initContainers", [])
        assert all(each["securityContext"]["capabilities"] == {"drop": ["ALL"]} for each in containers)
        if (
            name == "nonroot-v2"
        ):  # https://github.com/openshift/cluster-kube-apiserver-operator, bindata/bootkube/scc-manifests
            assert pod["securityContext"]["runAsNonRoot"] is True
            assert "hostPath" not in kinds(pod)
            assert not pod.get("hostNetwork")
            continue
        scc = only(objects, "SecurityContextConstraints", name)
        assert template["metadata"]["annotations"]["openshift.io/required-scc"] == name
        assert set(scc["volumes"]) == kinds(pod)
        assert scc["allowHostDirVolumePlugin"] is ("hostPath" in kinds(pod))
        assert scc["allowHostNetwork"] is pod.get("hostNetwork", False)
        ports = [port for each in containers for port in each.get("ports", []) if "hostPort" in port]
        assert scc["allowHostPorts"] is bool(ports)
        assert scc["runAsUser"] == {"type": "MustRunAs", "uid": pod["securityContext"]["runAsUser"]}
        group = pod["securityContext"].get("fsGroup")
        assert scc["fsGroup"].get("ranges") == ([{"min": group, "max": group}] if group else None)
        assert not any(scc[key] for key in ("allowHostIPC", "allowHostPID", "allowPrivilegedContainer"))
        assert not any(scc[key] for key in ("allowPrivilegeEscalation", "allowedCapabilities", "users", "groups"))
        assert scc["readOnlyRootFilesystem"] is all(
            each["securityContext"]["readOnlyRootFilesystem"] for each in containers
        )


def test_names_are_resolved_by_the_pods_of_openshift() -> None:
    (policy, *_) = select(on_openshift("guardrails"), "NetworkPolicy", "allow-dns")
    (rule,) = policy["spec"]["egress"]
    assert rule["to"][0]["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "openshift-dns"}
    assert {(port["protocol"], port["port"]) for port in rule["ports"]} >= {("UDP", 5353), ("TCP", 5353)}
    conditions = [
        each["spec"]["matchConditions"][0]["expression"]
        for each in select(on_openshift("guardrails"), "ValidatingAdmissionPolicy")
        if each["metadata"]["name"].startswith("dataplatform-fleet-protect-")
    ]
    assert conditions
    assert all('startsWith("system:serviceaccount:openshift-")' in each for each in conditions)


def test_an_existing_cluster_keeps_its_storage_classes() -> None:
    objects = render_role("guardrails", guardrails_storage_class_name="")
    assert not select(objects, "StorageClass")
    (claim,) = only(render_role("prometheus", prometheus_storage_class=""), "StatefulSet")["spec"][
        "volumeClaimTemplates"
    ]
    assert "storageClassName" not in claim["spec"]


@pytest.mark.parametrize("namespaces", [["grafana"], []])
def test_a_route_allows_only_the_routers_and_the_declared_networks(namespaces: list[str]) -> None:
    options = {
        "prometheus_route_host": "prometheus.apps.example.com",
        "prometheus_route_allowed_cidrs": ["192.0.2.0/24", "198.51.100.0/24"],
        "prometheus_query_namespaces": namespaces,
    }
    objects = on_openshift("prometheus", **options)
    route = only(objects, "Route")
    annotations = route["metadata"]["annotations"]
    assert annotations["haproxy.router.openshift.io/ip_allowlist"] == "192.0.2.0/24 198.51.100.0/24"
    service = only(objects, "Service", route["spec"]["to"]["name"])
    assert route["spec"]["port"]["targetPort"] in [port["name"] for port in service["spec"]["ports"]]
    assert route["spec"]["tls"]["termination"] == "reencrypt"
    ingress = only(objects, "NetworkPolicy")["spec"]["ingress"]
    assert len(ingress) == 1 + bool(namespaces)
    labels = [peer["namespaceSelector"]["matchLabels"] for peer in ingress[0]["from"]]
    assert {"network.openshift.io/policy-group": "ingress"} in labels
    assert not select(render_role("prometheus", **options), "Route")


@pytest.mark.parametrize(
    ("options", "taken"),
    [
        ({}, True),
        ({"prometheus_route_host": "p.example.com"}, False),
        ({"prometheus_route_host": "p.example.com", "prometheus_openshift": True}, False),
        (
            {
                "prometheus_route_host": "p.example.com",
                "prometheus_openshift": True,
                "prometheus_route_allowed_cidrs": [f"192.0.2.{number}/32" for number in range(62)],
            },
            False,
        ),
        (
            {
                "prometheus_route_host": "p.example.com",
                "prometheus_openshift": True,
                "prometheus_route_allowed_cidrs": ["192.0.2.0/24"],
            },
            True,
        ),
    ],
)
def test_a_public_route_is_refused(options: dict[str, Any], taken: bool) -> None:
    (condition,) = [
        each for each in conditions("prometheus", "check.yml") if "prometheus_route_host is" in each["fail_msg"]
    ]
    assert evaluate("prometheus", condition["that"], **options) is taken
