# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Resources that modules leave unchanged, as documented. vpc and EKS have separate files."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.integration

FLEET = {"dataplatform.fleet/fleet": "ours", "dataplatform.fleet/cluster": "staging"}
THEIRS = {"Key": "backup", "Value": "theirs"}


def _network(account: Any, name: str, cidr: str) -> tuple[str, str]:
    ec2 = account.client("ec2")
    vpc = ec2.create_vpc(CidrBlock=cidr)["Vpc"]["VpcId"]
    ec2.create_tags(Resources=[vpc], Tags=[{"Key": "Name", "Value": name}])
    return vpc, ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]


def test_log_group_others_tags_stay(run: Any, account: Any) -> None:
    logs = account.client("logs")
    run("cloudwatchlogs_group", name="/left", tags=FLEET, retention_days=30)
    arn = logs.describe_log_groups(logGroupNamePrefix="/left")["logGroups"][0]["arn"].removesuffix(":*")
    logs.tag_resource(resourceArn=arn, tags={"backup": "theirs"})
    run("cloudwatchlogs_group", name="/left", tags={**FLEET, "cost": "1"}, purge_tags=False, retention_days=90)
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {**FLEET, "cost": "1", "backup": "theirs"}


def test_fleet_documents_other_secrets_and_tags_stay(run: Any, account: Any) -> None:
    secrets, key = account.client("secretsmanager"), account.client("kms").create_key()["KeyMetadata"]["Arn"]
    document = {"name": "one/tls", "secret": {"key": "a"}}
    options = {"fleet": "left", "kms_key": key, "tags": FLEET, "purge_tags": False}
    run("secretsmanager_documents", **options, documents=[document, {"name": "two/tls", "secret": {"key": "b"}}])
    secrets.create_secret(Name="left/of-others", SecretString="not even JSON")
    secrets.tag_resource(SecretId="left/one/tls", Tags=[THEIRS])
    other = secrets.get_secret_value(SecretId="left/two/tls")["VersionId"]
    run("secretsmanager_documents", **options, documents=[{**document, "secret": {"key": "c"}}])
    assert THEIRS in secrets.describe_secret(SecretId="left/one/tls")["Tags"]
    assert secrets.get_secret_value(SecretId="left/two/tls")["VersionId"] == other
    run("secretsmanager_documents", fleet="left", tags=FLEET, absent=["one/tls", "two/tls"], recovery_days=0)
    assert secrets.get_secret_value(SecretId="left/of-others")["SecretString"] == "not even JSON"


def test_private_zone_others_tags_records_and_zones_stay(run: Any, account: Any) -> None:
    route53 = account.client("route53")
    _network(account, "left-zone", "10.94.0.0/16")
    elsewhere, _table = _network(account, "left-elsewhere", "10.95.0.0/16")
    place = {"VPCRegion": "eu-central-1"}
    # With the same name, before and after the fleet's resource in any order.
    theirs = route53.create_hosted_zone(Name="left.internal", CallerReference="b", VPC={**place, "VPCId": elsewhere})
    options = {"name": "left.internal", "vpc": "left-zone", "tags": FLEET, "purge_tags": False}
    assert "-e fleet_adopt=private_zone/left.internal " in run.fails("route53_private_zone", **options)["msg"]
    route53.delete_hosted_zone(Id=theirs["HostedZone"]["Id"])
    zone = run("route53_private_zone", **options)["private_zone"]["id"]
    theirs = route53.create_hosted_zone(Name="left.internal", CallerReference="c", VPC={**place, "VPCId": elsewhere})
    record = {"Name": "x.left.internal", "Type": "CNAME", "TTL": 60, "ResourceRecords": [{"Value": "y.example.org"}]}
    change = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
    route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=change)
    route53.change_tags_for_resource(ResourceType="hostedzone", ResourceId=zone, AddTags=[THEIRS])
    assert run("route53_private_zone", **{**options, "tags": {**FLEET, "cost": "1"}})["private_zone"]["id"] == zone
    found = route53.list_tags_for_resource(ResourceType="hostedzone", ResourceId=zone)["ResourceTagSet"]["Tags"]
    assert THEIRS in found
    records = route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    assert "x.left.internal." in {one["Name"] for one in records}
    assert run("route53_private_zone", **options, state="absent")["changed"]
    assert [one["Id"] for one in route53.list_hosted_zones_by_name(DNSName="left.internal")["HostedZones"]][:1] == [
        theirs["HostedZone"]["Id"]
    ]


def test_private_zone_adopted_without_the_vpc_is_tagged(run: Any, account: Any) -> None:
    route53 = account.client("route53")
    _network(account, "adopting", "10.99.0.0/16")
    elsewhere, _table = _network(account, "adopted-elsewhere", "10.89.0.0/16")
    vpc = {"VPCRegion": "eu-central-1", "VPCId": elsewhere}
    made = route53.create_hosted_zone(Name="adopted.internal", CallerReference="d", VPC=vpc)["HostedZone"]["Id"]
    options = {"name": "adopted.internal", "vpc": "adopting", "tags": FLEET}
    done = run("route53_private_zone", **options, adopt=True)
    zone = made.removeprefix("/hostedzone/")
    assert done["private_zone"]["id"] == zone
    found = route53.list_tags_for_resource(ResourceType="hostedzone", ResourceId=zone)["ResourceTagSet"]["Tags"]
    assert {tag["Key"]: tag["Value"] for tag in found} == FLEET
    assert not run("route53_private_zone", **options)["changed"]


def test_vpc_peering_other_connections_and_routes_on_both_sides_stay(run: Any, account: Any) -> None:
    ec2 = account.client("ec2")
    own, own_table = _network(account, "left-own", "10.96.0.0/16")
    hub, hub_table = _network(account, "left-hub", "10.97.0.0/16")
    other, _table = _network(account, "left-other", "10.98.0.0/16")
    made = ec2.create_vpc_peering_connection(VpcId=other, PeerVpcId=hub)["VpcPeeringConnection"]
    theirs = made["VpcPeeringConnectionId"]
    ec2.create_route(RouteTableId=hub_table, DestinationCidrBlock="10.98.0.0/16", VpcPeeringConnectionId=theirs)
    peer = {"vpc_id": hub, "cidr": "10.97.0.0/16", "region": "eu-central-1"}
    options = {
        "name": "left",
        "vpc": "left-own",
        "cidr": "10.96.0.0/16",
        "peer": peer,
        "tags": FLEET,
        "purge_tags": False,
    }
    connection = run("ec2_network_peering", **options)["vpc_peering"]["id"]
    ec2.create_tags(Resources=[connection], Tags=[THEIRS])
    assert run("ec2_network_peering", **{**options, "tags": {**FLEET, "cost": "1"}})["changed"]
    (found,) = ec2.describe_vpc_peering_connections(VpcPeeringConnectionIds=[connection])["VpcPeeringConnections"]
    assert THEIRS in found["Tags"]

    def routes(table: str) -> dict[str, str]:
        (read,) = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"]
        return {
            route["DestinationCidrBlock"]: route["VpcPeeringConnectionId"]
            for route in read["Routes"]
            if route.get("VpcPeeringConnectionId")
        }

    assert routes(own_table) == {"10.97.0.0/16": connection}
    assert routes(hub_table) == {"10.96.0.0/16": connection, "10.98.0.0/16": theirs}
    assert run("ec2_network_peering", name="left", vpc="left-own", state="absent", tags=FLEET)["changed"]
    assert (routes(own_table), routes(hub_table)) == ({}, {"10.98.0.0/16": theirs})
    (left,) = ec2.describe_vpc_peering_connections(VpcPeeringConnectionIds=[theirs])["VpcPeeringConnections"]
    assert left["Status"]["Code"] == "pending-acceptance"

    # A request between the same networks that others have made, with the name, is not accepted and not removed.
    made = ec2.create_vpc_peering_connection(VpcId=own, PeerVpcId=hub)["VpcPeeringConnection"]
    ec2.create_tags(Resources=[made["VpcPeeringConnectionId"]], Tags=[{"Key": "Name", "Value": "left"}])
    for asked in (options, {"name": "left", "vpc": "left-own", "state": "absent", "tags": FLEET}):
        assert "-e fleet_adopt=vpc_peering/left " in run.fails("ec2_network_peering", **asked)["msg"]
    ids = [made["VpcPeeringConnectionId"]]
    (left,) = ec2.describe_vpc_peering_connections(VpcPeeringConnectionIds=ids)["VpcPeeringConnections"]
    assert left["Status"]["Code"] == "pending-acceptance"
    assert (routes(own_table), routes(hub_table)) == ({}, {"10.98.0.0/16": theirs})


def test_private_zone_of_others_keeps_the_vpc(run: Any, account: Any) -> None:
    route53 = account.client("route53")
    inside, _table = _network(account, "inside-theirs", "10.88.0.0/16")
    vpc = {"VPCRegion": "eu-central-1", "VPCId": inside}
    zone = route53.create_hosted_zone(Name="theirs.internal", CallerReference="e", VPC=vpc)["HostedZone"]["Id"]
    options = {"name": "theirs.internal", "vpc": "inside-theirs", "state": "disassociated"}
    assert (
        "-e fleet_adopt=private_zone/theirs.internal "
        in run.fails("route53_private_zone", **options, tags=FLEET)["msg"]
    )
    assert [one["VPCId"] for one in route53.get_hosted_zone(Id=zone)["VPCs"]] == [inside]


def test_vpc_peering_a_route_to_another_live_connection_stays(run: Any, account: Any) -> None:
    ec2 = account.client("ec2")
    hub, table = _network(account, "taken-hub", "10.87.0.0/16")
    _own, _table = _network(account, "taken-own", "10.79.0.0/16")
    other, _table = _network(account, "taken-other", "10.79.0.0/16")
    theirs = ec2.create_vpc_peering_connection(VpcId=other, PeerVpcId=hub)["VpcPeeringConnection"]
    theirs = theirs["VpcPeeringConnectionId"]
    ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=theirs)
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="10.79.0.0/16", VpcPeeringConnectionId=theirs)
    peer = {"vpc_id": hub, "cidr": "10.87.0.0/16", "region": "eu-central-1"}
    options = {"name": "taken", "vpc": "taken-own", "cidr": "10.79.0.0/16", "peer": peer, "tags": FLEET}
    assert f"leads 10.79.0.0/16 to {theirs}" in run.fails("ec2_network_peering", **options)["msg"]
    (read,) = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"]
    assert theirs in {route.get("VpcPeeringConnectionId") for route in read["Routes"]}


def test_a_foreign_network_of_the_same_name_is_passed_over(run: Any, account: Any) -> None:
    ec2, route53 = account.client("ec2"), account.client("route53")
    subnet = {"name": "alike-private-a", "cidr": "10.87.0.0/24", "az": "eu-central-1a", "tier": "private"}
    options = {"name": "alike", "cidr": "10.87.0.0/16", "subnets": [subnet], "nat": "none", "tags": FLEET}
    own = run("ec2_network", **options)["vpc"]["id"]
    theirs, table = _network(account, "alike", "10.86.0.0/16")
    hub, _table = _network(account, "alike-hub", "10.85.0.0/16")
    # Also in the fleet's network.
    alike = ec2.create_route_table(VpcId=own)["RouteTable"]["RouteTableId"]
    ec2.create_tags(Resources=[alike], Tags=[{"Key": "Name", "Value": "alike-private"}])
    assert not run("ec2_network", **options)["changed"]

    peer = {"vpc_id": hub, "cidr": "10.85.0.0/16", "region": "eu-central-1"}
    peering = {"name": "alike", "vpc": "alike", "cidr": "10.87.0.0/16", "peer": peer, "tags": FLEET}
    connection = run("ec2_network_peering", **peering)["vpc_peering"]["id"]
    (made,) = ec2.describe_vpc_peering_connections(VpcPeeringConnectionIds=[connection])["VpcPeeringConnections"]
    assert made["RequesterVpcInfo"]["VpcId"] == own
    zoned = {"name": "alike.internal", "vpc": "alike", "tags": FLEET}
    zone = run("route53_private_zone", **zoned)["private_zone"]["id"]
    assert [vpc["VPCId"] for vpc in route53.get_hosted_zone(Id=zone)["VPCs"]] == [own]

    run("route53_private_zone", **zoned, state="absent")
    run("ec2_network_peering", name="alike", vpc="alike", state="absent", tags=FLEET)
    assert run("ec2_network", name="alike", state="absent", tags=FLEET)["changed"]
    left = ec2.describe_vpcs(Filters=[{"Name": "tag:Name", "Values": ["alike"]}])["Vpcs"]
    assert [vpc["VpcId"] for vpc in left] == [theirs]
    assert ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"]
