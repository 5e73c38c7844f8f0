# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Definitions of the Grafana dashboards. ``python -m observability.dashboards`` writes them to the role grafana."""

from __future__ import annotations

from observability.dashboards import agents, cluster, controlplane, fleet, kubernetes, logs

DASHBOARDS = (
    *fleet.DASHBOARDS,
    *cluster.DASHBOARDS,
    *kubernetes.DASHBOARDS,
    *agents.DASHBOARDS,
    *controlplane.DASHBOARDS,
    *logs.DASHBOARDS,
)
