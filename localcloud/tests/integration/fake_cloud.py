# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fake AWS account for the in-cluster controllers, with the content that a test sets."""

from __future__ import annotations

import copy
from typing import Any

from localcloud.controllers.cloud import AddonReport, LoadBalancer, NodegroupReport, Record, Volume


class FakeCloud:
    """Implements ``localcloud.controllers.Cloud``."""

    def __init__(self) -> None:
        self.cluster_record: Record = {"name": "testing", "status": "ACTIVE", "version": "1.36"}
        self.groups: dict[str, Record] = {}
        self.addon_records: dict[str, Record] = {}
        self.associations: list[Record] = []
        self.allowed: set[tuple[str, str]] = set()
        self.subnet_records = [
            subnet(f"subnet-{tier}{zone}", f"eu-central-1{zone}", f"10.43.{number}.0/24", tier)
            for tier, base in (("public", 0), ("private", 10))
            for number, zone in enumerate("ab", start=base)
        ]
        self.nodegroup_reports: dict[str, NodegroupReport] = {}
        self.addon_reports: dict[str, AddonReport] = {}
        self.load_balancers: dict[str, LoadBalancer] = {}
        self.volumes: dict[str, Volume] = {}

    def add_group(self, name: str, size: int, **more: Any) -> Record:
        self.groups[name] = {
            "nodegroupName": name,
            "clusterName": "testing",
            "status": "ACTIVE",
            "version": "1.36",
            "releaseVersion": "1.36.2-20261109",
            "amiType": "AL2023_x86_64_STANDARD",
            "capacityType": "ON_DEMAND",
            "instanceTypes": ["m5.large"],
            "scalingConfig": {"minSize": 0, "maxSize": 5, "desiredSize": size},
            "subnets": ["subnet-privatea", "subnet-privateb"],
            "labels": {},
            "taints": [],
            "diskSize": 20,
            **more,
        }
        return self.groups[name]

    def add_addon(self, name: str, version: str = "v1.0.0-eksbuild.1", **more: Any) -> Record:
        self.addon_records[name] = {"addonName": name, "addonVersion": version, "status": "CREATING", **more}
        return self.addon_records[name]

    def cluster(self) -> Record | None:
        return copy.deepcopy(self.cluster_record)

    def nodegroups(self) -> list[Record]:
        return copy.deepcopy(list(self.groups.values()))

    def addons(self) -> list[Record]:
        return copy.deepcopy(list(self.addon_records.values()))

    def pod_identities(self) -> list[Record]:
        return copy.deepcopy(self.associations)

    def subnets(self) -> list[Record]:
        return copy.deepcopy(self.subnet_records)

    def role_allows(self, role_arn: str, action: str) -> bool:
        return (role_arn, action) in self.allowed

    def report_nodegroup(self, name: str, report: NodegroupReport) -> None:
        self.nodegroup_reports[name] = report
        if self.groups[name]["status"] == "DELETING" and not report.nodes:
            del self.groups[name]

    def report_addon(self, name: str, report: AddonReport) -> None:
        self.addon_reports[name] = report
        self.addon_records[name]["status"] = "ACTIVE" if report.available else "DEGRADED"

    def create_load_balancer(self, load_balancer: LoadBalancer) -> None:
        self.load_balancers.setdefault(load_balancer.name, load_balancer)

    def delete_load_balancer(self, name: str) -> None:
        self.load_balancers.pop(name, None)

    def create_volume(self, volume: Volume) -> str:
        identifier = f"vol-{len(self.volumes):017x}"
        self.volumes[identifier] = volume
        return identifier

    def resize_volume(self, volume_id: str, size_gib: int) -> None:
        self.volumes[volume_id] = Volume(**{**vars(self.volumes[volume_id]), "size_gib": size_gib})

    def delete_volume(self, volume_id: str) -> None:
        self.volumes.pop(volume_id, None)


def subnet(identifier: str, zone: str, cidr: str, tier: str) -> Record:
    role = "elb" if tier == "public" else "internal-elb"
    return {
        "SubnetId": identifier,
        "VpcId": "vpc-1",
        "AvailabilityZone": zone,
        "AvailabilityZoneId": f"euc1-az{'abc'.index(zone[-1]) + 1}",
        "CidrBlock": cidr,
        "Tags": [{"Key": f"kubernetes.io/role/{role}", "Value": "1"}],
    }
