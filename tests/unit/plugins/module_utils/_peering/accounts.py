# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fake of EC2 and Route 53 in two accounts, with dicts behind botocore clients."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from ansible_collections.dataplatform.fleet.tests.unit.plugins.module_utils.aws import Fake, RefusedError

Item = dict[str, Any]


def tagged(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def untagged(tags: list[dict[str, str]]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}


class FakeEc2(Fake):
    """One account in one region. A connection is the same object on both of its sides."""

    def __init__(self, account: str, region: str = "eu-central-1") -> None:
        super().__init__("ec2", region=region)
        self.account, self.region = account, region
        self.vpcs: list[Item] = []
        self.tables: list[Item] = []
        self.connections: list[Item] = []
        self.status_after_acceptance = ["provisioning", "active"]

    def vpc(self, vpc_id: str, cidr: str, name: str) -> None:
        tags = tagged({"Name": name})
        self.vpcs.append({"VpcId": vpc_id, "CidrBlock": cidr, "OwnerId": self.account, "Tags": tags})

    def table(self, table_id: str, vpc_id: str, **routes: str) -> None:
        """A route table with its routes as target=network."""
        self.tables.append({"RouteTableId": table_id, "VpcId": vpc_id, "Routes": [], "Associations": []})
        for target, cidr in routes.items():
            kind = {"igw": "GatewayId", "pcx": "VpcPeeringConnectionId", "tgw": "TransitGatewayId"}[target[:3]]
            self.tables[-1]["Routes"].append({"DestinationCidrBlock": cidr, kind: target.replace("_", "-")})

    def peering(self, identifier: str, own: str, peer: str, status: str = "active", **tags: str) -> Item:
        """A connection that *own* has requested."""
        made = {
            "VpcPeeringConnectionId": identifier,
            "RequesterVpcInfo": {"VpcId": own, "Region": "eu-central-1", "OwnerId": "111122223333"},
            "AccepterVpcInfo": {"VpcId": peer, "Region": "eu-west-1", "OwnerId": "444455556666"},
            "Status": {"Code": status, "Message": "as it is"},
            "Tags": tagged(tags),
        }
        self.connections.append(made)
        return made

    def routes(self, table_id: str) -> dict[str, str]:
        """Network to connection."""
        (table,) = [table for table in self.tables if table["RouteTableId"] == table_id]
        return {route["DestinationCidrBlock"]: route.get("VpcPeeringConnectionId", "") for route in table["Routes"]}

    def _one(self, identifier: str) -> Item:
        found = [one for one in self.connections if one["VpcPeeringConnectionId"] == identifier]
        if not found:
            raise RefusedError("InvalidVpcPeeringConnectionID.Malformed")
        return found[0]

    # -- the API

    def DescribeVpcs(self, Filters: list[Item]) -> Item:
        ((name, values),) = [(one["Name"], one["Values"]) for one in Filters]
        assert name == "tag:Name"
        return {"Vpcs": [one for one in self.vpcs if untagged(one["Tags"])["Name"] in values]}

    def DescribeVpcPeeringConnections(
        self, Filters: list[Item] | None = None, VpcPeeringConnectionIds: list[str] | None = None
    ) -> Item:
        if VpcPeeringConnectionIds:
            found = [self._one(one) for one in VpcPeeringConnectionIds]
            for one in found:
                if one["Status"]["Code"] == "accepted":
                    one["Status"] = {"Code": self.status_after_acceptance[0], "Message": "told"}
                elif one["Status"]["Code"] == "provisioning":
                    one["Status"] = {"Code": self.status_after_acceptance[-1], "Message": "told"}
            return {"VpcPeeringConnections": found}
        ((name, values),) = [(one["Name"], one["Values"]) for one in Filters or []]
        side = {"requester-vpc-info.vpc-id": "RequesterVpcInfo", "accepter-vpc-info.vpc-id": "AccepterVpcInfo"}[name]
        return {"VpcPeeringConnections": [one for one in self.connections if one[side]["VpcId"] in values]}

    def DescribeRouteTables(self, Filters: list[Item]) -> Item:
        ((name, values),) = [(one["Name"], one["Values"]) for one in Filters]
        assert name == "vpc-id"
        return {"RouteTables": [one for one in self.tables if one["VpcId"] in values]}

    def CreateVpcPeeringConnection(self, VpcId: str, PeerVpcId: str, TagSpecifications: list[Item], **_: str) -> Item:
        tags = untagged(TagSpecifications[0]["Tags"])
        return {"VpcPeeringConnection": self.peering("pcx-new", VpcId, PeerVpcId, "pending-acceptance", **tags)}

    def AcceptVpcPeeringConnection(self, VpcPeeringConnectionId: str) -> Item:
        self._one(VpcPeeringConnectionId)["Status"] = {"Code": "accepted"}
        return {}

    def DeleteVpcPeeringConnection(self, VpcPeeringConnectionId: str) -> Item:
        self._one(VpcPeeringConnectionId)["Status"] = {"Code": "deleted"}
        return {"Return": True}

    def CreateTags(self, Resources: list[str], Tags: list[Item]) -> Item:
        for one in map(self._one, Resources):
            one["Tags"] = tagged(untagged(one["Tags"]) | untagged(Tags))
        return {}

    def DeleteTags(self, Resources: list[str], Tags: list[Item]) -> Item:
        gone = {tag["Key"] for tag in Tags}
        for one in map(self._one, Resources):
            one["Tags"] = [tag for tag in one["Tags"] if tag["Key"] not in gone]
        return {}

    def CreateRoute(self, RouteTableId: str, **route: str) -> Item:
        (table,) = [table for table in self.tables if table["RouteTableId"] == RouteTableId]
        assert route["DestinationCidrBlock"] not in self.routes(RouteTableId)
        table["Routes"].append(route)
        return {"Return": True}

    def ReplaceRoute(self, RouteTableId: str, DestinationCidrBlock: str, **target: str) -> Item:
        self.DeleteRoute(RouteTableId, DestinationCidrBlock)
        return self.CreateRoute(RouteTableId, DestinationCidrBlock=DestinationCidrBlock, **target)

    def DeleteRoute(self, RouteTableId: str, DestinationCidrBlock: str) -> Item:
        (table,) = [table for table in self.tables if table["RouteTableId"] == RouteTableId]
        (route,) = [one for one in table["Routes"] if one["DestinationCidrBlock"] == DestinationCidrBlock]
        table["Routes"].remove(route)
        return {}


class FakeRoute53(Fake):
    """One account's hosted zones."""

    def __init__(self) -> None:
        super().__init__("route53")
        self.zones: dict[str, Item] = {}
        self.authorized: set[tuple[str, str]] = set()
        self.others: list[FakeRoute53] = []
        self.page = 100
        self._numbers = itertools.count(1)

    def zone(self, zone_id: str, name: str, *vpcs: str, private: bool = True, **tags: str) -> Item:
        self.zones[zone_id] = {
            "Id": f"/hostedzone/{zone_id}",
            "Name": f"{name}.",
            "CallerReference": "made",
            "Config": {"PrivateZone": private},
            "vpcs": list(vpcs),
            "tags": dict(tags),
            "records": [
                {"Name": f"{name}.", "Type": "NS", "TTL": 60, "ResourceRecords": [{"Value": "ns"}]},
                {"Name": f"{name}.", "Type": "SOA", "TTL": 60, "ResourceRecords": [{"Value": "soa"}]},
            ],
        }
        return self.zones[zone_id]

    def _anywhere(self, zone_id: str) -> Item:
        for account in (self, *self.others):
            if zone_id in account.zones:
                return account.zones[zone_id]
        raise RefusedError("NoSuchHostedZone")

    def _shown(self, zone: Item) -> Item:
        return {key: zone[key] for key in ("Id", "Name", "CallerReference", "Config")}

    # -- the API

    def ListHostedZonesByName(self, DNSName: str, HostedZoneId: str = "") -> Item:
        found = sorted(
            (
                zone
                for zone in self.zones.values()
                if (zone["Name"], zone["Id"]) >= (DNSName, f"/hostedzone/{HostedZoneId}")
            ),
            key=lambda zone: (zone["Name"], zone["Id"]),
        )
        more = found[self.page :]
        answer: Item = {
            "HostedZones": [self._shown(zone) for zone in found[: self.page]],
            "IsTruncated": bool(more),
            "MaxItems": str(self.page),
        }
        if more:
            answer |= {"NextDNSName": more[0]["Name"], "NextHostedZoneId": more[0]["Id"].rpartition("/")[2]}
        return answer

    def ListHostedZonesByVPC(self, VPCId: str, VPCRegion: str, NextToken: str = "0") -> Item:
        assert VPCRegion == "eu-central-1"
        seen = [
            {"HostedZoneId": zone_id, "Name": zone["Name"], "Owner": {"OwningAccount": "1"}}
            for account in (self, *self.others)
            for zone_id, zone in account.zones.items()
            if VPCId in zone["vpcs"]
        ]
        begin = int(NextToken)
        end = begin + self.page
        more = {"NextToken": str(end)} if seen[end:] else {}
        return {"HostedZoneSummaries": seen[begin:end], "MaxItems": str(self.page), **more}

    def ListTagsForResource(self, ResourceType: str, ResourceId: str) -> Item:
        assert ResourceType == "hostedzone"
        tags = tagged(self._anywhere(ResourceId)["tags"])
        return {"ResourceTagSet": {"ResourceType": ResourceType, "ResourceId": ResourceId, "Tags": tags}}

    def ChangeTagsForResource(
        self, ResourceType: str, ResourceId: str, AddTags: tuple[Item, ...] = (), RemoveTagKeys: tuple[str, ...] = ()
    ) -> Item:
        assert ResourceType == "hostedzone"
        tags = self.zones[ResourceId]["tags"] | untagged(list(AddTags))
        self.zones[ResourceId]["tags"] = {key: value for key, value in tags.items() if key not in RemoveTagKeys}
        return {}

    def CreateHostedZone(self, Name: str, VPC: Item, CallerReference: str, HostedZoneConfig: Item) -> Item:
        made = self.zone(f"Z{next(self._numbers)}", Name, VPC["VPCId"])
        made |= {"CallerReference": CallerReference, "Config": HostedZoneConfig}
        changed = {"Id": "/change/1", "Status": "INSYNC", "SubmittedAt": "2026-01-01T00:00:00Z"}
        servers = {"NameServers": ["ns"]}
        return {"HostedZone": self._shown(made), "ChangeInfo": changed, "DelegationSet": servers, "Location": "x"}

    def AssociateVPCWithHostedZone(self, HostedZoneId: str, VPC: Item) -> Item:
        if HostedZoneId not in self.zones and (HostedZoneId, VPC["VPCId"]) not in self.authorized:
            raise RefusedError("NotAuthorizedException")
        self._anywhere(HostedZoneId)["vpcs"].append(VPC["VPCId"])
        return self._changed()

    def DisassociateVPCFromHostedZone(self, HostedZoneId: str, VPC: Item) -> Item:
        self._anywhere(HostedZoneId)["vpcs"].remove(VPC["VPCId"])
        return self._changed()

    def CreateVPCAssociationAuthorization(self, HostedZoneId: str, VPC: Item) -> Item:
        self.zones[HostedZoneId]
        self.authorized.add((HostedZoneId, VPC["VPCId"]))
        return {"HostedZoneId": HostedZoneId, "VPC": VPC}

    def DeleteVPCAssociationAuthorization(self, HostedZoneId: str, VPC: Item) -> Item:
        self.authorized.remove((HostedZoneId, VPC["VPCId"]))
        return {}

    def ListResourceRecordSets(self, HostedZoneId: str) -> Item:
        records = self.zones[HostedZoneId]["records"]
        return {"ResourceRecordSets": records, "IsTruncated": False, "MaxItems": "100"}

    def ChangeResourceRecordSets(self, HostedZoneId: str, ChangeBatch: Item) -> Item:
        for change in ChangeBatch["Changes"]:
            assert change["Action"] == "DELETE"
            self.zones[HostedZoneId]["records"].remove(change["ResourceRecordSet"])
        return self._changed()

    def DeleteHostedZone(self, Id: str) -> Item:
        if len(self.zones[Id]["records"]) > 2:
            raise RefusedError("HostedZoneNotEmpty")
        del self.zones[Id]
        return self._changed()

    def _changed(self) -> Item:
        return {"ChangeInfo": {"Id": "/change/1", "Status": "INSYNC", "SubmittedAt": "2026-01-01T00:00:00Z"}}


class Module:
    """A fake module: its parameters, and clients of its account or of the account of a given key."""

    region = "eu-central-1"

    def __init__(self, own: Mapping[str, Fake], other: Mapping[str, Fake], params: Item, *, check_mode: bool) -> None:
        self._own, self._other = own, other
        self.params, self.check_mode = params, check_mode
        self.asked: list[tuple[str, str, dict[str, Any]]] = []

    def client(self, service: str, region: str = "", **credentials: Any) -> Any:
        self.asked.append((service, region, credentials))
        there = credentials.get("aws_access_key_id") or region not in ("", self.region)
        return (self._other if there else self._own)[service].client

    def log(self, _line: str) -> None:
        pass


def before(one: Any) -> Item:
    """Return the changed values before the run of a manager or zone."""
    found: Item = one.this.plan().diff()["before"]
    return found


def after(one: Any) -> Item:
    """Return the changed values after the run."""
    found: Item = one.this.plan().diff()["after"]
    return found
