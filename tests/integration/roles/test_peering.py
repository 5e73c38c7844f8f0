# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The network between two members: check mode, creation, drift, repair, removal."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.dataplatform.fleet.tests.integration import commands
from ansible_collections.dataplatform.fleet.tests.integration.roles.running import RECORDER, RoleRun

pytestmark = pytest.mark.integration
FLEET = "peered"
ZONE = f"{FLEET}.internal."
HUB, OWN = "10.60.0.0/16", "10.62.0.0/16"
CONTROLPLANE = {"purpose": "controlplane", "region": "eu-central-1", "vpc_cidr": HUB}
STAGING = {"purpose": "workload", "region": "eu-central-1", "vpc_cidr": OWN}


@dataclass
class Network:
    """Runs the roles vpc and peering on the controlplane and staging, and reads the result."""

    cloud: Any
    folder: Path
    hub_region: str = "eu-central-1"
    region: str = "eu-central-1"

    def run(
        self,
        *arguments: str,
        hosts: str = "controlplane staging",
        absent: bool = False,
        succeed: bool = True,
        **extra: Any,
    ) -> RoleRun:
        playbook, record = self.folder / "play.yml", self.folder / "record.jsonl"
        record.unlink(missing_ok=True)
        roles = ["peering"] if absent else ["vpc", "peering"]
        tasks = [
            {
                "name": f"Run {role}",
                "ansible.builtin.include_role": {
                    "name": f"dataplatform.fleet.{role}",
                    "tasks_from": "absent" if absent else "main",
                },
            }
            for role in roles
        ]
        defaults = {"group/dataplatform.fleet.all": "{{ aws_connection }}"}
        play = {"hosts": "managed", "gather_facts": False, "module_defaults": defaults, "tasks": tasks}
        playbook.write_text(yaml.safe_dump([play]))
        variables = {
            "fleet_name": FLEET,
            "fleet_members": {
                "controlplane": {**CONTROLPLANE, "region": self.hub_region},
                "staging": {**STAGING, "region": self.region},
            },
            "vpc_nat": "none",
            "vpc_endpoints": [],
            "vpc_flow_logs": False,
            "vpc_az_count": 2,
            "aws_endpoint_url": self.cloud.endpoint_url,
            "aws_access_key": self.cloud.env["AWS_ACCESS_KEY_ID"],
            "aws_secret_key": self.cloud.env["AWS_SECRET_ACCESS_KEY"],
            **extra,
        }
        inventories = [part for host in hosts.split() for part in ("-i", f"inventories/{host}")]
        done = commands.run(
            *("ansible-playbook", *inventories, playbook, "-e", json.dumps(variables), *arguments),
            env={
                **self.cloud.env,
                "ANSIBLE_CALLBACK_PLUGINS": str(RECORDER),
                "ANSIBLE_CALLBACKS_ENABLED": "record,dataplatform.fleet.option_types,dataplatform.fleet.run_cache",
                "ANSIBLE_NOCOLOR": "1",
                "RECORD_FILE": str(record),
            },
        )
        output = done.stdout + done.stderr
        assert (done.returncode == 0) is succeed, output[-6000:]
        results = [json.loads(line) for line in record.read_text().splitlines()] if record.exists() else []
        return RoleRun(done.returncode, output, results)

    def vpc(self, member: str) -> str:
        ec2 = self.cloud.client("ec2", region=self.hub_region if member == "controlplane" else self.region)
        found = ec2.describe_vpcs(Filters=[{"Name": "tag:Name", "Values": [f"{FLEET}-{member}"]}])["Vpcs"]
        return str(found[0]["VpcId"]) if found else ""

    def connections(self) -> list[tuple[str, str]]:
        ec2 = self.cloud.client("ec2", region=self.region)
        vpc = self.vpc("staging")
        return [
            (one["VpcPeeringConnectionId"], one["Status"]["Code"])
            for one in ec2.describe_vpc_peering_connections()["VpcPeeringConnections"]
            if one["RequesterVpcInfo"]["VpcId"] == vpc and one["Status"]["Code"] != "deleted"
        ]

    def routes(self, member: str, cidr: str) -> dict[str, str]:
        """The route tables of a member that have a route to ``cidr``, and where it leads."""
        ec2 = self.cloud.client("ec2", region=self.hub_region if member == "controlplane" else self.region)
        tables = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [self.vpc(member)]}])["RouteTables"]
        return {
            tag["Value"]: route.get("VpcPeeringConnectionId", "")
            for table in tables
            for tag in table.get("Tags", [])
            if tag["Key"] == "Name"
            for route in table["Routes"]
            if route.get("DestinationCidrBlock") == cidr
        }

    def zone(self) -> tuple[str, set[str]]:
        route53 = self.cloud.client("route53")
        found = [one["Id"] for one in route53.list_hosted_zones()["HostedZones"] if one["Name"] == ZONE]
        if not found:
            return "", set()
        assert len(found) == 1
        return found[0], {vpc["VPCId"] for vpc in route53.get_hosted_zone(Id=found[0])["VPCs"]}


def peering_changes(run: RoleRun) -> set[tuple[str, str | None, str]]:
    return {
        one for one in run.announced if "controlplane |" in one[0] or "workload |" in one[0] or "absent |" in one[0]
    }


@pytest.mark.parametrize("region", ["eu-central-1", pytest.param("eu-west-1", marks=pytest.mark.exhaustive)])
def test_from_nothing_to_nothing(emulator: Any, tmp_path: Path, region: str) -> None:
    network = Network(emulator, tmp_path, region=region)
    announced = peering_changes(network.run("--check", "--diff"))
    assert network.zone() == ("", set())
    assert {field for _task, _item, field in announced} >= {
        f"peering {FLEET}-staging",
        f"routes to {HUB}",
        f"routes to {OWN}",
        f"zone {FLEET}.internal.vpc {FLEET}-staging",
    }
    assert peering_changes(network.run("--diff")) == announced
    assert network.run("--diff").announced == set()

    ((connection, status),) = network.connections()
    assert status == "active"
    assert network.routes("staging", HUB) == {f"{FLEET}-staging-private": connection}
    assert network.routes("controlplane", OWN) == {f"{FLEET}-controlplane-private": connection}
    assert network.zone()[1] == {network.vpc("controlplane"), network.vpc("staging")}
    written = emulator.client("ssm").get_parameter(Name=f"/{FLEET}/controlplane/vpc")["Parameter"]["Value"]
    assert json.loads(written) == {
        "account_id": "000000000000",
        "cidr": HUB,
        "region": "eu-central-1",
        "vpc_id": network.vpc("controlplane"),
    }

    # A manual deletion of the connection and its route.
    ec2 = emulator.client("ec2", region=region)
    ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=connection)
    for place, member, cidr in ((region, "staging", HUB), ("eu-central-1", "controlplane", OWN)):
        there = emulator.client("ec2", region=place)
        inside = [{"Name": "vpc-id", "Values": [network.vpc(member)]}]
        for table in there.describe_route_tables(Filters=inside)["RouteTables"]:
            if any(route.get("DestinationCidrBlock") == cidr for route in table["Routes"]):
                there.delete_route(RouteTableId=table["RouteTableId"], DestinationCidrBlock=cidr)
    checked = peering_changes(network.run("--check", "--diff"))
    assert f"peering {FLEET}-staging" in {field for _task, _item, field in checked}
    assert peering_changes(network.run("--diff")) == checked
    ((other, status),) = network.connections()
    assert (other != connection, status) == (True, "active")
    assert set(network.routes("staging", HUB).values()) == {other}

    removed = peering_changes(network.run("--check", "--diff", absent=True))
    assert network.connections()
    assert peering_changes(network.run("--diff", absent=True)) == removed
    assert network.connections() == []
    assert network.routes("staging", HUB) == network.routes("controlplane", OWN) == {}
    assert network.zone() == ("", set())
    assert network.run("--diff", absent=True).announced == set()
    for member, place in (("staging", region), ("controlplane", "eu-central-1")):
        emulator.client("ec2", region=place).create_tags(
            Resources=[network.vpc(member)], Tags=[{"Key": "Name", "Value": f"done-{region}-{member}"}]
        )


def test_a_workload_without_a_controlplane_is_told_what_to_run_first(emulator: Any, tmp_path: Path) -> None:
    run = Network(emulator, tmp_path).run(hosts="staging", succeed=False, fleet_name="alone")
    said = " ".join(run.output.split())
    assert "The parameter /alone/controlplane/vpc does not exist in eu-central-1" in said
    assert "ansible-playbook site.yml -i inventories/controlplane" in said


def test_in_another_account_the_command_for_the_owner_is_reported(emulator: Any, tmp_path: Path) -> None:
    hub = {"vpc_id": "vpc-0123456789abcdef0", "cidr": HUB, "region": "eu-west-1", "account_id": "444455556666"}
    network = Network(emulator, tmp_path)
    run = network.run(hosts="staging", peering_controlplane=hub)
    ((connection, status),) = network.connections()
    assert status == "pending-acceptance"
    said = " ".join(run.output.split())
    assert f"accept-vpc-peering-connection --vpc-peering-connection-id {connection}" in said
    assert f"create-route --route-table-id $table --destination-cidr-block {OWN}" in said
    assert "create-vpc-association-authorization" in said
    assert network.run(hosts="staging", peering_controlplane=hub).announced == set()
