# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the server of a task's options: an EKS cluster by name, a kubeconfig, or an address."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass

from . import kubeconfig
from .client import NoCredentials, Server, StaticToken
from .errors import ApplyError, ClusterMissingError
from .exec_credentials import MARGIN
from .objects import Value


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
            if self._token is None or renew or self._token.expires_within(MARGIN):
                self._token = token.mint(self._session, self._cluster, self._region)
            return {"Authorization": f"Bearer {self._token.value}"}


def server_for(options: Mapping[str, Any]) -> Server:
    """Return the server that a task's options name, with its proxy.

    Raises ClusterMissingError when EKS has no such cluster, or one that is being deleted or never came into being.
    """
    return through_proxy(_named_server(options))


def through_proxy(server: Server) -> Server:
    """The server, reached through the environment's proxy unless another one is given."""
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
    if given == ["cluster", "kubeconfig"]:
        given = ["kubeconfig"]  # cluster is only its name
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
        found = kubeconfig.read(str(options["kubeconfig"]))
        return kubeconfig.server_of(found, str(options.get("context") or ""), **overrides)
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
    from ansible_collections.dataplatform.fleet.plugins.module_utils._aws import errors, session  # noqa: PLC0415
    from ansible_collections.dataplatform.fleet.plugins.module_utils._eks import cluster  # noqa: PLC0415 - botocore is not needed for other servers

    name = str(options["cluster"])
    if options.get("profile") and any(options.get(key) for key in ("access_key", "secret_key", "session_token")):
        raise ApplyError("profile and access_key/secret_key/session_token exclude each other: give one of the two.")
    try:
        credentials = session.session(options)
        endpoint = cluster.describe_endpoint(session.client(credentials, options, "eks"), name)
    except errors.ClusterNotFoundError as error:
        raise ClusterMissingError(error.message) from error
    except errors.AwsError as error:
        raise ApplyError(error.message) from error
    except Exception as error:  # botocore's own errors are many and importing them here is slow
        if type(error).__module__.partition(".")[0] != "botocore":
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
        credentials=EksCredentials(credentials, name, endpoint.region),
        **overrides,
    )


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
