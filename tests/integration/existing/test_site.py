# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks deploy a workload on an existing cluster, an API server with OpenShift's APIs."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply import connection
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.client import Client
from ansible_collections.dataplatform.fleet.tests.integration.existing import openshift_apis
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import certificate

from localcloud.kubernetes.control_plane import EXTRAS, ControlPlane
from tests.integration.site.conftest import Playbook, Run, playbook

__all__ = ["playbook"]
pytestmark = [pytest.mark.integration, pytest.mark.exhaustive]

FLEET = "onprem"
HUB = {"purpose": "controlplane", "region": "eu-central-1", "vpc_cidr": "10.40.0.0/16"}
MEMBER = {"purpose": "workload", "provider": "existing", "region": "eu-central-1", "vpc_cidr": "10.60.0.0/16"}
# By these annotations kwok makes the node ready, as in the clusters of the local cloud.
SIMULATED = {"kwok.x-k8s.io/node": "fake", "localcloud.dataplatform.fleet/network": "ready"}
MOUNTS = {"localcloud.dataplatform.fleet/mounts": "ready"}
# Services of the fleet's account: the lock, secrets, parameters.
SHARED = {"dynamodb", "kms", "secretsmanager", "ssm", "sts"}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Client, Path]]:
    """The existing cluster, and a kubeconfig with the context staging."""
    with ControlPlane.temporary(tmp_path_factory.mktemp("existing"), extras=EXTRAS) as plane:
        config = yaml.safe_load(plane.kubeconfig.read_text())
        config["contexts"][0]["name"] = config["current-context"] = "staging"
        path = tmp_path_factory.mktemp("kubeconfig") / "config"
        path.write_text(yaml.safe_dump(config))
        with Client(connection.server_for({"kubeconfig": str(path)})) as client:
            openshift_apis.install(client)
            resources = {"cpu": "16", "memory": "64Gi", "pods": "100"}
            node = {
                "metadata": {"name": "worker-0", "annotations": SIMULATED},
                "status": {"capacity": resources, "allocatable": resources},
            }
            client.request("POST", "/api/v1/nodes", body=node)
            addresses = {"status": {"addresses": [{"type": "InternalIP", "address": "10.60.0.10"}]}}
            merge = {"content_type": "application/merge-patch+json"}
            client.request("PATCH", "/api/v1/nodes/worker-0/status", body=addresses, **merge)
            client.request("POST", "/api/v1/namespaces", body={"metadata": {"name": "theirs"}})
            for index in range(2):
                volume = {"capacity": {"storage": "50Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/x"}}
                body = {"metadata": {"name": f"volume-{index}"}, "spec": volume}
                client.request("POST", "/api/v1/persistentvolumes", body=body)
            stop = threading.Event()
            worker = threading.Thread(target=mount, args=(client, stop))
            worker.start()
            yield client, path
            stop.set()
            worker.join()


def mount(client: Client, stop: threading.Event) -> None:
    """Allow pods with ConfigMaps and Secrets to start, as the controllers of the local cloud do."""
    content = "application/merge-patch+json"
    while not stop.wait(0.5):
        for pod in client.get("/api/v1/pods")["items"]:
            metadata = pod["metadata"]
            if MOUNTS.keys() - metadata.get("annotations", {}).keys():
                path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
                body = {"metadata": {"annotations": MOUNTS}}
                client.request("PATCH", path, body=body, content_type=content, allowed=frozenset({404, 409}))


Site = Callable[..., Run]


def share(local_cloud: Any) -> None:
    """Create the values that the controlplane's run creates for the member, and the addresses of another Kafka."""
    kms, secrets, parameters = (local_cloud.client(name) for name in ("kms", "secretsmanager", "ssm"))
    key = kms.create_key(Tags=[{"TagKey": "dataplatform.fleet/fleet", "TagValue": FLEET}])
    kms.create_alias(AliasName=f"alias/{FLEET}-secrets", TargetKeyId=key["KeyMetadata"]["KeyId"])
    public, private = certificate()
    contents = {
        "issuer": {"ca": public, "certificate": public, "issuers": public, "private_key": private},
        "kafka": {"username": "staging", "password": "a-password-for-kafka"},
    }
    tags = [
        {"Key": f"dataplatform.fleet/{key}", "Value": value} for key, value in (("fleet", FLEET), ("member", "staging"))
    ]
    for name, content in contents.items():
        secrets.create_secret(Name=f"{FLEET}/staging/{name}", SecretString=json.dumps(content), Tags=tags)
    parameters.put_parameter(Name=f"/{FLEET}/kafka/bootstrap", Value="kafka.example.com:9094", Type="String")


@pytest.fixture(scope="module")
def site(
    playbook: Playbook, cluster: tuple[Client, Path], local_cloud: Any, tmp_path_factory: pytest.TempPathFactory
) -> Site:
    """Runs a playbook on the cluster, which the inventory plugin finds."""
    folder = tmp_path_factory.mktemp("inventory")
    found = folder / "fleet.kubeconfig.yml"
    found.write_text(yaml.safe_dump({"plugin": "dataplatform.fleet.kubeconfig", "kubeconfigs": [str(cluster[1])]}))
    variables = {
        "fleet_name": FLEET,
        "fleet_members": {"controlplane": HUB, "staging": MEMBER},
        "prometheus_route_host": "prometheus.apps.onprem.example.com",
        "prometheus_route_allowed_cidrs": ["192.0.2.0/24"],
    }
    share(local_cloud)
    own = ("-e", json.dumps(variables))

    def run(name: str, *arguments: str, **options: Any) -> Run:
        return playbook(name, "staging", "-i", str(found), *own, *arguments, **options)

    return run


@pytest.fixture(scope="module")
def built(site: Site, local_cloud: Any) -> tuple[Run, Run, set[str]]:
    """A run in check mode, the run, and the services of AWS in which the two changed something."""
    before = len(local_cloud.aws_calls())
    planned = site("site.yml", "--check", "--diff")
    done = site("site.yml", "--diff")
    return planned, done, {call["service"] for call in local_cloud.aws_calls()[before:]}


def test_the_run_does_what_check_mode_announced(built: tuple[Run, Run, set[str]]) -> None:
    planned, done, _ = built
    assert done.announced
    assert planned.announced == done.announced


def test_no_role_of_aws_runs(built: tuple[Run, Run, set[str]]) -> None:
    _, done, services = built
    assert services <= SHARED
    changed = {task.partition(" : ")[0] for task, *_ in done.announced}
    assert not [each for each in changed if each.rpartition(".")[2] in ("vpc", "eks", "peering", "ingress_nginx")]
    said = " ".join(done.output.split())
    assert "None of the roles vpc, eks, cluster_autoscaler, ingress_nginx and peering runs on it" in said
    assert "eks_nodegroups" in said


def test_status_lists_what_runs_on_it(built: tuple[Run, Run, set[str]], site: Site) -> None:
    lines = [" ".join(line.split()) for line in site("playbooks/status.yml").output.splitlines()]
    assert [line for line in lines if line.startswith("node-exporter DaemonSet node-agents 1/1 ")]
    assert [line for line in lines if line.startswith("prometheus StatefulSet agents ")]
    assert not [line for line in lines if line.startswith("ingress-nginx ")]


def test_render_writes_the_objects_of_the_platform(
    built: tuple[Run, Run, set[str]], site: Site, tmp_path: Path
) -> None:
    site("playbooks/render.yml", "-e", json.dumps({"render_path": str(tmp_path)}))
    roles = {path.name for path in (tmp_path / "staging").iterdir()}
    assert roles == {"guardrails", "node_exporter", "kube_state_metrics", "prometheus", "fluent_bit"}
    names = {path.name for path in tmp_path.glob("staging/*/*.yaml")}
    assert "SecurityContextConstraints-dataplatform-fleet-node-exporter.yaml" in names
    assert not [name for name in names if name.startswith("StorageClass")]


def test_kubeconfig_reports_that_an_existing_cluster_has_its_own(
    site: Site, cluster: tuple[Client, Path], tmp_path: Path
) -> None:
    path = tmp_path / "kubeconfig"
    run = site("playbooks/kubeconfig.yml", "-e", f"kubeconfig_path={path}")
    assert not path.exists()
    assert str(cluster[1]) in run.output


def test_verify_reports_hops_that_it_cannot_follow(
    built: tuple[Run, Run, set[str]], site: Site, tmp_path: Path
) -> None:
    path = tmp_path / "verify.json"
    run = site("playbooks/verify.yml", "-e", json.dumps({"verify_report": str(path)}), succeed=False)
    assert run.returncode == 2
    staging = json.loads(path.read_text())["clusters"]["staging"]
    assert staging["verdict"] == "not_verified", staging
    assert staging["readiness"]["ready"] == staging["readiness"]["total"] > 0
    assert {hop["status"] for hop in staging["hops"]} == {"not_run", "off"}
    assert all(hop["text"] for hop in staging["hops"])


def test_destroy_leaves_the_cluster_as_it_was(
    built: tuple[Run, Run, set[str]], site: Site, cluster: tuple[Client, Path], local_cloud: Any
) -> None:
    client, _ = cluster
    refused = site("destroy.yml", "-e", "destroy=stagin", succeed=False)
    assert "would lose the platform and all its data, and stay itself" in " ".join(refused.output.split())
    before = len(local_cloud.aws_calls())
    announced = site("destroy.yml", "--check", "--diff", "-e", "destroy=staging").announced
    done = site("destroy.yml", "--diff", "-e", "destroy=staging")
    assert announced == done.announced != set()
    assert {call["service"] for call in local_cloud.aws_calls()[before:]} <= SHARED
    kinds = (
        "/api/v1/namespaces",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles",
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
        "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
        "/apis/scheduling.k8s.io/v1/priorityclasses",
        "/apis/security.openshift.io/v1/securitycontextconstraints",
    )
    for kind in kinds:
        left = [item["metadata"] for item in client.get(kind)["items"]]
        assert not [each["name"] for each in left if "dataplatform.fleet" in json.dumps(each.get("labels", {}))], kind
    assert "theirs" in {item["metadata"]["name"] for item in client.get("/api/v1/namespaces")["items"]}
    assert len(client.get("/api/v1/nodes")["items"]) == 1
    again = site("destroy.yml", "-e", "destroy=staging")
    assert again.announced == set()
