# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manage one peering connection: read both sides, plan, and carry out the plan unless in check mode."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.aliases import Client
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.plan import (
    Change,
    Step,
    ec2_tag_steps,
    tag_fields,
)
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.run import Run
from ansible_collections.dataplatform.fleet.plugins.module_utils._ownership.tags import (
    pairs_of,
    refuse_foreign,
    tags_of,
)
from ansible_collections.dataplatform.fleet.plugins.module_utils._peering import api, plan
from ansible_collections.dataplatform.fleet.plugins.module_utils._peering.plan import PeeringError, Side


class Manager:
    """One connection."""

    def __init__(self, this: Run) -> None:
        self.this = this
        self._options = options = this.options
        self._name = options["name"]
        self._tags = options["tags"] or {}
        self._region = this.module.region
        self._ec2 = this.client("ec2")
        peer = options["peer"] or {"vpc_id": "", "cidr": "", "region": "", "account_id": ""}
        self._peer = Side(peer["vpc_id"], peer["cidr"], peer["region"] or self._region, peer["account_id"])
        found = api.vpc_by_name(self._ec2, options["vpc"], self._region, options["tags"])
        self._own = found or Side("", options["cidr"] or "", self._region)

    @property
    def _field(self) -> str:
        return f"peering {self._name}"

    @property
    def _accepting(self) -> bool:
        accept = self._options["accept"]
        if accept is not None:
            return bool(accept)
        same = not self._peer.account_id or self._peer.account_id == self._own.account_id or not self._own.vpc_id
        return same or bool(self._options["accepter"].get("access_key"))

    def present(self) -> dict[str, Any]:
        if not self._own.vpc_id or not self._peer.vpc_id:
            return self._to_come()
        connections = api.connections(self._ec2, self._own.vpc_id)
        live = plan.find(connections, self._own, self._peer)
        if live is None and plan.rejected(connections, self._own, self._peer):
            raise PeeringError(
                f"The owner of {self._peer.vpc_id} has rejected the request. Contact the owner; the "
                "request can be repeated after AWS has deleted it."
            )
        self._refuse_foreign(live)
        connection_id = self._request(live)
        status = self._accept(connection_id, live)
        self._retag(connection_id, live)
        self._routes(self._ec2, self._own, self._peer.cidr, connection_id)
        if self._accepting:
            there = api.other_side(self.this, "ec2", self._peer.region)
            self._routes(there, self._peer, self._own.cidr, connection_id)
        commands = [] if self._accepting or status == "active" else plan.commands(connection_id, self._own, self._peer)
        return {"id": connection_id, "status": status, "commands": commands}

    def absent(self) -> dict[str, Any]:
        live = None
        if self._own.vpc_id:
            live = plan.named(api.connections(self._ec2, self._own.vpc_id), self._name, self._options["tags"])
        if live is None:
            return {"id": "", "status": "deleted", "commands": []}
        self._refuse_foreign(live)
        connection_id = live["VpcPeeringConnectionId"]
        there = live["AccepterVpcInfo"]
        self._peer = Side(there["VpcId"], "", there["Region"], there["OwnerId"])
        sides = [(self._ec2, self._own)]
        if self._accepting:
            sides.append((api.other_side(self.this, "ec2", self._peer.region), self._peer))
        for ec2, side in sides:
            for table, cidr in plan.leading(api.route_tables(ec2, side.vpc_id), connection_id):
                gone = {f"route of {table} to {cidr}": Change(connection_id, None)}
                request = {"RouteTableId": table, "DestinationCidrBlock": cidr}
                self.this.do(ec2, Step("DeleteRoute", request, gone))
        request = {"VpcPeeringConnectionId": connection_id}
        gone = {self._field: Change(live["Status"]["Code"], None)}
        self.this.do(self._ec2, Step("DeleteVpcPeeringConnection", request, gone))
        return {"id": connection_id, "status": "deleted", "commands": []}

    def _refuse_foreign(self, live: Mapping[str, Any] | None) -> None:
        if live is not None:
            shown = f"The peering connection {live['VpcPeeringConnectionId']} of {self._name}"
            refuse_foreign("vpc_peering", self._name, tags_of(live), self._options, shown)

    def _to_come(self) -> dict[str, Any]:
        """Announce the changes that the run makes after the creation of its VPCs."""
        missing = self._options["vpc"] if not self._own.vpc_id else "of the other side"
        if not self.this.check_mode:
            raise PeeringError(f"There is no VPC {missing} in {self._region}. Run the role vpc first.")
        self._request(None)
        status = self._accept("", None)
        for cidr in [self._peer.cidr, *([self._own.cidr] if self._accepting else [])]:
            self.this.do(self._ec2, Step("CreateRoute", {}, {f"routes to {cidr}": Change(None, plan.ALL)}))
        return {"id": "", "status": status, "commands": []}

    def _request(self, live: Mapping[str, Any] | None) -> str:
        if live is not None:
            return str(live["VpcPeeringConnectionId"])
        arguments: dict[str, Any] = {"VpcId": self._own.vpc_id, "PeerVpcId": self._peer.vpc_id}
        if self._peer.account_id and self._peer.account_id != self._own.account_id:
            arguments["PeerOwnerId"] = self._peer.account_id
        if self._peer.region != self._own.region:
            arguments["PeerRegion"] = self._peer.region
        tags = pairs_of({"Name": self._name, **self._tags})
        arguments["TagSpecifications"] = [{"ResourceType": "vpc-peering-connection", "Tags": tags}]
        made = {self._field: Change(None, "pending-acceptance"), **tag_fields({}, self._tags, f"{self._field}.")}
        answer = self.this.do(self._ec2, Step("CreateVpcPeeringConnection", arguments, made))
        return str(answer["VpcPeeringConnection"]["VpcPeeringConnectionId"]) if answer else ""

    def _accept(self, connection_id: str, live: Mapping[str, Any] | None) -> str:
        status: str = live["Status"]["Code"] if live else "pending-acceptance"
        if not self._accepting or status == "active":
            return status
        waits = not self.this.check_mode
        there = api.other_side(self.this, "ec2", self._peer.region)
        if waits:
            wanted = ("pending-acceptance", "provisioning", "active")
            api.wait(self.this, there, connection_id, wanted)
        if status == "pending-acceptance":
            request, done = {"VpcPeeringConnectionId": connection_id}, {self._field: Change(status, "active")}
            self.this.do(there, Step("AcceptVpcPeeringConnection", request, done))
        if waits and self.this.wait:
            api.wait(self.this, self._ec2, connection_id, ("active",))
        return "active" if self.this.wait else "provisioning"

    def _retag(self, connection_id: str, live: Mapping[str, Any] | None) -> None:
        if live is not None:
            for step in ec2_tag_steps(
                connection_id,
                tags_of(live),
                self._options["tags"],
                purge=self._options["purge_tags"],
                needed=["Name"],
                prefix=f"{self._field}.",
            ):
                self.this.do(self._ec2, step)

    def _routes(self, ec2: Client, side: Side, cidr: str, connection_id: str) -> None:
        """Route ``cidr`` to the connection. AWS accepts a route to a connection that is not active yet."""
        there = [*api.connections(ec2, side.vpc_id), *api.connections(ec2, side.vpc_id, "accepter")]
        others = plan.live_ids(there) - {connection_id}
        routes = plan.routes(api.route_tables(ec2, side.vpc_id), cidr, connection_id, others)
        to = {"DestinationCidrBlock": cidr, "VpcPeeringConnectionId": connection_id}
        led = routes.before
        for operation, tables in (("CreateRoute", routes.create), ("ReplaceRoute", routes.replace)):
            for table in tables:
                before, led = led, sorted([*led, routes.names[table]])
                changes = {f"routes to {cidr}": Change(before or None, led)}
                self.this.do(ec2, Step(operation, {"RouteTableId": table, **to}, changes))
