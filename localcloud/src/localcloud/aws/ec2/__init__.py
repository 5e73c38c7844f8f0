# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of EC2 for VPCs and launch templates that ministack lacks."""

from __future__ import annotations

from localcloud.aws.ec2 import dependencies, endpoints, filters, flowlogs, gateways, launchtemplates, peering
from localcloud.aws.settings import EmulatorSettings


def install(settings: EmulatorSettings) -> None:
    gateways.install(settings)
    endpoints.install()
    flowlogs.install()
    dependencies.install()
    filters.install()
    peering.install()
    launchtemplates.install()
