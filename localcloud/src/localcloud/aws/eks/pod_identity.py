# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pod identity associations of users and of add-ons."""

from __future__ import annotations

import secrets
from typing import Any

from localcloud.aws import clock, iam, store
from localcloud.aws.eks import lookup
from localcloud.aws.eks.call import Call, Handlers, page
from localcloud.aws.errors import in_use, invalid_parameter, invalid_request, not_found
from localcloud.aws.jsontypes import Json
from localcloud.aws.settings import EmulatorSettings

_PRINCIPAL = "pods.eks.amazonaws.com"


def check_role(role_arn: str, cluster: str, settings: EmulatorSettings) -> None:
    """Raise InvalidParameterException unless EKS Pod Identity can assume the role."""
    if store.role(role_arn) is None:
        raise invalid_parameter(f"Role provided in the request does not exist: {role_arn}", clusterName=cluster)
    actions = ("sts:AssumeRole", "sts:TagSession")
    if not iam.assumable(role_arn, _PRINCIPAL, settings.consistency_delay, actions):
        raise invalid_parameter(
            "Trust policy of the role provided is invalid. Follow the official documentation to resolve the issue",
            clusterName=cluster,
        )


def check_free(cluster: str, namespace: str, service_account: str) -> None:
    for other in store.pod_identities(cluster):
        if (other["namespace"], other["serviceAccount"]) == (namespace, service_account):
            raise in_use(f"Association already exists: {other['associationId']}", clusterName=cluster)


def put(
    cluster: str, namespace: str, service_account: str, role_arn: str, settings: EmulatorSettings, **members: Json
) -> store.Record:
    association_id = f"a-{secrets.token_hex(9)[:17]}"
    record: store.Record = {
        "clusterName": cluster,
        "namespace": namespace,
        "serviceAccount": service_account,
        "roleArn": role_arn,
        "associationArn": store.arn("podidentityassociation", cluster, association_id),
        "associationId": association_id,
        "tags": {},
        "createdAt": clock.now(),
        "modifiedAt": clock.now(),
        "disableSessionTags": False,
        "_effective_at": clock.now() + settings.consistency_delay,
        **members,
    }
    store.pod_identities_all[f"{cluster}\x00{association_id}"] = record
    return record


def remove(record: store.Record) -> None:
    store.pod_identities_all.pop(f"{record['clusterName']}\x00{record['associationId']}", None)
    store.tags.pop(record["associationArn"], None)


def _require(call: Call) -> store.Record:
    lookup.cluster(call["clusterName"])
    record = store.pod_identities_all.get(f"{call['clusterName']}\x00{call['associationId']}")
    if record is None:
        raise not_found(f"Association not found: {call['associationId']}", clusterName=call["clusterName"])
    return record


def _require_own(call: Call) -> store.Record:
    record = _require(call)
    if record.get("ownerArn"):
        raise invalid_request(
            f"Association {call['associationId']} is owned by {record['ownerArn']} and must be changed through it.",
            clusterName=call["clusterName"],
        )
    return record


def _create(call: Call) -> dict[str, Any]:
    cluster = call["clusterName"]
    lookup.cluster(cluster, active=True)
    check_role(call["roleArn"], cluster, call.settings)
    check_free(cluster, call["namespace"], call["serviceAccount"])
    record = put(
        cluster,
        call["namespace"],
        call["serviceAccount"],
        call["roleArn"],
        call.settings,
        disableSessionTags=call.get("disableSessionTags", False),
    )
    _set_target(record, call)
    store.set_tags(record["associationArn"], record, call.get("tags", {}))
    return {"association": store.public(record)}


def _set_target(record: store.Record, call: Call) -> None:
    if call.get("targetRoleArn") is not None:
        record["targetRoleArn"] = call["targetRoleArn"]
        record.setdefault("externalId", store.new_uuid())
    if call.get("policy") is not None:
        record["policy"] = call["policy"]


def _describe(call: Call) -> dict[str, Any]:
    return {"association": store.public(_require(call))}


def _list(call: Call) -> dict[str, Any]:
    lookup.cluster(call["clusterName"])
    found = [
        {key: record[key] for key in _SUMMARY if record.get(key)}
        for record in store.pod_identities(call["clusterName"])
        if call.get("namespace") in (None, record["namespace"])
        and call.get("serviceAccount") in (None, record["serviceAccount"])
    ]
    return page(call, "associations", found)


_SUMMARY = ("clusterName", "namespace", "serviceAccount", "associationArn", "associationId", "ownerArn")


def _update(call: Call) -> dict[str, Any]:
    record = _require_own(call)
    if call.get("roleArn") is not None:
        check_role(call["roleArn"], call["clusterName"], call.settings)
        record["roleArn"] = call["roleArn"]
        record["_effective_at"] = clock.now() + call.settings.consistency_delay
    if call.get("disableSessionTags") is not None:
        record["disableSessionTags"] = call["disableSessionTags"]
    _set_target(record, call)
    record["modifiedAt"] = clock.now()
    return {"association": store.public(record)}


def _delete(call: Call) -> dict[str, Any]:
    record = _require_own(call)
    remove(record)
    return {"association": store.public(record)}


HANDLERS: Handlers = {
    "CreatePodIdentityAssociation": _create,
    "DeletePodIdentityAssociation": _delete,
    "DescribePodIdentityAssociation": _describe,
    "ListPodIdentityAssociations": _list,
    "UpdatePodIdentityAssociation": _update,
}
