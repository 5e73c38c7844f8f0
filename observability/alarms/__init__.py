# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The platform's alarms, and what is generated from them (`python -m observability.alarms`)."""

from __future__ import annotations

from observability.alarms import (
    certificates,
    elasticsearch,
    fleet,
    ingress,
    kafka,
    kubernetes,
    logstash,
    nodes,
    telemetry,
    workloads,
)
from observability.alarms.model import Alarm, Topic

TOPICS: tuple[Topic, ...] = (
    nodes.TOPIC,
    workloads.TOPIC,
    kubernetes.TOPIC,
    ingress.TOPIC,
    certificates.TOPIC,
    telemetry.TOPIC,
    kafka.TOPIC,
    logstash.TOPIC,
    elasticsearch.TOPIC,
    fleet.TOPIC,
)
ALARMS: tuple[Alarm, ...] = tuple(alarm for topic in TOPICS for alarm in topic.alarms)
