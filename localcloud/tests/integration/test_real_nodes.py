# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two clusters with a real node each: pods, network connections, volumes, and cleanup."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from localcloud import cli
from localcloud.artifacts.binaries import Binaries
from localcloud.artifacts.cache import find_go, go_build, system
from localcloud.artifacts.images.oci import Config, copy, write_archive, write_layer
from localcloud.controllers.kube import Kube, Object
from localcloud.controllers.nodespec import REAL, SIMULATED
from localcloud.host.processes import read_records
from localcloud.model import LocalCloudError
from localcloud.nodes import cgroups, requirements
from localcloud.nodes.configuration import CONTAINERD_SOCKET
from localcloud.nodes.namespaces import execute
from localcloud.testing import LocalCloud, eventually


def _obstacle() -> str:
    try:
        requirements.check(Path("/tmp"))  # only looked at
    except LocalCloudError as error:
        return str(error)
    return "" if find_go(os.environ) else "needs Go, to build the test's image"


pytestmark = [
    pytest.mark.integration,
    pytest.mark.exhaustive,
    pytest.mark.skipif(bool(_obstacle()), reason=_obstacle() or "-"),
]

IMAGE = "localcloud.test/web:1"
# A server that returns the client's address; with one argument, a client that prints a response; with two, a program
# that fills a disk.
_PROGRAM = """
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) > 2 {
		filler, err := os.Create(os.Args[2])
		for end := int64(0); err == nil; end += 1 << 20 {
			err = syscall.Fallocate(int(filler.Fd()), 0, end, 1<<20)
		}
		fmt.Println(err)
		return
	}
	if len(os.Args) > 1 {
		client := http.Client{Timeout: 4 * time.Second}
		answer, err := client.Get(os.Args[1])
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		io.Copy(os.Stdout, answer.Body)
		return
	}
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		greeting, _ := os.ReadFile("/etc/web/greeting")
		fmt.Fprintf(w, "%s %s", greeting, r.RemoteAddr)
		if folder := os.Getenv("DATA"); folder != "" {
			fmt.Fprintf(w, " %v", os.WriteFile(folder+"/written", greeting, 0o600))
		}
	})
	fmt.Println("listening")
	http.ListenAndServe(":8080", nil)
}
"""


@dataclass
class Cluster:
    """A cluster of this test."""

    name: str
    vpc: str
    subnets: list[str]
    kube: Kube
    kubeconfig: Path

    def run(self, pod: str, *words: str) -> tuple[int, str]:
        """Run the test's program in a pod, through the API server and the kubelet."""
        kubectl: list[str | Path] = [
            Binaries().resolve("kubectl"),
            f"--kubeconfig={self.kubeconfig}",
            "exec",
            pod,
            "--",
            "/web",
        ]
        done = subprocess.run([*kubectl, *words], capture_output=True, text=True, check=False, timeout=60)
        return done.returncode, done.stdout.strip()


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive of an image with one static program."""
    folder = tmp_path_factory.mktemp("web")
    (folder / "main.go").write_text(_PROGRAM)
    (folder / "go.mod").write_text("module web\n\ngo 1.26.0\n")
    go_build("web", ".", folder / "web", go=str(find_go(os.environ)), module=folder, environment=os.environ)
    write_layer([copy("web", folder / "web", 0o755)], folder / "layer.tar")
    write_archive(IMAGE, folder / "layer.tar", Config(entrypoint=("/web",)), system()[1], folder / "web.tar")
    return folder / "web.tar"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    with LocalCloud.running(tmp_path_factory.mktemp("real"), nodes="real") as running:
        yield running
    assert _left(running) == []


def _left(cloud: LocalCloud) -> list[Path]:
    """Return the resources that real nodes of a local cloud have left."""
    key = cgroups.key_of(cloud.state.root)
    places = [*cgroups.MOUNT.glob(f"{key}*"), *cgroups.MOUNT.glob(f"*/{key}*"), Path("/run", key)]
    return [*(path for path in [*places, cloud.state.root / "nodes"] if path.exists()), *_loops(cloud.state.root)]


def _loops(folder: Path) -> list[Path]:
    """Return the files in a directory that loop devices use."""
    devices = json.loads(execute(["losetup", "--json", "--list", "--output=BACK-FILE"]) or "{}")
    files = [Path(device["back-file"]) for device in devices.get("loopdevices", ())]
    return [file for file in files if file.is_relative_to(folder)]


def _machines(cloud: LocalCloud) -> list[int]:
    records = read_records(cloud.state.processes)
    return [record.pid for record in records if record.name.startswith("machine ip-")]


@pytest.fixture(scope="module")
def clusters(cloud: LocalCloud, image: Path) -> Iterator[list[Cluster]]:
    roles = [_role(cloud, name) for name in ("eks", "ec2", "pods.eks")]
    time.sleep(1.5)  # a new role is effective after a delay, as on AWS
    made = [_cluster(cloud, name, number, roles) for number, name in enumerate(("hub", "spoke"))]
    for pid in eventually(lambda: pids if len(pids := _machines(cloud)) == 2 else []):
        # An image of a registry would be pulled; no registry has this image.
        address = Path(f"/proc/{pid}/root{CONTAINERD_SOCKET}")
        eventually(address.exists)
        execute(["ctr", f"--address={address}", "--namespace=k8s.io", "images", "import", image])
    for cluster in made:
        for obj in _objects():
            cluster.kube.create(obj["kind"], obj, "default" if obj["kind"] != "StorageClass" else "")
    yield made
    for cluster in made:
        cluster.kube.close()


def _role(cloud: LocalCloud, service: str) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": f"{service}.amazonaws.com"},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam = cloud.client("iam")
    arn: str = iam.create_role(RoleName=f"real-{service}", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    allowed = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}]}
    iam.put_role_policy(RoleName=f"real-{service}", PolicyName="volumes", PolicyDocument=json.dumps(allowed))
    return arn


def _cluster(cloud: LocalCloud, name: str, number: int, roles: list[str]) -> Cluster:
    ec2, eks, region = cloud.client("ec2"), cloud.client("eks"), cloud.daemon.region
    vpc = ec2.create_vpc(CidrBlock=f"10.{44 + number}.0.0/16")["Vpc"]["VpcId"]
    subnets = []
    for index, zone in enumerate("ab"):
        subnet = ec2.create_subnet(
            VpcId=vpc, CidrBlock=f"10.{44 + number}.{index * 16}.0/20", AvailabilityZone=f"{region}{zone}"
        )["Subnet"]["SubnetId"]
        ec2.create_tags(Resources=[subnet], Tags=[{"Key": "kubernetes.io/role/internal-elb", "Value": "1"}])
        subnets.append(subnet)
    eks.create_cluster(
        name=name,
        roleArn=roles[0],
        resourcesVpcConfig={"subnetIds": subnets},
        version="1.36",
        bootstrapSelfManagedAddons=False,
    )
    eventually(lambda: eks.describe_cluster(name=name)["cluster"]["status"] == "ACTIVE")
    eks.create_addon(clusterName=name, addonName="vpc-cni", configurationValues='{"enableNetworkPolicy": "true"}')
    eks.create_addon(clusterName=name, addonName="eks-pod-identity-agent")
    eks.create_nodegroup(
        clusterName=name,
        nodegroupName="general",
        subnets=subnets,
        nodeRole=roles[1],
        instanceTypes=["m7i.large"],
        scalingConfig={"minSize": 1, "maxSize": 2, "desiredSize": 2},
        labels={"pool": "general"},
    )
    eventually(lambda: _status(eks, name) == "ACTIVE")
    for addon in ("coredns", "aws-ebs-csi-driver"):
        eks.create_addon(clusterName=name, addonName=addon)
    eks.create_pod_identity_association(
        clusterName=name, namespace="kube-system", serviceAccount="ebs-csi-controller-sa", roleArn=roles[2]
    )
    known = json.loads(cloud.state.file.read_text())["clusters"].values()
    kubeconfig = Path(next(item for item in known if item["name"] == name)["kubeconfig"])
    return Cluster(name, vpc, subnets, Kube(kubeconfig), kubeconfig)


def _status(eks: Any, name: str) -> str:
    return str(eks.describe_nodegroup(clusterName=name, nodegroupName="general")["nodegroup"]["status"])


def _pod_spec(**fields: Any) -> Object:
    container = {
        "name": "web",
        "image": IMAGE,
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "100m", "memory": "32Mi"}, "limits": {"memory": "64Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [{"name": "greeting", "mountPath": "/etc/web"}],
    }
    return {
        "securityContext": {
            "fsGroup": 1000,
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationGracePeriodSeconds": 1,
        "containers": [container],
        "volumes": [{"name": "greeting", "configMap": {"name": "greeting"}}],
        **fields,
    }


def _objects() -> list[Object]:
    def workload(kind: str, name: str, spec: Object, **fields: Any) -> Object:
        labels = {"matchLabels": {"app": name}}
        template = {"metadata": {"labels": {"app": name}}, "spec": spec}
        return {"kind": kind, "metadata": {"name": name}, "spec": {"selector": labels, "template": template, **fields}}

    stored = _pod_spec()
    stored["containers"][0]["env"] = [{"name": "DATA", "value": "/data"}]
    stored["containers"][0]["volumeMounts"].append({"name": "data", "mountPath": "/data"})
    stored["volumes"].append({"name": "data", "persistentVolumeClaim": {"claimName": "data"}})
    balancer = {
        "service.beta.kubernetes.io/aws-load-balancer-internal": "true",
        "service.beta.kubernetes.io/aws-load-balancer-type": "nlb",
    }
    port = {"name": "http", "port": 80, "targetPort": "http"}
    storage_class = {
        "kind": "StorageClass",
        "metadata": {"name": "gp3"},
        "provisioner": "ebs.csi.aws.com",
        "allowVolumeExpansion": True,
        "volumeBindingMode": "WaitForFirstConsumer",
    }
    claim = {
        "storageClassName": "gp3",
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
    }
    nowhere = {"containers": [{"name": "c", "image": "registry.invalid/nothing:1"}]}
    return [
        storage_class,
        {"kind": "ConfigMap", "metadata": {"name": "greeting"}, "data": {"greeting": "hello"}},
        {"kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": claim},
        workload("Deployment", "web", _pod_spec(), replicas=2),
        workload("Deployment", "stored", stored, replicas=1),
        workload("Deployment", "nowhere", nowhere, replicas=1),
        workload("DaemonSet", "agent", nowhere),
        {"kind": "Service", "metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [port]}},
        {
            "kind": "Service",
            "metadata": {"name": "web-lb", "annotations": balancer},
            "spec": {"type": "LoadBalancer", "selector": {"app": "web"}, "ports": [port]},
        },
    ]


def _pods(cluster: Cluster, app: str) -> list[Object]:
    return cluster.kube.list("Pod", "default", labelSelector=f"app={app}")


def _ready(cluster: Cluster, app: str, count: int = 1) -> list[Object]:
    """Wait until exactly this number of pods of an app exists, and all are ready."""

    def look() -> list[Object]:
        pods = _pods(cluster, app)
        ready = [
            pod
            for pod in pods
            if any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))
        ]
        return pods if len(ready) == len(pods) == count else []

    return eventually(look)


def test_real_node_is_the_node_groups(clusters: list[Cluster]) -> None:
    nodes = clusters[0].kube.list("Node")
    real = [node for node in nodes if REAL in node["metadata"]["labels"]]
    assert len(real) == 1
    assert len(nodes) == 3
    labels = real[0]["metadata"]["labels"]
    assert SIMULATED not in labels
    assert (labels["pool"], labels["eks.amazonaws.com/nodegroup"]) == ("general", "general")
    assert labels["node.kubernetes.io/instance-type"] == "m7i.large"
    # The node has the capacity of the whole node group, because it runs all real pods.
    assert real[0]["status"]["capacity"]["cpu"] == "4"


def test_pods_are_where_their_images_are(clusters: list[Cluster]) -> None:
    real = {n["metadata"]["name"] for n in clusters[0].kube.list("Node") if REAL in n["metadata"]["labels"]}
    assert {pod["spec"]["nodeName"] for pod in _ready(clusters[0], "web", 2)} == real
    assert not {pod["spec"]["nodeName"] for pod in _ready(clusters[0], "nowhere")} & real
    assert not {pod["spec"]["nodeName"] for pod in _ready(clusters[0], "agent", 2)} & real


def test_names_services_and_the_api_server(clusters: list[Cluster]) -> None:
    pod = _ready(clusters[0], "web", 2)[0]["metadata"]["name"]
    eventually(lambda: clusters[0].run(pod, "http://web.default.svc.cluster.local")[0] == 0)
    assert clusters[0].run(pod, "http://web")[1].startswith("hello 10.44.")
    log = clusters[0].kube.request("GET", f"api/v1/namespaces/default/pods/{pod}", query=None)
    assert log["status"]["podIP"].startswith("10.44.15.")
    # The response 400 proves that the TLS server was reached at the Service's address.
    assert clusters[0].run(pod, "http://kubernetes:443")[1] == "Client sent an HTTP request to an HTTPS server."


def _volume(cloud: LocalCloud, cluster: Cluster) -> Path:
    """Return the file system of the cluster's only volume, as reported on its node."""
    records = read_records(cloud.state.processes)
    (node,) = (node["metadata"]["name"] for node in cluster.kube.list("Node") if REAL in node["metadata"]["labels"])
    (pid,) = (record.pid for record in records if record.name == f"machine {node}")
    (volume,) = cluster.kube.list("PersistentVolume")
    return Path(f"/proc/{pid}/root{volume['spec']['local']['path']}")


def _sizes(cluster: Cluster) -> dict[str, float]:
    """Return the kubelet's metrics of the claim's volume in GiB, at most a minute old, by suffix of their name."""
    (node,) = (node["metadata"]["name"] for node in cluster.kube.list("Node") if REAL in node["metadata"]["labels"])
    kubectl = [Binaries().resolve("kubectl"), f"--kubeconfig={cluster.kubeconfig}"]
    lines = execute([*kubectl, "get", "--raw", f"/api/v1/nodes/{node}/proxy/metrics"]).splitlines()
    found = [line for line in lines if line.startswith("kubelet_volume_stats_") and 'claim="data"' in line]
    names = {line.partition("{")[0].removeprefix("kubelet_volume_stats_"): line.rpartition(" ")[2] for line in found}
    return {name: float(value) / (1 << 30) for name, value in names.items()}


def test_volume_has_what_was_written(cloud: LocalCloud, clusters: list[Cluster]) -> None:
    pod = _ready(clusters[0], "stored")[0]
    folder = _volume(cloud, clusters[0])
    assert eventually(lambda: [path.read_text() for path in folder.glob("written")]) == ["hello"]
    clusters[0].kube.delete("Pod", pod["metadata"]["name"], "default")
    eventually(lambda: pod["metadata"]["uid"] not in [p["metadata"]["uid"] for p in _pods(clusters[0], "stored")])
    _ready(clusters[0], "stored")
    assert (folder / "written").read_text() == "hello"


def test_volume_has_its_size_and_can_be_full(cloud: LocalCloud, clusters: list[Cluster]) -> None:
    pod = _ready(clusters[0], "stored")[0]["metadata"]["name"]
    folder = _volume(cloud, clusters[0])
    assert 0.9 < eventually(lambda: _sizes(clusters[0]).get("capacity_bytes", 0)) <= 1
    assert clusters[0].run(pod, "fill", "/data/filler") == (0, "no space left on device")
    assert shutil.disk_usage(folder).free < 1 << 20
    eventually(lambda: _sizes(clusters[0])["available_bytes"] < 0.01)
    (folder / "filler").unlink()
    # XFS reserves space in the background.
    eventually(lambda: shutil.disk_usage(folder).free > 900 << 20)


def test_volume_grows_while_it_is_in_use(cloud: LocalCloud, clusters: list[Cluster]) -> None:
    cluster = clusters[0]
    pod = _ready(cluster, "stored")[0]
    wanted = {"spec": {"resources": {"requests": {"storage": "3Gi"}}}}
    cluster.kube.patch("PersistentVolumeClaim", "data", wanted, "default")

    def granted() -> bool:
        claim = cluster.kube.get("PersistentVolumeClaim", "data", "default")
        return claim is not None and claim["status"]["capacity"]["storage"] == "3Gi"

    eventually(granted)
    assert shutil.disk_usage(_volume(cloud, cluster)).total > 2.8 * (1 << 30)
    eventually(lambda: _sizes(cluster)["capacity_bytes"] > 2.8)
    assert _ready(cluster, "stored")[0]["metadata"]["uid"] == pod["metadata"]["uid"]


def test_network_policies_are_enforced(clusters: list[Cluster]) -> None:
    kube = clusters[0].kube
    server = _ready(clusters[0], "web", 2)[0]["status"]["podIP"]
    pod = _ready(clusters[0], "stored")[0]["metadata"]["name"]
    assert clusters[0].run(pod, f"http://{server}:8080")[0] == 0
    closed = {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress"]}
    kube.create("NetworkPolicy", {"metadata": {"name": "closed"}, "spec": closed}, "default")
    try:
        eventually(lambda: clusters[0].run(pod, f"http://{server}:8080")[0] == 1)
        rule = {"from": [{"podSelector": {"matchLabels": {"app": "stored"}}}], "ports": [{"port": "http"}]}
        allowed = {**closed, "ingress": [rule]}
        kube.create("NetworkPolicy", {"metadata": {"name": "open"}, "spec": allowed}, "default")
        eventually(lambda: clusters[0].run(pod, f"http://{server}:8080")[0] == 0)
    finally:
        for name in ("closed", "open"):
            kube.delete("NetworkPolicy", name, "default")
    # Policies do not affect probes.
    assert len(_ready(clusters[0], "web", 2)) == 2


def test_other_clusters_come_through_peering_and_a_private_name(cloud: LocalCloud, clusters: list[Cluster]) -> None:
    hub, spoke = clusters
    ec2, names = cloud.client("ec2"), cloud.client("route53")
    _ready(hub, "web", 2)
    service = hub.kube.get("Service", "web-lb", "default")
    assert service is not None
    host = service["status"]["loadBalancer"]["ingress"][0]["hostname"]
    pod = _ready(spoke, "web", 2)[0]["metadata"]["name"]
    # All clusters resolve the name, but no packet arrives.
    assert spoke.run(pod, f"http://{host}")[0] == 1
    connection = ec2.create_vpc_peering_connection(VpcId=spoke.vpc, PeerVpcId=hub.vpc)["VpcPeeringConnection"]
    peering = connection["VpcPeeringConnectionId"]
    ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=peering)
    for own, other in ((spoke, "10.44.0.0/16"), (hub, "10.45.0.0/16")):
        found = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [own.vpc]}])["RouteTables"]
        ec2.create_route(
            RouteTableId=found[0]["RouteTableId"], DestinationCidrBlock=other, VpcPeeringConnectionId=peering
        )
    zone = names.create_hosted_zone(
        Name="fleet.internal",
        VPC={"VPCRegion": cloud.daemon.region, "VPCId": spoke.vpc},
        CallerReference="test",
        HostedZoneConfig={"PrivateZone": True},
    )["HostedZone"]["Id"]
    record = {"Name": "web.fleet.internal", "Type": "CNAME", "TTL": 60, "ResourceRecords": [{"Value": host}]}
    change = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
    names.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=change)
    eventually(lambda: spoke.run(pod, "http://web.fleet.internal")[0] == 0)
    # The client's address is preserved, as with a Network Load Balancer.
    assert spoke.run(pod, "http://web.fleet.internal")[1].startswith("hello 10.45.15.")
    own = _pods(hub, "web")[0]["metadata"]["name"]
    assert hub.run(own, "http://web.fleet.internal")[0] == 1


def test_machine_that_ended_comes_back_with_its_images(cloud: LocalCloud, clusters: list[Cluster]) -> None:
    before = {pod["metadata"]["uid"] for pod in _ready(clusters[1], "web", 2)}
    known = _machines(cloud)
    os.kill(known[1], signal.SIGKILL)
    eventually(lambda: [pid for pid in _machines(cloud) if pid not in known])

    def answers() -> bool:
        pods = _pods(clusters[1], "web")
        return bool(pods) and clusters[1].run(pods[0]["metadata"]["name"], "http://web")[0] == 0

    eventually(answers)
    assert {pod["metadata"]["uid"] for pod in _ready(clusters[1], "web", 2)} == before
    assert (_volume(cloud, clusters[1]) / "written").read_text() == "hello"


def test_volume_ends_with_its_claim(cloud: LocalCloud, clusters: list[Cluster]) -> None:
    folder = _volume(cloud, clusters[0])
    assert folder.is_mount()
    clusters[0].kube.delete("Deployment", "stored", "default")
    clusters[0].kube.delete("PersistentVolumeClaim", "data", "default")
    eventually(lambda: not clusters[0].kube.list("PersistentVolume"))
    assert not folder.exists()
    files = cloud.state.root / "nodes" / "volumes"
    assert [path.parent.name.rpartition("-")[2] for path in files.glob("*/vol-*")] == ["spoke"]
    eventually(lambda: len(_loops(files)) == 1)


def test_nothing_outlives_a_crashed_daemon(cloud: LocalCloud, clusters: list[Cluster]) -> None:
    assert _volume(cloud, clusters[1]).is_mount()
    assert Path("/run", cgroups.key_of(cloud.state.root)).exists()
    os.kill(cloud.daemon.pid, signal.SIGKILL)
    eventually(lambda: not cloud.daemon.alive)
    cli.down(cloud.state)
    assert _left(cloud) == []
    cli.down(cloud.state)
