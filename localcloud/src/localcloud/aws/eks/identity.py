# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Authentication of a cluster's API server: the authentication webhook and the identity providers."""

from __future__ import annotations

from collections.abc import Iterable

from localcloud.aws import clock, ministack, store
from localcloud.model import ClusterBackend, ClusterKey


def install(clusters: ClusterBackend | None) -> None:
    """Install the restart of a cluster's API server after a change of its identity providers."""

    def restart(name: str, oidc_args: Iterable[str] = (), idp_cfg_refs: Iterable[store.Record] = ()) -> None:
        key, arguments, providers = store.cluster_key(name), _arguments(oidc_args or ()), list(idp_cfg_refs or ())

        def work() -> None:
            if clusters is not None:
                clusters.restart(key, arguments)
            for provider in providers:
                provider["status"] = "ACTIVE"

        clock.in_background(work, f"identity-providers-{name}")

    ministack.identity_providers_changed.wrap(lambda _: restart)


def new_issuer() -> str:
    return ministack.new_issuer()


def webhook_path(key: ClusterKey, secret: str) -> str:
    """Return the path for token reviews of a cluster's API server; it contains a secret."""
    return f"/_ministack/eks-auth/{key.account}/{key.region}/{key.name}/{secret}"


def api_server_arguments(name: str) -> tuple[str, ...]:
    """Return the arguments for the identity providers of a cluster."""
    return _arguments(ministack.oidc_arguments(name))


def _arguments(of_k3s: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"--{argument.removeprefix(ministack.API_SERVER_ARGUMENT)}" for argument in of_k3s)
