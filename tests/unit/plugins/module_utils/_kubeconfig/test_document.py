from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.module_utils._kubeconfig.document import (
    ForeignEntryError,
    Server,
    Target,
    document,
    exec_plugin,
    is_loopback,
    redacted,
)

SERVER = Server("https://staging.example.com", "Y2E=")
STAGING = Target("staging", "dp-staging", "eu-central-1")
LOCAL = Target(
    "staging", "dp-staging", "eu-central-1", endpoint_url="http://127.0.0.1:4566", access_key="AK", secret_key="shh"
)


def test_a_context_per_cluster() -> None:
    content = document([(STAGING, SERVER)], ["eks-token"], {})
    assert content["current-context"] == "staging"
    assert content["contexts"] == [{"name": "staging", "context": {"cluster": "staging", "user": "staging"}}]
    assert document([(STAGING, SERVER)], ["eks-token"], content) == content
    assert document([], ["eks-token"], content)["current-context"] == ""


def test_proxy_and_server_name() -> None:
    target = Target("a", "b", "c", proxy_url="http://proxy:3128", tls_server_name="kubernetes")
    cluster = document([(target, SERVER)], [], {})["clusters"][0]["cluster"]
    assert cluster["proxy-url"] == "http://proxy:3128"
    assert cluster["tls-server-name"] == "kubernetes"


@pytest.mark.parametrize(
    ("kind", "entry"),
    [
        ("contexts", {"name": "minikube", "context": {"cluster": "minikube", "user": "me"}}),
        ("clusters", {"name": "minikube", "cluster": {"server": "https://192.168.49.2:8443"}}),
        ("users", {"name": "minikube", "user": {"token": "shh"}}),
    ],
)
def test_unmanaged_entries_are_refused(kind: str, entry: dict[str, Any]) -> None:
    content = document([(STAGING, SERVER)], [], {})
    assert document([], [], content)["contexts"] == []
    content[kind].append(entry)
    with pytest.raises(ForeignEntryError, match=r"^minikube$"):
        document([(STAGING, SERVER)], [], content)


@pytest.mark.parametrize(
    ("token_command", "arguments"),
    [
        (["py", "eks-token"], ["eks-token", "--cluster", "b", "--region", "c", "--profile", "p", "--role-arn", "r"]),
        (
            [],
            [
                *("--region", "c", "--profile", "p"),
                *("eks", "get-token", "--cluster-name", "b", "--output", "json", "--role-arn", "r"),
            ],
        ),
    ],
)
def test_how_a_token_is_had(token_command: list[str], arguments: list[str]) -> None:
    plugin = exec_plugin(Target("a", "b", "c", profile="p", role_arn="r"), token_command)
    assert plugin["command"] == (token_command or ["aws"])[0]
    assert plugin["args"] == arguments
    assert "env" not in plugin


def test_keys_are_written_for_an_emulator_on_this_machine_only() -> None:
    assert "shh" in json.dumps(exec_plugin(LOCAL, []))
    for url in (None, "https://vpce-1.eks.eu-central-1.vpce.amazonaws.com", "http://127.0.0.1.example.com"):
        target = Target("a", "b", "c", endpoint_url=url, access_key="AK", secret_key="shh")
        assert "shh" not in json.dumps(exec_plugin(target, []))
        assert "AK" not in json.dumps(exec_plugin(target, []))


def test_results_contain_no_secret() -> None:
    content = document([(LOCAL, SERVER)], [], {})
    assert "shh" not in json.dumps(redacted(content))
    assert "http://127.0.0.1:4566" in json.dumps(redacted(content))


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:4566", True),
        ("http://[::1]:1", True),
        ("http://localhost", True),
        ("https://localhost.example.com", False),
        ("http://127.0.0.1.example.com", False),
    ],
)
def test_facts_of_this_machine(url: str, here: bool) -> None:
    assert is_loopback(url) is here
