# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Managed node groups."""

from __future__ import annotations

import re
from typing import Any

from localcloud.aws import clock, iam, network, store
from localcloud.aws.eks import access, lookup, nodegroup_config, updates
from localcloud.aws.eks.call import Call, Handlers, page
from localcloud.aws.errors import in_use, invalid_parameter, invalid_request, not_found
from localcloud.releases import versions

_LABEL_KEY = re.compile(r"([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")
_DEFAULT_SIZES = {"minSize": 1, "maxSize": 2, "desiredSize": 2}


def require(cluster: str, name: str) -> store.Record:
    lookup.cluster(cluster)
    record = store.nodegroups_all.get(f"{cluster}/{name}")
    if record is None:
        raise not_found(f"No node group found for name: {name}.", clusterName=cluster, nodegroupName=name)
    return record


def present(record: store.Record) -> dict[str, Any]:
    shown = store.public(record)
    shown["status"] = status(record)
    shown["health"] = {**record["health"], "issues": _issues(record)}
    return shown


def status(record: store.Record) -> str:
    current = str(record.get("_status", record["status"]))
    return "DEGRADED" if current == "ACTIVE" and _issues(record) else current


def _issues(record: store.Record) -> list[dict[str, Any]]:
    """Return the health issues, including that of a deleted launch template, of which EKS uses a copy."""
    source = record.get("launchTemplate", {}).get("id")
    issues: list[dict[str, Any]] = list(record["health"]["issues"])
    if source and source not in store.launch_templates:
        text = f"The source launch template {source} of the node group was not found."
        issues.append({"code": "SourceEc2LaunchTemplateNotFound", "message": text, "resourceIds": [source]})
    return issues


def has_nodes(cluster: str) -> bool:
    """Whether a node group of the cluster runs nodes."""
    return any(_runs_nodes(group) for group in store.nodegroups(cluster))


def _runs_nodes(group: store.Record) -> bool:
    nodes = seen(group)
    if nodes is not None:
        return bool(nodes["ready"])
    return group["_status"] in ("ACTIVE", "UPDATING") and group["scalingConfig"]["desiredSize"] > 0


def _create(call: Call) -> dict[str, Any]:
    cluster_name, name = call["clusterName"], call["nodegroupName"]
    cluster = lookup.cluster(cluster_name, active=True)
    _check_name(cluster_name, name)
    _check_subnets(call, cluster)
    _require_role(call)
    scaling = _scaling(call.get("scalingConfig", {}), _DEFAULT_SIZES, fit_desired=True)
    version = call.get("version", cluster["version"])
    if version != cluster["version"]:
        raise invalid_parameter(
            f"Nodegroup Kubernetes version {version} must match the cluster's Kubernetes version {cluster['version']}",
            clusterName=cluster_name,
            nodegroupName=name,
        )
    template = nodegroup_config.launch_template(call.get("launchTemplate"))
    ami_type, instance_types = nodegroup_config.choose(call, version, template)
    labels = call.get("labels", {})
    _check_labels(labels)
    record: store.Record = {
        "nodegroupName": name,
        "nodegroupArn": store.arn("nodegroup", cluster_name, name, store.new_uuid()),
        "clusterName": cluster_name,
        "version": version,
        "releaseVersion": nodegroup_config.image(template)
        or nodegroup_config.release(version, ami_type, call.get("releaseVersion")),
        "createdAt": clock.now(),
        "modifiedAt": clock.now(),
        "status": "ACTIVE",
        "capacityType": call.get("capacityType", "ON_DEMAND"),
        "scalingConfig": scaling,
        **instance_types,
        "subnets": call["subnets"],
        "amiType": ami_type,
        "nodeRole": call["nodeRole"],
        "labels": dict(labels),
        "resources": {"autoScalingGroups": [{"name": f"eks-{name}-{store.new_uuid()}"}]},
        "health": {"issues": []},
        "updateConfig": _update_config_of(call.get("updateConfig", {}) or {"maxUnavailable": 1}),
        **_disk_or_template(call, ami_type, template),
        "_status": "CREATING",
    }
    for optional in ("taints", "remoteAccess", "nodeRepairConfig", "warmPoolConfig"):
        if call.get(optional):
            record[optional] = call[optional]
    store.set_tags(record["nodegroupArn"], record, call.get("tags", {}))
    store.nodegroups_all[f"{cluster_name}/{name}"] = record
    access.add_node_entry(cluster, call["nodeRole"], windows=ami_type.startswith("WINDOWS"))
    _run(record, call.settings.nodegroup_seconds)
    return {"nodegroup": present(record)}


def _check_name(cluster: str, name: str) -> None:
    names = {"clusterName": cluster, "nodegroupName": name}
    if f"{cluster}/{name}" in store.nodegroups_all:
        raise in_use(f"NodeGroup already exists with name {name} and cluster name {cluster}", **names)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", name):
        raise invalid_parameter("The nodegroup name must match [A-Za-z0-9][A-Za-z0-9_-]{0,62}", **names)


def _check_subnets(call: Call, cluster: store.Record) -> None:
    if not call["subnets"]:
        raise invalid_parameter("Subnets must not be empty", clusterName=call["clusterName"])
    if network.require_subnets(call["subnets"]) != cluster["resourcesVpcConfig"]["vpcId"]:
        raise invalid_parameter("The node group's subnets must be in the cluster's VPC")


def _disk_or_template(call: Call, ami_type: str, template: dict[str, str] | None) -> dict[str, Any]:
    if template is None:
        return {"diskSize": call.get("diskSize", 50 if ami_type.startswith("WINDOWS") else 20)}
    names = {"clusterName": call["clusterName"], "nodegroupName": call["nodegroupName"]}
    if call.get("diskSize") is not None:
        raise invalid_parameter("Disk size must be specified within the launch template.", **names)
    if call.get("remoteAccess") is not None:
        raise invalid_parameter("Remote access configuration cannot be specified with a launch template.", **names)
    return {"launchTemplate": template, "_diskSize": nodegroup_config.disk_size(template)}


def _require_role(call: Call) -> None:
    role_arn = call["nodeRole"]
    role = store.role(role_arn)
    if role is None:
        raise invalid_parameter(
            f"The role with name {role_arn.rsplit('/', 1)[-1]} cannot be found. "
            "(Service: AmazonIdentityManagement; Status Code: 404; Error Code: NoSuchEntity)",
            clusterName=call["clusterName"],
        )
    if not iam.assumable(role_arn, "ec2.amazonaws.com", call.settings.consistency_delay):
        raise invalid_parameter(
            "Following required service principals [ec2.amazonaws.com] were not found in the trust relationships of "
            f"nodeRole {role_arn}",
            clusterName=call["clusterName"],
        )


def _scaling(requested: dict[str, Any], current: dict[str, int], *, fit_desired: bool) -> dict[str, int]:
    """Return the sizes after a request; ``fit_desired`` adapts a desired size that was not requested to the limits."""
    after = {**current, **{key: value for key, value in requested.items() if value is not None}}
    if fit_desired and "desiredSize" not in requested:
        after["desiredSize"] = max(after["minSize"], min(after["desiredSize"], after["maxSize"]))
    if after["minSize"] > after["maxSize"]:
        raise invalid_parameter(
            f"Minimum capacity {after['minSize']} can't be greater than max size {after['maxSize']}"
        )
    if after["desiredSize"] < after["minSize"]:
        raise invalid_parameter(
            f"Minimum capacity {after['minSize']} can't be greater than desired size {after['desiredSize']}"
        )
    if after["desiredSize"] > after["maxSize"]:
        raise invalid_parameter(
            f"desired capacity {after['desiredSize']} can't be greater than max size {after['maxSize']}"
        )
    return after


def _update_config_of(asked: dict[str, Any], current: dict[str, Any] | None = None) -> dict[str, Any]:
    if asked.get("maxUnavailable") and asked.get("maxUnavailablePercentage"):
        raise invalid_parameter("maxUnavailable and maxUnavailablePercentage cannot both be specified.")
    kept = dict(current or {})
    if asked.get("maxUnavailable") or asked.get("maxUnavailablePercentage"):
        kept.pop("maxUnavailable", None)
        kept.pop("maxUnavailablePercentage", None)
    return {**kept, **{key: value for key, value in asked.items() if value is not None}}


def _check_labels(labels: dict[str, str]) -> None:
    for key, value in labels.items():
        if not _LABEL_KEY.fullmatch(key) or not _LABEL_VALUE.fullmatch(value):
            raise invalid_parameter(f"Label {key}={value} is not a valid Kubernetes label.")
        if key.startswith(("eks.amazonaws.com/", "kubernetes.io/", "k8s.io/", "node-role.kubernetes.io/")):
            raise invalid_parameter(f"Label cannot contain reserved prefixes: {key}")


def _describe(call: Call) -> dict[str, Any]:
    return {"nodegroup": present(require(call["clusterName"], call["nodegroupName"]))}


def _list(call: Call) -> dict[str, Any]:
    lookup.cluster(call["clusterName"])
    names = sorted(group["nodegroupName"] for group in store.nodegroups(call["clusterName"]))
    return page(call, "nodegroups", names)


def _list_fargate_profiles(call: Call) -> dict[str, Any]:
    """Return an empty list: Fargate is not emulated, but deleting a cluster calls this operation."""
    lookup.cluster(call["clusterName"])
    return page(call, "fargateProfileNames", [])


def _delete(call: Call) -> dict[str, Any]:
    record = require(call["clusterName"], call["nodegroupName"])
    _require_idle(record)
    if record["_status"] != "DELETING":
        record["_status"] = "DELETING"
        record.pop("_nodes", None)
        _run(record, call.settings.nodegroup_seconds)
    return {"nodegroup": present(record)}


def remove_failed() -> list[store.Record]:
    """Start the deletion of node groups of the caller's account and region whose creation failed."""
    with clock.lock:
        failed = [record for record in store.nodegroups_all.values() if record.get("_status") == "CREATE_FAILED"]
        for record in failed:
            record["_status"] = "DELETING"
            record.pop("_nodes", None)
            _run(record, 0)
    return failed


def _run(record: store.Record, seconds: float) -> None:
    """Keep the state CREATING or DELETING for its duration and, if a control plane runs, wait for the nodes."""
    began = record["_since"] = clock.now()

    def step() -> None:
        nodes = seen(record)
        if record["_since"] != began:
            return
        if record["_status"] == "CREATING" and (nodes is None or nodes["ready"] >= nodes["desired"]):
            record["_status"] = "ACTIVE"
        elif record["_status"] == "DELETING" and (nodes is None or nodes["nodes"] == 0):
            store.nodegroups_all.pop(f"{record['clusterName']}/{record['nodegroupName']}", None)
            store.tags.pop(record["nodegroupArn"], None)
            access.remove_node_entry(record["clusterName"], record["nodeRole"])
        elif record["_status"] in ("CREATING", "DELETING"):
            clock.scheduler.later(0.1, step)

    clock.scheduler.later(seconds, step)


_NOT_SEEN = {"desired": 1, "nodes": 1, "ready": 0, "outdated": 1, "image": "", "failure": None}
_REPORT_WITHIN = 15.0
"""Seconds to wait for a control plane's report about nodes."""


def seen(record: store.Record) -> store.Record | None:
    """Return the in-cluster controllers' last report about the nodes; None if no controllers run."""
    report: store.Record | None = record.get("_nodes")
    if report is not None:
        return report
    cluster = store.clusters.get(record["clusterName"])
    silent = clock.now() - record.get("_since", 0.0) > _REPORT_WITHIN
    return None if cluster is None or not cluster.get("_runs") or silent else _NOT_SEEN


def _require_idle(record: store.Record) -> None:
    names = {"clusterName": record["clusterName"], "nodegroupName": record["nodegroupName"]}
    running = updates.in_progress(record)
    if running is not None:
        message = f"Nodegroup {record['nodegroupName']} currently has update {running['id']} in progress"
        raise in_use(message, **names)
    if record.get("_status") == "CREATING":
        raise in_use(f"Nodegroup {record['nodegroupName']} is currently being created", **names)


def _require_updatable(call: Call) -> store.Record:
    record = require(call["clusterName"], call["nodegroupName"])
    _require_idle(record)
    if record.get("_status") == "DELETING":
        raise invalid_request(
            f"Nodegroup {record['nodegroupName']} cannot be updated as it is currently not in Active State",
            clusterName=record["clusterName"],
            nodegroupName=record["nodegroupName"],
        )
    return record


def _update_config(call: Call) -> dict[str, Any]:
    record = _require_updatable(call)
    params: dict[str, Any] = {}
    after: dict[str, Any] = {}
    if call.get("scalingConfig"):
        after["scalingConfig"] = _scaling(call["scalingConfig"], record["scalingConfig"], fit_desired=False)
        for member, param in (("minSize", "MinSize"), ("maxSize", "MaxSize"), ("desiredSize", "DesiredSize")):
            params[param] = str(after["scalingConfig"][member])
    if call.get("labels"):
        after["labels"], changed = _labels(call["labels"], record["labels"])
        params.update(changed)
    if call.get("taints"):
        after["taints"], changed = _taints(call["taints"], record.get("taints", []))
        params.update(changed)
    if call.get("updateConfig"):
        after["updateConfig"] = _update_config_of(call["updateConfig"], record["updateConfig"])
        for member in ("maxUnavailable", "maxUnavailablePercentage", "updateStrategy"):
            if call["updateConfig"].get(member) is not None:
                params[member[0].upper() + member[1:]] = str(call["updateConfig"][member])
    for member, param in (("nodeRepairConfig", "NodeRepairConfig"), ("warmPoolConfig", "WarmPoolEnabled")):
        if call.get(member) is not None:
            after[member] = {**record.get(member, {}), **call[member]}
            params[param] = call[member]
    if not after:
        raise invalid_parameter("No update was specified.", clusterName=call["clusterName"])
    return updates.start(
        record, "ConfigUpdate", params, lambda: record.update(after), seconds=call.settings.update_seconds
    )


def _labels(asked: dict[str, Any], current: dict[str, str]) -> tuple[dict[str, str], dict[str, Any]]:
    add, remove = asked.get("addOrUpdateLabels") or {}, asked.get("removeLabels") or []
    _check_labels(add)
    both = sorted(set(add) & set(remove))
    if both:
        raise invalid_parameter(f"Labels cannot be added and removed in one update: {', '.join(both)}")
    after = {key: value for key, value in current.items() if key not in remove} | add
    params: dict[str, Any] = {}
    if add:
        params["LabelsToAdd"] = add
    if remove:
        params["LabelsToRemove"] = remove
    return after, params


def _taints(asked: dict[str, Any], current: list[dict[str, str]]) -> tuple[list[dict[str, str]], dict[str, Any]]:
    """Return the taints after a request. Key and effect identify a taint; a removed taint must exist."""
    add, remove = asked.get("addOrUpdateTaints") or [], asked.get("removeTaints") or []
    after = {(taint["key"], taint["effect"]): taint for taint in current}
    for taint in remove:
        if after.pop((taint["key"], taint["effect"]), None) is None:
            raise invalid_parameter(f"Taint {taint['key']}:{taint['effect']} to remove does not exist")
    for taint in add:
        after[taint["key"], taint["effect"]] = taint
    params: dict[str, Any] = {}
    if add:
        params["TaintsToAdd"] = add
    if remove:
        params["TaintsToRemove"] = remove
    return list(after.values()), params


def _update_version(call: Call) -> dict[str, Any]:
    record = _require_updatable(call)
    cluster = lookup.cluster(call["clusterName"])
    names = {"clusterName": call["clusterName"], "nodegroupName": call["nodegroupName"]}
    after: dict[str, Any] = {}
    template = call.get("launchTemplate")
    if template is not None:
        if "launchTemplate" not in record:
            raise invalid_parameter("A launch template cannot be added to a node group made without one.", **names)
        after["launchTemplate"] = nodegroup_config.launch_template(template)
        if after["launchTemplate"]["id"] != record["launchTemplate"]["id"]:
            raise invalid_parameter("A node group's launch template cannot be changed, only its version.", **names)
    custom = record["amiType"] == "CUSTOM"
    if custom and (template is None or call.get("version") or call.get("releaseVersion")):
        raise invalid_parameter(
            "A node group with an image of its own is updated by another version of its launch template.", **names
        )
    if custom:
        after["releaseVersion"] = nodegroup_config.image(after["launchTemplate"]) or record["releaseVersion"]
    elif template is None or call.get("version") or call.get("releaseVersion"):
        version = call.get("version", cluster["version"])
        if versions.number(version) > versions.number(cluster["version"]):
            raise invalid_parameter(
                f"Requested Kubernetes version {version} is newer than the cluster's version {cluster['version']}",
                **names,
            )
        if versions.number(version) < versions.number(record["version"]):
            raise invalid_parameter(
                f"Nodegroup Kubernetes version cannot be downgraded from {record['version']} to {version}", **names
            )
        if version not in (record["version"], cluster["version"]):
            raise invalid_parameter(
                f"Requested Kubernetes version {version} must be the node group's or the cluster's version", **names
            )
        after["version"] = version
        after["releaseVersion"] = nodegroup_config.release(version, record["amiType"], call.get("releaseVersion"))
    params = {
        name: after[member] for name, member in (("Version", "version"), ("ReleaseVersion", "releaseVersion"))
        if after.get(member)
    }  # fmt: skip
    if "launchTemplate" in after:
        params["LaunchTemplateName"] = after["launchTemplate"]["name"]
        params["LaunchTemplateVersion"] = after["launchTemplate"]["version"]
    return _replace_nodes(call, record, after, params)


def _replace_nodes(call: Call, record: store.Record, after: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
    """Run a version update: the controllers read ``_target`` and report when no node has the old image."""
    before = {member: record.get(member) for member in after}
    old_image = (record.get("_nodes") or {}).get("image") if before != after else None
    body = updates.start(
        record,
        "VersionUpdate",
        params,
        lambda: _end_target(record, after),
        seconds=call.settings.update_seconds,
        done=lambda: _replaced(record, before, old_image),
    )
    record["_since"] = clock.now()
    record.pop("_nodes", None)
    record["_target"] = {
        "id": body["update"]["id"],
        "version": after.get("version", record["version"]),
        "releaseVersion": after.get("releaseVersion", record["releaseVersion"]),
        "force": call.get("force", False),
    }
    if "launchTemplate" in after:
        record["launchTemplate"] = after["launchTemplate"]
        record["_diskSize"] = nodegroup_config.disk_size(after["launchTemplate"])
    return body


def _end_target(record: store.Record, members: dict[str, Any]) -> None:
    record.update(members)
    record.pop("_target", None)


def _replaced(record: store.Record, before: dict[str, Any], old_image: str | None) -> bool:
    nodes = seen(record)
    if nodes is None:
        return True
    failure = nodes["failure"]
    if failure:
        _end_target(record, before)
        raise updates.UpdateFailedError(failure["code"], failure["message"], failure["resourceIds"])
    settled = not nodes["outdated"] and nodes["ready"] >= nodes["desired"] and nodes["nodes"] == nodes["desired"]
    return settled and (old_image is None or nodes["image"] != old_image)


HANDLERS: Handlers = {
    "CreateNodegroup": _create,
    "DeleteNodegroup": _delete,
    "DescribeNodegroup": _describe,
    "ListFargateProfiles": _list_fargate_profiles,
    "ListNodegroups": _list,
    "UpdateNodegroupConfig": _update_config,
    "UpdateNodegroupVersion": _update_version,
}
