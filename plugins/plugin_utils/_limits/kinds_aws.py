# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kinds of values that AWS takes, by name."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

from ansible_collections.dataplatform.fleet.plugins.plugin_utils._limits.kind import Kind, Value, network


def _vpc(value: Value) -> bool:
    return network(value) and ":" not in value and 16 <= ipaddress.ip_network(value).prefixlen <= 28


_ARN = r"arn:aws[a-z-]*"

KINDS: Mapping[str, Kind] = {
    "vpc_cidr": Kind(
        "an IPv4 network of /16 to /28 such as 10.42.0.0/16",
        "https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html",
        "[0-9.]+/[0-9]{2}",
        18,
        _vpc,
    ),
    "region": Kind(
        "a region such as eu-central-1",
        "https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html",
        "[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}",
        32,
    ),
    "zone": Kind(
        "an availability zone such as eu-central-1a",
        "https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-availability-zones.html",
        "[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}([a-z]|(-[a-z0-9]+)*(-[0-9]{1,2}[a-z]|-wlz-[0-9]{1,2}))",
        48,
    ),
    "account_id": Kind(
        "the 12 digits of an AWS account, in quotes",
        "https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-identifiers.html",
        "[0-9]{12}",
        12,
        lambda value: isinstance(value, str),
    ),
    "aws_profile": Kind(
        "the name of a profile of the AWS configuration",
        "https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-files.html",
        r"[^\r\n\[\]]+",
        128,
    ),
    "role_arn": Kind(
        "the ARN of an IAM role such as arn:aws:iam::111122223333:role/platform",
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html",
        rf"{_ARN}:iam::[0-9]{{12}}:role/[\w+=,.@/-]{{1,576}}",
    ),
    "principal_arn": Kind(
        "the ARN of an IAM role or user such as arn:aws:iam::111122223333:role/team-a",
        "https://docs.aws.amazon.com/eks/latest/userguide/creating-access-entries.html",
        rf"{_ARN}:iam::[0-9]{{12}}:(role|user)/[\w+=,.@/-]{{1,576}}",
    ),
    "certificate_arn": Kind(
        "the ARN of a certificate of ACM or IAM",
        "https://docs.aws.amazon.com/acm/latest/userguide/authen-apipermissions.html",
        rf"{_ARN}:(acm:[a-z0-9-]+:[0-9]{{12}}:certificate/[\w-]+|iam::[0-9]{{12}}:server-certificate/[\w+=,.@/-]+)",
    ),
    "kms_key_arn": Kind(
        "the ARN of a KMS key",
        "https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#key-id-key-ARN",
        rf"{_ARN}:kms:[a-z0-9-]+:[0-9]{{12}}:(key/[\w-]+|alias/[\w/-]+)",
    ),
    "kms_alias": Kind(
        "alias/ and up to 250 letters, digits, '/', '_' and '-', not beginning with aws/",
        "https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateAlias.html",
        "alias/(?!aws/)[a-zA-Z0-9/_-]+",
        256,
    ),
    "cluster_name": Kind(
        "a name of a cluster: 1 to 100 letters, digits, '-' and '_', the first a letter or digit",
        "https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateCluster.html",
        "[0-9A-Za-z][A-Za-z0-9_-]*",
        100,
    ),
    "nodegroup_name": Kind(
        "a name of a node group: 1 to 63 letters, digits, '-' and '_', the first a letter or digit",
        "https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateNodegroup.html",
        "[0-9A-Za-z][A-Za-z0-9_-]*",
        63,
    ),
    "instance_type": Kind(
        "an instance type such as m7i.large",
        "https://docs.aws.amazon.com/ec2/latest/instancetypes/instance-type-names.html",
        r"[a-z0-9-]+\.[a-z0-9-]+",
        48,
    ),
    "aws_name": Kind(
        "a Name tag of up to 256 characters",
        "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html#tag-restrictions",
        r"[\w .:/=+@-]+",
        256,
    ),
    "tag_key": Kind(
        "the key of a tag: 1 to 128 letters, digits, spaces and _.:/=+-@, not beginning with aws:",
        "https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html#tag-conventions",
        r"(?![aA][wW][sS]:)[\w .:/=+@-]+",
        128,
        text=True,
    ),
    "tag_value": Kind(
        "a tag's value: up to 256 letters, digits, spaces and _.:/=+-@",
        "https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html#tag-conventions",
        r"[\w .:/=+@-]*",
        256,
        text=True,
    ),
    "vpc_endpoint": Kind(
        "the short name of an AWS service such as s3 or ecr",
        "https://docs.aws.amazon.com/vpc/latest/privatelink/aws-services-privatelink-support.html",
        "[a-z0-9]+([.-][a-z0-9]+)*",
        64,
    ),
    "bucket": Kind(
        "a name of a bucket: 3 to 63 lower-case letters, digits and '-', no dots (TLS), not begun or ended as S3's own",
        "https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html",
        r"(?!xn--|sthree-|amzn-s3-demo-)(?!.*(-s3alias|--ol-s3|--x-s3|--table-s3)$)[a-z0-9][a-z0-9-]*[a-z0-9]",
        63,
        lambda value: len(str(value)) >= 3,
    ),
    "secret_path": Kind(
        "<member>/<document>/<key>, where it is in Secrets Manager below the fleet's name",
        "https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html",
        r"[A-Za-z0-9_+=.@-]+(/[A-Za-z0-9_+=.@-]+){2,}",
        512,
    ),
    "tls_policy": Kind(
        "the name of a security policy such as ELBSecurityPolicy-TLS13-1-2-2021-06",
        "https://docs.aws.amazon.com/elasticloadbalancing/latest/network/describe-ssl-policies.html",
        r"ELBSecurityPolicy-[\w-]+",
    ),
}
