# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Convert the options of the role kafka to Kafka's settings and objects. See plugin_utils/_kafka."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible_collections.dataplatform.fleet.plugins.plugin_utils._kafka import plan


def kafka_plan(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the quorum, the nodes' settings, the topics and their faults, and Kafka's addresses."""
    return plan.plan(options)


def kafka_acls(users: Iterable[str], logstash_group: str) -> str:
    """Return the ACLs of the users in the reconciler's format."""
    return plan.acls(users, logstash_group)


def kafka_credentials(members: Iterable[str]) -> list[str]:
    """Return where the usernames of members are stored."""
    return [f"{path}username" for path in plan.credentials(members)]


def kafka_passwords(usernames: Iterable[str], members: Iterable[str]) -> dict[str, str]:
    """Return where each user's password is stored."""
    return plan.passwords(usernames, list(members))


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "kafka_acls": kafka_acls,
            "kafka_credentials": kafka_credentials,
            "kafka_passwords": kafka_passwords,
            "kafka_plan": kafka_plan,
        }
