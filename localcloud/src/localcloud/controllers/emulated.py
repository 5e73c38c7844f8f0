# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controllers' interface to the emulated AWS account in this process."""

from __future__ import annotations

import contextlib
import copy
import fnmatch
import json
import secrets
import time
from collections.abc import Iterable, Iterator
from typing import Any

from localcloud.aws import clock, ministack, store
from localcloud.controllers.cloud import (
    AddonReport,
    Issue,
    LoadBalancer,
    NodegroupReport,
    Record,
    Volume,
    VpcNetwork,
    Zone,
)
from localcloud.model import ClusterRef

# AWS managed policies whose documents the emulator lacks.
_VOLUME_POLICIES = (
    "AmazonEBSCSIDriverPolicy",
    "AmazonEBSCSIDriverPolicyV2",
    "AmazonEBSCSIDriverEKSClusterScopedPolicy",
)


class EmulatedCloud:
    """Reads and writes the emulator's records in the account and region of one cluster."""

    def __init__(self, ref: ClusterRef) -> None:
        self._ref = ref
        self._addons: dict[str, Record] = {}

    @contextlib.contextmanager
    def _account(self) -> Iterator[None]:
        with ministack.request_scope(self._ref.account, self._ref.region), clock.lock:
            yield

    def cluster(self) -> Record | None:
        with self._account():
            record = store.clusters.get(self._ref.name)
            if record is None:
                return None
            return {**_shown(record), "bootstrapSelfManagedAddons": record.get("_bootstrap", False)}

    def nodegroups(self) -> list[Record]:
        with self._account():
            return [self._nodegroup(record) for record in store.nodegroups(self._ref.name)]

    def _nodegroup(self, record: Record) -> Record:
        """Return a node group with its update in progress, if the update replaces nodes."""
        shown = {**_shown(record), "update": copy.deepcopy(record.get("_target"))}
        # EKS does not return values of a launch template, but nodes have them.
        return {"instanceTypes": record.get("_instanceTypes"), "diskSize": record.get("_diskSize"), **shown}

    def addons(self) -> list[Record]:
        with self._account():
            present = {str(record["addonName"]): record for record in store.addons(self._ref.name)}
            # A deleted add-on is returned once more, because it has the option to preserve its objects.
            gone = [record for name, record in self._addons.items() if name not in present]
            self._addons = present
            return [
                {**_shown(record), "preserve": bool(record.get("_preserve"))} for record in [*present.values(), *gone]
            ]

    def pod_identities(self) -> list[Record]:
        """Return the associations that are effective."""
        with self._account():
            return [
                _shown(record)
                for record in store.pod_identities(self._ref.name)
                if record.get("_effective_at", 0) <= clock.now()
            ]

    def subnets(self) -> list[Record]:
        with self._account():
            cluster = store.clusters.get(self._ref.name)
            vpc = (cluster or {}).get("resourcesVpcConfig", {}).get("vpcId")
            return [
                {**copy.deepcopy(subnet), "Tags": copy.deepcopy(store.ec2_tags.get(identifier) or [])}
                for identifier, subnet in list(store.subnets.items())
                if subnet["VpcId"] == vpc
            ]

    def network(self, subnet_id: str) -> VpcNetwork:
        with self._account():
            cluster = store.clusters.get(self._ref.name) or {}
            vpc_id = str(cluster.get("resourcesVpcConfig", {}).get("vpcId", ""))
            interfaces = [store.network_interfaces.get(identifier) for identifier in cluster.get("_interfaces", [])]
            return VpcNetwork(
                cidr=str((store.vpcs.get(vpc_id) or {}).get("CidrBlock", "")),
                interfaces=tuple(str(interface["PrivateIpAddress"]) for interface in interfaces if interface),
                peered=tuple(_peered(subnet_id, vpc_id)),
                zones=tuple(_zones(vpc_id)),
            )

    def role_allows(self, role_arn: str, action: str) -> bool:
        with self._account():
            role = store.role(role_arn)
            if role is None:
                return False
            if action == "ec2:CreateVolume" and any(
                arn.rpartition("/")[2] in _VOLUME_POLICIES for arn in role.get("AttachedPolicies") or []
            ):
                return True
            effects = {effect for document in _documents(role) for effect in _effects(document, action)}
            return "Allow" in effects and "Deny" not in effects

    def report_nodegroup(self, name: str, report: NodegroupReport) -> None:
        with self._account():
            record = store.nodegroups_all.get(f"{self._ref.name}/{name}")
            if record is None:
                return
            record["_nodes"] = {
                "desired": report.desired,
                "nodes": report.nodes,
                "ready": report.ready,
                "outdated": report.outdated,
                "image": report.image,
                "failure": _issue(report.eviction_failed) if report.eviction_failed else None,
            }
            record["health"] = {"issues": [_issue(issue) for issue in report.issues]}
            if report.fatal and record.get("_status") in ("CREATING", "ACTIVE"):
                record["_status"] = "CREATE_FAILED"

    def report_addon(self, name: str, report: AddonReport) -> None:
        with self._account():
            record = store.addons_all.get(f"{self._ref.name}/{name}")
            if record is None:
                return
            record["_workload"] = {"installed": report.installed, "available": report.available}
            if report.available or report.issues:
                record["_issues"] = [_issue(issue) for issue in report.issues]

    def create_load_balancer(self, load_balancer: LoadBalancer) -> None:
        """Create the records of a load balancer, its security group and its network interfaces.

        A Classic Load Balancer is recorded as a Network Load Balancer: the emulator lacks the older API.
        """
        with self._account():
            if any(record["LoadBalancerName"] == load_balancer.name for record in ministack.load_balancers.values()):
                return
            identifier = secrets.token_hex(8)
            arn = (
                f"arn:aws:elasticloadbalancing:{self._ref.region}:{self._ref.account}:"
                f"loadbalancer/net/{load_balancer.name}/{identifier}"
            )
            subnets = [store.subnets[subnet] for subnet in load_balancer.subnets if subnet in store.subnets]
            vpc = str(subnets[0]["VpcId"]) if subnets else ""
            group = self._security_group(load_balancer, vpc)
            ministack.load_balancers[arn] = {
                "LoadBalancerArn": arn,
                "LoadBalancerName": load_balancer.name,
                "DNSName": load_balancer.dns_name,
                "Scheme": load_balancer.scheme,
                "VpcId": vpc,
                "State": "active",
                "Type": "network",
                "Subnets": list(load_balancer.subnets),
                "SecurityGroups": [group],
                "IpAddressType": "ipv4",
                "CreatedTime": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()),
            }
            ministack.load_balancer_tags[arn] = [
                {"Key": key, "Value": value} for key, value in load_balancer.tags.items()
            ]
            ministack.load_balancer_attributes[arn] = [{"Key": "deletion_protection.enabled", "Value": "false"}]
            for subnet in subnets:
                self._interface(f"ELB net/{load_balancer.name}/{identifier}", subnet, group)

    def delete_load_balancer(self, name: str) -> None:
        with self._account():
            for arn, record in list(ministack.load_balancers.items()):
                if record["LoadBalancerName"] != name:
                    continue
                for owner in (
                    ministack.load_balancers,
                    ministack.load_balancer_attributes,
                    ministack.load_balancer_tags,
                ):
                    owner.pop(arn, None)
                for group in record["SecurityGroups"]:
                    store.security_groups.pop(group, None)
                    store.ec2_tags.pop(group, None)
                description = f"ELB {arn.partition(':loadbalancer/')[2]}"
                for identifier, interface in list(store.network_interfaces.items()):
                    if interface["Description"] == description:
                        store.network_interfaces.pop(identifier, None)

    def _security_group(self, load_balancer: LoadBalancer, vpc: str) -> str:
        group = store.new_id("sg")
        store.security_groups[group] = {
            "GroupId": group,
            "GroupName": f"k8s-elb-{load_balancer.name}",
            "Description": f"Security group for Kubernetes ELB {load_balancer.name}",
            "VpcId": vpc,
            "OwnerId": self._ref.account,
            "IpPermissions": [],
            "IpPermissionsEgress": [],
        }
        store.ec2_tags[group] = [{"Key": key, "Value": value} for key, value in load_balancer.tags.items()]
        return group

    def _interface(self, description: str, subnet: Record, group: str) -> None:
        identifier = store.new_id("eni")
        prefix = str(subnet["CidrBlock"]).rsplit(".", 1)[0]
        store.network_interfaces[identifier] = {
            "NetworkInterfaceId": identifier,
            "SubnetId": subnet["SubnetId"],
            "VpcId": subnet["VpcId"],
            "AvailabilityZone": subnet["AvailabilityZone"],
            "Description": description,
            "OwnerId": "amazon-elb",
            "Status": "in-use",
            "PrivateIpAddress": f"{prefix}.{secrets.randbelow(200) + 10}",
            "InterfaceType": "network_load_balancer",
            "SourceDestCheck": False,
            "MacAddress": ":".join(f"{byte:02x}" for byte in b"\x02" + secrets.token_bytes(5)),
            "Groups": [{"GroupId": group, "GroupName": store.security_groups[group]["GroupName"]}],
            "Attachment": None,
        }

    def create_volume(self, volume: Volume) -> str:
        """Create the volume of a claim, or find the volume of an earlier attempt."""
        with self._account():
            for identifier, known in list(ministack.volumes.items()):
                tags = store.resource_tags(identifier)
                if known and tags.get("CSIVolumeName") == volume.tags.get("CSIVolumeName"):
                    return identifier
            identifier = store.new_id("vol")
            ministack.volumes[identifier] = {
                "VolumeId": identifier,
                "Size": volume.size_gib,
                "AvailabilityZone": volume.zone,
                "State": "available",
                "VolumeType": volume.type,
                "SnapshotId": "",
                "Iops": volume.iops or (3000 if volume.type == "gp3" else 0),
                "Encrypted": volume.encrypted,
                "KmsKeyId": volume.kms_key_id,
                "CreateTime": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()),
                "Attachments": [],
                "MultiAttachEnabled": False,
                "Throughput": volume.throughput or (125 if volume.type == "gp3" else 0),
            }
            store.ec2_tags[identifier] = [{"Key": key, "Value": value} for key, value in volume.tags.items()]
            return identifier

    def resize_volume(self, volume_id: str, size_gib: int) -> None:
        with self._account():
            if volume_id in ministack.volumes:
                ministack.volumes[volume_id]["Size"] = size_gib

    def delete_volume(self, volume_id: str) -> None:
        with self._account():
            ministack.volumes.pop(volume_id, None)
            store.ec2_tags.pop(volume_id, None)


def _shown(record: Record) -> Record:
    shown = copy.deepcopy(store.public(record))
    shown["status"] = record.get("_status", record.get("status"))
    return shown


def _issue(issue: Issue) -> Record:
    return {"code": issue.code, "message": issue.message, "resourceIds": list(issue.resource_ids)}


def _peered(subnet_id: str, vpc_id: str) -> Iterator[str]:
    """Return the CIDR blocks to which a subnet's route table has routes over active peering connections."""
    tables = [table for table in ministack.route_tables.values() if table["VpcId"] == vpc_id]
    own = [t for t in tables if any(a.get("SubnetId") == subnet_id for a in t.get("Associations", []))]
    main = [t for t in tables if any(a.get("Main") for a in t.get("Associations", []))]
    for route in (own or main or [{}])[0].get("Routes", []):
        connection = ministack.vpc_peerings.get(route.get("VpcPeeringConnectionId", ""))
        if connection and connection["Status"]["Code"] == "active":
            yield str(route["DestinationCidrBlock"])


def _zones(vpc_id: str) -> Iterator[Zone]:
    """Return the private zones, of any account, that a VPC is associated with."""
    records = dict(ministack.all_accounts(ministack.records))
    for (account, _), zone in ministack.all_accounts(ministack.zones):
        if not zone.get("private") or all(vpc["VPCId"] != vpc_id for vpc in zone.get("vpcs", [])):
            continue
        addresses: dict[str, list[str]] = {}
        aliases: dict[str, str] = {}
        for entry in records.get((account, zone["id"]), []):
            name, values = _host(entry["Name"]), entry.get("ResourceRecords") or []
            alias = (entry.get("AliasTarget") or {}).get("DNSName") or (values[0] if entry["Type"] == "CNAME" else "")
            if alias:
                aliases[name] = _host(alias)
            elif entry["Type"] == "A":
                addresses.setdefault(name, []).extend(values)
        yield Zone(_host(zone["name"]), addresses, aliases)


def _host(name: str) -> str:
    return name.rstrip(".").lower()


def _documents(role: Record) -> Iterator[Any]:
    """Return the policy documents that are attached to a role."""
    yield from (role.get("InlinePolicies") or {}).values()
    for arn in role.get("AttachedPolicies") or []:
        policy = ministack.policies.get(arn) or ministack.aws_policies.get(arn)
        for version in ((policy or {}).get("Versions") or {}).values():
            if version.get("IsDefaultVersion"):
                yield version.get("Document")


def _effects(document: Any, action: str) -> Iterator[str]:  # noqa: ANN401 - a policy document, as text or parsed
    """Yield the effects of statements for an action. Conditions count as met in Allow, and as not met in Deny."""
    try:
        policy = json.loads(document) if isinstance(document, str) else document
    except ValueError:
        return
    for statement in _list(policy.get("Statement")):
        effect = str(statement.get("Effect"))
        patterns = (str(pattern).lower() for pattern in _list(statement.get("Action")))
        matches = any(fnmatch.fnmatchcase(action.lower(), pattern) for pattern in patterns)
        if matches and (effect == "Allow" or not statement.get("Condition")):
            yield effect


def _list(value: Any) -> list[Any]:  # noqa: ANN401 - IAM allows one element instead of a list
    return (
        list(value) if isinstance(value, Iterable) and not isinstance(value, (str, dict)) else [value] if value else []
    )
