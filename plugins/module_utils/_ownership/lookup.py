# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the tags of resources by kind and name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ansible_collections.dataplatform.fleet.plugins.module_utils._at_once import at_once
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.aliases import Client
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.calls import retried
from ansible_collections.dataplatform.fleet.plugins.module_utils._ownership.tags import UNFINISHED, tags_of

try:  # noqa: SIM105
    from botocore.exceptions import ClientError
except ImportError:
    pass  # AnsibleAWSModule says what is missing

# The kinds with a method in Lookup.
KINDS = (
    "eks_cluster",
    "eks_nodegroup",
    "eks_pod_identity_association",
    "iam_policy",
    "iam_role",
    "kms_key",
    "launch_template",
    "log_group",
    "s3_bucket",
    "ssm_parameter",
)
Tags = dict[str, str]
_ABSENT = frozenset(
    {
        "404",
        "InvalidLaunchTemplateName.NotFoundException",
        "NoSuchBucket",
        "NoSuchEntity",
        "NotFoundException",
        "ParameterNotFound",
        "ResourceNotFoundException",
    }
)


class Lookup:
    """One method per kind, ``_<kind>``, returns the tags of a resource by name, or None if it does not exist."""

    def __init__(self, client: Callable[[str], Client], identity: Mapping[str, str]) -> None:
        """``client`` creates the client of a service, ``identity`` has the caller's account and ARN."""
        self._client = client
        self._account = identity["Account"]
        self._partition = identity["Arn"].split(":")[1]

    def all(self, wanted: Mapping[str, list[str]]) -> dict[tuple[str, str], Tags]:
        """Return the tags of the resources that exist, by kind and name, with concurrent calls."""
        keys = [(kind, name) for kind, names in wanted.items() for name in dict.fromkeys(names) if name]
        # Clients are created in one thread: boto3's sessions are not thread-safe, its clients are.
        readers = {kind: getattr(self, f"_{kind}")() for kind, _name in keys}
        found = at_once(lambda key: _present(readers[key[0]], key[1]), keys)
        return {key: tags for key, tags in zip(keys, found, strict=True) if tags is not None}

    def _eks_cluster(self) -> Callable[[str], Tags]:
        eks = self._client("eks")
        return lambda name: dict(eks.describe_cluster(name=name)["cluster"].get("tags") or {})

    def _eks_nodegroup(self) -> Callable[[str], Tags]:
        eks = self._client("eks")

        def read(name: str) -> Tags:
            cluster, _slash, nodegroup = name.partition("/")
            found = eks.describe_nodegroup(clusterName=cluster, nodegroupName=nodegroup)
            return dict(found["nodegroup"].get("tags") or {})

        return read

    def _eks_pod_identity_association(self) -> Callable[[str], Tags | None]:
        eks = self._client("eks")

        def read(name: str) -> Tags | None:
            cluster, namespace, account = name.split("/")
            asked = {"clusterName": cluster, "namespace": namespace, "serviceAccount": account}
            for one in eks.list_pod_identity_associations(**asked)["associations"]:
                found = eks.describe_pod_identity_association(clusterName=cluster, associationId=one["associationId"])
                return dict(found["association"].get("tags") or {})
            return None

        return read

    def _iam_role(self) -> Callable[[str], Tags]:
        iam = self._client("iam")
        return lambda name: tags_of(iam.get_role(RoleName=name)["Role"])

    def _iam_policy(self) -> Callable[[str], Tags]:
        iam, place = self._client("iam"), f"arn:{self._partition}:iam::{self._account}:policy"
        return lambda name: tags_of(iam.get_policy(PolicyArn=f"{place}/{name}")["Policy"])

    def _kms_key(self) -> Callable[[str], Tags]:
        kms = self._client("kms")

        def read(name: str) -> Tags:
            # Keys have tags, aliases do not.
            key = kms.describe_key(KeyId=name)["KeyMetadata"]["KeyId"]
            found = kms.list_resource_tags(KeyId=key)["Tags"]
            return {tag["TagKey"]: tag["TagValue"] for tag in found}

        return read

    def _launch_template(self) -> Callable[[str], Tags]:
        ec2 = self._client("ec2")
        return lambda name: tags_of(ec2.describe_launch_templates(LaunchTemplateNames=[name])["LaunchTemplates"][0])

    def _log_group(self) -> Callable[[str], Tags]:
        logs = self._client("logs")
        place = f"arn:{self._partition}:logs:{logs.meta.region_name}:{self._account}:log-group"
        return lambda name: dict(logs.list_tags_for_resource(resourceArn=f"{place}:{name}")["tags"])

    def _s3_bucket(self) -> Callable[[str], Tags]:
        s3 = self._client("s3")
        return lambda name: _bucket_tags(s3, name)

    def _ssm_parameter(self) -> Callable[[str], Tags]:
        ssm = self._client("ssm")

        def read(name: str) -> Tags:
            ssm.get_parameter(Name=name)
            return tags_of({"Tags": ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=name)["TagList"]})

        return read


def bucket_tags(s3: Client, name: str) -> Tags | None:
    """Return the tags of a bucket, or None if it does not exist."""
    return _present(lambda bucket: _bucket_tags(s3, bucket), name)


def _bucket_tags(s3: Client, name: str) -> Tags:
    s3.head_bucket(Bucket=name)
    try:
        return tags_of({"Tags": s3.get_bucket_tagging(Bucket=name)["TagSet"]})
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchTagSet":
            raise
    # A bucket gets its tags in a second call.
    listed = s3.list_object_versions(Bucket=name, MaxKeys=1)
    return {} if listed.get("Versions") or listed.get("DeleteMarkers") else dict(UNFINISHED)


def _present(read: Callable[[str], Tags | None], name: str) -> Tags | None:
    try:
        found: Tags | None = retried(read)(name)
    except ClientError as error:
        if error.response["Error"]["Code"] in _ABSENT:
            return None
        raise
    return found
