# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A kubeconfig with one context per cluster. Pure.

Format: https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

OWNER = "dataplatform.fleet"
SECRETS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
EXEC_API = "client.authentication.k8s.io/v1beta1"


class ForeignEntryError(Exception):
    """The file has contexts, clusters or users that this module has not written."""


@dataclass(frozen=True)
class Target:
    """A cluster, the name of its context, and the AWS settings of its token command."""

    context: str
    cluster: str
    region: str
    profile: str | None = None
    role_arn: str | None = None
    endpoint_url: str | None = None
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    proxy_url: str | None = None
    tls_server_name: str | None = None


@dataclass(frozen=True)
class Server:
    """The endpoint of a cluster's Kubernetes API; `ca_data` is its certificate authority in base64."""

    endpoint: str
    ca_data: str


def document(
    found: Iterable[tuple[Target, Server]], token_command: Sequence[str], existing: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the file's content. The current context and the namespaces of an existing file are kept.

    Raises ForeignEntryError if the existing file has contexts, clusters or users of others.
    """
    foreign = foreign_entries(existing)
    if foreign:
        raise ForeignEntryError(", ".join(foreign))
    namespaces = {
        entry.get("name"): (entry.get("context") or {}).get("namespace") for entry in existing.get("contexts") or []
    }
    clusters, contexts, users = [], [], []
    for target, server in found:
        clusters.append({"name": target.context, "cluster": _cluster(target, server)})
        users.append({"name": target.context, "user": {"exec": exec_plugin(target, token_command)}})
        context = {"cluster": target.context, "user": target.context}
        if namespace := namespaces.get(target.context):
            context["namespace"] = namespace
        contexts.append({"name": target.context, "context": context})
    names = [entry["name"] for entry in contexts]
    current = existing.get("current-context")
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": clusters,
        "contexts": contexts,
        "users": users,
        "current-context": current if current in names else next(iter(names), ""),
    }


def foreign_entries(existing: Mapping[str, Any]) -> list[str]:
    """Return the names of the contexts, clusters and users that this module has not written."""
    clusters, contexts, users = (existing.get(kind) or [] for kind in ("clusters", "contexts", "users"))
    # A cluster of ours is marked; its context and its user have its name.
    ours = {
        entry.get("name")
        for entry in clusters
        if any(extension.get("name") == OWNER for extension in (entry.get("cluster") or {}).get("extensions") or [])
    }
    foreign = [entry for entry in contexts if (entry.get("context") or {}).get("cluster") not in ours]
    foreign += [entry for entry in (*clusters, *users) if entry.get("name") not in ours]
    return sorted({str(entry.get("name")) for entry in foreign})


def exec_plugin(target: Target, token_command: Sequence[str]) -> dict[str, Any]:
    """Return the exec plugin by which kubectl gets a token; an empty `token_command` means the AWS CLI."""
    if token_command:
        command, *arguments = token_command
        arguments += ["--cluster", target.cluster, "--region", target.region]
        if target.profile:
            arguments += ["--profile", target.profile]
    else:
        command, arguments = "aws", ["--region", target.region]
        if target.profile:
            arguments += ["--profile", target.profile]
        arguments += ["eks", "get-token", "--cluster-name", target.cluster, "--output", "json"]
    if target.role_arn:
        arguments += ["--role-arn", target.role_arn]
    plugin: dict[str, Any] = {
        "apiVersion": EXEC_API,
        "command": command,
        "args": arguments,
        "interactiveMode": "Never",
    }
    environment = token_environment(target)
    if environment:
        plugin["env"] = [{"name": name, "value": value} for name, value in environment.items()]
    return plugin


def token_environment(target: Target) -> dict[str, str]:
    """Return the environment of the token command.

    Keys are written for an emulator on this machine only: those of a real account stay where the user keeps them.
    """
    if not target.endpoint_url:
        return {}
    environment = {"AWS_ENDPOINT_URL": target.endpoint_url}
    if is_loopback(target.endpoint_url):
        keys = {
            "AWS_ACCESS_KEY_ID": target.access_key,
            "AWS_SECRET_ACCESS_KEY": target.secret_key,
            "AWS_SESSION_TOKEN": target.session_token,
        }
        environment.update({name: value for name, value in keys.items() if value})
    return environment


def is_loopback(url: str) -> bool:
    """Whether a URL has a loopback address.

    >>> [is_loopback(u) for u in ("http://127.0.0.1:4566", "http://[::1]:1", "https://localhost.example.com")]
    [True, True, False]
    """
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def redacted(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content without credentials."""

    def user(entry: Mapping[str, Any]) -> dict[str, Any]:
        plugin = (entry.get("user") or {}).get("exec") or {}
        shown = [
            {**item, "value": "********"} if item.get("name") in SECRETS else item for item in plugin.get("env") or []
        ]
        return {"name": entry.get("name"), "exec": {**plugin, **({"env": shown} if shown else {})}}

    return {**content, "users": [user(entry) for entry in content.get("users") or []]}


def _cluster(target: Target, server: Server) -> dict[str, Any]:
    cluster: dict[str, Any] = {
        "server": server.endpoint,
        "certificate-authority-data": server.ca_data,
        "extensions": [{"name": OWNER, "extension": {"cluster": target.cluster, "region": target.region}}],
    }
    if target.proxy_url:
        cluster["proxy-url"] = target.proxy_url
    if target.tls_server_name:
        cluster["tls-server-name"] = target.tls_server_name
    return cluster
