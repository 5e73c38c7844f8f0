# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's alarms, with their fixtures and runbook pages.

Definitions are in ``plugins/plugin_utils/_alarms/definitions``, fixtures in ``fixtures``, pages in ``docs/runbooks``.
"""

from __future__ import annotations

from ansible_collections.dataplatform.fleet.plugins.plugin_utils._alarms.built_in import built_in
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._alarms.model import Alarm, Severity, Topic, Where

__all__ = ["ALARMS", "TOPICS", "Alarm", "Severity", "Topic", "Where", "alarm_of"]

TOPICS: tuple[Topic, ...] = built_in()
ALARMS: tuple[Alarm, ...] = tuple(alarm for topic in TOPICS for alarm in topic.alarms)


def alarm_of(name: str) -> Alarm:
    """Return the alarm with this name."""
    (found,) = (alarm for alarm in ALARMS if alarm.name == name)
    return found
