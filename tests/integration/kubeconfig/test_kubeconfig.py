"""The kubeconfig of a fleet that the playbook writes."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.dataplatform.fleet.plugins.module_utils._kubeconfig.document import Server, Target, document

pytestmark = pytest.mark.integration

CHECKOUT = Path(__file__).resolve().parents[3]
CLUSTERS = ("dataplatform-staging", "dataplatform-controlplane")


class Eks(BaseHTTPRequestHandler):
    """A fake DescribeCluster with two clusters and one that is being created."""

    def do_GET(self) -> None:
        name = self.path.rpartition("/")[2]
        if name in CLUSTERS:
            ready = {"endpoint": f"https://{name}.example.com", "certificateAuthority": {"data": "Y2E="}}
            self.answer(200, {"cluster": {"name": name, "status": "ACTIVE", **ready}})
        elif name == "dataplatform-production":
            self.answer(200, {"cluster": {"name": name, "status": "CREATING"}})
        else:
            self.answer(404, {"message": f"No cluster found for name: {name}."}, "ResourceNotFoundException")

    def answer(self, status: int, content: dict[str, Any], error: str = "") -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if error:
            self.send_header("x-amzn-ErrorType", error)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        """Stay silent."""


@pytest.fixture(scope="module")
def eks() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Eks)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def environment() -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "ANSIBLE_"))}
    return {
        **kept,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


class Writer:
    def __init__(self, endpoint_url: str, directory: Path) -> None:
        self.endpoint_url = endpoint_url
        self.path = directory / "kubeconfig"

    def run(self, *arguments: str, **variables: Any) -> tuple[int, str]:
        extra = {"kubeconfig_path": str(self.path), "aws_endpoint_url": self.endpoint_url, **variables}
        inventories = ["-i", "inventories/controlplane", "-i", "inventories/staging", "-i", "inventories/local"]
        answer = subprocess.run(
            ["ansible-playbook", "playbooks/kubeconfig.yml", *inventories, "-e", json.dumps(extra), *arguments],
            cwd=CHECKOUT,
            env={**environment(), "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg")},
            check=False,
            capture_output=True,
            text=True,
            timeout=180,
        )
        return answer.returncode, " ".join((answer.stdout + answer.stderr).split())

    @property
    def content(self) -> dict[str, Any]:
        return yaml.safe_load(self.path.read_text())


@pytest.fixture
def writer(eks: str, tmp_path: Path) -> Writer:
    return Writer(eks, tmp_path)


def test_one_context_per_cluster(writer: Writer) -> None:
    status, output = writer.run("--check")
    assert status == 0, output
    assert "changed=1" in output and not writer.path.exists()
    status, output = writer.run()
    assert status == 0, output
    assert "changed=1" in output
    assert stat.S_IMODE(writer.path.stat().st_mode) == 0o600
    assert [context["name"] for context in writer.content["contexts"]] == ["controlplane", "staging"]
    staging = next(entry["cluster"] for entry in writer.content["clusters"] if entry["name"] == "staging")
    assert staging["server"] == "https://dataplatform-staging.example.com"
    assert staging["certificate-authority-data"] == "Y2E="
    status, output = writer.run()
    assert status == 0 and "changed=0" in output
    writer.path.chmod(0o644)
    status, output = writer.run()
    assert "changed=1" in output
    assert stat.S_IMODE(writer.path.stat().st_mode) == 0o600


def test_the_exec_entry_prints_a_token(writer: Writer) -> None:
    writer.run()
    plugin = next(user["user"]["exec"] for user in writer.content["users"] if user["name"] == "staging")
    answer = subprocess.run(
        [plugin["command"], *plugin["args"]],
        env={**environment(), **{item["name"]: item["value"] for item in plugin["env"]}},
        capture_output=True,
        text=True,
        check=True,
    )
    credential = json.loads(answer.stdout)
    assert credential["apiVersion"] == plugin["apiVersion"]
    assert credential["status"]["token"].startswith("k8s-aws-v1.")
    without = subprocess.run(
        [plugin["command"], *plugin["args"]], env=environment(), check=False, capture_output=True, text=True
    )
    assert without.returncode == 1
    assert "no token for cluster dataplatform-staging" in without.stderr


def test_a_missing_cluster_is_left_out_with_a_warning(writer: Writer) -> None:
    status, output = writer.run("-i", "inventories/testing")
    assert status == 0, output
    assert "No context testing: cluster dataplatform-testing was left out, it does not exist" in output
    assert len(writer.content["contexts"]) == 2
    status, output = writer.run("-i", "inventories/production")
    assert "cluster dataplatform-production was left out, it has no endpoint yet, it is CREATING" in output


def test_keys_of_a_real_account_stay_out() -> None:
    target = Target("production", "p", "eu-central-1", access_key="AKIAX", secret_key="s", role_arn="arn:x")
    server = Server("https://x", "Y2E=")
    elsewhere = replace(target, endpoint_url="https://vpce.example.com")
    for each in (target, elsewhere):
        content = document([(each, server)], ["eks-token"], {})
        assert "AKIAX" not in json.dumps(content)
        assert "--role-arn" in json.dumps(content)


def test_the_current_context_is_kept_and_other_files_are_not_changed(writer: Writer) -> None:
    writer.run()
    content = writer.content
    content["current-context"] = "staging"
    content["contexts"][1]["context"]["namespace"] = "kube-system"
    writer.path.write_text(yaml.safe_dump(content))
    status, output = writer.run("--limit", "staging")
    assert status == 0, output
    assert writer.content["current-context"] == "staging"
    assert writer.content["contexts"] == [content["contexts"][1]]
    mine = {"contexts": [{"name": "minikube", "context": {"cluster": "minikube", "user": "minikube"}}]}
    writer.path.write_text(yaml.safe_dump(mine))
    status, output = writer.run()
    assert status == 2
    assert "has entries that were not written by this module: minikube" in output
    assert writer.content == mine
    for text in ("replicas: 3\n", "kind: Config\n---\nkind: Config\n"):
        writer.path.write_text(text)
        status, output = writer.run()
        assert status == 2
        assert "is not a kubeconfig" in output
        assert writer.path.read_text() == text


def test_the_aws_cli_can_be_asked_for_tokens(writer: Writer) -> None:
    status, output = writer.run(kubeconfig_token_command=[])
    assert status == 0, output
    plugin = writer.content["users"][0]["user"]["exec"]
    assert plugin["command"] == "aws"
    assert plugin["args"][2:4] == ["eks", "get-token"]


def test_a_broken_file_and_an_api_that_is_down(writer: Writer) -> None:
    writer.path.write_text("{")
    status, output = writer.run()
    assert status == 2
    assert "kubeconfig:2: this is not valid YAML: " in output
    assert "Remove it, or give another path." in output
    writer.path.unlink()
    status, output = writer.run(aws_endpoint_url="http://127.0.0.1:9")
    assert status == 2
    assert "Could not describe cluster dataplatform-controlplane in eu-central-1" in output
