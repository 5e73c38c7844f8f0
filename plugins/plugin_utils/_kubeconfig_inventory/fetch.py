# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask the API servers of kubeconfig contexts, all at once."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply import kubeconfig
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.client import (
    Server,
    expiry,
    proxy_headers,
    reason,
    without_userinfo,
)
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.connection import through_proxy
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.errors import ApplyError
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._inventory.plugin import Discovery
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._inventory.selection import matches_one
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._kubeconfig_inventory import facts

try:
    from kubernetes.client import ApiClient, Configuration
    from kubernetes.client.exceptions import ApiException
    from kubernetes.dynamic.exceptions import ResourceNotFoundError
    from openshift.dynamic import DynamicClient
    from urllib3.exceptions import HTTPError
except ImportError as error:
    MISSING: ImportError | None = error
    DynamicClient = object
else:
    MISSING = None

CONFIG_GROUP = "config.openshift.io"
Cluster = dict[str, Any]
Value = Any  # whatever an answer holds


@dataclass(frozen=True)
class Query:
    """Which contexts of which kubeconfigs to ask. No names means all contexts; ``timeout`` is in seconds."""

    kubeconfigs: Sequence[str]
    names: Sequence[str] = ()
    timeout: float = 10
    workers: int = 50


@dataclass(frozen=True)
class _Answer:
    cluster: Cluster = field(default_factory=dict)
    problem: str = ""


def discover(query: Query) -> Discovery:
    """The clusters of all contexts, ordered by kubeconfig and context."""
    problems: list[str] = []
    contexts: list[tuple[kubeconfig.Kubeconfig, str]] = []
    for path in query.kubeconfigs:
        try:
            config = kubeconfig.read(path)
        except ApplyError as error:
            problems.append(str(error))
            continue
        problems += config.repeated
        if not config.contexts:
            problems.append(f"The kubeconfig {path} has no contexts.")
        contexts += [
            (config, name) for name in sorted(config.contexts) if not query.names or matches_one(name, query.names)
        ]
    with ThreadPoolExecutor(max_workers=query.workers) as pool:
        answers = list(pool.map(lambda each: _ask(each[0], each[1], query.timeout), contexts))
    problems += [each.problem for each in answers if each.problem]
    return Discovery([each.cluster for each in answers if not each.problem], problems)


def _ask(config: kubeconfig.Kubeconfig, context: str, timeout: float) -> _Answer:
    where = f"{config.path}: the context {context!r}"
    try:
        server = through_proxy(kubeconfig.server_of(config, context, exec_timeout=timeout))
        _refuse_expired(server)
        entry = config.contexts[context].content
        known = {
            "kubeconfig": config.path,
            "context": context,
            "cluster": entry["cluster"],
            "user": entry.get("user") or "",
            "namespace": entry.get("namespace") or "",
            "server": server.url,
        }
        with tempfile.TemporaryDirectory(prefix="dataplatform-fleet-") as folder:
            return _Answer({**known, **_facts(server, Path(folder), timeout)})
    except ApplyError as error:
        return _Answer(problem=f"{where} cannot be used: {error}")
    except ApiException as error:
        return _Answer(problem=f"{where}: {server.url} {_refusal(error)}")
    except (HTTPError, OSError) as error:
        via = f" through the proxy {without_userinfo(server.proxy_url)}" if server.proxy_url else ""
        return _Answer(problem=f"{where}: {server.url} cannot be reached{via}: {reason(error)}")
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        # The client takes each answer of status 200 for one of an API server.
        return _Answer(problem=f"{where}: {server.url} does not answer as a Kubernetes API server: {error}")


def _facts(server: Server, folder: Path, timeout: float) -> Cluster:
    client = _Client(_configuration(server, folder), folder / "discovery.json", timeout)
    version: Value = client.version["kubernetes"]
    groups = sorted(name for name in client.resources.api_groups if name)
    wanted = {"ClusterVersion": "version", "Infrastructure": "cluster", "Ingress": "cluster"}
    answers = {kind: client.find(kind, name) for kind, name in wanted.items()} if CONFIG_GROUP in groups else {}
    cluster_version, infrastructure, ingress = (answers.get(kind) or {} for kind in wanted)
    return {
        "version": facts.minor(version),
        "git_version": str(version["gitVersion"]),
        "platform": facts.platform(version, groups, infrastructure, server.url),
        "api_groups": groups,
        **facts.openshift(cluster_version, infrastructure, ingress),
        "unread": [f"{kind} {wanted[kind]}" for kind, answer in answers.items() if answer is None],
    }


class _Client(DynamicClient):  # type: ignore[misc]
    """OpenShift's client, with a time limit for each request and a cache of its own."""

    def __init__(self, configuration: Value, cache: Path, timeout: float) -> None:
        self._timeout = timeout
        super().__init__(ApiClient(configuration), cache_file=str(cache))

    def request(self, method: str, path: str, body: Value = None, **options: Value) -> Value:
        return super().request(method, path, body, **{"_request_timeout": (self._timeout, self._timeout), **options})

    def find(self, kind: str, name: str) -> Mapping[str, Any] | None:
        """An object of OpenShift's configuration; empty if there is none, None if it may not be read."""
        try:
            found: Mapping[str, Any] = (
                self.resources.get(api_version=f"{CONFIG_GROUP}/v1", kind=kind).get(name=name).to_dict()
            )
        except ResourceNotFoundError:
            return {}
        except ApiException as error:
            if error.status in (403, 404):
                return None if error.status == 403 else {}
            raise
        return found


def _configuration(server: Server, folder: Path) -> Value:
    """The same way that apply would take. The client reads certificates and keys from files only."""
    configuration: Value = Configuration(host=server.url, retries=0)
    configuration.verify_ssl = server.verify
    configuration.proxy = server.proxy_url or None
    configuration.no_proxy = ""
    configuration.proxy_headers = proxy_headers(server.proxy_url)
    configuration.tls_server_name = server.tls_server_name or None
    texts = {"ssl_ca_cert": server.ca, "cert_file": server.client_cert, "key_file": server.client_key}
    for name, text in texts.items():
        if text:
            file = folder / name
            file.touch(mode=0o600)
            file.write_text(text)
            setattr(configuration, name, str(file))
    token = server.credentials.headers().get("Authorization")
    if token:
        configuration.api_key = {"BearerToken": token}
    return configuration


def _refuse_expired(server: Server) -> None:
    """API servers answer an expired client certificate as any other they do not know."""
    try:
        text = expiry(server.client_cert)
    except ValueError:
        raise ApplyError("client-certificate is no certificate in PEM.") from None
    if text:
        raise ApplyError(text)


def _refusal(error: Value) -> str:
    if error.status == 401:
        return "does not accept the credentials (401 Unauthorized). Log in again, or renew the token."
    if error.status == 403:
        return f"does not let the user read /version and /apis (403 Forbidden: {_message(error)})."
    return f"answers with {error.status}: {_message(error)}"


def _message(error: Value) -> str:
    body = (
        error.body.decode(errors="replace") if isinstance(error.body, bytes) else str(error.body or error.reason or "")
    )
    return " ".join(body.split())[:300]
