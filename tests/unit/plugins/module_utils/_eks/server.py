# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fake of EKS with clusters in dicts, behind a botocore client.

Created or updated resources have one or two transitional states, one for each description, as in AWS.
"""

from __future__ import annotations

import copy
import importlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.run import Run
from ansible_collections.dataplatform.fleet.plugins.module_utils._eks import spec
from ansible_collections.dataplatform.fleet.tests.unit.plugins.module_utils.aws import Fake, FakeModule, RefusedError

ARN: Final = "arn:aws:eks:eu-central-1:111122223333"
GONE: Final = "gone"
Document = dict[str, Any]
Place = tuple[str, ...]


class FakeEks(Fake):
    """What exists is in ``found``, by kind and name; ``passing`` are the states that it is still to be seen in."""

    def __init__(self) -> None:
        super().__init__("eks")
        self.found: dict[Place, Document] = {}
        self.passing: dict[Place, list[str]] = {}
        self.updates: dict[str, Document] = {}
        self.policies: dict[str, list[Document]] = {}
        self.versions = [{"clusterVersion": f"1.{minor}", "versionStatus": "STANDARD_SUPPORT"} for minor in (35, 36)]
        self.addon_versions: list[Document] = []
        self.insights: list[Document] = []

    # -- what tests do

    def put(self, kind: str, *name: str, then: list[str] | None = None, **fields: Any) -> Document:
        place = (kind, *name)
        self.found[place] = {"status": "ACTIVE", "tags": {}, **copy.deepcopy(fields)}
        self.passing[place] = list(then or [])
        return self.found[place]

    def cluster(self, name: str = "one", **fields: Any) -> Document:
        vpc = {"subnetIds": ["subnet-a"], "endpointPublicAccess": True}
        role = "arn:aws:iam::111122223333:role/c"
        shown = {"name": name, "arn": f"{ARN}:cluster/{name}", "version": "1.36", "roleArn": role}
        return self.put("cluster", name, **{**shown, "resourcesVpcConfig": vpc, **fields})

    def nodegroup(self, name: str, **fields: Any) -> Document:
        shown = {"nodegroupName": name, "clusterName": "one", "nodegroupArn": f"{ARN}:nodegroup/one/{name}/1"}
        sizes = {"minSize": 1, "maxSize": 3, "desiredSize": 2}
        more = {"version": "1.36", "amiType": "AL2023_x86_64_STANDARD", "scalingConfig": sizes}
        return self.put("nodegroup", name, **{**shown, **more, **fields})

    def addon(self, name: str, **fields: Any) -> Document:
        shown = {"addonName": name, "clusterName": "one", "addonArn": f"{ARN}:addon/one/{name}/1"}
        return self.put("addon", name, **{**shown, "addonVersion": "v1.0.0-eksbuild.1", **fields})

    def entry(self, principal: str, *policies: Document, **fields: Any) -> Document:
        self.policies[principal] = list(policies)
        shown = {"principalArn": principal, "accessEntryArn": f"{ARN}:access-entry/one/x", "clusterName": "one"}
        made = self.put("entry", principal, **{**shown, "type": "STANDARD", "username": principal, **fields})
        del made["status"]
        return made

    def association(self, name: str, account: str, namespace: str = "n", **fields: Any) -> Document:
        arn = f"{ARN}:podidentityassociation/one/{name}"
        shown = {"associationId": name, "associationArn": arn, "namespace": namespace, "serviceAccount": account}
        role = "arn:aws:iam::111122223333:role/pod"
        made = self.put("association", name, **{**shown, "clusterName": "one", "roleArn": role, **fields})
        del made["status"]
        return made

    # -- states

    def _look(self, kind: str, name: str, key: str) -> Document:
        place = (kind, name)
        if self.passing.get(place):
            status = self.passing[place].pop(0)
            if status == GONE:
                self.found.pop(place, None)
            elif place in self.found:
                self.found[place]["status"] = status
        if place not in self.found:
            raise RefusedError("ResourceNotFoundException", f"No {kind} found for name: {name}.", 404)
        return {key: copy.deepcopy(self.found[place])}

    def _create(self, kind: str, name: str, key: str, shown: Document, given: Mapping[str, Any]) -> Document:
        fields = {option: value for option, value in given.items() if option not in {"clientRequestToken", "logging"}}
        self.put(kind, name, **{"status": "CREATING", **shown, **fields}, then=["CREATING", "ACTIVE"])
        return {key: {}}

    def _update(self, kind: str, name: str, type_: str, fields: Mapping[str, Any]) -> Document:
        self.found[kind, name] |= {"status": "UPDATING", **copy.deepcopy(dict(fields))}
        self.passing[kind, name] = ["ACTIVE"]
        update = {"id": f"u{len(self.updates)}", "type": type_, "status": "Successful"}
        self.updates[update["id"]] = update
        return {"update": update}

    def _delete(self, kind: str, name: str, key: str) -> Document:
        if (kind, name) not in self.found:
            raise RefusedError("ResourceNotFoundException", "gone", 404)
        self.found[kind, name]["status"] = "DELETING"
        self.passing[kind, name] = ["DELETING", GONE]
        return {key: {}}

    def _named(self, kind: str) -> list[str]:
        return [name for which, name in self.found if which == kind]

    # -- clusters

    def DescribeCluster(self, name: str) -> Document:
        return self._look("cluster", name, "cluster")

    def ListClusters(self) -> Document:
        return {"clusters": self._named("cluster")}

    def CreateCluster(self, name: str, **given: Any) -> Document:
        shown = {"name": name, "arn": f"{ARN}:cluster/{name}"}
        return self._create("cluster", name, "cluster", shown, given)

    def UpdateClusterConfig(self, name: str, clientRequestToken: str, **given: Any) -> Document:
        assert clientRequestToken
        return self._update("cluster", name, "ConfigUpdate", given)

    def UpdateClusterVersion(self, name: str, version: str, clientRequestToken: str, force: bool = False) -> Document:
        assert clientRequestToken
        del force
        return self._update("cluster", name, "VersionUpdate", {"version": version})

    def DeleteCluster(self, name: str) -> Document:
        return self._delete("cluster", name, "cluster")

    def DescribeClusterVersions(self, includeAll: bool) -> Document:
        assert includeAll
        return {"clusterVersions": self.versions}

    def ListFargateProfiles(self, clusterName: str) -> Document:
        del clusterName
        return {"fargateProfileNames": self._named("fargate profile")}

    def ListUpdates(self, name: str, **_: str) -> Document:
        del name
        return {"updateIds": list(self.updates)}

    def DescribeUpdate(self, updateId: str, **_: str) -> Document:
        return {"update": self.updates[updateId]}

    def ListInsights(self, clusterName: str) -> Document:
        del clusterName
        return {"insights": [{"id": item["id"]} for item in self.insights]}

    def DescribeInsight(self, clusterName: str, id: str) -> Document:  # noqa: A002 - EKS' name
        del clusterName
        found = [item for item in self.insights if item["id"] == id and "name" in item]
        if not found:
            raise RefusedError("ResourceNotFoundException", "gone", 404)
        return {"insight": found[0]}

    def TagResource(self, resourceArn: str, tags: dict[str, str]) -> Document:
        self._by_arn(resourceArn)["tags"] |= tags
        return {}

    def UntagResource(self, resourceArn: str, tagKeys: list[str]) -> Document:
        for key in tagKeys:
            del self._by_arn(resourceArn)["tags"][key]
        return {}

    def _by_arn(self, arn: str) -> Document:
        return next(
            one
            for one in self.found.values()
            for key, value in one.items()
            if key.lower().endswith("arn") and value == arn
        )

    # -- node groups and add-ons

    def DescribeNodegroup(self, clusterName: str, nodegroupName: str) -> Document:
        del clusterName
        return self._look("nodegroup", nodegroupName, "nodegroup")

    def ListNodegroups(self, clusterName: str) -> Document:
        del clusterName
        return {"nodegroups": self._named("nodegroup")}

    def CreateNodegroup(self, nodegroupName: str, **given: Any) -> Document:
        shown = {"nodegroupName": nodegroupName, "nodegroupArn": f"{ARN}:nodegroup/one/{nodegroupName}/1"}
        return self._create("nodegroup", nodegroupName, "nodegroup", {"version": "1.36", **shown}, given)

    def UpdateNodegroupConfig(
        self, nodegroupName: str, clientRequestToken: str, clusterName: str, **given: Any
    ) -> Document:
        assert clientRequestToken and clusterName
        labels = given.pop("labels", {}).get("addOrUpdateLabels", {})
        had = self.found["nodegroup", nodegroupName].get("labels", {})
        return self._update("nodegroup", nodegroupName, "ConfigUpdate", {**given, "labels": {**had, **labels}})

    def UpdateNodegroupVersion(
        self, nodegroupName: str, clientRequestToken: str, clusterName: str, **given: Any
    ) -> Document:
        assert clientRequestToken and clusterName
        given.pop("force", None)
        return self._update("nodegroup", nodegroupName, "VersionUpdate", given)

    def DeleteNodegroup(self, clusterName: str, nodegroupName: str) -> Document:
        del clusterName
        return self._delete("nodegroup", nodegroupName, "nodegroup")

    def DescribeAddon(self, clusterName: str, addonName: str) -> Document:
        del clusterName
        return self._look("addon", addonName, "addon")

    def ListAddons(self, clusterName: str) -> Document:
        del clusterName
        return {"addons": self._named("addon")}

    def DescribeAddonVersions(self, addonName: str, kubernetesVersion: str) -> Document:
        del kubernetesVersion
        return {"addons": [{"addonName": addonName, "addonVersions": self.addon_versions}]}

    def CreateAddon(self, addonName: str, **given: Any) -> Document:
        given.pop("resolveConflicts")
        made = self._associate(addonName, given.pop("podIdentityAssociations", []))
        shown = {"addonName": addonName, "addonArn": f"{ARN}:addon/one/{addonName}/1"}
        return self._create("addon", addonName, "addon", {**shown, "podIdentityAssociations": made}, given)

    def UpdateAddon(self, addonName: str, clientRequestToken: str, clusterName: str, **given: Any) -> Document:
        assert clientRequestToken and clusterName
        given.pop("resolveConflicts")
        if "podIdentityAssociations" in given:
            given["podIdentityAssociations"] = self._associate(addonName, given["podIdentityAssociations"])
        return self._update("addon", addonName, "AddonUpdate", given)

    def DeleteAddon(self, clusterName: str, addonName: str, preserve: bool = False) -> Document:
        del clusterName, preserve
        return self._delete("addon", addonName, "addon")

    def _associate(self, addon: str, pairs: list[Document]) -> list[str]:
        return [
            str(
                self.association(
                    f"a-{addon}-{pair['serviceAccount']}", pair["serviceAccount"], roleArn=pair["roleArn"]
                )["associationArn"]
            )
            for pair in pairs
        ]

    # -- access

    def DescribeAccessEntry(self, clusterName: str, principalArn: str) -> Document:
        del clusterName
        return self._look("entry", principalArn, "accessEntry")

    def ListAccessEntries(self, clusterName: str) -> Document:
        del clusterName
        return {"accessEntries": self._named("entry")}

    def CreateAccessEntry(self, principalArn: str, clusterName: str, clientRequestToken: str, **given: Any) -> Document:
        assert clientRequestToken and clusterName
        self.entry(principalArn, **given)
        return {"accessEntry": {}}

    def UpdateAccessEntry(self, principalArn: str, clusterName: str, clientRequestToken: str, **given: Any) -> Document:
        assert clientRequestToken and clusterName
        self.found["entry", principalArn] |= given
        return {"accessEntry": {}}

    def DeleteAccessEntry(self, clusterName: str, principalArn: str) -> Document:
        del clusterName, self.found["entry", principalArn]
        return {}

    def ListAssociatedAccessPolicies(self, clusterName: str, principalArn: str) -> Document:
        del clusterName
        return {"associatedAccessPolicies": self.policies.get(principalArn, [])}

    def AssociateAccessPolicy(
        self, clusterName: str, principalArn: str, policyArn: str, accessScope: Document
    ) -> Document:
        del clusterName
        self.policies[principalArn].append({"policyArn": policyArn, "accessScope": accessScope})
        return {}

    def DisassociateAccessPolicy(self, clusterName: str, principalArn: str, policyArn: str) -> Document:
        del clusterName
        self.policies[principalArn] = [one for one in self.policies[principalArn] if one["policyArn"] != policyArn]
        return {}

    def DescribePodIdentityAssociation(self, clusterName: str, associationId: str) -> Document:
        del clusterName
        return self._look("association", associationId, "association")

    def ListPodIdentityAssociations(self, clusterName: str, namespace: str = "", serviceAccount: str = "") -> Document:
        del clusterName
        shown = ("associationId", "associationArn", "namespace", "serviceAccount", "clusterName")
        return {
            "associations": [
                {key: one[key] for key in shown}
                for (kind, _), one in self.found.items()
                if kind == "association"
                and namespace in ("", one["namespace"])
                and serviceAccount in ("", one["serviceAccount"])
            ]
        }

    def CreatePodIdentityAssociation(self, clientRequestToken: str, **given: Any) -> Document:
        assert clientRequestToken
        account, namespace = given.pop("serviceAccount"), given.pop("namespace")
        self.association("a-new", account, namespace, **given)
        return {"association": {}}

    def UpdatePodIdentityAssociation(
        self, associationId: str, clientRequestToken: str, clusterName: str, **given: Any
    ) -> Document:
        assert clientRequestToken and clusterName
        self.found["association", associationId] |= given
        return {"association": {}}

    def DeletePodIdentityAssociation(self, clusterName: str, associationId: str) -> Document:
        del clusterName, self.found["association", associationId]
        return {"association": {}}


def options(module: str, **given: Any) -> dict[str, Any]:
    """Return the options that the module gets from a task."""
    code = importlib.import_module(f"ansible_collections.dataplatform.fleet.plugins.modules.{module}")
    known = spec.NODEGROUP if module == "eks_nodegroup" else code.argument_spec()
    validated = ArgumentSpecValidator(known).validate(given)
    assert not validated.error_messages, validated.error_messages
    found: dict[str, Any] = validated.validated_parameters
    return found


def run_of(
    eks: FakeEks, params: Mapping[str, Any], clients: Callable[[str], Any] | None = None, *, check_mode: bool = False
) -> Run:
    """Return a module's run with a fake clock that advances one second for each reading."""

    def client(service: str) -> Any:
        return eks.client if service == "eks" or clients is None else clients(service)

    this = Run(FakeModule(client, params, check_mode=check_mode))
    passed = iter(range(10_000))
    this.poller.clock, this.poller.sleep = lambda: next(passed), lambda _: None
    return this
