# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The members of a cluster's configuration: defaults, EKS's normalised form, and validation."""

from __future__ import annotations

import ipaddress
from typing import Any

from localcloud.aws import store
from localcloud.aws.errors import invalid_parameter

LOG_TYPES = ("api", "audit", "authenticator", "controllerManager", "scheduler")
_PRIVATE = [
    ipaddress.IPv4Network(cidr)
    for cidr in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "169.254.0.0/16")
]


def logging(requested: dict[str, Any] | None, current: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return all five log types in at most two groups, enabled types first; other types keep their state."""
    enabled = set(enabled_logs(current))
    for setup in (requested or {}).get("clusterLogging", []):
        types = set(setup.get("types", []))
        enabled = enabled | types if setup.get("enabled") else enabled - types
    on = [kind for kind in LOG_TYPES if kind in enabled]
    off = [kind for kind in LOG_TYPES if kind not in enabled]
    groups = [{"types": on, "enabled": True}, {"types": off, "enabled": False}]
    return {"clusterLogging": [group for group in groups if group["types"]]}


def enabled_logs(current: dict[str, Any] | None) -> list[str]:
    groups = (current or {}).get("clusterLogging", [])
    return [kind for group in groups if group.get("enabled") for kind in group.get("types", [])]


def endpoint_access(requested: dict[str, Any], current: dict[str, Any]) -> dict[str, Any]:
    """Return the three members of API server access after a request; raises for values that EKS rejects."""
    public = requested.get("endpointPublicAccess", current["endpointPublicAccess"])
    private = requested.get("endpointPrivateAccess", current["endpointPrivateAccess"])
    if not public and not private:
        raise invalid_parameter("Private and public endpoint access cannot be disabled at the same time.")
    cidrs = requested.get("publicAccessCidrs")
    if cidrs is None:
        cidrs = current["publicAccessCidrs"]
    for cidr in cidrs:
        try:
            network = ipaddress.ip_network(cidr)
        except ValueError as error:
            raise invalid_parameter(f"The following CIDRs are invalid in publicAccessCidrs: [{cidr}]") from error
        if isinstance(network, ipaddress.IPv4Network) and any(network.subnet_of(block) for block in _PRIVATE):
            raise invalid_parameter(f"The following CIDRs are not allowed in publicAccessCidrs: [{cidr}]")
    return {
        "endpointPublicAccess": public,
        "endpointPrivateAccess": private,
        "publicAccessCidrs": (cidrs or ["0.0.0.0/0"]) if public else cidrs,
    }


def auto_mode(requested: dict[str, Any], current: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return computeConfig, storageConfig and elasticLoadBalancing, which are all enabled or all disabled."""
    base = current or {"compute": {"enabled": False}, "storage": False, "balancing": False}
    compute = dict(base["compute"])
    compute.update(requested.get("computeConfig") or {})
    storage = ((requested.get("storageConfig") or {}).get("blockStorage") or {}).get("enabled", base["storage"])
    network = requested.get("kubernetesNetworkConfig") or {}
    balancing = (network.get("elasticLoadBalancing") or {}).get("enabled", base["balancing"])
    if len({bool(compute.get("enabled")), bool(storage), bool(balancing)}) != 1:
        raise invalid_parameter(
            "For EKS Auto Mode, please ensure that all required configs, including computeConfig, "
            "kubernetesNetworkConfig, and blockStorage are all either fully enabled or fully disabled."
        )
    for pool in compute.get("nodePools") or []:
        if pool not in ("general-purpose", "system"):
            raise invalid_parameter(f"Invalid node pool: {pool}. Valid node pools are general-purpose and system.")
    if compute.get("enabled") and bool(compute.get("nodePools")) != bool(compute.get("nodeRoleArn")):
        raise invalid_parameter("When nodePools are specified, nodeRoleArn must be specified, and the other way round.")
    if not compute.get("enabled"):
        compute = {"enabled": False}
    else:
        compute.setdefault("nodePools", [])
    return {"compute": compute, "storage": bool(storage), "balancing": bool(balancing)}


def service_cidr(requested: dict[str, Any], vpc_cidr: str) -> str:
    """Return the Service CIDR: the requested one, validated, or the one that EKS chooses for the VPC."""
    vpc = ipaddress.IPv4Network(vpc_cidr, strict=False)
    asked = requested.get("serviceIpv4Cidr")
    if asked is None:
        inside_ten = vpc.subnet_of(_PRIVATE[0])
        return "172.20.0.0/16" if inside_ten else "10.100.0.0/16"
    try:
        network = ipaddress.IPv4Network(asked)
    except ValueError as error:
        raise invalid_parameter(f"serviceIpv4Cidr {asked} is not a valid CIDR block.") from error
    allowed = any(network.subnet_of(block) for block in _PRIVATE[:3])
    if not allowed or not 12 <= network.prefixlen <= 24:
        raise invalid_parameter(
            "serviceIpv4Cidr must be within 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16, between /24 and /12."
        )
    if network.overlaps(vpc):
        raise invalid_parameter(f"serviceIpv4Cidr {asked} must not overlap with the VPC's CIDR block {vpc_cidr}.")
    return str(asked)


def encryption(requested: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the encryption of Secrets, if its key is symmetric, enabled and in this region."""
    for entry in requested:
        if entry.get("resources") != ["secrets"]:
            raise invalid_parameter("Resources in encryptionConfig must be [secrets].")
        key_arn = (entry.get("provider") or {}).get("keyArn")
        if not key_arn:
            raise invalid_parameter("Provider key ARN is required in encryptionConfig.")
        key = store.kms_keys.get(key_arn.rsplit("/", 1)[-1])
        if key is None or key["Arn"] != key_arn:
            raise invalid_parameter(
                f"Key '{key_arn}' does not exist (Service: AWSKMS; Status Code: 400; Error Code: NotFoundException)"
            )
        if key["KeyState"] != "Enabled" or key["KeySpec"] != "SYMMETRIC_DEFAULT":
            raise invalid_parameter(f"Key '{key_arn}' must be enabled and symmetric to encrypt Secrets.")
    return requested
