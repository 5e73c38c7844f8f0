# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a task's options to a server: an EKS cluster by name, a kubeconfig, or an address."""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass

from ansible_collections.dataplatform.fleet.plugins.module_utils._yamltext import TextError, documents

from .client import Credentials, NoCredentials, Server, StaticToken
from .errors import ApplyError, ClusterMissingError
from .objects import Json, Value

# A token is renewed this long before it ends, so that no request starts with one that ends on its way.
_MARGIN: Final = timedelta(seconds=60)


class EksCredentials:
    """EKS tokens, minted when used and again before they expire or when the server refuses one."""

    def __init__(self, session: Value, cluster: str, region: str) -> None:
        self._session = session
        self._cluster = cluster
        self._region = region
        self._lock = threading.Lock()
        self._token: Value = None

    def headers(self, *, renew: bool = False) -> Mapping[str, str]:
        from ansible_collections.dataplatform.fleet.plugins.module_utils._eks import token  # noqa: PLC0415 - botocore is not needed for other servers

        with self._lock:
            if self._token is None or renew or self._token.expires_within(_MARGIN):
                self._token = token.mint(self._session, self._cluster, self._region)
            return {"Authorization": f"Bearer {self._token.value}"}


class LoaderCredentials:
    """What kubeconfig's exec and auth-provider users need, left to the official client's loader."""

    def __init__(self, path: str, context: str | None) -> None:
        self._path = path
        self._context = context
        self._lock = threading.Lock()
        self._configuration: Value = None

    def headers(self, *, renew: bool = False) -> Mapping[str, str]:
        with self._lock:
            if self._configuration is None or renew:
                self._configuration = _load_with_client(self._path, self._context)
            # Renews a token whose end the plugin told.
            token = self._configuration.auth_settings().get("BearerToken", {}).get("value")
            return {"Authorization": token} if token else {}


def server_for(options: Mapping[str, Any]) -> Server:
    """The server that a task's options name, and the way to it.

    Raises ClusterMissingError when EKS has no such cluster, or one that is being deleted or never came into being.
    """
    server = _named_server(options)
    return server if server.proxy_url else replace(server, proxy_url=environment_proxy(server.url))


def environment_proxy(url: str) -> str:
    """The proxy that HTTPS_PROXY or HTTP_PROXY names for this address, unless NO_PROXY or loopback exempts it.

    As kubectl understands them (Go's golang.org/x/net/http/httpproxy): NO_PROXY may hold names, which stand for their
    subdomains too, addresses, and CIDR blocks.
    """
    address = urlsplit(url)
    host = address.hostname or ""
    proxy = getproxies_environment().get(address.scheme, "")
    if not proxy or host == "localhost" or proxy_bypass(address.netloc.rpartition("@")[2]):
        return ""
    with contextlib.suppress(ValueError):
        ip = ip_address(host)
        if ip.is_loopback or any(ip in network for network in _exempt_networks()):
            return ""
    return proxy if "://" in proxy else f"http://{proxy}"


def _exempt_networks() -> list[IPv4Network | IPv6Network]:
    networks: list[IPv4Network | IPv6Network] = []
    for part in getproxies_environment().get("no", "").split(","):
        with contextlib.suppress(ValueError):
            networks.append(ip_network(part.strip(), strict=False))
    return networks


def _named_server(options: Mapping[str, Any]) -> Server:
    given = [name for name in ("cluster", "kubeconfig", "host") if options.get(name)]
    if len(given) != 1:
        many = f"not {' and '.join(given)}" if given else "none is given"
        raise ApplyError(f"Name the cluster in one way, by cluster, kubeconfig or host; {many}.")
    overrides: dict[str, Any] = {
        "proxy_url": options.get("proxy_url") or "",
        "tls_server_name": options.get("tls_server_name") or "",
    }
    if given == ["cluster"]:
        return _from_eks(options, overrides)
    if given == ["kubeconfig"]:
        return _from_kubeconfig(str(options["kubeconfig"]), options.get("context") or None, overrides)
    token = options.get("api_key")
    return Server(
        url=str(options["host"]),
        ca=_pem(options.get("ca_cert"), "ca_cert"),
        client_cert=_pem(options.get("client_cert"), "client_cert"),
        client_key=_pem(options.get("client_key"), "client_key"),
        credentials=StaticToken(token) if token else NoCredentials(),
        **overrides,
    )


def _from_eks(options: Mapping[str, Any], overrides: dict[str, Any]) -> Server:
    from ansible_collections.dataplatform.fleet.plugins.module_utils._aws import errors  # noqa: PLC0415
    from ansible_collections.dataplatform.fleet.plugins.module_utils._eks import cluster  # noqa: PLC0415 - boto3 is not needed for other servers

    name = str(options["cluster"])
    try:
        session = cluster.session_for(options)
        endpoint = cluster.describe_endpoint(cluster.client_for(session, options), name)
    except errors.ClusterNotFoundError as error:
        raise ClusterMissingError(error.message) from error
    except errors.AwsError as error:
        raise ApplyError(error.message) from error
    except Exception as error:  # botocore's own errors are many and importing them here is slow
        if type(error).__module__.partition(".")[0] not in {"botocore", "boto3"}:
            raise
        raise ApplyError(f"The EKS cluster {name!r} cannot be looked up: {error}") from error
    if not endpoint.ready:
        if endpoint.status == "CREATING":
            raise ApplyError(
                f"The EKS cluster {name!r} in {endpoint.region} is still being created: wait until it is ACTIVE."
            )
        text = f"The EKS cluster {name!r} in {endpoint.region} is {endpoint.status}: its API cannot be used."
        raise ClusterMissingError(text) if endpoint.status in ("DELETING", "FAILED") else ApplyError(text)
    return Server(
        url=endpoint.url,
        ca=endpoint.ca_pem,
        label=name,
        credentials=EksCredentials(session, name, endpoint.region),
        **overrides,
    )


def _from_kubeconfig(path: str, context: str | None, overrides: dict[str, Any]) -> Server:
    file = Path(path).expanduser()
    config = _read_kubeconfig(file)
    name = context or config.get("current-context") or ""
    chosen = _named(config, "contexts", name, "context", file)
    cluster = _named(config, "clusters", chosen.get("cluster", ""), "cluster", file)
    user = _named(config, "users", chosen["user"], "user", file) if chosen.get("user") else {}
    overrides = {
        "proxy_url": overrides["proxy_url"] or cluster.get("proxy-url", ""),
        "tls_server_name": overrides["tls_server_name"] or cluster.get("tls-server-name", ""),
    }
    credentials: Credentials = NoCredentials()
    cert, key = _inline(user, "client-certificate", file), _inline(user, "client-key", file)
    if user.get("exec") or user.get("auth-provider"):
        loader = LoaderCredentials(str(file), context)
        credentials = loader
    elif user.get("token"):
        credentials = StaticToken(str(user["token"]))
    elif user.get("tokenFile"):
        credentials = StaticToken((file.parent / user["tokenFile"]).read_text().strip())
    if not cluster.get("server"):
        raise ApplyError(f"{file}: the cluster of context {name!r} has no server.")
    return Server(
        url=str(cluster["server"]),
        ca=_inline(cluster, "certificate-authority", file),
        client_cert=cert,
        client_key=key,
        verify=not cluster.get("insecure-skip-tls-verify"),
        label=f"context {name}",
        credentials=credentials,
        **overrides,
    )


def _read_kubeconfig(file: Path) -> Json:
    try:
        found = documents(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ApplyError(f"The kubeconfig {file} cannot be read: {error.strerror}.") from error
    except TextError as error:
        raise ApplyError(f"{file}:{error.line}: the kubeconfig is not valid YAML: {error.problem}.") from None
    except UnicodeDecodeError:
        raise ApplyError(f"The kubeconfig {file} is not UTF-8.") from None
    config: Json | None = found[0].value if found else None
    if not isinstance(config, dict):
        raise ApplyError(f"The kubeconfig {file} is empty.")
    return config


def _named(config: Json, section: str, name: str, what: str, file: Path) -> Json:
    for item in config.get(section) or ():
        if item.get("name") == name:
            found: Json = item.get(what) or {}
            return found
    there = ", ".join(sorted(str(item.get("name")) for item in config.get(section) or ())) or "none"
    raise ApplyError(f"{file}: there is no {what} {name!r} (there is: {there}).")


def _inline(section: Json, name: str, file: Path) -> str:
    """A certificate or key of a kubeconfig, whether it is inside or a file beside it."""
    data = section.get(f"{name}-data")
    if data:
        try:
            return base64.b64decode(data, validate=True).decode()
        except (binascii.Error, ValueError):
            raise ApplyError(f"{file}: {name}-data is not base64.") from None
    path = section.get(name)
    return _pem(str(file.parent / path), name) if path else ""


def _pem(value: Value, name: str) -> str:
    """PEM text from an option that is a file's path or the text itself."""
    if not value:
        return ""
    text = str(value)
    if "-----BEGIN" in text:
        return text
    try:
        return Path(os.path.expandvars(text)).expanduser().read_text()
    except OSError as error:
        raise ApplyError(f"{name} {text} cannot be read: {error.strerror}.") from error


def _load_with_client(path: str, context: str | None) -> Value:
    try:
        from kubernetes import client, config  # noqa: PLC0415 - slow to import, and most users do not need it
    except ImportError as error:
        raise ApplyError(f"{path} needs the Python package kubernetes for its exec plugin: {error}.") from error
    configuration = client.Configuration()
    try:
        config.load_kube_config(path, context=context, client_configuration=configuration, persist_config=False)
    except Exception as error:
        raise ApplyError(f"{path}: the credentials plugin failed: {error}") from error
    return configuration
