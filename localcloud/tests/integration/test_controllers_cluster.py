# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The in-cluster controllers on a real control plane, with a fake account."""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from localcloud.controllers import Controllers, Settings, start_controllers
from localcloud.controllers.kube import ApiError, Kube, Object
from localcloud.kubernetes.control_plane import EXTRAS, ControlPlane
from localcloud.model import ClusterRef
from localcloud.testing import eventually

pytestmark = pytest.mark.integration

_NUMBERS = itertools.count()
_DEADLINE = 90.0


def _load_fake() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fake_cloud", Path(__file__).with_name("fake_cloud.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass
class Bench:
    """A running cluster, its fake account, and a client with administrator permissions."""

    plane: ControlPlane
    cloud: Any
    kube: Kube
    ref: ClusterRef
    settings: Settings
    controllers: Controllers

    def eventually(self, look: Callable[[], Any]) -> Any:
        """Wait until ``look`` returns a true value, and return that value."""
        return eventually(look, _DEADLINE, log=self.ref.directory / "controllers.log")

    def nodes(self, group: str) -> list[Object]:
        return self.kube.list("Node", labelSelector=f"eks.amazonaws.com/nodegroup={group}")

    def events(self, name: str) -> list[tuple[str, str]]:
        found = self.kube.list("Event", "default", fieldSelector=f"involvedObject.name={name}")
        return [(event["reason"], event["message"]) for event in found]

    def hostname(self, name: str) -> str:
        service = self.kube.get("Service", name, "default")
        ingress = ((service or {}).get("status", {}).get("loadBalancer") or {}).get("ingress") or [{}]
        return str(ingress[0].get("hostname", ""))


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    directory = tmp_path_factory.mktemp("controllers")
    with ControlPlane.temporary(directory, extras=EXTRAS) as plane:
        cloud = _load_fake().FakeCloud()
        ref = ClusterRef(
            "testing",
            "000000000000",
            "eu-central-1",
            plane.endpoint,
            plane.system_kubeconfig,
            plane.ca_file,
            plane.directory,
        )
        cloud.add_addon("vpc-cni")
        settings = Settings(eviction=4.0, removal=4.0, join=4.0, auto_mode_idle=2.0, unavailable_grace=5.0)
        kube = Kube(plane.kubeconfig)
        running = Bench(plane, cloud, kube, ref, settings, start_controllers(ref, cloud, settings))
        yield running
        running.controllers.stop()
        kube.close()


@pytest.fixture
def group(bench: Bench) -> Iterator[str]:
    """The name of a node group with one node, which is deleted after the test."""
    name = f"group{next(_NUMBERS)}"
    bench.cloud.add_group(name, 1)
    bench.eventually(lambda: _ready(bench.nodes(name)) == 1)
    yield name
    bench.cloud.groups[name]["status"] = "DELETING"
    bench.eventually(lambda: not bench.nodes(name))


def _ready(nodes: list[Object]) -> int:
    return sum(
        any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"].get("conditions", []))
        for node in nodes
    )


def _deployment(name: str, replicas: int, selector: dict[str, str] | None = None) -> Object:
    labels = {"app": name}
    container = {"name": "main", "image": "nginx:1.29", "resources": {"requests": {"cpu": "100m"}}}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container], "nodeSelector": selector or {}}}
    return {
        "metadata": {"name": name},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
    }


def _service(name: str, *, annotations: dict[str, str] | None = None, **spec: Any) -> Object:
    return {
        "metadata": {"name": name, "namespace": "default", "annotations": annotations or {}},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}], "selector": {"app": name}, **spec},
    }


# -- nodes


def test_node_group_scales_out_over_zones_and_in_again(bench: Bench) -> None:
    group = bench.cloud.add_group("scaled", 0, labels={"team": "a"})
    bench.eventually(lambda: "scaled" in bench.cloud.nodegroup_reports)
    assert bench.nodes("scaled") == []

    group["scalingConfig"]["desiredSize"] = 2
    bench.eventually(lambda: _ready(bench.nodes("scaled")) == 2)
    nodes = bench.nodes("scaled")
    assert {node["metadata"]["labels"]["topology.kubernetes.io/zone"] for node in nodes} == {
        "eu-central-1a",
        "eu-central-1b",
    }
    assert all(node["metadata"]["labels"]["team"] == "a" for node in nodes)
    assert all(node["status"]["nodeInfo"]["kubeletVersion"].startswith("v1.36.2-eks-") for node in nodes)
    bench.eventually(lambda: bench.cloud.nodegroup_reports["scaled"].ready == 2)

    group["scalingConfig"]["desiredSize"] = 1
    bench.eventually(lambda: len(bench.nodes("scaled")) == 1)
    group["status"] = "DELETING"
    bench.eventually(lambda: "scaled" not in bench.cloud.groups)
    assert bench.nodes("scaled") == []


def test_changed_labels_and_taints_reach_nodes_that_are_there(bench: Bench, group: str) -> None:
    name = bench.nodes(group)[0]["metadata"]["name"]
    bench.kube.patch("Node", name, {"metadata": {"labels": {"by-hand": "kept"}}})
    record = bench.cloud.groups[group]
    record["labels"] = {"tier": "batch"}
    record["taints"] = [{"key": "only", "value": "batch", "effect": "NO_SCHEDULE"}]
    bench.eventually(lambda: bench.nodes(group)[0]["metadata"]["labels"].get("tier") == "batch")
    assert {"key": "only", "value": "batch", "effect": "NoSchedule"} in bench.nodes(group)[0]["spec"]["taints"]

    record["labels"] = {}
    record["taints"] = []
    bench.eventually(lambda: "tier" not in bench.nodes(group)[0]["metadata"]["labels"])
    node = bench.nodes(group)[0]
    assert node["metadata"]["name"] == name
    assert node["metadata"]["labels"]["by-hand"] == "kept"
    assert not [taint for taint in node["spec"].get("taints") or [] if taint["key"] == "only"]


def test_unknown_instance_type_fails_the_node_group(bench: Bench) -> None:
    bench.cloud.add_group("odd", 1, instanceTypes=["m5.huge"])
    report = bench.eventually(lambda: bench.cloud.nodegroup_reports.get("odd"))
    assert report.fatal
    assert [issue.code for issue in report.issues] == ["Ec2InstanceTypeDoesNotExist"]
    assert bench.nodes("odd") == []
    del bench.cloud.groups["odd"]


def test_nodes_without_a_network_plugin_never_become_ready(bench: Bench) -> None:
    del bench.cloud.addon_records["vpc-cni"]
    bench.eventually(lambda: bench.kube.get("DaemonSet", "aws-node", "kube-system") is None)
    bench.cloud.add_group("mute", 1, status="CREATING")
    bench.eventually(lambda: bench.cloud.nodegroup_reports.get("mute") and bench.cloud.nodegroup_reports["mute"].fatal)
    (node,) = bench.nodes("mute")
    assert _ready([node]) == 0
    assert "cni plugin not initialized" in node["status"]["conditions"][0]["message"]
    (issue,) = bench.cloud.nodegroup_reports["mute"].issues
    assert issue.code == "NodeCreationFailure"
    assert issue.resource_ids[0].startswith("i-0")

    bench.cloud.add_addon("vpc-cni")
    bench.eventually(lambda: _ready(bench.nodes("mute")) == 1)
    bench.cloud.groups["mute"]["status"] = "DELETING"
    bench.eventually(lambda: not bench.nodes("mute"))


def test_new_release_replaces_nodes_and_moves_their_pods(bench: Bench, group: str) -> None:
    old = bench.nodes(group)[0]["metadata"]["name"]
    bench.kube.create("Deployment", _deployment("moved", 1, {"eks.amazonaws.com/nodegroup": group}), "default")
    bench.eventually(lambda: bench.kube.get("Deployment", "moved", "default")["status"].get("availableReplicas") == 1)

    bench.cloud.groups[group]["update"] = {"id": "1", "version": "1.37", "releaseVersion": "1.37.1-20261109"}
    bench.eventually(lambda: [n["metadata"]["name"] for n in bench.nodes(group)] != [old] and _settled(bench, group))
    node = bench.nodes(group)[0]
    assert node["status"]["nodeInfo"]["kubeletVersion"].startswith("v1.37.1-eks-")
    bench.eventually(lambda: bench.kube.get("Deployment", "moved", "default")["status"].get("availableReplicas") == 1)
    bench.kube.delete("Deployment", "moved", "default")


def test_disruption_budget_fails_a_replacement_that_is_not_forced(bench: Bench, group: str) -> None:
    old = bench.nodes(group)[0]["metadata"]["name"]
    bench.kube.create("Deployment", _deployment("held", 1, {"eks.amazonaws.com/nodegroup": group}), "default")
    budget = {"metadata": {"name": "held"}, "spec": {"maxUnavailable": 0, "selector": {"matchLabels": {"app": "held"}}}}
    bench.kube.create("PodDisruptionBudget", budget, "default")
    bench.eventually(lambda: bench.kube.get("Deployment", "held", "default")["status"].get("availableReplicas") == 1)

    record = bench.cloud.groups[group]
    record["update"] = {"id": "1", "version": "1.37", "releaseVersion": "1.37.1-20261109", "force": False}
    failed = bench.eventually(lambda: bench.cloud.nodegroup_reports[group].eviction_failed)
    assert failed.code == "PodEvictionFailure"
    assert failed.resource_ids == (old,)
    record["update"] = None
    bench.eventually(lambda: [n["metadata"]["name"] for n in bench.nodes(group)] == [old])
    bench.eventually(lambda: not bench.nodes(group)[0]["spec"].get("unschedulable"))

    record["update"] = {"id": "2", "version": "1.37", "releaseVersion": "1.37.1-20261109", "force": True}
    bench.eventually(lambda: old not in [n["metadata"]["name"] for n in bench.nodes(group)] and _settled(bench, group))
    bench.kube.delete("PodDisruptionBudget", "held", "default")
    bench.kube.delete("Deployment", "held", "default")


def _settled(bench: Bench, group: str) -> bool:
    report = bench.cloud.nodegroup_reports[group]
    return bool(len(bench.nodes(group)) == 1 and report.outdated == 0 and report.ready == 1)


# -- pods


def test_job_completes_and_a_pod_that_fits_nowhere_waits(bench: Bench, group: str) -> None:
    container = {"name": "main", "image": "busybox", "command": ["true"]}
    pod = {"spec": {"containers": [container], "restartPolicy": "Never"}}
    path = "apis/batch/v1/namespaces/default/jobs"
    bench.kube.request(
        "POST",
        path,
        {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "done"}, "spec": {"template": pod}},
    )
    big = {
        "metadata": {"name": "big"},
        "spec": {"containers": [{**container, "resources": {"requests": {"cpu": "2"}}}]},
    }
    bench.kube.create("Pod", big, "default")
    bench.eventually(lambda: bench.kube.request("GET", f"{path}/done")["status"].get("succeeded") == 1)
    waiting = bench.eventually(lambda: bench.kube.get("Pod", "big", "default")["status"].get("conditions"))
    assert waiting[0]["reason"] == "Unschedulable"
    assert "Insufficient cpu" in waiting[0]["message"]
    bench.kube.delete("Pod", "big", "default", grace=0)


def test_image_that_is_no_reference_is_never_pulled(bench: Bench, group: str) -> None:
    for name, image in (("good", "registry.k8s.io/ingress-nginx/controller:v1.14.0"), ("bad", "nginx::latest")):
        bench.kube.create(
            "Pod", {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": image}]}}, "default"
        )
    bench.eventually(lambda: bench.kube.get("Pod", "good", "default")["status"].get("phase") == "Running")

    def reason() -> str:
        statuses = bench.kube.get("Pod", "bad", "default")["status"].get("containerStatuses") or [{}]
        return str(statuses[0].get("state", {}).get("waiting", {}).get("reason", ""))

    bench.eventually(lambda: reason() == "InvalidImageName")
    assert bench.kube.get("Pod", "bad", "default")["status"]["phase"] == "Pending"
    for name in ("good", "bad"):
        bench.kube.delete("Pod", name, "default", grace=0)


def test_pod_waits_for_what_it_mounts_and_reads(bench: Bench, group: str) -> None:
    volume = {"name": "settings", "configMap": {"name": "settings"}}
    variable = {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "password", "key": "k"}}}
    for name, container, volumes in (("mounts", {}, [volume]), ("reads", {"env": [variable]}, [])):
        spec = {"containers": [{"name": "c", "image": "busybox", **container}], "volumes": volumes}
        bench.kube.create("Pod", {"metadata": {"name": name}, "spec": spec}, "default")

    def state(name: str) -> tuple[str, str]:
        status = bench.kube.get("Pod", name, "default")["status"]
        containers = status.get("containerStatuses") or [{}]
        return status["phase"], containers[0].get("state", {}).get("waiting", {}).get("reason", "")

    expected = ("FailedMount", 'MountVolume.SetUp failed for volume "settings" : configmap "settings" not found')
    bench.eventually(lambda: expected in bench.events("mounts"))
    bench.eventually(lambda: state("reads") == ("Pending", "CreateContainerConfigError"))
    assert state("mounts") == ("Pending", "ContainerCreating")
    bench.kube.create("ConfigMap", {"metadata": {"name": "settings"}}, "default")
    bench.kube.create("Secret", {"metadata": {"name": "password"}}, "default")
    for name in ("mounts", "reads"):
        bench.eventually(lambda name=name: state(name)[0] == "Running")
        bench.kube.delete("Pod", name, "default", grace=0)


# -- load balancers


def test_service_gets_a_load_balancer_and_gives_it_back(bench: Bench) -> None:
    internal = {"service.beta.kubernetes.io/aws-load-balancer-internal": "true"}
    nlb = {"service.beta.kubernetes.io/aws-load-balancer-type": "nlb"}
    bench.kube.create("Service", _service("public", annotations=nlb), "default")
    bench.kube.create("Service", _service("private", annotations={**internal, **nlb}), "default")
    public = bench.eventually(lambda: bench.hostname("public"))
    private = bench.eventually(lambda: bench.hostname("private"))
    assert public.endswith(".elb.eu-central-1.amazonaws.com")
    made = {lb.dns_name: lb for lb in bench.cloud.load_balancers.values()}
    assert made[public].scheme == "internet-facing"
    assert made[public].subnets == ("subnet-publica", "subnet-publicb")
    assert made[private].subnets == ("subnet-privatea", "subnet-privateb")

    bench.kube.delete("Service", "public", "default")
    bench.eventually(lambda: bench.kube.get("Service", "public", "default") is None)
    assert public not in {lb.dns_name for lb in bench.cloud.load_balancers.values()}
    bench.kube.patch("Service", "private", {"spec": {"type": "ClusterIP"}}, "default")
    bench.eventually(lambda: not bench.cloud.load_balancers)
    bench.eventually(lambda: not bench.hostname("private"))
    bench.kube.delete("Service", "private", "default")
    bench.eventually(lambda: bench.kube.get("Service", "private", "default") is None)


def test_service_waits_for_subnets_with_the_role_tag(bench: Bench) -> None:
    subnets = bench.cloud.subnet_records
    bench.cloud.subnet_records = [{**subnet, "Tags": []} for subnet in subnets]
    bench.kube.create("Service", _service("waiting"), "default")
    bench.eventually(
        lambda: any(
            reason == "SyncLoadBalancerFailed" and "could not find any suitable subnets" in message
            for reason, message in bench.events("waiting")
        )
    )
    assert bench.hostname("waiting") == ""
    bench.cloud.subnet_records = subnets
    bench.eventually(lambda: bench.hostname("waiting"))
    bench.kube.delete("Service", "waiting", "default")


def test_class_of_a_controller_that_is_not_installed_stays_pending(bench: Bench, group: str) -> None:
    bench.kube.create("Service", _service("classy", loadBalancerClass="service.k8s.aws/nlb"), "default")
    bench.kube.create("Service", _service("probe"), "default")
    bench.eventually(lambda: bench.hostname("probe"))
    assert bench.hostname("classy") == ""
    bench.kube.create("Deployment", _deployment("aws-load-balancer-controller", 1), "kube-system")
    bench.eventually(lambda: bench.hostname("classy"))
    for name in ("classy", "probe"):
        bench.kube.delete("Service", name, "default")
    bench.eventually(lambda: bench.kube.get("Service", "classy", "default") is None)
    bench.kube.delete("Deployment", "aws-load-balancer-controller", "kube-system")


# -- add-ons and volumes


def test_addon_is_unhealthy_without_nodes_and_goes_with_its_objects(bench: Bench) -> None:
    bench.cloud.add_addon("coredns", "v1.14.2-eksbuild.1")
    report = bench.eventually(lambda: bench.cloud.addon_reports.get("coredns"))
    assert [issue.code for issue in report.issues] == ["InsufficientNumberOfReplicas"]
    dns = bench.kube.get("Service", "kube-dns", "kube-system")
    assert dns is not None and dns["spec"]["clusterIP"] == "10.100.0.10"

    bench.cloud.add_group("dns", 1)
    bench.eventually(lambda: bench.cloud.addon_reports["coredns"].available)
    deployment = bench.kube.get("Deployment", "coredns", "kube-system")
    assert deployment is not None
    assert {entry["manager"] for entry in deployment["metadata"]["managedFields"]} >= {"eks"}
    del bench.cloud.addon_records["coredns"]
    bench.eventually(lambda: bench.kube.get("Deployment", "coredns", "kube-system") is None)
    assert bench.kube.get("Service", "kube-dns", "kube-system") is None
    bench.cloud.groups["dns"]["status"] = "DELETING"
    bench.eventually(lambda: not bench.nodes("dns"))


def test_preserved_addon_leaves_its_objects(bench: Bench) -> None:
    bench.cloud.add_addon("kube-proxy", "v1.36.2-eksbuild.3")
    bench.eventually(lambda: bench.kube.get("DaemonSet", "kube-proxy", "kube-system"))
    bench.cloud.addon_records["kube-proxy"].update(status="DELETING", preserve=True)
    label = "localcloud.dataplatform.fleet/addon"
    bench.eventually(
        lambda: label not in bench.kube.get("DaemonSet", "kube-proxy", "kube-system")["metadata"].get("labels", {})
    )
    del bench.cloud.addon_records["kube-proxy"]
    bench.cloud.add_addon("metrics-server")
    bench.eventually(lambda: bench.kube.get("Deployment", "metrics-server", "kube-system"))
    assert bench.kube.get("DaemonSet", "kube-proxy", "kube-system") is not None
    del bench.cloud.addon_records["metrics-server"]
    bench.eventually(lambda: bench.kube.get("Deployment", "metrics-server", "kube-system") is None)


def test_claim_is_refused_without_permission_then_bound_grown_and_reclaimed(bench: Bench, group: str) -> None:
    role = "arn:aws:iam::000000000000:role/ebs"
    for name in ("aws-ebs-csi-driver", "eks-pod-identity-agent"):
        bench.cloud.add_addon(name)
    storage_class = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": "encrypted"},
        "provisioner": "ebs.csi.aws.com",
        "parameters": {"type": "gp3", "encrypted": "true"},
        "allowVolumeExpansion": True,
        "volumeBindingMode": "WaitForFirstConsumer",
    }
    bench.kube.apply(storage_class, manager="test")
    claim = {
        "metadata": {"name": "data"},
        "spec": {
            "storageClassName": "encrypted",
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1500Mi"}},
        },
    }
    bench.kube.create("PersistentVolumeClaim", claim, "default")
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
    pod = {
        "metadata": {"name": "reader"},
        "spec": {"containers": [{"name": "c", "image": "busybox"}], "volumes": [volume]},
    }
    bench.kube.create("Pod", pod, "default")
    bench.eventually(
        lambda: any(
            reason == "ProvisioningFailed" and "UnauthorizedOperation" in message
            for reason, message in bench.events("data")
        )
    )
    assert bench.kube.get("PersistentVolumeClaim", "data", "default")["status"]["phase"] == "Pending"

    bench.cloud.allowed.add((role, "ec2:CreateVolume"))
    bench.cloud.associations.append(
        {"namespace": "kube-system", "serviceAccount": "ebs-csi-controller-sa", "roleArn": role}
    )
    bench.eventually(lambda: bench.kube.get("Pod", "reader", "default")["status"].get("phase") == "Running")
    bound = bench.kube.get("PersistentVolumeClaim", "data", "default")
    assert bound is not None and bound["status"]["phase"] == "Bound"
    persistent = bench.kube.get("PersistentVolume", bound["spec"]["volumeName"])
    assert persistent is not None
    made = bench.cloud.volumes[persistent["spec"]["csi"]["volumeHandle"]]
    node = bench.kube.get("Node", bench.kube.get("Pod", "reader", "default")["spec"]["nodeName"])
    assert node is not None and made.zone == node["metadata"]["labels"]["topology.kubernetes.io/zone"]
    assert (made.encrypted, made.size_gib) == (True, 2)

    bench.kube.patch(
        "PersistentVolumeClaim", "data", {"spec": {"resources": {"requests": {"storage": "5Gi"}}}}, "default"
    )
    bench.eventually(
        lambda: bench.kube.get("PersistentVolumeClaim", "data", "default")["status"]["capacity"]["storage"] == "5Gi"
    )
    assert bench.cloud.volumes[persistent["spec"]["csi"]["volumeHandle"]].size_gib == 5

    bench.kube.delete("Pod", "reader", "default")
    bench.kube.delete("PersistentVolumeClaim", "data", "default")
    bench.eventually(lambda: bench.kube.get("PersistentVolume", persistent["metadata"]["name"]) is None)
    assert bench.cloud.volumes == {}
    for name in ("aws-ebs-csi-driver", "eks-pod-identity-agent"):
        del bench.cloud.addon_records[name]


# -- Auto Mode


def test_auto_mode_starts_nodes_for_pods_that_fit_nowhere_and_removes_empty_ones(bench: Bench) -> None:
    bench.cloud.cluster_record["computeConfig"] = {"enabled": True, "nodePools": ["general-purpose", "system"]}
    bench.kube.create("Deployment", _deployment("elastic", 3), "default")
    bench.kube.create("Service", _service("auto", loadBalancerClass="eks.amazonaws.com/nlb"), "default")
    bench.kube.create("Service", _service("classless"), "default")

    def available() -> int:
        found = bench.kube.get("Deployment", "elastic", "default") or {}
        return int(found["status"].get("availableReplicas", 0))

    def nodes() -> list[Object]:
        return bench.kube.list("Node", labelSelector="eks.amazonaws.com/compute-type=auto")

    bench.eventually(lambda: available() == 3)
    assert {node["metadata"]["labels"]["karpenter.sh/nodepool"] for node in nodes()} == {"general-purpose"}
    bench.eventually(lambda: bench.hostname("auto"))
    assert bench.hostname("classless") == ""
    for name in ("auto", "classless"):
        bench.kube.delete("Service", name, "default")
    bench.kube.delete("Deployment", "elastic", "default")
    bench.eventually(lambda: not nodes())
    bench.cloud.cluster_record.pop("computeConfig")


# -- restart of the API server


def test_controllers_survive_a_restart_of_the_api_server(bench: Bench, group: str) -> None:
    bench.plane.stop()
    bench.cloud.groups[group]["scalingConfig"]["desiredSize"] = 2
    with pytest.raises((ApiError, Exception)):
        bench.kube.list("Node")
    bench.plane.start()
    bench.eventually(lambda: _ready(bench.nodes(group)) == 2)
