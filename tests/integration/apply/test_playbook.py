# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The task in playbooks: templates of a role, check mode, diff, errors, an EKS cluster."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.dataplatform.fleet.tests.integration import commands

from localcloud.kubernetes.control_plane import ControlPlane
from localcloud.testing import LocalCloud, eventually

from .conftest import Cluster

pytestmark = pytest.mark.integration
CHECKOUT = Path(__file__).resolve().parents[3]
PASSWORD = "hunter22-topsecret"

TEMPLATES = {
    "config.yaml.j2": """\
{% import 'parts.j2' as parts %}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: config
  labels: {{ parts.labels('config') | to_json }}
data:
  file: {{ lookup('ansible.builtin.template', 'file.conf.j2') | to_json }}
""",
    "parts.j2": '{% macro labels(name) %}{{ {"app": name} | to_json }}{% endmacro %}',
    "file.conf.j2": "greeting = {{ demo_greeting }}\n",
    "secret.yaml.j2": """\
apiVersion: v1
kind: Secret
metadata:
  name: secret
stringData:
  password: {{ demo_password | to_json }}
""",
}
TEMPLATES["config.yaml.j2"] = TEMPLATES["config.yaml.j2"].replace(
    "{{ parts.labels('config') | to_json }}", "{{ parts.labels('config') }}"
)


@dataclass
class Run:
    code: int
    text: str


class Project:
    """A playbook with one role."""

    def __init__(self, directory: Path, options: dict[str, Any], env: dict[str, str]) -> None:
        self.directory = directory
        self.env = env
        self.templates = directory / "roles" / "demo" / "templates"
        self.templates.mkdir(parents=True)
        (directory / "roles" / "demo" / "tasks").mkdir()
        for name, text in TEMPLATES.items():
            (self.templates / name).write_text(text)
        self.options({"name": "demo", "templates": ".", **options})
        play = {"hosts": "all", "gather_facts": False, "roles": ["demo"]}
        (directory / "play.yml").write_text(yaml.safe_dump([play]))
        (directory / "hosts.yml").write_text("all: {hosts: {here: {ansible_connection: local}}}\n")

    def options(self, options: dict[str, Any]) -> None:
        self.task_options = options
        tasks = [
            {"name": "Apply", "dataplatform.fleet.apply": options, "register": "demo_result"},
            {
                "name": "Show",
                "ansible.builtin.copy": {
                    "content": "{{ demo_result | to_json }}",
                    "dest": str(self.directory / "result"),
                },
                "check_mode": False,
                "diff": False,
                "changed_when": False,
            },
        ]
        (self.directory / "roles" / "demo" / "tasks" / "main.yml").write_text(yaml.safe_dump(tasks))

    def run(self, *arguments: str, **variables: Any) -> Run:
        values = {
            "demo_greeting": "hello",
            "demo_password": PASSWORD,
            "ansible_python_interpreter": sys.executable,
            **variables,
        }
        command = ["ansible-playbook", "-i", "hosts.yml", "play.yml", "-e", json.dumps(values)]
        env = {
            **os.environ,
            "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / "collections"),
            **self.env,
        }
        done = commands.run(*command, *arguments, cwd=self.directory, env=env)
        return Run(done.returncode, done.stdout + done.stderr)

    @property
    def result(self) -> dict[str, Any]:
        return dict(json.loads((self.directory / "result").read_text()))

    def actions(self) -> dict[str, str]:
        return {item["name"]: item["action"] for item in self.result["objects"]}


@pytest.fixture
def project(tmp_path: Path, api_server: ControlPlane, namespace: str) -> Project:
    return Project(tmp_path, {"namespace": namespace, "kubeconfig": str(api_server.kubeconfig)}, {})


def test_a_role_s_templates(project: Project, cluster: Cluster, namespace: str) -> None:
    planned = project.run("--check", "--diff")
    assert planned.code == 0, planned.text
    assert project.actions() == {"demo-applyset": "created", "config": "created", "secret": "created"}
    assert cluster.get(f"/api/v1/namespaces/{namespace}/configmaps/config") is None
    done = project.run("--diff", "-vvvv")
    assert done.code == 0, done.text
    assert project.actions() == {"demo-applyset": "created", "config": "created", "secret": "created"}
    config = cluster.get(f"/api/v1/namespaces/{namespace}/configmaps/config")
    assert config is not None
    assert config["data"] == {"file": "greeting = hello\n"}
    assert config["metadata"]["labels"]["app"] == "config"
    again = project.run("--diff")
    assert "changed=0" in again.text
    assert project.result["requests"] <= 2 + 5
    changed = project.run("--diff", "-vvvv", demo_greeting="bye", demo_password=f"{PASSWORD}-new")
    assert "+greeting = bye" in changed.text or "greeting = bye" in changed.text
    assert "<redacted " in changed.text
    assert next(item for item in project.result["objects"] if item["name"] == "config")["fields"] == ["data.file"]
    for run in (planned, done, again, changed):
        # Ansible itself prints the command line, and with it our --extra-vars, at -vvvv.
        shown = "\n".join(line for line in run.text.splitlines() if "ansible_python_interpreter" not in line)
        assert PASSWORD not in shown
    assert PASSWORD not in (project.directory / "result").read_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "{% set x = 1 %}\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a\n",
            "bad.yaml.j2:4: this is not valid YAML",
        ),
        ("\n\napiVersion: v1\nkind: Bogus\nmetadata: {name: a}\n", "bad.yaml.j2:3: the server has no kind Bogus"),
        (
            "{# a\n comment #}\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndta: {}\n",
            "bad.yaml.j2:6: ConfigMap .*: unknown field dta",
        ),
        (
            "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n",
            "bad.yaml.j2:1: namespaces belong to the guardrails role",
        ),
        (
            "{% for n in [1, 2] %}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: twice}\n{% endfor %}\n",
            "was already rendered at",
        ),
        ("a: {{ undefined_variable }}\n", "bad.yaml.j2.*\n*.*|'undefined_variable' is undefined"),
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: BAD\n",
            r"bad.yaml.j2:\d: ConfigMap .*/BAD: .*metadata.name: Invalid value",
        ),
    ],
)
def test_errors_name_the_template_and_change_nothing(
    project: Project, cluster: Cluster, namespace: str, text: str, message: str
) -> None:
    (project.templates / "bad.yaml.j2").write_text(text)
    run = project.run("--check")
    assert run.code != 0
    assert re.search(message, " ".join(run.text.split())), run.text
    assert "Traceback" not in run.text


def test_a_server_that_is_down(project: Project, tmp_path: Path) -> None:
    project.options(
        {"name": "demo", "namespace": "x", "templates": ".", "host": "https://127.0.0.1:9", "api_key": "token-abc"}
    )
    run = project.run("-vvv")
    assert run.code != 0
    assert "The API server https://127.0.0.1:9 cannot be reached: the connection was refused" in " ".join(
        run.text.split()
    )
    assert "Traceback" not in run.text


def test_a_certificate_that_is_not_trusted(project: Project, api_server: ControlPlane) -> None:
    project.options(
        {"name": "demo", "namespace": "x", "templates": ".", "host": api_server.endpoint, "api_key": "token-abc"}
    )
    run = project.run()
    assert run.code != 0
    assert "its certificate is not trusted" in " ".join(run.text.split())


def test_credentials_that_are_refused(project: Project, api_server: ControlPlane) -> None:
    options = {"name": "demo", "namespace": "x", "templates": ".", "host": api_server.endpoint}
    project.options({**options, "ca_cert": str(api_server.ca_file), "api_key": "token-abc"})
    run = project.run()
    assert run.code != 0
    assert "does not accept the credentials" in " ".join(run.text.split())
    assert "token-abc" not in run.text


def test_wrong_options(project: Project) -> None:
    project.options({"name": "demo", "namespace": "x", "templates": "."})
    assert "one of the following is required: cluster, kubeconfig, host" in project.run().text
    project.options({"name": "demo", "namespace": "x", "templates": ".", "kubeconfig": "nowhere"})
    assert "cannot be read: No such file or directory" in project.run().text
    project.options({"name": "demo", "namespace": "x", "tempaltes": ".", "templates": ".", "kubeconfig": "nowhere"})
    assert "tempaltes" in project.run().text


# -- on an EKS cluster


@pytest.fixture(scope="module")
def eks(local_cloud: LocalCloud) -> Iterator[str]:
    name = "apply-test"
    ec2, iam, client = (local_cloud.client(service) for service in ("ec2", "iam", "eks"))
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    zones = [zone["ZoneName"] for zone in ec2.describe_availability_zones()["AvailabilityZones"]][:2]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.9.{n}.0/24", AvailabilityZone=zone)["Subnet"]["SubnetId"]
        for n, zone in enumerate(zones)
    ]
    statement = {"Effect": "Allow", "Principal": {"Service": "eks.amazonaws.com"}, "Action": "sts:AssumeRole"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy)["Role"]["Arn"]
    iam.attach_role_policy(RoleName=name, PolicyArn="arn:aws:iam::aws:policy/AmazonEKSClusterPolicy")

    def created() -> bool:
        try:
            client.create_cluster(name=name, roleArn=role, resourcesVpcConfig={"subnetIds": subnets})
        except client.exceptions.InvalidParameterException:
            return False
        return True

    eventually(created)
    eventually(lambda: client.describe_cluster(name=name)["cluster"]["status"] == "ACTIVE")
    yield name


@pytest.fixture
def eks_project(tmp_path: Path, local_cloud: LocalCloud, eks: str) -> Project:
    return Project(tmp_path, {"namespace": "default", "cluster": eks}, local_cloud.env)


def test_an_eks_cluster_is_looked_up_and_accepts_the_token(eks_project: Project) -> None:
    first = eks_project.run("--diff")
    assert first.code == 0, first.text
    again = eks_project.run()
    assert "changed=0" in again.text, again.text
    eks_project.options({**eks_project.task_options, "state": "absent"})
    assert "changed=1" in eks_project.run().text
    assert set(eks_project.actions().values()) == {"pruned"}


def test_a_cluster_that_does_not_exist_yet(eks_project: Project) -> None:
    eks_project.options({**eks_project.task_options, "cluster": "not-there"})
    failed = eks_project.run()
    assert failed.code != 0
    assert "There is no EKS cluster 'not-there'" in " ".join(failed.text.split())
    planned = eks_project.run("--check", "--diff")
    assert planned.code == 0, planned.text
    assert eks_project.actions() == {"demo-applyset": "created", "config": "created", "secret": "created"}
    assert PASSWORD not in planned.text
    eks_project.options({**eks_project.task_options, "state": "absent"})
    assert eks_project.run().code == 0
    assert not eks_project.result["changed"]
