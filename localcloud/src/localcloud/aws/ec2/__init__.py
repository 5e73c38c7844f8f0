# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""EC2's rules around a VPC and around launch templates that ministack leaves out."""

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
