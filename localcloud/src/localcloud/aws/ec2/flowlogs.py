# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Flow logs of VPCs, subnets and network interfaces."""

from __future__ import annotations

from localcloud.aws import ministack, store
from localcloud.aws.ec2.request import (
    Ec2Error,
    Params,
    element,
    filters,
    forget,
    matches_tags,
    members,
    remember_tags,
    replace,
    tag_set,
    text,
    xml,
)
from localcloud.aws.errors import Response

flow_logs = ministack.flow_logs
_KINDS = {"VPC": store.vpcs, "Subnet": store.subnets, "NetworkInterface": store.network_interfaces}
_FORMAT = (
    "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${packets} "
    "${bytes} ${start} ${end} ${action} ${log-status}"
)


def install() -> None:
    replace("CreateFlowLogs", _create)
    replace("DeleteFlowLogs", _delete)
    replace("DescribeFlowLogs", _describe)


def _create(params: Params) -> Response:
    kind, traffic = text(params, "ResourceType"), text(params, "TrafficType") or "ALL"
    destination_type = text(params, "LogDestinationType") or "cloud-watch-logs"
    group, destination = text(params, "LogGroupName"), text(params, "LogDestination")
    role_arn = text(params, "DeliverLogsPermissionArn")
    interval = text(params, "MaxAggregationInterval") or "600"
    if kind not in _KINDS:
        raise Ec2Error("InvalidParameterValue", f"Value ({kind}) for parameter resourceType is invalid.")
    if interval not in ("60", "600"):
        raise Ec2Error("InvalidParameter", f"MaxAggregationInterval {interval} is invalid, it must be 60 or 600.")
    if destination_type == "cloud-watch-logs":
        if not role_arn or not (group or destination):
            raise Ec2Error("InvalidParameter", "DeliverLogsPermissionArn and LogGroupName must be specified.")
        if store.role(role_arn) is None:
            raise Ec2Error("InvalidParameter", f"The role {role_arn} does not exist or cannot be assumed.")
        group = group or destination.split(":log-group:", 1)[-1].removesuffix(":*")
        destination = (
            destination or f"arn:aws:logs:{store.region()}:{store.account()}:log-group:{group}"
        ).removesuffix(":*")
    elif not destination:
        raise Ec2Error("InvalidParameter", "LogDestination must be specified.")
    created, failed = "", ""
    for resource_id in members(params, "ResourceId"):
        problem = _problem(resource_id, kind, traffic, destination)
        if problem:
            error = element("code", problem[0]) + element("message", problem[1])
            failed += f"<item><error>{error}</error>{element('resourceId', resource_id)}</item>"
            continue
        flow_log_id = store.new_id("fl")
        flow_logs[flow_log_id] = {
            "FlowLogId": flow_log_id,
            "ResourceId": resource_id,
            "ResourceType": kind,
            "TrafficType": traffic,
            "LogDestinationType": destination_type,
            "LogDestination": destination,
            "LogGroupName": group or None,
            "DeliverLogsPermissionArn": role_arn or None,
            "MaxAggregationInterval": interval,
            "LogFormat": text(params, "LogFormat") or _FORMAT,
            "CreationTime": ministack.ec2_now(),
        }
        remember_tags(params, "vpc-flow-log", flow_log_id)
        created += element("item", flow_log_id)
    return xml("CreateFlowLogs", f"<flowLogIdSet>{created}</flowLogIdSet><unsuccessful>{failed}</unsuccessful>")


def _problem(resource_id: str, kind: str, traffic: str, destination: str) -> tuple[str, str] | None:
    if resource_id not in _KINDS[kind]:
        return "InvalidParameter", f"The resource {resource_id} does not exist"
    for known in flow_logs.values():
        same = (known["ResourceId"], known["TrafficType"], known["LogDestination"])
        if same == (resource_id, traffic, destination):
            message = "There is an existing Flow Log with the same configuration and log destination. "
            return "FlowLogAlreadyExists", f"Error. {message}"
    return None


def _delete(params: Params) -> Response:
    failed = ""
    for flow_log_id in members(params, "FlowLogId"):
        if flow_log_id not in flow_logs:
            error = element("code", "InvalidFlowLogId.NotFound")
            error += element("message", f"The specified flow log ids do not exist: {flow_log_id}")
            failed += f"<item><error>{error}</error>{element('resourceId', flow_log_id)}</item>"
        forget(flow_logs, flow_log_id)
    return xml("DeleteFlowLogs", f"<unsuccessful>{failed}</unsuccessful>")


_FILTERS = (
    ("resource-id", "ResourceId"),
    ("flow-log-id", "FlowLogId"),
    ("traffic-type", "TrafficType"),
    ("log-destination-type", "LogDestinationType"),
    ("log-group-name", "LogGroupName"),
)


def _describe(params: Params) -> Response:
    wanted, ids = filters(params), members(params, "FlowLogId")
    shown = [
        _fields(record)
        for record in flow_logs.values()
        if (not ids or record["FlowLogId"] in ids)
        and matches_tags(record["FlowLogId"], wanted)
        and all(record[member] in wanted.get(name, [record[member]]) for name, member in _FILTERS)
    ]
    return xml("DescribeFlowLogs", f"<flowLogSet>{''.join(shown)}</flowLogSet>")


def _fields(record: store.Record) -> str:
    group = record["LogGroupName"]
    missing = group is not None and group not in ministack.log_groups
    names = (
        "FlowLogId",
        "ResourceId",
        "TrafficType",
        "LogDestinationType",
        "LogDestination",
        "LogGroupName",
        "DeliverLogsPermissionArn",
        "MaxAggregationInterval",
        "LogFormat",
        "CreationTime",
    )
    parts = [element(name[0].lower() + name[1:], record[name]) for name in names]
    parts += [
        element("flowLogStatus", "ACTIVE"),
        element("deliverLogsStatus", "FAILED" if missing else "SUCCESS"),
        element("deliverLogsErrorMessage", "Access error" if missing else None),
        tag_set(record["FlowLogId"]),
    ]
    return f"<item>{''.join(parts)}</item>"
