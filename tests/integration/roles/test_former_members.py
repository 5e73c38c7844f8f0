# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Network access of a member that has left the fleet is removed, and nothing else."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.tests.integration.roles.running import CHECKOUT

pytestmark = pytest.mark.integration
FLEET = "left"
TAGS = [{"Key": "dataplatform.fleet/fleet", "Value": FLEET}]
HUB, FORMER, OTHER = "10.70.0.0/16", "10.71.0.0/16", "10.72.0.0/16"


class Networks:
    """The controlplane's VPC, and two that are connected with it: a former member's, and one of no member."""

    def __init__(self, cloud: Any) -> None:
        self.cloud = cloud
        self.ec2 = cloud.client("ec2")
        self.route53 = cloud.client("route53")
        self.hub = self._vpc(f"{FLEET}-controlplane", HUB)
        self.former, self.other = self._vpc("former", FORMER), self._vpc("other", OTHER)
        self.table = self.ec2.create_route_table(VpcId=self.hub)["RouteTable"]["RouteTableId"]
        made = self.route53.create_hosted_zone(
            Name=f"{FLEET}.internal",
            CallerReference=FLEET,
            VPC={"VPCRegion": "eu-central-1", "VPCId": self.hub},
            HostedZoneConfig={"PrivateZone": True},
        )
        self.zone = made["HostedZone"]["Id"]
        zone = {"ResourceType": "hostedzone", "ResourceId": self.zone.removeprefix("/hostedzone/")}
        self.route53.change_tags_for_resource(**zone, AddTags=TAGS)
        self.connection = {cidr: self._connect(vpc, cidr) for vpc, cidr in ((self.former, FORMER), (self.other, OTHER))}

    def _vpc(self, name: str, cidr: str) -> str:
        vpc: str = self.ec2.create_vpc(CidrBlock=cidr)["Vpc"]["VpcId"]
        self.ec2.create_tags(Resources=[vpc], Tags=[{"Key": "Name", "Value": name}])
        return vpc

    def _connect(self, vpc: str, cidr: str) -> str:
        made = self.ec2.create_vpc_peering_connection(VpcId=vpc, PeerVpcId=self.hub)["VpcPeeringConnection"]
        found: str = made["VpcPeeringConnectionId"]
        self.ec2.create_tags(Resources=[found], Tags=TAGS)
        self.ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=found)
        self.ec2.create_route(RouteTableId=self.table, DestinationCidrBlock=cidr, VpcPeeringConnectionId=found)
        place = {"VPCRegion": "eu-central-1", "VPCId": vpc}
        self.route53.associate_vpc_with_hosted_zone(HostedZoneId=self.zone, VPC=place)
        return found

    def state(self) -> tuple[set[str], set[str], set[str]]:
        """The live connections, the networks that are routed, and the VPCs that see the zone."""
        found = self.ec2.describe_vpc_peering_connections()["VpcPeeringConnections"]
        live = {one["VpcPeeringConnectionId"] for one in found if one["Status"]["Code"] == "active"}
        (table,) = self.ec2.describe_route_tables(RouteTableIds=[self.table])["RouteTables"]
        routed = {route["DestinationCidrBlock"] for route in table["Routes"] if route.get("VpcPeeringConnectionId")}
        seeing = {vpc["VPCId"] for vpc in self.route53.get_hosted_zone(Id=self.zone)["VPCs"]}
        return live & set(self.connection.values()), routed, seeing

    def revoke(self, networks: dict[str, str], *arguments: str) -> dict[str, Any]:
        """Run the module like the role."""
        options = {"vpc": f"{FLEET}-controlplane", "networks": networks, "zone": f"{FLEET}.internal"}
        options["owner_tags"] = {TAGS[0]["Key"]: FLEET}
        module = "dataplatform.fleet.ec2_undeclared_peerings"
        done = subprocess.run(
            ["ansible", "localhost", "-m", module, "-a", json.dumps(options), "--diff", *arguments],
            cwd=CHECKOUT,
            env={**self.cloud.env, "ANSIBLE_CALLBACK_RESULT_FORMAT": "json", "ANSIBLE_NOCOLOR": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        head, _, body = done.stdout.partition(" => ")
        found: dict[str, Any] = json.JSONDecoder().raw_decode(body)[0]
        return found | {"shown": head}


def test_removes_network_access_of_a_former_member(emulator: Any) -> None:
    networks = Networks(emulator)
    before = networks.state()
    assert [len(part) for part in before] == [2, 2, 3]
    former = {"gone": FORMER, "never-connected": "10.99.0.0/16"}

    # In the same account, without the fleet's tag: unmanaged.
    marked = {"Resources": [networks.connection[FORMER]], "Tags": TAGS}
    networks.ec2.delete_tags(**marked)
    assert networks.revoke(former)["changed"] is False
    assert networks.state() == before
    networks.ec2.create_tags(**marked)

    announced = networks.revoke(former, "--check")
    assert (announced["changed"], announced["undeclared_peerings"]) == (True, ["gone"])
    for words in ("peering of gone", FORMER, f"zone {FLEET}.internal.vpc of gone"):
        assert words in announced["shown"]
    assert networks.state() == before

    # An unmanaged zone remains associated with the VPC of the former member.
    zone = {"ResourceType": "hostedzone", "ResourceId": networks.zone.removeprefix("/hostedzone/")}
    networks.route53.change_tags_for_resource(**zone, RemoveTagKeys=[TAGS[0]["Key"]])
    assert "zone" not in networks.revoke(former, "--check")["shown"]
    networks.route53.change_tags_for_resource(**zone, AddTags=TAGS)

    assert networks.revoke(former)["shown"] == announced["shown"]
    assert networks.state() == ({networks.connection[OTHER]}, {OTHER}, {networks.hub, networks.other})
    assert networks.revoke(former)["changed"] is False
