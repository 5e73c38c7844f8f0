# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster's resources in its VPC: subnets, security group, network interfaces."""

from __future__ import annotations

import secrets

from localcloud.aws import store
from localcloud.aws.errors import AwsError, invalid_parameter
from localcloud.aws.jsontypes import JsonObject


def require_subnets(subnet_ids: list[str], *, zones: int = 1) -> str:
    """Return the VPC of the subnets. Raises InvalidParameterException for missing subnets or a wrong combination."""
    found = []
    for subnet_id in subnet_ids:
        subnet = store.subnets.get(subnet_id)
        if subnet is None:
            raise _ec2_error("InvalidSubnetID.NotFound", f"The subnet ID '{subnet_id}' does not exist")
        found.append(subnet)
    if len({subnet["AvailabilityZone"] for subnet in found}) < zones:
        raise invalid_parameter("Subnets specified must be in at least two different AZs")
    vpcs = {str(subnet["VpcId"]) for subnet in found}
    if len(vpcs) != 1:
        raise invalid_parameter("Subnets specified must belong to the same VPC")
    return vpcs.pop()


def require_security_groups(group_ids: list[str], vpc_id: str) -> None:
    for group_id in group_ids:
        group = store.security_groups.get(group_id)
        if group is None:
            raise _ec2_error("InvalidGroup.NotFound", f"The security group '{group_id}' does not exist")
        if group["VpcId"] != vpc_id:
            raise invalid_parameter(
                f"Security group(s) [{group_id}] are not in the same VPC as the subnets. "
                "Please specify all security groups from the same VPC."
            )


def _ec2_error(code: str, message: str) -> AwsError:
    return invalid_parameter(f"{message} (Service: AmazonEC2; Status Code: 400; Error Code: {code})")


def create_cluster_security_group(cluster: str, vpc_id: str) -> str:
    """Create the security group of a cluster's control plane and managed nodes; return its id."""
    group_id = store.new_id("sg")
    name = f"eks-cluster-sg-{cluster}-{secrets.randbelow(10**9)}"
    everywhere: dict[str, list[JsonObject]] = {
        "IpRanges": [],
        "Ipv6Ranges": [],
        "PrefixListIds": [],
        "UserIdGroupPairs": [],
    }
    own = {"GroupId": group_id, "UserId": store.account()}
    store.security_groups[group_id] = {
        "GroupId": group_id,
        "GroupName": name,
        "Description": "EKS created security group applied to ENI that is attached to EKS Control Plane master nodes, "
        "as well as any managed workloads.",
        "VpcId": vpc_id,
        "OwnerId": store.account(),
        "IpPermissions": [{"IpProtocol": "-1", **everywhere, "UserIdGroupPairs": [own]}],
        "IpPermissionsEgress": [{"IpProtocol": "-1", **everywhere, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}],
    }
    tags = {"Name": name, "aws:eks:cluster-name": cluster, f"kubernetes.io/cluster/{cluster}": "owned"}
    store.ec2_tags[group_id] = [{"Key": key, "Value": value} for key, value in tags.items()]
    return group_id


def create_cluster_interfaces(cluster: str, subnet_ids: list[str], group_ids: list[str]) -> list[str]:
    """Create the control plane's network interfaces in two of the cluster's zones; return their ids."""
    by_zone: dict[str, store.Record] = {}
    for subnet_id in subnet_ids:
        subnet = store.subnets[subnet_id]
        by_zone.setdefault(str(subnet["AvailabilityZone"]), subnet)
    created = []
    for zone, subnet in list(by_zone.items())[:2]:
        eni_id = store.new_id("eni")
        prefix = str(subnet["CidrBlock"]).rsplit(".", 1)[0]
        store.network_interfaces[eni_id] = {
            "NetworkInterfaceId": eni_id,
            "SubnetId": subnet["SubnetId"],
            "VpcId": subnet["VpcId"],
            "AvailabilityZone": zone,
            "Description": f"Amazon EKS {cluster}",
            "OwnerId": store.account(),
            "Status": "in-use",
            "PrivateIpAddress": f"{prefix}.{secrets.randbelow(200) + 10}",
            "InterfaceType": "interface",
            "SourceDestCheck": True,
            "MacAddress": ":".join(f"{byte:02x}" for byte in b"\x02" + secrets.token_bytes(5)),
            "Groups": [
                {"GroupId": group, "GroupName": store.security_groups.get(group, {}).get("GroupName", group)}
                for group in group_ids
            ],
            "Attachment": None,
        }
        created.append(eni_id)
    return created


def remove_cluster_network(cluster: store.Record) -> None:
    """Delete the resources that EKS created in the VPC."""
    for eni_id in cluster.get("_interfaces", []):
        store.network_interfaces.pop(eni_id, None)
    group_id = cluster["resourcesVpcConfig"]["clusterSecurityGroupId"]
    store.security_groups.pop(group_id, None)
    store.ec2_tags.pop(group_id, None)
