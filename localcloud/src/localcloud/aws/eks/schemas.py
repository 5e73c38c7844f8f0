# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration schemas of add-ons, and EKS's errors for invalid values.

The top-level keys are those of the real add-ons. Values of Kubernetes types (resources, tolerations, affinity) are not
validated further, as in most of the real schemas.
"""

from __future__ import annotations

import json
from typing import Any

import yaml
from jsonschema import Draft6Validator, ValidationError

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


def check(addon: str, values: str) -> None:
    """Raise InvalidParameterException with EKS's message unless the JSON or YAML text matches the add-on's schema."""
    if not values:
        return
    try:
        parsed = json.loads(values)
    except ValueError:
        try:
            parsed = yaml.safe_load(values)
        except yaml.YAMLError as error:
            raise _refused(addon, "The configuration is neither JSON nor YAML") from error
    problems = _problems(SCHEMAS.get(addon, _OPEN), parsed)
    if problems:
        raise _refused(addon, f"Json schema validation failed with error: [{', '.join(problems)}]")


def _refused(addon: str, reason: str) -> Exception:
    return invalid_parameter(f"ConfigurationValue provided in request is not supported: {reason}", addonName=addon)


def _problems(schema: Schema, value: Json) -> list[str]:
    errors = sorted(Draft6Validator(schema).iter_errors(value), key=lambda error: list(map(str, error.absolute_path)))
    return [problem for error in errors for problem in _in_words_of_eks(error)]


def _in_words_of_eks(error: ValidationError) -> list[str]:
    where = error.json_path
    found: Any = error.instance
    schema: Any = error.schema
    wanted: Any = error.validator_value
    match error.validator:
        case "additionalProperties":
            unknown = [name for name in found if name not in schema["properties"]]
            text = "is not defined in the schema and the schema does not allow additional properties"
            return [f"{where}.{name}: {text}" for name in unknown]
        case "type":
            expected = [wanted] if isinstance(wanted, str) else wanted
            return [f"{where}: {_kind(found)} found, {' or '.join(expected)} expected"]
        case "enum":
            return [f"{where}: does not have a value in the enumeration {wanted}"]
        case "minimum":
            return [f"{where}: must have a minimum value of {wanted}"]
    return [f"{where}: {error.message}"]


def _kind(value: Json) -> str:
    kinds = ("object", "array", "string", "integer", "boolean", "number", "null")
    return next((kind for kind in kinds if Draft6Validator({}).is_type(value, kind)), type(value).__name__)
