# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes to peering connections, which ministack creates but does not replace."""

from __future__ import annotations

from localcloud.aws import ministack
from localcloud.aws.ec2 import endpoints
from localcloud.aws.ec2.request import Handler, Params, replace, text
from localcloud.aws.errors import Response


def install() -> None:
    original: Handler = ministack.ec2_actions["ReplaceRoute"]
    replace("ReplaceRoute", lambda params: _replace_route(params, original))


def _replace_route(params: Params, original: Handler) -> Response:
    answer = original(params)
    connection = text(params, "VpcPeeringConnectionId")
    table = endpoints.route_tables.get(text(params, "RouteTableId"), {"Routes": []})
    for route in table["Routes"]:
        if route.get("DestinationCidrBlock") == text(params, "DestinationCidrBlock"):
            route.pop("VpcPeeringConnectionId", None)
            if connection:
                route.pop("GatewayId", None)
                route["VpcPeeringConnectionId"] = connection
    return answer
