# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.dataplatform.fleet.plugins.module_utils._eks import cluster, token
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply import connection
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.errors import ApplyError, ClusterMissingError

PEM = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    (tmp_path / "ca.crt").write_text(PEM)
    config = {
        "current-context": "a",
        "contexts": [
            {"name": "a", "context": {"cluster": "a", "user": "token"}},
            {"name": "b", "context": {"cluster": "b", "user": "exec"}},
        ],
        "clusters": [
            {
                "name": "a",
                "cluster": {"server": "https://a", "certificate-authority": "ca.crt", "proxy-url": "http://p"},
            },
            {
                "name": "b",
                "cluster": {
                    "server": "https://b",
                    "certificate-authority-data": base64.b64encode(PEM.encode()).decode(),
                    "tls-server-name": "b.example",
                },
            },
        ],
        "users": [
            {"name": "token", "user": {"token": "abc"}},
            {
                "name": "exec",
                "user": {
                    "exec": {
                        "apiVersion": "client.authentication.k8s.io/v1beta1",
                        "command": "sh",
                        "args": [
                            "-c",
                            'echo \'{"apiVersion":"client.authentication.k8s.io/v1beta1","kind":"ExecCredential",'
                            '"status":{"token":"made"}}\'',
                        ],
                        "interactiveMode": "Never",
                    }
                },
            },
        ],
    }
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(config))
    return path


def test_the_current_context(kubeconfig: Path) -> None:
    server = connection.server_for({"kubeconfig": str(kubeconfig)})
    assert (server.url, server.ca, server.proxy_url) == ("https://a", PEM, "http://p")
    assert server.credentials.headers() == {"Authorization": "Bearer abc"}


def test_a_cluster_of_a_kubeconfig_is_only_a_name(kubeconfig: Path) -> None:
    """AWS is not called for it."""
    server = connection.server_for({"kubeconfig": str(kubeconfig), "cluster": "dataplatform-onprem"})
    assert (server.url, server.label) == ("https://a", "context a")


def test_another_context_with_an_exec_plugin(kubeconfig: Path) -> None:
    server = connection.server_for({"kubeconfig": str(kubeconfig), "context": "b"})
    assert (server.url, server.ca, server.tls_server_name) == ("https://b", PEM, "b.example")
    assert server.credentials.headers() == {"Authorization": "Bearer made"}


def test_the_task_overrides_the_file(kubeconfig: Path) -> None:
    options = {"kubeconfig": str(kubeconfig), "proxy_url": "http://mine", "tls_server_name": "mine.example"}
    server = connection.server_for(options)
    assert (server.proxy_url, server.tls_server_name) == ("http://mine", "mine.example")


def test_an_address(tmp_path: Path) -> None:
    (tmp_path / "ca").write_text(PEM)
    server = connection.server_for({"host": "https://h", "ca_cert": str(tmp_path / "ca"), "api_key": "k"})
    assert (server.url, server.ca) == ("https://h", PEM)
    assert server.credentials.headers() == {"Authorization": "Bearer k"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "none is given"),
        ({"host": "x", "cluster": "y"}, "not cluster and host"),
        ({"host": "x", "kubeconfig": "y", "cluster": "z"}, "not cluster and kubeconfig and host"),
        ({"host": "https://x", "ca_cert": "/no/such/file"}, "ca_cert /no/such/file cannot be read"),
        ({"kubeconfig": "/no/such/file"}, "cannot be read: No such file"),
    ],
)
def test_unusable_values(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ApplyError, match=message):
        connection.server_for(options)


def test_the_error_for_a_missing_context_lists_the_contexts(kubeconfig: Path) -> None:
    with pytest.raises(ApplyError, match=r"there is no context 'c' \(there is: a, b\)"):
        connection.server_for({"kubeconfig": str(kubeconfig), "context": "c"})


def test_eks_tokens_are_kept_until_shortly_before_they_end(monkeypatch: pytest.MonkeyPatch) -> None:
    minted: list[timedelta] = [
        timedelta(minutes=14),
        timedelta(seconds=30),
        timedelta(minutes=14),
        timedelta(minutes=14),
    ]
    names = iter("abcd")

    def mint(*_: object) -> token.Token:
        return token.Token(next(names), datetime.now(UTC) + minted.pop(0))

    monkeypatch.setattr(token, "mint", mint)
    credentials = connection.EksCredentials(None, "staging", "eu-central-1")
    asked = [credentials.headers(renew=renew)["Authorization"][-1] for renew in (False, False, True, False, False)]
    assert asked == ["a", "a", "b", "c", "c"]


@pytest.mark.parametrize(
    ("status", "error"),
    [("DELETING", ClusterMissingError), ("FAILED", ClusterMissingError), ("CREATING", ApplyError)],
)
def test_a_cluster_that_is_being_deleted_has_nothing_to_remove(
    monkeypatch: pytest.MonkeyPatch, status: str, error: type[ApplyError]
) -> None:
    """This allows destroy to continue after an interruption, or with a failed cluster."""
    endpoint = cluster.Endpoint("one", "eu-central-1", "", "", status, "1.36")
    monkeypatch.setattr(cluster, "describe_endpoint", lambda _client, _name: endpoint)
    with pytest.raises(ApplyError, match="'one' in eu-central-1 is") as raised:
        connection.server_for({"cluster": "one", "region": "eu-central-1"})
    assert type(raised.value) is error


def test_a_profile_and_keys_exclude_each_other() -> None:
    with pytest.raises(ApplyError, match="exclude each other"):
        connection.server_for({"cluster": "one", "profile": "p", "access_key": "a", "secret_key": "s"})


PROXIES = {"HTTPS_PROXY": "http://secure:1", "HTTP_PROXY": "plain:2"}
NO_PROXY = "eks.amazonaws.com, .example.com,10.0.0.0/8,192.0.2.7,named.example:6443"


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("https://a.eks.invalid", "http://secure:1"),
        ("http://a.eks.invalid", "http://plain:2"),
        ("https://x.gr7.eu-central-1.eks.amazonaws.com", ""),
        ("https://a.example.com:443", ""),
        ("https://10.1.2.3", ""),
        ("https://11.1.2.3", "http://secure:1"),
        ("https://192.0.2.7:6443", ""),
        ("https://named.example:6443", ""),
        ("https://named.example", "http://secure:1"),
        ("https://localhost:6443", ""),
        ("https://127.0.0.1:6443", ""),
        ("https://[::1]:6443", ""),
    ],
)
def test_the_environment_s_proxy(monkeypatch: pytest.MonkeyPatch, url: str, proxy: str) -> None:
    _only_these(monkeypatch, {**PROXIES, "NO_PROXY": NO_PROXY})
    assert connection.environment_proxy(url) == proxy
    assert connection.server_for({"host": url}).proxy_url == proxy


def test_without_a_proxy_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    _only_these(monkeypatch, {"NO_PROXY": "*"})
    assert connection.environment_proxy("https://a.eks.invalid") == ""
    _only_these(monkeypatch, PROXIES | {"no_proxy": "*"})
    assert connection.environment_proxy("https://a.eks.invalid") == ""


def test_the_task_s_proxy_outranks_the_environment(monkeypatch: pytest.MonkeyPatch, kubeconfig: Path) -> None:
    _only_these(monkeypatch, PROXIES)
    assert connection.server_for({"host": "https://a.invalid", "proxy_url": "http://mine"}).proxy_url == "http://mine"
    assert connection.server_for({"kubeconfig": str(kubeconfig)}).proxy_url == "http://p"
    assert connection.server_for({"kubeconfig": str(kubeconfig), "context": "b"}).proxy_url == "http://secure:1"


def _only_these(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
