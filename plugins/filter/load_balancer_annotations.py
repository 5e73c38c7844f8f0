# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Annotations of a Service of type LoadBalancer for a Network Load Balancer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ansible.errors import AnsibleFilterError
from ansible_collections.dataplatform.fleet.plugins.module_utils import _texts

PREFIX: Final = "service.beta.kubernetes.io/aws-load-balancer"
CONTROLLERS: Final = ("builtin", "auto_mode", "controller")
POLICY: Final = "ELBSecurityPolicy-TLS13-1-2-2021-06"


def load_balancer_annotations(
    controller: str,
    scheme: str = "internal",
    *,
    certificate: str = "",
    policy: str = POLICY,
    backend_protocol: str = "ssl",
    tags: Mapping[str, Any] | None = None,
) -> dict[str, str]:
    """Return the annotations that ``controller`` understands; tags only if there are any.

    Raises AnsibleFilterError for a controller that is not one of ``CONTROLLERS``.
    """
    if controller not in CONTROLLERS:
        raise AnsibleFilterError(
            f"load_balancer_annotations: no controller is called {controller!r}; there are {', '.join(CONTROLLERS)}"
        )
    found = _builtin(scheme) if controller == "builtin" else _by_ip(scheme)
    if controller == "controller":
        found["type"] = "external"
    if certificate:
        found |= {
            "ssl-cert": certificate,
            "ssl-ports": "443",
            "ssl-negotiation-policy": policy,
            "backend-protocol": backend_protocol,
        }
    if tags:
        pairs = sorted(_texts.texts(tags).items(), key=lambda pair: pair[0].lower())
        found["additional-resource-tags"] = ",".join(f"{key}={value}" for key, value in pairs)
    return {f"{PREFIX}-{name}": value for name, value in found.items()}


def _builtin(scheme: str) -> dict[str, str]:
    internal = {"internal": "true"} if scheme == "internal" else {}
    return {"type": "nlb", **internal, "cross-zone-load-balancing-enabled": "true"}


def _by_ip(scheme: str) -> dict[str, str]:
    return {
        "scheme": scheme,
        "nlb-target-type": "ip",
        "attributes": "load_balancing.cross_zone.enabled=true",
        "target-group-attributes": "preserve_client_ip.enabled=true",
    }


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"load_balancer_annotations": load_balancer_annotations}
