# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A private hosted zone and one VPC: read, plan, carry out unless in check mode."""

from __future__ import annotations

from typing import Any

from ansible_collections.dataplatform.fleet.plugins.module_utils._lock.held import watched
from ansible_collections.dataplatform.fleet.plugins.module_utils._ownership.tags import (
    ForeignError,
    owned,
    pairs_of,
    tags_of,
)
from ansible_collections.dataplatform.fleet.plugins.module_utils._ownership.zones import own_zone, reference, zones
from ansible_collections.dataplatform.fleet.plugins.module_utils._peering import api
from ansible_collections.dataplatform.fleet.plugins.module_utils._peering.changes import Changes
from ansible_collections.dataplatform.fleet.plugins.module_utils._peering.plan import PeeringError, Side
from ansible_collections.dataplatform.fleet.plugins.module_utils._texts import texts

OWN_RECORDS = ("NS", "SOA")


class Zone(Changes):
    """One zone and one VPC."""

    def __init__(self, module: Any) -> None:  # noqa: ANN401 - AnsibleAWSModule
        super().__init__(module)
        self._name = module.params["name"].rstrip(".")
        self._vpc_name = module.params["vpc"]
        self._route53 = watched(module.client("route53"))
        self._vpc = api.vpc_by_name(module.client("ec2"), self._vpc_name, module.region, module.params["tags"])

    @property
    def _field(self) -> str:
        return f"zone {self._name}.vpc {self._vpc_name}"

    @property
    def _foreign(self) -> bool:
        owner = self.module.params["owner_account_id"]
        return bool(owner and self._vpc and owner != self._vpc.account_id)

    @property
    def _may(self) -> bool:
        return not self._foreign or bool(self.module.params["accepter"].get("access_key"))

    def present(self) -> dict[str, Any]:
        create, check_mode = self.module.params["create"], self.module.check_mode
        if self._vpc is None:
            if not check_mode:
                raise PeeringError(f"there is no VPC {self._vpc_name} in {self.module.region}. Run the role vpc first.")
            return self._new("") if create else self._associated("", "")
        seen = api.zones_of_vpc(self._route53, self._vpc).get(self._name)
        if seen:
            if create:
                self._tag(seen)
            return self._result(seen)
        owner = self._route53
        if self._foreign and self._may:
            owner = api.other_side(self.module, "route53", self.module.region)
        zone_id = self._find(owner) if self._may else ""
        if create and not zone_id:
            return self._new(self._vpc.vpc_id)
        if not zone_id and self._may and not check_mode:
            raise PeeringError(
                "it does not exist. The controlplane's run makes it. Run first: "
                "ansible-playbook site.yml -i inventories/controlplane"
            )
        if create:
            self._tag(zone_id)
        return self._associated(zone_id, self._vpc.vpc_id, owner)

    def absent(self) -> dict[str, Any]:
        if self.module.params["create"]:
            zone_id = self._find(self._route53)
            if zone_id:
                self._delete(zone_id)
        elif self._vpc:
            zone_id = api.zones_of_vpc(self._route53, self._vpc).get(self._name, "")
            if zone_id:
                self._refuse_foreign(zone_id)
                self.before[self._field] = self._vpc.vpc_id
                self._do(self._route53, "disassociate_vpc_from_hosted_zone", HostedZoneId=zone_id, VPC=self._aws_vpc())
        return self._result("")

    def _find(self, route53: Any) -> str:  # noqa: ANN401
        if self._foreign:
            # Another account's tags are not this run's to ask for.
            return api.zone_id(route53, self._name, texts(self.module.params["tags"]))
        params = self.module.params
        return own_zone(route53, self._name, params["tags"], adopt=params["adopt"])

    def _aws_vpc(self) -> dict[str, str]:
        assert isinstance(self._vpc, Side)  # noqa: S101 - the callers looked
        return {"VPCRegion": self._vpc.region, "VPCId": self._vpc.vpc_id}

    def _new(self, vpc_id: str) -> dict[str, Any]:
        self.after[self._field] = vpc_id or "(made by this run)"
        for key, value in texts(self.module.params["tags"]).items():
            self.after[f"zone {self._name}.tags.{key}"] = value
        if self.module.check_mode:
            return self._result("")
        answer = self._do(
            self._route53,
            "create_hosted_zone",
            Name=self._name,
            VPC=self._aws_vpc(),
            CallerReference=reference(),
            HostedZoneConfig={"Comment": "Names that the fleet's members share", "PrivateZone": True},
        )
        zone_id = answer["HostedZone"]["Id"].removeprefix("/hostedzone/")
        self._put_tags(zone_id, texts(self.module.params["tags"]))
        return self._result(zone_id)

    def _associated(self, zone_id: str, vpc_id: str, owner: Any = None) -> dict[str, Any]:  # noqa: ANN401
        if not self._may:
            vpc = ",".join(f"{key}={value}" for key, value in self._aws_vpc().items())
            find = (
                f"aws route53 list-hosted-zones-by-name --dns-name {self._name} --query 'HostedZones[0].Id' "
                "--output text"
            )
            authorize = "aws route53 create-vpc-association-authorization"
            return self._result("", [f"{authorize} --hosted-zone-id $({find}) --vpc {vpc}"])
        self.after[self._field] = vpc_id or "(made by this run)"
        if self.module.check_mode:
            return self._result(zone_id)
        place = {"HostedZoneId": zone_id, "VPC": self._aws_vpc()}
        if self._foreign:
            self._do(owner, "create_vpc_association_authorization", **place)
        self._do(self._route53, "associate_vpc_with_hosted_zone", **place)
        if self._foreign:
            self._do(owner, "delete_vpc_association_authorization", **place)
        return self._result(zone_id)

    def _tag(self, zone_id: str) -> None:
        answer = api.call(self._route53, "list_tags_for_resource", ResourceType="hostedzone", ResourceId=zone_id)
        had = tags_of(answer["ResourceTagSet"])
        wanted = texts(self.module.params["tags"])
        if not self.module.params["adopt"] and not owned(had, wanted) and self._find(self._route53) != zone_id:
            raise ForeignError("private_zone", self._name, had, wanted)
        new = {key: value for key, value in wanted.items() if had.get(key) != value}
        for key, value in new.items():
            self.after[f"zone {self._name}.tags.{key}"] = value
            if key in had:
                self.before[f"zone {self._name}.tags.{key}"] = had[key]
        self._put_tags(zone_id, new)

    def _refuse_foreign(self, zone_id: str) -> None:
        """:raises ForeignError: if the zone is in this account and somebody else's."""
        tags = self.module.params["tags"]
        if tags and not self.module.params["adopt"]:
            for one in zones(self._route53, self._name):
                if one.zone_id == zone_id and not owned(one.tags, tags):
                    raise ForeignError("private_zone", self._name, one.tags, tags)

    def _put_tags(self, zone_id: str, tags: dict[str, str]) -> None:
        if tags:
            place = {"ResourceType": "hostedzone", "ResourceId": zone_id}
            self._do(self._route53, "change_tags_for_resource", AddTags=pairs_of(tags), **place)

    def _delete(self, zone_id: str) -> None:
        records = api.pages(self._route53, "list_resource_record_sets", "ResourceRecordSets", HostedZoneId=zone_id)
        others = [one for one in records if one["Type"] not in OWN_RECORDS]
        self.before[f"zone {self._name}"] = [f"{one['Name']} {one['Type']}" for one in others]
        if others:
            changes = [{"Action": "DELETE", "ResourceRecordSet": one} for one in others]
            self._do(
                self._route53, "change_resource_record_sets", HostedZoneId=zone_id, ChangeBatch={"Changes": changes}
            )
        self._do(self._route53, "delete_hosted_zone", Id=zone_id)

    def _result(self, zone_id: str, commands: list[str] | None = None) -> dict[str, Any]:
        return {"id": zone_id, "name": self._name, "commands": commands or []}
