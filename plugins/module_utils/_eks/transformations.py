# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Convert between a module's options, a flat canonical state, and the API's documents. Pure functions.

In a *state* nested options have dotted names, and whatever EKS treats as a set is a sorted list, so that equal means
equal. Options that were not given are not in the wanted state.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from ansible.module_utils.common.dict_transformations import camel_dict_to_snake_dict

from .._aws.aliases import Document, State, Value
from .._aws.errors import AwsError
from .._texts import text

_EFFECTS = {
    "noschedule": "NO_SCHEDULE",
    "noexecute": "NO_EXECUTE",
    "prefernoschedule": "PREFER_NO_SCHEDULE",
}
# Keys below these fields are the user's data and stay unchanged.
_VERBATIM = ("tags", "labels", "additionalInfo")


def snake(name: str) -> str:
    """``kubeApiServerConfig`` -> ``kube_api_server_config``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def camel(name: str) -> str:
    """``kube_api_server_config`` -> ``kubeApiServerConfig``."""
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def flatten(prefix: str, options: Mapping[str, Any] | None) -> State:
    """Return nested options as dotted leaves, without None; lists are leaves."""
    state: State = {}
    for key, value in (options or {}).items():
        name = f"{prefix}.{snake(key)}"
        if isinstance(value, Mapping):
            state.update(flatten(name, value))
        elif value is not None:
            state[name] = [_snake_keys(v) for v in value] if isinstance(value, list) else value
    return state


def unflatten(state: State, prefix: str) -> Document:
    """Return the API's document from the leaves below *prefix*; the reverse of flatten."""
    document: Document = {}
    for name, value in state.items():
        if not name.startswith(f"{prefix}.") or value is None:
            continue
        *parents, leaf = [camel(part) for part in name.removeprefix(f"{prefix}.").split(".")]
        node = document
        for parent in parents:
            node = node.setdefault(parent, {})
        node[leaf] = [_camel_keys(v) for v in value] if isinstance(value, list) else value
    return document


def names(values: Iterable[str] | None) -> list[str]:
    """A set of names, canonically."""
    return sorted(set(values or []))


def networks(values: Iterable[str], option: str) -> list[str]:
    """CIDR blocks, canonically (``10.0.0.1`` is ``10.0.0.1/32``). Raises AwsError for an invalid block."""
    found = set()
    for value in values:
        try:
            found.add(str(ipaddress.ip_network(value, strict=False)))
        except ValueError as error:
            raise AwsError(f"{option}: {value!r} is not a CIDR block: {error}.") from error
    return sorted(found)


def minor(version: str) -> tuple[int, int]:
    """``1.36`` -> (1, 36). Raises AwsError for anything else."""
    match = re.fullmatch(r"(\d+)\.(\d+)", version.strip())
    if not match:
        raise AwsError(f"version: {version!r} is not a Kubernetes minor version such as '1.36' (quote it in YAML).")
    return int(match[1]), int(match[2])


def version_key(version: str) -> tuple[Any, ...]:
    """Sorts add-on and AMI versions: ``v1.20.0-eksbuild.10`` after ``v1.20.0-eksbuild.9``."""
    parts = re.findall(r"\d+|[A-Za-z]+", version.removeprefix("v"))
    return tuple((1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts)


def taints(values: Sequence[Mapping[str, Any]] | None) -> list[dict[str, str]]:
    """Taints, canonically: EKS' effect names, no empty values, sorted. Raises AwsError for an unknown effect."""
    found = {}
    for taint in values or []:
        effect = str(taint.get("effect") or "")
        known = _EFFECTS.get(effect.replace("_", "").lower())
        if known is None:
            raise AwsError(
                f"taints: the effect of {taint.get('key')!r} is {effect!r}; EKS has NO_SCHEDULE, NO_EXECUTE and "
                f"PREFER_NO_SCHEDULE (NoSchedule, NoExecute, PreferNoSchedule)."
            )
        found[(str(taint["key"]), known)] = {
            "key": str(taint["key"]),
            "value": text(taint.get("value")),
            "effect": known,
        }
    return [found[key] for key in sorted(found)]


def configuration(values: str | None) -> Value:
    """An add-on's configurationValues (JSON or YAML, as EKS takes both) as data; nothing is an empty dict."""
    if not values or not values.strip():
        return {}
    try:
        return json.loads(values)
    except ValueError:
        pass
    try:
        import yaml  # noqa: PLC0415 - only for values that someone wrote as YAML

        return yaml.safe_load(values) or {}
    except Exception:
        # Invalid text differs from any wanted value, so it is replaced.
        return values


def canonical_json(value: Value) -> str:
    """Return JSON that is equal for equal data."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def policy_arn(policy: str, principal_arn: str) -> str:
    """A cluster access policy's ARN from its ARN or short name, in the partition of *principal_arn*."""
    if policy.startswith("arn:"):
        return policy
    partition = principal_arn.split(":")[1] if principal_arn.startswith("arn:") else "aws"
    return f"arn:{partition}:eks::aws:cluster-access-policy/{policy}"


def result(document: Document | None) -> dict[str, Value]:
    """An API document as a module returns it: snake_case, times as ISO 8601, tags and labels verbatim."""
    if not document:
        return {}
    plain = _plain(document)
    converted: dict[str, Value] = camel_dict_to_snake_dict(plain, ignore_list=list(_VERBATIM))
    return converted


def _plain(value: Value) -> Value:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _snake_keys(value: Value) -> Value:
    return {snake(k): v for k, v in value.items() if v is not None} if isinstance(value, Mapping) else value


def _camel_keys(value: Value) -> Value:
    return {camel(k): v for k, v in value.items()} if isinstance(value, Mapping) else value
