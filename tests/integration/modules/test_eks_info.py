# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The results of the _info modules, and runs of the examples of all modules."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.integration

CHECKOUT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def told(session_run: Any, cluster: str, network: Any, node_role: str, make_role: Any) -> dict[str, Any]:
    """A cluster with one resource of each kind, and their options."""
    pods, people = make_role("pods.eks.amazonaws.com"), make_role("ec2.amazonaws.com")
    run = session_run
    place: dict[str, Any] = {"cluster_name": cluster}
    run("eks_nodegroup", **place, name="told", node_role_arn=node_role, subnet_ids=network.subnet_ids)
    run("eks_addon", **place, name="kube-proxy")
    run("eks_access_entry", **place, principal_arn=people, policies=[{"policy": "AmazonEKSViewPolicy"}])
    run("eks_pod_identity_association", **place, namespace="told", service_account="told", role_arn=pods)
    run("eks_cluster", name=cluster, zonal_shift=True)
    return {"cluster_name": cluster, "people": people, "pods": pods}


def test_clusters_with_everything(run: Any, told: dict[str, Any]) -> None:
    name = told["cluster_name"]
    include = ["nodegroups", "addons", "access_entries", "pod_identity_associations", "insights", "updates"]
    (found,) = run("eks_cluster_info", names=[name, "nowhere"], include=include)["clusters"]
    assert found["name"] == name
    assert "told" in {group["nodegroup_name"] for group in found["nodegroups"]}
    assert {addon["addon_name"] for addon in found["addons"]} >= {"kube-proxy"}
    policies = {entry["principal_arn"]: entry["policies"] for entry in found["access_entries"]}
    assert policies[told["people"]][0]["access_scope"]["type"] == "cluster"
    assert told["pods"] in {a["role_arn"] for a in found["pod_identity_associations"]}
    assert {insight["category"] for insight in found["insights"]} >= {"UPGRADE_READINESS"}
    assert all(insight["insight_status"]["status"] and insight["recommendation"] for insight in found["insights"])
    assert "ZonalShiftConfigUpdate" in {update["type"] for update in found["updates"]}


def test_all_clusters_page_by_page(run: Any, account: Any, network: Any, cluster_role: str) -> None:
    eks = account.client("eks")
    names = {f"page-{number:03}" for number in range(101)}
    for name in sorted(names):
        eks.create_cluster(name=name, roleArn=cluster_role, resourcesVpcConfig={"subnetIds": network.subnet_ids})
    found = run("eks_cluster_info")
    assert not found["changed"]
    assert {cluster["name"] for cluster in found["clusters"]} >= names


@pytest.mark.parametrize(
    ("module", "key", "options"),
    [
        ("eks_nodegroup_info", "nodegroups", {"names": ["told"]}),
        ("eks_addon_info", "addons", {"names": ["kube-proxy"]}),
        ("eks_access_entry_info", "access_entries", {}),
        ("eks_pod_identity_association_info", "associations", {"namespace": "told"}),
    ],
)
def test_resources_of_a_cluster(run: Any, told: dict[str, Any], module: str, key: str, options: dict[str, Any]) -> None:
    found = run(module, cluster_name=told["cluster_name"], **options)
    assert not found["changed"]
    assert {entry["cluster_name"] for entry in found[key]} == {told["cluster_name"]}
    assert run(module, cluster_name="nowhere", **options)[key] == []


MODULES = [
    "eks_cluster",
    "eks_nodegroup",
    "eks_addon",
    "eks_access_entry",
    "eks_pod_identity_association",
    "eks_cluster_info",
    "eks_nodegroup_info",
    "eks_addon_info",
    "eks_access_entry_info",
    "eks_pod_identity_association_info",
]


def examples(module: str, network: Any) -> list[dict[str, Any]]:
    """The tasks of a module's EXAMPLES, in this account and this network."""
    code = importlib.import_module(f"ansible_collections.dataplatform.fleet.plugins.modules.{module}")
    text = code.EXAMPLES.replace("123456789012", "111122223333")
    text = text.replace("subnet-0a1b2c3d4e5f60718", network.subnet_ids[0])
    text = text.replace("subnet-1a1b2c3d4e5f60718", network.subnet_ids[1])
    return [task[f"dataplatform.fleet.{module}"] or {} for task in yaml.safe_load(text)]


@pytest.mark.usefixtures("example_roles")
def test_the_examples_work(run: Any, network: Any) -> None:
    *making, deleting = examples("eks_cluster", network)
    for options in making:
        run.same("eks_cluster", **options)
    for module in MODULES[1:]:
        for options in examples(module, network):
            if "info" in module:
                run(module, **options)
            elif options.get("state") == "absent" or options.get("name") == "aws-ebs-csi-driver":
                run(module, **{**options, **({"wait": False} if "name" in options else {})})
            else:
                run.same(module, **options)
    run.same("eks_cluster", **deleting)


@pytest.fixture(scope="module")
def example_roles(account: Any) -> None:
    services = {
        "dataplatform-staging-cluster": "eks.amazonaws.com",
        "dataplatform-staging-node": "ec2.amazonaws.com",
        "dataplatform-staging-ebs-csi": "pods.eks.amazonaws.com",
        "notebooks": "pods.eks.amazonaws.com",
        "platform-team": "ec2.amazonaws.com",
        "data-team": "ec2.amazonaws.com",
        "old-team": "ec2.amazonaws.com",
    }
    for name, service in services.items():
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": service},
            "Action": ["sts:AssumeRole", "sts:TagSession"],
        }
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        account.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document)


def test_the_action_group_reaches_every_module(account: Any, tmp_path: Path) -> None:
    """With ansible-playbook: connection options are set once, and check mode and diff work."""
    tasks = [
        {f"dataplatform.fleet.{m}": {"cluster_name": "nowhere"}} for m in MODULES if "info" in m and m != MODULES[5]
    ]
    create = {"name": "by-playbook", "role_arn": "arn:aws:iam::111122223333:role/x", "subnet_ids": network_ids(account)}
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "module_defaults": {"group/dataplatform.fleet.all": account.options},
        "tasks": [
            {"dataplatform.fleet.eks_cluster_info": {}, "register": "seen"},
            *tasks,
            {"dataplatform.fleet.eks_cluster": create},
        ],
    }
    book = tmp_path / "play.yml"
    book.write_text(json.dumps([play]))
    hosts = tmp_path / "hosts.yml"
    variables = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    hosts.write_text(json.dumps({"all": {"hosts": {"localhost": variables}}}))
    env = {k: v for k, v in account.env.items() if not k.startswith("AWS_")}
    env["ANSIBLE_CONFIG"] = str(CHECKOUT / "ansible.cfg")
    program = str(Path(sys.executable).parent / "ansible-playbook")
    command = [program, "--check", "--diff", "-i", str(hosts), str(book)]
    done = subprocess.run(command, env={**os.environ, **env}, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "changed=1" in done.stdout
    assert "cluster by-playbook" in done.stdout
    assert "arn:aws:iam::111122223333:role/x" in done.stdout


def network_ids(account: Any) -> list[str]:
    return [s["SubnetId"] for s in account.client("ec2").describe_subnets()["Subnets"]][:2]
