# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan the changes of a managed node group. Pure functions.

Source: https://docs.aws.amazon.com/eks/latest/APIReference/API_UpdateNodegroupConfig.html and
https://docs.aws.amazon.com/eks/latest/APIReference/API_UpdateNodegroupVersion.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._aws.aliases import Document, State, Value
from .._aws.errors import AwsError, VersionError
from .._aws.plan import (
    Change,
    Plan,
    Step,
    creation,
    deletion,
    differences,
    only,
    refuse_immutable,
    tag_steps,
    without_none,
)
from .._texts import texts
from .transformations import flatten, minor, names, taints, unflatten, version_key

_API_NAMES = {
    "node_role_arn": "nodeRole",
    "ami_type": "amiType",
    "capacity_type": "capacityType",
    "disk_size": "diskSize",
    "version": "version",
    "release_version": "releaseVersion",
    "tags": "tags",
    "labels": "labels",
    "taints": "taints",
    "subnet_ids": "subnets",
    "instance_types": "instanceTypes",
}
_PLAIN = ("node_role_arn", "ami_type", "capacity_type", "disk_size", "version", "release_version", "tags")
_SIZES = {"min_size": "minSize", "max_size": "maxSize", "desired_size": "desiredSize"}
_NESTED = {
    "launch_template": "launchTemplate",
    "remote_access": "remoteAccess",
    "update_config": "updateConfig",
    "node_repair_config": "nodeRepairConfig",
    "warm_pool_config": "warmPoolConfig",
}
_UPDATABLE = ("update_config", "node_repair_config", "warm_pool_config")
# Of each pair, EKS stores only one.
_EITHER = (
    ("update_config.max_unavailable", "update_config.max_unavailable_percentage"),
    (
        "node_repair_config.max_unhealthy_node_threshold_count",
        "node_repair_config.max_unhealthy_node_threshold_percentage",
    ),
    (
        "node_repair_config.max_parallel_nodes_repaired_count",
        "node_repair_config.max_parallel_nodes_repaired_percentage",
    ),
)

_REPLACEMENT = "create a node group of another name, move the workloads there, then delete this one."
_REMEDIES = {
    "node_role_arn": _REPLACEMENT,
    "subnet_ids": _REPLACEMENT,
    "instance_types": _REPLACEMENT,
    "ami_type": _REPLACEMENT,
    "capacity_type": _REPLACEMENT,
    "disk_size": _REPLACEMENT,
    "remote_access.": _REPLACEMENT,
    "launch_template.id": "only another version of the same template can be used; or " + _REPLACEMENT,
    "launch_template.name": "only another version of the same template can be used; or " + _REPLACEMENT,
}


def wanted_state(options: Mapping[str, Any]) -> State:
    """Return the module's options as a state. Raises AwsError for invalid sizes and taints."""
    state: State = {name: options[name] for name in (*_PLAIN, *_SIZES) if options.get(name) is not None}
    for name in ("subnet_ids", "instance_types"):
        if options.get(name) is not None:
            state[name] = names(options[name])
    if options.get("labels") is not None:
        state["labels"] = texts(options["labels"])
    if options.get("taints") is not None:
        state["taints"] = taints(options["taints"])
    for name in _NESTED:
        state.update(flatten(name, options.get(name)))
    if state.get("remote_access.source_security_groups"):
        state["remote_access.source_security_groups"] = names(state["remote_access.source_security_groups"])
    if "version" in state:
        minor(state["version"])
    named = f"node group {options['cluster_name']}/{options['name']}" if "cluster_name" in options else ""
    _check_sizes(state.get("min_size"), state.get("max_size"), state.get("desired_size"), named)
    return state


def current_state(nodegroup: Document) -> State:
    """DescribeNodegroup's answer as a state."""
    state: State = {option: nodegroup.get(_API_NAMES[option]) for option in _PLAIN}
    scaling = nodegroup.get("scalingConfig") or {}
    state.update({option: scaling.get(key) for option, key in _SIZES.items()})
    state["subnet_ids"] = names(nodegroup.get("subnets"))
    state["instance_types"] = names(nodegroup.get("instanceTypes"))
    state["labels"] = dict(nodegroup.get("labels") or {})
    state["taints"] = taints(nodegroup.get("taints"))
    state["tags"] = dict(nodegroup.get("tags") or {})
    state["capacity_type"] = nodegroup.get("capacityType", "ON_DEMAND")
    for name, key in _NESTED.items():
        state.update(flatten(name, nodegroup.get(key)))
    state.setdefault("node_repair_config.enabled", False)
    state.setdefault("warm_pool_config.enabled", False)
    if state.get("remote_access.source_security_groups"):
        state["remote_access.source_security_groups"] = names(state["remote_access.source_security_groups"])
    if state.get("launch_template.version") is not None:
        state["launch_template.version"] = str(state["launch_template.version"])
    return state


def plan_present(
    cluster: str,
    name: str,
    nodegroup: Document | None,
    wanted: State,
    *,
    cluster_version: str | None,
    desired_size_policy: str = "initial",
    purge_labels: bool = True,
    purge_tags: bool = True,
    force: bool = False,
    ordered_types: list[str] | None = None,
) -> Plan:
    """The calls that make *nodegroup* (None: absent) what is *wanted*.

    *cluster_version* is the Kubernetes control plane's version where that matters and is known. *desired_size_policy*
    ``initial`` leaves the size to an autoscaler while it is between the limits. *ordered_types* are the instance
    types as given: EKS prefers the first. Raises ImmutableError, VersionError or AwsError.
    """
    resource = f"node group {cluster}/{name}"
    if nodegroup is None:
        return _plan_create(cluster, name, wanted, cluster_version, ordered_types)
    current = current_state(nodegroup)
    wanted = _effective(resource, current, wanted, desired_size_policy, purge_labels=purge_labels)
    changes = differences(current, wanted)
    refuse_immutable(resource, changes, _REMEDIES)
    version = only(changes, ("version", "release_version", "launch_template.version"))
    _check_version(resource, version, cluster_version)
    scope = {"clusterName": cluster, "nodegroupName": name}
    steps = tag_steps(nodegroup["nodegroupArn"], current["tags"], wanted.get("tags"), purge=purge_tags)
    config = {field: change for field, change in changes.items() if field not in version}
    if config:
        request = {**scope, **_update_request(config, current, wanted)}
        steps.append(Step("UpdateNodegroupConfig", request, config, "update"))
    if version:
        request = {**scope, **_version_request(version, current), **({"force": True} if force else {})}
        steps.append(Step("UpdateNodegroupVersion", request, version, "update"))
    return Plan(resource, tuple(steps))


def plan_absent(cluster: str, name: str, nodegroup: Document | None) -> Plan:
    """The call that removes *nodegroup*."""
    resource = f"node group {cluster}/{name}"
    if nodegroup is None or nodegroup.get("status") == "DELETING":
        return Plan(resource)
    request = {"clusterName": cluster, "nodegroupName": name}
    return Plan(resource, (Step("DeleteNodegroup", request, deletion(current_state(nodegroup)), "gone"),))


def create_request(cluster: str, name: str, wanted: State, ordered_types: list[str] | None = None) -> Document:
    """CreateNodegroup's request for a *wanted* state."""
    request: Document = {"clusterName": cluster, "nodegroupName": name}
    for option, key in _API_NAMES.items():
        if wanted.get(option) not in (None, [], {}):
            request[key] = wanted[option]
    if ordered_types:
        request["instanceTypes"] = list(dict.fromkeys(ordered_types))
    if request.get("taints"):
        request["taints"] = [_taint(taint) for taint in request["taints"]]
    scaling = {key: wanted[option] for option, key in _SIZES.items() if wanted.get(option) is not None}
    if scaling:
        # EKS' defaults for missing fields can contradict the given fields.
        low = scaling.setdefault("minSize", min(1, scaling.get("desiredSize", 1)))
        scaling.setdefault("maxSize", max(scaling.get("desiredSize", low), 1))
        scaling.setdefault("desiredSize", max(low, min(1, scaling["maxSize"])))
        request["scalingConfig"] = scaling
    for option, key in _NESTED.items():
        nested = unflatten(wanted, option)
        if nested:
            request[key] = nested
    return request


def _plan_create(
    cluster: str,
    name: str,
    wanted: State,
    cluster_version: str | None,
    ordered_types: list[str] | None,
) -> Plan:
    resource = f"node group {cluster}/{name}"
    missing = [option for option in ("node_role_arn", "subnet_ids") if not wanted.get(option)]
    if missing:
        raise AwsError(f"{resource} does not exist, and {' and '.join(missing)} must be given to create it.")
    given_options = {field.partition(".")[0] for field in creation(wanted)}
    excluded = sorted(given_options & {"disk_size", "remote_access"})
    if excluded and "launch_template" in given_options:
        raise AwsError(
            f"{resource}: EKS does not take {' and '.join(excluded)} together with launch_template. Set "
            "BlockDeviceMappings, KeyName and SecurityGroupIds in the launch template. Nothing was changed."
        )
    given = wanted.get("version")
    if given and cluster_version and given != cluster_version:
        raise VersionError(
            f"{resource} cannot be created with Kubernetes {given}: cluster {cluster} runs {cluster_version}, and a "
            "new node group has the version of its cluster. Nothing was changed."
        )
    request = create_request(cluster, name, wanted, ordered_types)
    return Plan(resource, (Step("CreateNodegroup", request, creation(wanted), "active"),))


def _effective(resource: str, current: State, wanted: State, policy: str, *, purge_labels: bool) -> State:
    """Return the wanted state of an existing node group: sizes completed, labels merged, exclusive fields resolved."""
    state = dict(wanted)
    if "labels" in state and not purge_labels:
        state["labels"] = {**current["labels"], **state["labels"]}
    low = state.get("min_size", current["min_size"])
    high = state.get("max_size", current["max_size"])
    _check_sizes(low, high, state.get("desired_size"), resource)
    desired = state.pop("desired_size", None)
    if policy == "initial" or desired is None:
        desired = current["desired_size"]
    if None not in (low, high, desired):
        state["desired_size"] = max(low, min(high, desired))
    for one, other in _EITHER:
        if one in state and other not in state:
            state[other] = None
        elif other in state and one not in state:
            state[one] = None
    return state


def _check_sizes(low: int | None, high: int | None, desired: int | None, resource: str) -> None:
    where = f"{resource}: " if resource else ""
    rule = "The order is min_size <= desired_size <= max_size. Nothing was changed."
    if low is not None and high is not None and low > high:
        raise AwsError(f"{where}min_size {low} is greater than max_size {high}. {rule}")
    if desired is not None and low is not None and desired < low:
        raise AwsError(f"{where}desired_size {desired} is smaller than min_size {low}. {rule}")
    if desired is not None and high is not None and desired > high:
        raise AwsError(f"{where}desired_size {desired} is greater than max_size {high}. {rule}")


def _check_version(resource: str, changes: Mapping[str, Change], cluster_version: str | None) -> None:
    change = changes.get("version")
    if change and change.before:
        if minor(change.after) < minor(change.before):
            raise VersionError(
                f"{resource} runs Kubernetes {change.before} and cannot be taken back to {change.after}; keep "
                f"{change.before} or go on to the cluster's {cluster_version or 'version'}. Nothing was changed."
            )
        if cluster_version and minor(change.after) > minor(cluster_version):
            raise VersionError(
                f"{resource} runs Kubernetes {change.before} and cannot go to {change.after}: its cluster runs "
                f"{cluster_version}, which is the next allowed one. Update the cluster first. Nothing was changed."
            )
    release = changes.get("release_version")
    alone = release and release.before and not (change and change.before)
    if release and alone and version_key(release.after) < version_key(release.before):
        raise VersionError(
            f"{resource} has the release {release.before} and cannot be taken back to {release.after}: EKS does "
            "not roll AMIs back. Nothing was changed."
        )


def _update_request(changes: Mapping[str, Change], current: State, wanted: State) -> Document:
    request: Document = {}
    if "labels" in changes:
        before, after = current["labels"], wanted["labels"]
        request["labels"] = _filled(
            addOrUpdateLabels={k: v for k, v in after.items() if before.get(k) != v},
            removeLabels=sorted(k for k in before if k not in after),
        )
    if "taints" in changes:
        before, after = current["taints"], wanted["taints"]
        kept = {(taint["key"], taint["effect"]) for taint in after}
        request["taints"] = _filled(
            addOrUpdateTaints=[_taint(t) for t in after if t not in before],
            removeTaints=[_taint(t) for t in before if (t["key"], t["effect"]) not in kept],
        )
    if only(changes, _SIZES):
        sizes = {**current, **wanted}
        request["scalingConfig"] = {key: sizes[option] for option, key in _SIZES.items()}
    for option in _UPDATABLE:
        if only(changes, (f"{option}.",)):
            request[_NESTED[option]] = unflatten({**current, **wanted}, option)
    return request


def _version_request(changes: Mapping[str, Change], current: State) -> Document:
    request: Document = {}
    for option in ("version", "release_version"):
        if option in changes:
            request[_API_NAMES[option]] = changes[option].after
    if "launch_template.version" in changes:
        # EKS stores both the template's id and its name, and takes one.
        template = {"id": current.get("launch_template.id")}
        if template["id"] is None:
            template = {"name": current.get("launch_template.name")}
        request["launchTemplate"] = without_none({**template, "version": changes["launch_template.version"].after})
    return request


def _filled(**fields: Value) -> Document:
    return {key: value for key, value in fields.items() if value}


def _taint(taint: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in taint.items() if value or key != "value"}
