# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's own alarms, as ``definitions/`` has them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ansible_collections.dataplatform.fleet.plugins.plugin_utils._alarms.model import AlarmError, Topic, alarm
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible.yaml_files import load

FOLDER = Path(__file__).parent / "definitions"
# In the order of the runbooks' index.
TOPICS = (
    "nodes",
    "workloads",
    "kubernetes",
    "ingress",
    "certificates",
    "telemetry",
    "kafka",
    "logstash",
    "elasticsearch",
    "fleet",
)


def topic(name: str, document: Mapping[str, Any]) -> Topic:
    """Return the topic of one file. Raises AlarmError."""
    if set(document) != {"title", "alarms"}:
        raise AlarmError([f"{name} has the keys {', '.join(document)}: they are title and alarms."])
    alarms = tuple(alarm(each, f"{name}, alarm {index}") for index, each in enumerate(document["alarms"], start=1))
    return Topic(name=name, title=document["title"], alarms=alarms)


@cache
def built_in() -> tuple[Topic, ...]:
    """Return the collection's alarms by topic, read once in a process."""
    return tuple(topic(name, load(FOLDER / f"{name}.yaml")) for name in TOPICS)
