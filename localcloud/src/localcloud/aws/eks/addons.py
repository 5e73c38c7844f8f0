# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Add-ons: the available ones, and those of a cluster."""

from __future__ import annotations

import json
from typing import Any

from localcloud.aws import clock, store
from localcloud.aws.eks import lookup, nodegroups, pod_identity, schemas, updates
from localcloud.aws.eks.call import Call, Handlers, page
from localcloud.aws.errors import in_use, invalid_parameter, not_found
from localcloud.releases import catalog


def require(cluster: str, name: str) -> store.Record:
    lookup.cluster(cluster)
    record = store.addons_all.get(f"{cluster}/{name}")
    if record is None:
        raise not_found(f"No addon: {name} found in cluster: {cluster}", clusterName=cluster, addonName=name)
    return record


def issues(record: store.Record) -> list[dict[str, Any]]:
    """Return the add-on's health issues: those that controllers report, else derived from the existence of nodes."""
    reported: list[dict[str, Any]] | None = record.get("_issues")
    if reported is not None:
        return reported
    cluster = store.clusters.get(record["clusterName"])
    if cluster is None or not catalog.CATALOG[record["addonName"]].needs_replicas:
        return []
    if nodegroups.has_nodes(record["clusterName"]) or cluster["computeConfig"]["enabled"]:
        return []
    return [
        {
            "code": "InsufficientNumberOfReplicas",
            "message": "The add-on is unhealthy because it doesn't have the desired number of replicas.",
            "resourceIds": [],
        }
    ]


def present(record: store.Record) -> dict[str, Any]:
    shown = store.public(record)
    shown["status"] = record["_status"]
    shown["health"] = {"issues": issues(record)}
    if shown["status"] == "ACTIVE" and shown["health"]["issues"]:
        shown["status"] = "DEGRADED"
    owned = [pi["associationArn"] for pi in _owned(record)]
    if owned:
        shown["podIdentityAssociations"] = owned
    return shown


def _owned(record: store.Record) -> list[store.Record]:
    return [pi for pi in store.pod_identities(record["clusterName"]) if pi.get("ownerArn") == record["addonArn"]]


def _type(name: str) -> catalog.AddonType:
    if name not in catalog.CATALOG:
        raise invalid_parameter("Addon specified is not supported", addonName=name)
    return catalog.CATALOG[name]


def _check_version(name: str, version: str, kubernetes: str) -> None:
    if not catalog.compatible(name, version, kubernetes):
        raise invalid_parameter("Addon version specified is not supported", addonName=name)


def _check_identities(call: Call, name: str, namespace: str, own: store.Record | None = None) -> None:
    offered = catalog.CATALOG[name].service_accounts
    mine = {pi["serviceAccount"] for pi in _owned(own)} if own else set()
    for asked in call.get("podIdentityAssociations", []):
        account = asked["serviceAccount"]
        if account not in offered:
            raise invalid_parameter(
                f"Service account {account} in pod identity configuration is not supported for addon {name}",
                clusterName=call["clusterName"],
                addonName=name,
            )
        pod_identity.check_role(asked["roleArn"], call["clusterName"], call.settings)
        if account not in mine:
            pod_identity.check_free(call["clusterName"], namespace, account)


def _set_identities(call: Call, record: store.Record, namespace: str) -> None:
    """Set the add-on's pod identity associations to those of the request, which lists all of them."""
    wanted = {asked["serviceAccount"]: asked["roleArn"] for asked in call.get("podIdentityAssociations", [])}
    for existing in _owned(record):
        role = wanted.pop(existing["serviceAccount"], None)
        if role is None:
            pod_identity.remove(existing)
        elif role != existing["roleArn"]:
            existing.update(roleArn=role, modifiedAt=clock.now())
    for account, role in wanted.items():
        pod_identity.put(call["clusterName"], namespace, account, role, call.settings, ownerArn=record["addonArn"])


def _create(call: Call) -> dict[str, Any]:
    cluster_name, name = call["clusterName"], call["addonName"]
    cluster = lookup.cluster(cluster_name, active=True)
    names = {"clusterName": cluster_name, "addonName": name}
    kind = _type(name)
    key = f"{cluster_name}/{name}"
    if key in store.addons_all:
        raise in_use("Addon already exists.", **names)
    version = call.get("addonVersion") or catalog.default(name, cluster["version"])
    _check_version(name, version, cluster["version"])
    schemas.check(name, call.get("configurationValues", ""))
    namespace = call.get("namespaceConfig", {}).get("namespace", kind.namespace)
    _check_identities(call, name, namespace)
    record: store.Record = {
        "addonName": name,
        "clusterName": cluster_name,
        "status": "ACTIVE",
        "addonVersion": version,
        "health": {"issues": []},
        "addonArn": store.arn("addon", cluster_name, name, store.new_uuid()),
        "createdAt": clock.now(),
        "modifiedAt": clock.now(),
        "owner": "aws",
        "publisher": "eks",
        "namespaceConfig": {"namespace": namespace},
        "_status": "CREATING",
    }
    for optional in ("serviceAccountRoleArn", "configurationValues"):
        if call.get(optional):
            record[optional] = call[optional]
    store.set_tags(record["addonArn"], record, call.get("tags", {}))
    store.addons_all[key] = record
    _set_identities(call, record, namespace)
    _run(record, call.settings.addon_seconds)
    return {"addon": present(record)}


def _describe(call: Call) -> dict[str, Any]:
    return {"addon": present(require(call["clusterName"], call["addonName"]))}


def _list(call: Call) -> dict[str, Any]:
    lookup.cluster(call["clusterName"])
    return page(call, "addons", sorted(addon["addonName"] for addon in store.addons(call["clusterName"])))


def _require_idle(record: store.Record) -> None:
    names = {"clusterName": record["clusterName"], "addonName": record["addonName"]}
    running = updates.in_progress(record)
    if running is not None:
        raise in_use(f"Addon {record['addonName']} currently has update {running['id']} in progress", **names)
    if record["_status"] in ("CREATING", "DELETING"):
        raise in_use(f"Addon {record['addonName']} is {record['_status']}", **names)


def _update(call: Call) -> dict[str, Any]:
    cluster = lookup.cluster(call["clusterName"], active=True)
    record = require(call["clusterName"], call["addonName"])
    _require_idle(record)
    name, namespace = record["addonName"], record["namespaceConfig"]["namespace"]
    after: dict[str, Any] = {}
    params: dict[str, Any] = {}
    if call.get("addonVersion") is not None:
        _check_version(name, call["addonVersion"], cluster["version"])
        after["addonVersion"] = params["AddonVersion"] = call["addonVersion"]
    if call.get("configurationValues") is not None:
        schemas.check(name, call["configurationValues"])
        after["configurationValues"] = params["ConfigurationValues"] = call["configurationValues"]
    if call.get("serviceAccountRoleArn") is not None:
        after["serviceAccountRoleArn"] = params["ServiceAccountRoleArn"] = call["serviceAccountRoleArn"]
    if call.get("resolveConflicts") is not None:
        params["ResolveConflicts"] = call["resolveConflicts"]
    identities = call.get("podIdentityAssociations") is not None
    if identities:
        _check_identities(call, name, namespace, record)
        params["PodIdentityAssociations"] = call["podIdentityAssociations"]

    record.update(after)
    record.pop("_workload", None)
    record.pop("_issues", None)
    record["_since"] = clock.now()
    if not record.get("configurationValues"):
        record.pop("configurationValues", None)
    if identities:
        _set_identities(call, record, namespace)
    seconds = call.settings.update_seconds
    return updates.start(record, "AddonUpdate", params, lambda: None, seconds=seconds, done=lambda: _settled(record))


def _delete(call: Call) -> dict[str, Any]:
    record = require(call["clusterName"], call["addonName"])
    if record["_status"] != "DELETING":
        _require_idle(record)
        record["_status"] = "DELETING"
        record["_preserve"] = bool(call.get("preserve"))
        _run(record, call.settings.addon_seconds)
    return {"addon": present(record)}


def _run(record: store.Record, seconds: float) -> None:
    """Keep the state CREATING or DELETING for its duration and, if a control plane runs, wait for the workload."""
    record["_since"] = clock.now()

    def step() -> None:
        if record["_status"] == "CREATING":
            if _settled(record):
                record["_status"] = "ACTIVE"
            else:
                clock.scheduler.later(0.1, step)
        elif record["_status"] == "DELETING":
            for association in _owned(record):
                pod_identity.remove(association)
            store.addons_all.pop(f"{record['clusterName']}/{record['addonName']}", None)
            store.tags.pop(record["addonArn"], None)

    clock.scheduler.later(seconds, step)


_REPORT_WITHIN = 15.0
"""Seconds to wait for a control plane's report about an add-on."""


def _settled(record: store.Record) -> bool:
    """Whether the add-on runs, or its time limit has passed."""
    cluster = store.clusters.get(record["clusterName"])
    workload = record.get("_workload") or {}
    silent = not workload and clock.now() - record["_since"] > _REPORT_WITHIN
    if cluster is None or not cluster.get("_runs") or silent:
        return True
    installed = workload.get("installed") == record["addonVersion"]
    return installed and bool(workload["available"] or record.get("_issues"))


def _versions(call: Call) -> dict[str, Any]:
    if call.get("addonName") is not None and call["addonName"] not in catalog.CATALOG:
        raise not_found(f"Addon {call['addonName']} was not found", addonName=call["addonName"])
    found = []
    for addon in catalog.CATALOG.values():
        entry = catalog.describe(addon, call.get("kubernetesVersion"))
        if (
            call.get("addonName") in (None, addon.name)
            and addon.kind in (call.get("types") or [addon.kind])
            and "eks" in (call.get("publishers") or ["eks"])
            and "aws" in (call.get("owners") or ["aws"])
            and entry["addonVersions"]
        ):
            found.append(entry)
    return page(call, "addons", found)


def _configuration(call: Call) -> dict[str, Any]:
    name, version = call["addonName"], call["addonVersion"]
    kind = catalog.CATALOG.get(name)
    if kind is None or version not in {release for release, _, _ in kind.releases}:
        raise not_found(f"Addon {name} with version {version} was not found", addonName=name)
    schema = {"$schema": "http://json-schema.org/draft-06/schema#", **schemas.SCHEMAS.get(name, {"type": "object"})}
    return {
        "addonName": name,
        "addonVersion": version,
        "configurationSchema": json.dumps(schema),
        "podIdentityConfiguration": [
            {
                "serviceAccount": account,
                "recommendedManagedPolicies": [f"arn:aws:iam::aws:policy/{policy}" for policy in policies],
            }
            for account, policies in kind.service_accounts.items()
        ],
    }


HANDLERS: Handlers = {
    "CreateAddon": _create,
    "DeleteAddon": _delete,
    "DescribeAddon": _describe,
    "DescribeAddonConfiguration": _configuration,
    "DescribeAddonVersions": _versions,
    "ListAddons": _list,
    "UpdateAddon": _update,
}
