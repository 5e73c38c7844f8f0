# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration schemas of add-ons, and the part of JSON Schema they need.

The top-level keys are those of the real add-ons; what is below Kubernetes types (resources, tolerations, affinity) is
left open here as it is largely there.
"""

from __future__ import annotations

import json
from typing import Any

import yaml

from localcloud.aws.errors import invalid_parameter
from localcloud.aws.jsontypes import Json

Schema = dict[str, Any]

_OPEN: Schema = {"type": "object"}
_LIST: Schema = {"type": "array"}
_TEXT: Schema = {"type": "string"}
_FLAG: Schema = {"type": "boolean"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_FLAG_TEXT: Schema = {"type": ["string", "boolean"], "enum": ["true", "false", True, False]}
_STRINGS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "additionalProperties": False}


_POD: dict[str, Schema] = {
    "affinity": _OPEN,
    "nodeSelector": _STRINGS,
    "podAnnotations": _STRINGS,
    "podLabels": _STRINGS,
    "resources": _OPEN,
    "tolerations": _LIST,
}

SCHEMAS: dict[str, Schema] = {
    "vpc-cni": _object(
        **_POD,
        branchENICooldown=_TEXT,
        livenessProbeTimeoutSeconds=_COUNT,
        readinessProbeTimeoutSeconds=_COUNT,
        enableNetworkPolicy=_FLAG_TEXT,
        enableWindowsIpam=_FLAG_TEXT,
        enableWindowsPrefixDelegation=_FLAG_TEXT,
        env=_STRINGS,
        eniConfig=_OPEN,
        init=_object(env=_STRINGS, resources=_OPEN),
        minimumWindowsIPTarget=_COUNT,
        warmWindowsIPTarget=_COUNT,
        warmWindowsPrefixTarget=_COUNT,
        nodeAgent=_object(
            conntrackCacheCleanupPeriod=_TEXT,
            enableCloudWatchLogs=_FLAG_TEXT,
            enablePolicyEventLogs=_FLAG_TEXT,
            healthProbeBindAddr=_TEXT,
            metricsBindAddr=_TEXT,
            networkPolicyAgentLogFileLocation=_TEXT,
            resources=_OPEN,
        ),
    ),
    "coredns": _object(
        **_POD,
        autoScaling=_object(enabled=_FLAG, minReplicas=_COUNT, maxReplicas=_COUNT),
        computeType=_TEXT,
        corefile=_TEXT,
        podDisruptionBudget=_OPEN,
        replicaCount=_COUNT,
        topologySpreadConstraints=_LIST,
    ),
    "kube-proxy": _object(
        **_POD, ipvs=_object(scheduler=_TEXT), mode={"type": "string", "enum": ["iptables", "ipvs", "nftables"]}
    ),
    "eks-pod-identity-agent": _object(
        **_POD,
        agent=_object(additionalArgs=_OPEN),
        daemonsets=_OPEN,
        init=_OPEN,
        priorityClassName=_TEXT,
        updateStrategy=_OPEN,
    ),
    "aws-ebs-csi-driver": _object(
        additionalDaemonSets=_OPEN,
        controller=_object(
            **_POD,
            additionalArgs=_LIST,
            batching=_FLAG,
            defaultFsType=_TEXT,
            deploymentAnnotations=_STRINGS,
            extraVolumeTags=_STRINGS,
            loggingFormat=_TEXT,
            podDisruptionBudget=_OPEN,
            replicaCount=_COUNT,
            sdkDebugLog=_FLAG,
            serviceAccount=_OPEN,
            topologySpreadConstraints=_LIST,
            updateStrategy=_OPEN,
            volumeModificationFeature=_object(enabled=_FLAG),
        ),
        defaultStorageClass=_object(enabled=_FLAG),
        node=_object(
            **_POD,
            additionalArgs=_LIST,
            daemonSetAnnotations=_STRINGS,
            enableLinux=_FLAG,
            enableMetrics=_FLAG,
            enableWindows=_FLAG,
            kubeletPath=_TEXT,
            loggingFormat=_TEXT,
            priorityClassName=_TEXT,
            reservedVolumeAttachments={"type": ["integer", "null"]},
            serviceAccount=_OPEN,
            tolerateAllTaints=_FLAG,
            updateStrategy=_OPEN,
            volumeAttachLimit=_COUNT,
        ),
        sidecars=_OPEN,
        useOldCSIDriver=_FLAG,
    ),
    "metrics-server": _object(
        **_POD,
        addonResizer=_OPEN,
        args=_LIST,
        podDisruptionBudget=_OPEN,
        priorityClassName=_TEXT,
        replicas=_COUNT,
        topologySpreadConstraints=_LIST,
        updateStrategy=_OPEN,
    ),
}

_PYTHON = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "boolean": bool,
    "number": (int, float),
    "null": type(None),
}


def check(addon: str, values: str) -> None:
    """Raise InvalidParameterException, in EKS's words, unless the JSON or YAML text fits the add-on's schema."""
    if not values:
        return
    try:
        parsed = json.loads(values)
    except ValueError:
        try:
            parsed = yaml.safe_load(values)
        except yaml.YAMLError as error:
            raise _refused(addon, "The configuration is neither JSON nor YAML") from error
    problems = _problems(SCHEMAS.get(addon, _OPEN), parsed, "$")
    if problems:
        raise _refused(addon, f"Json schema validation failed with error: [{', '.join(problems)}]")


def _refused(addon: str, reason: str) -> Exception:
    return invalid_parameter(f"ConfigurationValue provided in request is not supported: {reason}", addonName=addon)


def _problems(schema: Schema, value: Json, where: str) -> list[str]:
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_is(kind, value) for kind in kinds):
        return [f"{where}: {_kind(value)} found, {' or '.join(kinds)} expected"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{where}: does not have a value in the enumeration {schema['enum']}"]
    if "minimum" in schema and value < schema["minimum"]:
        return [f"{where}: must have a minimum value of {schema['minimum']}"]
    found: list[str] = []
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        extra = schema.get("additionalProperties", True)
        for key, item in value.items():
            if key in properties:
                found += _problems(properties[key], item, f"{where}.{key}")
            elif extra is False:
                found.append(
                    f"{where}.{key}: is not defined in the schema and the schema does not allow additional properties"
                )
            elif isinstance(extra, dict):
                found += _problems(extra, item, f"{where}.{key}")
    return found


def _is(kind: str, value: Json) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _PYTHON[kind])  # type: ignore[arg-type]


def _kind(value: Json) -> str:
    return next((kind for kind in _PYTHON if _is(kind, value)), type(value).__name__)
