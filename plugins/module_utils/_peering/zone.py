# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manage a private hosted zone and its association with one VPC."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.aliases import Client
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.calls import call, pages
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.plan import Change, Step, tag_changes, tag_fields
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.run import Run
from ansible_collections.dataplatform.fleet.plugins.module_utils._ownership.tags import (
    ForeignError,
    owned,
    pairs_of,
    tags_of,
)
from ansible_collections.dataplatform.fleet.plugins.module_utils._ownership.zones import own_zone, reference, zones
from ansible_collections.dataplatform.fleet.plugins.module_utils._peering import api
from ansible_collections.dataplatform.fleet.plugins.module_utils._peering.plan import PeeringError, Side

OWN_RECORDS = ("NS", "SOA")


class Zone:
    """One zone and one VPC."""

    def __init__(self, this: Run) -> None:
        self.this = this
        self._options = options = this.options
        self._name = options["name"].rstrip(".")
        self._vpc_name = options["vpc"]
        self._route53 = this.client("route53")
        self._vpc = api.vpc_by_name(this.client("ec2"), self._vpc_name, this.module.region, options["tags"])

    @property
    def _field(self) -> str:
        return f"zone {self._name}.vpc {self._vpc_name}"

    @property
    def _foreign(self) -> bool:
        """Whether the zone belongs to another account. A run only associates VPCs with such a zone."""
        owner = self._options["owner_account_id"]
        return bool(owner and self._vpc and owner != self._vpc.account_id)

    def present(self) -> dict[str, Any]:
        """Create the zone with the VPC, or associate the VPC with it and set its tags."""
        if self._vpc is None:
            self._need_vpc()
            return self._new("")
        zone_id = api.zones_of_vpc(self._route53, self._vpc).get(self._name)
        if zone_id:
            self._tag(zone_id)
            return self._result(zone_id)
        zone_id = self._own_zone()
        if not zone_id:
            return self._new(self._vpc.vpc_id)
        self._tag(zone_id)
        return self._associate(zone_id, self._vpc.vpc_id)

    def associated(self) -> dict[str, Any]:
        """Associate the VPC with a zone that exists."""
        if self._vpc is None:
            self._need_vpc()
            return self._associate("", "")
        seen = api.zones_of_vpc(self._route53, self._vpc).get(self._name)
        if seen:
            return self._result(seen)
        owner = None
        if self._foreign:
            if not self._options["accepter"].get("access_key"):
                return self._result("", [self._command()])
            owner = api.other_side(self.this, "route53", self.this.module.region)
        # This run does not read another account's tags.
        zone_id = api.zone_id(owner, self._name, self._options["tags"]) if owner else self._own_zone()
        if not zone_id and not self.this.check_mode:
            raise PeeringError(
                f"The zone {self._name} does not exist. The controlplane's run creates it. Run first: "
                "ansible-playbook site.yml -i inventories/controlplane"
            )
        return self._associate(zone_id, self._vpc.vpc_id, owner)

    def disassociated(self) -> dict[str, Any]:
        """Disassociate the VPC from the zone, which stays."""
        zone_id = api.zones_of_vpc(self._route53, self._vpc).get(self._name) if self._vpc else None
        if self._vpc and zone_id:
            self._refuse_foreign(zone_id)
            gone = {self._field: Change(self._vpc.vpc_id, None)}
            request = {"HostedZoneId": zone_id, "VPC": self._aws_vpc()}
            self.this.do(self._route53, Step("DisassociateVPCFromHostedZone", request, gone))
        return self._result("")

    def absent(self) -> dict[str, Any]:
        """Delete the zone with all records in it."""
        zone_id = self._own_zone()
        if zone_id:
            self._delete(zone_id)
        return self._result("")

    def _need_vpc(self) -> None:
        if not self.this.check_mode:
            region = self.this.module.region
            raise PeeringError(f"There is no VPC {self._vpc_name} in {region}. Run the role vpc first.")

    def _own_zone(self) -> str:
        return own_zone(self._route53, self._name, self._options["tags"] or {}, adopt=self._options["adopt"])

    def _aws_vpc(self) -> dict[str, str]:
        assert isinstance(self._vpc, Side)  # noqa: S101 - the callers have checked it
        return {"VPCRegion": self._vpc.region, "VPCId": self._vpc.vpc_id}

    def _new(self, vpc_id: str) -> dict[str, Any]:
        tags = self._options["tags"] or {}
        request = {
            "Name": self._name,
            "VPC": self._aws_vpc() if vpc_id else {},
            "CallerReference": reference(),
            "HostedZoneConfig": {"Comment": "Names that the fleet's members share", "PrivateZone": True},
        }
        made = {self._field: Change(None, vpc_id or "(made by this run)")}
        answer = self.this.do(self._route53, Step("CreateHostedZone", request, made))
        zone_id = answer["HostedZone"]["Id"].removeprefix("/hostedzone/") if answer else ""
        self._put_tags(zone_id, {}, tags, [])
        return self._result(zone_id)

    def _command(self) -> str:
        """Return the command that the zone's account has to run if this run may not authorize the association."""
        vpc = ",".join(f"{key}={value}" for key, value in self._aws_vpc().items())
        find = (
            f"aws route53 list-hosted-zones-by-name --dns-name {self._name} --query 'HostedZones[0].Id' --output text"
        )
        return f"aws route53 create-vpc-association-authorization --hosted-zone-id $({find}) --vpc {vpc}"

    def _associate(self, zone_id: str, vpc_id: str, owner: Client = None) -> dict[str, Any]:
        """Associate the VPC. *owner* is a client of the zone's account if it is another one."""
        place = {"HostedZoneId": zone_id, "VPC": self._aws_vpc() if vpc_id else {}}
        seen = {self._field: Change(None, vpc_id or "(made by this run)")}
        if owner:
            self.this.do(owner, Step("CreateVPCAssociationAuthorization", place, {}))
        self.this.do(self._route53, Step("AssociateVPCWithHostedZone", place, seen))
        if owner:
            self.this.do(owner, Step("DeleteVPCAssociationAuthorization", place, {}))
        return self._result(zone_id)

    def _tag(self, zone_id: str) -> None:
        answer = call(self._route53, "ListTagsForResource", ResourceType="hostedzone", ResourceId=zone_id)
        had, tags = tags_of(answer["ResourceTagSet"]), self._options["tags"]
        if not self._options["adopt"] and not owned(had, tags) and self._own_zone() != zone_id:
            raise ForeignError("private_zone", self._name, had, tags)
        added, removed = tag_changes(had, tags, purge=self._options["purge_tags"])
        self._put_tags(zone_id, had, added, removed)

    def _refuse_foreign(self, zone_id: str) -> None:
        """:raises ForeignError: if the zone is in this account and the fleet does not own it."""
        tags = self._options["tags"]
        if tags and not self._options["adopt"]:
            for one in zones(self._route53, self._name):
                if one.zone_id == zone_id and not owned(one.tags, tags):
                    raise ForeignError("private_zone", self._name, one.tags, tags)

    def _put_tags(self, zone_id: str, had: Mapping[str, str], added: Mapping[str, str], removed: list[str]) -> None:
        if added or removed:
            request: dict[str, Any] = {"ResourceType": "hostedzone", "ResourceId": zone_id}
            request |= {"AddTags": pairs_of(added)} if added else {}
            request |= {"RemoveTagKeys": removed} if removed else {}
            changes = tag_fields(had, {**added, **dict.fromkeys(removed)}, f"zone {self._name}.")
            self.this.do(self._route53, Step("ChangeTagsForResource", request, changes))

    def _delete(self, zone_id: str) -> None:
        records = pages(self._route53, "ListResourceRecordSets", "ResourceRecordSets", HostedZoneId=zone_id)
        others = [one for one in records if one["Type"] not in OWN_RECORDS]
        if others:
            changes = [{"Action": "DELETE", "ResourceRecordSet": one} for one in others]
            request = {"HostedZoneId": zone_id, "ChangeBatch": {"Changes": changes}}
            self.this.do(self._route53, Step("ChangeResourceRecordSets", request, {}))
        gone = {f"zone {self._name}": Change([f"{one['Name']} {one['Type']}" for one in others], None)}
        self.this.do(self._route53, Step("DeleteHostedZone", {"Id": zone_id}, gone))

    def _result(self, zone_id: str, commands: list[str] | None = None) -> dict[str, Any]:
        return {"id": zone_id, "name": self._name, "commands": commands or []}
