# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The only module that imports ministack, which has no public Python interface.

ministack reads its settings from the environment when it is imported: set them before this module is imported.
``tests/unit/aws/test_ministack.py`` reports names that a version of ministack lacks.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from ministack import app
from ministack.core import concurrency, iam_actions, iam_evaluator, responses, router
from ministack.services import alb, cloudwatch_logs, ec2, eks, iam, kms, route53, s3, ssm

from localcloud.aws.errors import Response

Record = dict[str, Any]
Store = MutableMapping[str, Record]
"""Records by key, of the request's account and, for regional services, of its region."""
Params = dict[str, list[str]]
Action = Callable[[Params], Response]
ServiceHandler = Callable[[str, str, dict[str, str], bytes, dict[str, list[str]]], Awaitable[Response]]


@dataclass(frozen=True)
class Hook[F: Callable[..., Any]]:
    """A function of ministack that can be replaced, because ministack looks it up by name for each call."""

    module: ModuleType
    name: str

    def wrap(self, make: Callable[[F], F]) -> None:
        """Replace the function by the result of ``make``."""
        setattr(self.module, self.name, make(getattr(self.module, self.name)))


# -- requests

application: Any = app.app
"""ministack's ASGI application."""
account_id: Callable[[], str] = responses.get_account_id
region: Callable[[], str] = responses.get_region
request_scope: Callable[[str, str], AbstractContextManager[None]] = responses.request_scope
"""``request_scope(account, region)``: a context manager that sets account and region."""
set_account: Callable[[str], None] = responses.set_request_account_id
run_reentrant: Callable[..., Awaitable[Any]] = concurrency.run_reentrant
"""Run a function in a thread, so that it can send requests."""


def principal(headers: dict[str, str], query: dict[str, list[str]]) -> str | None:
    """Return the ARN of the role or user that signed a request."""
    identity = iam_evaluator.resolve_caller_identity(router.extract_access_key_id(headers, query))
    arn: str | None = identity["userArn"] if identity else None
    return eks._role_arn_from_assumed_role(arn) or arn


def account_of(access_key: str) -> str:
    """Return the account of a user's or session's access key; empty if it is unknown."""
    return (
        iam_evaluator.find_iam_access_key_account(access_key) or responses._account_from_sts_session(access_key) or ""
    )


def principal_arn(access_key: str, account: str) -> str:
    return str(getattr(iam_evaluator.resolve_credential(access_key, account), "principal_arn", ""))


def all_accounts(store: Any) -> list[tuple[tuple[str, Any], Any]]:  # noqa: ANN401 - ministack is untyped
    """List ``((account, key), record)`` of a store without regions, for all accounts."""
    return list(store._data.items())


# -- EKS

clusters: Store = eks._clusters
nodegroups: Store = eks._nodegroups
addons: Store = eks._addons
access_entries: Store = eks._access_entries
access_policies: Store = eks._access_policies
pod_identities: Store = eks._pod_identity_associations
identity_providers: Store = eks._idp_configs
eks_tags: MutableMapping[str, dict[str, str]] = eks._tags
eks_requests: Hook[ServiceHandler] = Hook(eks, "handle_request")
access_entry: Hook[Callable[[str, str, str, str], Record | None]] = Hook(eks, "_access_entry_for_principal")
"""``(cluster, account, region, principal)``: the authentication webhook's result for a caller."""
identity_providers_changed: Hook[Callable[..., None]] = Hook(eks, "_restart_k3s")
"""``(cluster, oidc_args, idp_cfg_refs)``: called with the new arguments of k3s and the records that become ACTIVE."""
access_policy_rules: MutableMapping[str, list[Record]] = eks._ACCESS_POLICY_RULES
access_policy_objects: Callable[..., list[Record]] = eks._access_policy_rbac_objects
"""``(cluster, account, region, namespaces)``: a cluster's access policies as RBAC objects."""
has_namespace_policy: Callable[[str, str, str], bool] = eks._has_namespace_access_policy
"""``(cluster, account, region)``: whether a policy is limited to namespaces."""
ROLE_LABEL: str = eks._ACCESS_POLICY_MANAGED_LABEL
BINDING_LABEL: str = eks._ACCESS_POLICY_BINDING_LABEL
API_SERVER_ARGUMENT = "--kube-apiserver-arg="


def new_issuer() -> str:
    """Return the URL of a new OIDC issuer, which ministack serves."""
    return str(eks._issuer_url(eks._new_oidc_id()))


def oidc_arguments(cluster: str) -> list[str]:
    """Return k3s' arguments for the identity providers of a cluster of the request's account."""
    arguments: list[str] = eks._collect_oidc_state(cluster)[0]
    return arguments


# -- EC2 and load balancers

vpcs: Store = ec2._vpcs
subnets: Store = ec2._subnets
security_groups: Store = ec2._security_groups
network_interfaces: Store = ec2._network_interfaces
network_acls: Store = ec2._network_acls
launch_templates: Store = ec2._launch_templates
internet_gateways: Store = ec2._internet_gateways
nat_gateways: Store = ec2._nat_gateways
addresses: Store = ec2._addresses
instances: Store = ec2._instances
route_tables: Store = ec2._route_tables
vpc_endpoints: Store = ec2._vpc_endpoints
vpc_peerings: Store = ec2._vpc_peering
flow_logs: Store = ec2._flow_logs
volumes: Store = ec2._volumes
ec2_tags: MutableMapping[str, list[dict[str, str]]] = ec2._tags
ec2_actions: MutableMapping[str, Action] = ec2._ACTION_MAP
"""The handlers of all actions; they can be replaced."""
ec2_error: Callable[[str, str, int], Response] = ec2._error
ec2_escape: Callable[[str], str] = ec2._esc
ec2_xml: Callable[[int, str, str], Response] = ec2._xml
ec2_parameter: Callable[[Params, str, str], str] = ec2._p
ec2_members: Callable[[Params, str], list[str]] = ec2._parse_member_list
ec2_filters: Callable[[Params], dict[str, list[str]]] = ec2._parse_filters
ec2_matches_tags: Callable[[str, dict[str, list[str]]], bool] = ec2._resource_matches_tag_filters
ec2_remember_tags: Callable[[Params, str, str], None] = ec2._parse_tag_specs
ec2_tag_set: Callable[[str], str] = ec2._tag_set_xml
ec2_now: Callable[[], str] = ec2._now_ts
prefix_list_id: Callable[[str], str] = ec2._aws_pl_id_from_name
launch_template_version: Callable[[Record], str] = ec2._lt_version_xml

load_balancers: Store = alb._lbs
load_balancer_tags: MutableMapping[str, list[dict[str, str]]] = alb._tags
load_balancer_attributes: MutableMapping[str, list[dict[str, str]]] = alb._lb_attrs

# -- IAM, KMS, logs, Systems Manager

roles: Store = iam._roles
users: Store = iam._users
policies: Store = iam._policies
aws_policies: Store = iam._aws_managed_policies
access_keys: Store = iam._access_keys
iam_handlers: MutableMapping[str, Callable[[Params], Response]] = iam._IAM_HANDLERS
"""The handlers of all actions; they can be replaced."""
iam_parameter: Callable[[Params, str], str] = iam._p
create_user: Callable[[Params], Response] = iam._create_user
put_user_policy: Callable[[Params], Response] = iam._put_user_policy
aws_policy: Callable[[str, str], Record] = iam._make_aws_managed_record
"""``(name, document)``: the record of a policy that AWS manages."""


def iam_error(status: int, code: str, message: str) -> Response:
    answer: Response = iam._error(status, code, message, ns="iam")
    return answer


kms_keys: Store = kms._keys
log_groups: Store = cloudwatch_logs._log_groups
create_log_group: Callable[[Record], Response] = cloudwatch_logs._create_log_group
public_parameters: MutableMapping[str, str] = ssm._PUBLIC_AMI_PARAMETERS

# -- Route 53

zones: Store = route53._zones
records: MutableMapping[str, list[Record]] = route53._records
route53_requests: Hook[ServiceHandler] = Hook(route53, "handle_request")
change_records: Hook[Callable[[str, bytes], Response]] = Hook(route53, "_change_resource_record_sets")

# -- S3

buckets: Store = s3._buckets
object_versions: MutableMapping[tuple[str, str], list[Record]] = s3._object_versions
put_lifecycle: Hook[Callable[[str, bytes], Response]] = Hook(s3, "_put_bucket_lifecycle")
delete_objects: Hook[Callable[..., Response]] = Hook(s3, "_delete_objects")
list_versions: Hook[Callable[[str, Record], Response]] = Hook(s3, "_list_object_versions")
s3_checks: Hook[Callable[..., list[tuple[str, str]]]] = Hook(iam_actions, "s3_additional_checks")
"""The permissions, as ``(action, resource)``, that a request needs in addition to that of its action."""
s3_error: Callable[[str, str, int], Response] = s3._error
s3_escape: Callable[[str], str] = s3._esc
s3_parameter: Callable[[Record, str, str], str] = s3._qp
MALFORMED_XML: str = s3._MALFORMED_XML


def s3_refused(action: str, headers: Any, resource: str) -> bool:  # noqa: ANN401 - ministack is untyped
    """Whether the caller lacks permission for an action on an object."""
    return bool(app._enforce_data_plane("s3", action, headers, {}, "", resource_arn=resource))
