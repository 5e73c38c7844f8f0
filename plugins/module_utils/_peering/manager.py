# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One peering connection through its life: read both sides, plan, carry out unless in check mode."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.dataplatform.fleet.plugins.module_utils._lock.held import watched
from ansible_collections.dataplatform.fleet.plugins.module_utils._ownership.tags import (
    owned,
    pairs_of,
    refusal,
    tags_of,
)
from ansible_collections.dataplatform.fleet.plugins.module_utils._peering import api, plan
from ansible_collections.dataplatform.fleet.plugins.module_utils._peering.changes import Changes
from ansible_collections.dataplatform.fleet.plugins.module_utils._peering.plan import PeeringError, Side
from ansible_collections.dataplatform.fleet.plugins.module_utils._texts import texts


class Manager(Changes):
    """One connection."""

    def __init__(self, module: Any) -> None:  # noqa: ANN401 - AnsibleAWSModule
        super().__init__(module)
        self._name = module.params["name"]
        self._ec2 = watched(module.client("ec2"))
        peer = module.params["peer"] or {"vpc_id": "", "cidr": "", "region": "", "account_id": ""}
        self._peer = Side(peer["vpc_id"], peer["cidr"], peer["region"] or module.region, peer["account_id"])
        found = api.vpc_by_name(self._ec2, module.params["vpc"], module.region, module.params["tags"])
        self._own = found or Side("", module.params["cidr"] or "", module.region)

    @property
    def _accepting(self) -> bool:
        accept = self.module.params["accept"]
        if accept is not None:
            return bool(accept)
        same = not self._peer.account_id or self._peer.account_id == self._own.account_id or not self._own.vpc_id
        return same or bool(self.module.params["accepter"].get("access_key"))

    def present(self) -> dict[str, Any]:
        if not self._own.vpc_id or not self._peer.vpc_id:
            return self._to_come()
        connections = api.connections(self._ec2, self._own.vpc_id)
        live = plan.find(connections, self._own, self._peer)
        if live is None and plan.rejected(connections, self._own, self._peer):
            raise PeeringError(
                f"the owner of {self._peer.vpc_id} has rejected the request. Agree with them; a rejected request can "
                "be repeated once AWS has forgotten it."
            )
        self._refuse_foreign(live)
        connection_id = self._request(live)
        status = self._accept(connection_id, live)
        self._tags(connection_id, live)
        self._routes(self._ec2, self._own, self._peer.cidr, connection_id)
        if self._accepting:
            there = api.other_side(self.module, "ec2", self._peer.region)
            self._routes(there, self._peer, self._own.cidr, connection_id)
        commands = [] if self._accepting or status == "active" else plan.commands(connection_id, self._own, self._peer)
        return {"id": connection_id, "status": status, "commands": commands}

    def absent(self) -> dict[str, Any]:
        live = None
        if self._own.vpc_id:
            live = plan.named(api.connections(self._ec2, self._own.vpc_id), self._name, self.module.params["tags"])
        if live is None:
            return {"id": "", "status": "deleted", "commands": []}
        self._refuse_foreign(live)
        connection_id = live["VpcPeeringConnectionId"]
        there = live["AccepterVpcInfo"]
        self._peer = Side(there["VpcId"], "", there["Region"], there["OwnerId"])
        sides = [(self._ec2, self._own)]
        if self._accepting:
            sides.append((api.other_side(self.module, "ec2", self._peer.region), self._peer))
        for ec2, side in sides:
            for table, cidr in plan.leading(api.route_tables(ec2, side.vpc_id), connection_id):
                self.before[f"route of {table} to {cidr}"] = connection_id
                self._do(ec2, "delete_route", RouteTableId=table, DestinationCidrBlock=cidr)
        self.before[f"peering {self._name}"] = live["Status"]["Code"]
        self._do(self._ec2, "delete_vpc_peering_connection", VpcPeeringConnectionId=connection_id)
        return {"id": connection_id, "status": "deleted", "commands": []}

    def _refuse_foreign(self, live: Mapping[str, Any] | None) -> None:
        tags, had = self.module.params["tags"], tags_of(live)
        if live is not None and not self.module.params["adopt"] and not owned(had, tags):
            shown = f"The peering connection {live['VpcPeeringConnectionId']} of {self._name}"
            raise PeeringError(refusal("vpc_peering", self._name, had, tags, shown))

    def _to_come(self) -> dict[str, Any]:
        """Announce what the run does once its VPCs exist."""
        missing = self.module.params["vpc"] if not self._own.vpc_id else "of the other side"
        if not self.module.check_mode:
            raise PeeringError(f"there is no VPC {missing} in {self.module.region}. Run the role vpc first.")
        status = "active" if self._accepting else "pending-acceptance"
        self.after[f"peering {self._name}"] = status
        self.after[f"routes to {self._peer.cidr}"] = plan.ALL
        if self._accepting:
            self.after[f"routes to {self._own.cidr}"] = plan.ALL
        for key, value in texts(self.module.params["tags"]).items():
            self.after[f"peering {self._name}.tags.{key}"] = value
        return {"id": "", "status": status, "commands": []}

    def _request(self, live: Mapping[str, Any] | None) -> str:
        if live is not None:
            return str(live["VpcPeeringConnectionId"])
        wanted = {"Name": self._name, **texts(self.module.params["tags"])}
        arguments: dict[str, Any] = {"VpcId": self._own.vpc_id, "PeerVpcId": self._peer.vpc_id}
        if self._peer.account_id and self._peer.account_id != self._own.account_id:
            arguments["PeerOwnerId"] = self._peer.account_id
        if self._peer.region != self._own.region:
            arguments["PeerRegion"] = self._peer.region
        tags = pairs_of(wanted)
        specification = {"ResourceType": "vpc-peering-connection", "Tags": tags}
        answer = self._do(self._ec2, "create_vpc_peering_connection", TagSpecifications=[specification], **arguments)
        return str(answer["VpcPeeringConnection"]["VpcPeeringConnectionId"]) if answer else ""

    def _accept(self, connection_id: str, live: Mapping[str, Any] | None) -> str:
        status = live["Status"]["Code"] if live else "pending-acceptance"
        after = "active" if self._accepting else status
        if live is None or after != status:
            self.after[f"peering {self._name}"] = after
            if live is not None:
                self.before[f"peering {self._name}"] = status
        if after == status or self.module.check_mode:
            return str(after)
        there = api.other_side(self.module, "ec2", self._peer.region)
        timeout = self.module.params["timeout"]
        api.wait(there, connection_id, ("pending-acceptance", "provisioning", "active"), timeout)
        if status == "pending-acceptance":
            self._do(there, "accept_vpc_peering_connection", VpcPeeringConnectionId=connection_id)
        api.wait(self._ec2, connection_id, ("active",), timeout)
        return "active"

    def _tags(self, connection_id: str, live: Mapping[str, Any] | None) -> None:
        had = tags_of(live)
        wanted = texts(self.module.params["tags"])
        new = {key: value for key, value in wanted.items() if had.get(key) != value}
        for key, value in new.items():
            self.after[f"peering {self._name}.tags.{key}"] = value
            if key in had:
                self.before[f"peering {self._name}.tags.{key}"] = had[key]
        if new and live is not None:
            tags = pairs_of(new)
            self._do(self._ec2, "create_tags", Resources=[connection_id], Tags=tags)

    def _routes(self, ec2: Any, side: Side, cidr: str, connection_id: str) -> None:  # noqa: ANN401
        """Lead ``cidr`` to the connection. AWS takes a route to one that is not active yet, too."""
        there = [*api.connections(ec2, side.vpc_id), *api.connections(ec2, side.vpc_id, "accepter")]
        others = plan.live_ids(there) - {connection_id}
        routes = plan.routes(api.route_tables(ec2, side.vpc_id), cidr, connection_id, others)
        if routes.before == routes.after:
            return
        if routes.right:
            self.before[f"routes to {cidr}"] = routes.before
        self.after[f"routes to {cidr}"] = routes.after
        to = {"DestinationCidrBlock": cidr, "VpcPeeringConnectionId": connection_id}
        for operation, tables in (("create_route", routes.create), ("replace_route", routes.replace)):
            for table in tables:
                self._do(ec2, operation, RouteTableId=table, **to)
