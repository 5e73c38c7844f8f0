# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the options of roles take: their types, and rules. Options of many roles have theirs by their ends, below.

A role's own are in its ``meta/limits.yml``, by option.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible.yaml_files import load
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._limits.rules import (
    UNSHOWN,
    Rule,
    faults,
    masked,
    typed,
    vaulted,
)

Value = Any  # whatever a YAML file holds
_USED = ("type", "elements", "choices", "options", "required")
# The first that fits the whole name behind the role's counts.
BY_END: Mapping[str, Rule] = {
    "cluster": "cluster_name",
    "namespace|.*_namespace|.*_namespaces": "dns_label",
    "member": "member",
    "(.*_)?image_mirror": "registry",
    "(.*_)?image": "repository",
    "(.*_)?version": "image_tag",
    "(.*_)?image_digest": "image_digest?",
    "image_pull_secrets": "dns_subdomain",
    "(.*_)?resources": "resources",
    "(.*_)?node_selector": "labels",
    "(.*_)?tolerations": "tolerations",
    "(.*_)?priority_class": "dns_subdomain",
    "(.*_)?storage_class": "dns_subdomain?",
    "(.*_)?storage_size": "volume",
    "(.*_)?cidrs": "cidr",
    "(.*_)?timeout": "1 .. 86400",
    "region": "region",
    "(.*_)?tags": "tags",
    "confirm": "text",
    "replicas": "1 .. 1000",
    "message_max_bytes": "65536 .. 1073741824",
    "reconcile_schedule": "cron",
    "(.*_)?(password|private_key|secret_key|encryption_key|checksum_key|token)": "lines",
    "(.*_)?(certificate|ca|issuer)": "lines",
    "(.*_)?load_balancer_certificate_arn|tls_certificate_arn": "certificate_arn?",
    "connection|.*_connection|members|config": "anything",
}


@cache
def own_rules(role: Path) -> Mapping[str, Rule]:
    """Return the rules of ``meta/limits.yml`` of the role in the directory ``role``, by option; none without the file.

    Raises yaml.YAMLError where it cannot be read.
    """
    path = role / "meta" / "limits.yml"
    rules: Mapping[str, Rule] = load(path) if path.exists() else {}
    return rules


def rule_of(role: Path, name: str) -> Rule | None:
    """Return the rule of an option, or None where its type says all."""
    own = own_rules(role)
    if name in own:
        return own[name]
    end = name.removeprefix(f"{role.name}_")
    return next((rule for pattern, rule in BY_END.items() if re.fullmatch(pattern, end)), None)


def typed_parts(role: Path, name: str, value: Value) -> Value:
    """Return a dictionary or a list with numbers and booleans for text, wherever the option's rule takes only these."""
    rule = rule_of(role, name)
    return value if rule is None or not isinstance(value, Mapping | list) else typed(value, rule)


def refusals(role: Path, name: str, value: Value, specification: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each way in which ``value`` is not what the option takes.

    The value of an option that must not be logged, or that was in a vault, is in none of them.
    """
    secret = bool(specification.get("no_log"))
    rule = rule_of(role, name)
    found = faults(name, value, "anything" if rule is None else rule, secret=secret)
    if found:
        return found
    checked = ArgumentSpecValidator({name: _used(specification)}).validate({name: value})
    if (secret or vaulted(value)) and checked.error_messages:
        return [f"{name} is {UNSHOWN}: it takes the type {specification.get('type', 'str')}."]
    return [f"{name} is not what it takes: {masked(message)}." for message in checked.error_messages]


def _used(specification: Mapping[str, Any]) -> dict[str, Any]:
    """A role's specification as a module's, without what is only for readers."""
    used = {key: specification[key] for key in _USED if key in specification}
    if "options" in used:
        used["options"] = {key: _used(part) for key, part in used["options"].items()}
    return used
