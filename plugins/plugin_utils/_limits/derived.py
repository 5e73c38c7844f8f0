# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names that the roles make out of a fleet's, a cluster's and a member's, and how long each may be. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.dataplatform.fleet.plugins.plugin_utils._limits.rules import shown

Value = Any  # whatever a YAML file holds
_IAM = "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html#reference_iam-quotas-entity-length"
_STS = "https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html"
_COMMON_NAME = "https://www.rfc-editor.org/rfc/rfc5280#appendix-A.1"
_LOGS = "https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html"
_ALIAS = "https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateAlias.html"


@dataclass(frozen=True)
class Name:
    """A name; its text has ``{member}`` or an option of a role in it, and is made in the file ``where``."""

    what: str
    text: str
    longest: int
    source: str
    where: str
    only: Mapping[str, Value] = field(default_factory=dict)  # where the member or its options have these values
    every: bool = False  # the controlplane's run makes one for every member


SNAPSHOTS = {"purpose": "controlplane", "elasticsearch_snapshots": True}
NAMES = (
    Name(
        "the name of the EKS cluster",
        "{eks_name}",
        100,
        "https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateCluster.html",
        "roles/eks/tasks/cluster.yml",
    ),
    Name("the IAM role of the Kubernetes control plane", "{eks_name}-cluster", 64, _IAM, "roles/eks/vars/main.yml"),
    Name("the IAM role of the nodes", "{eks_name}-node", 64, _IAM, "roles/eks/vars/main.yml"),
    Name("the IAM role of the EBS CSI driver", "{eks_name}-ebs-csi", 64, _IAM, "roles/eks/vars/main.yml"),
    Name("the alias of the cluster's key", "alias/{eks_name}-eks", 256, _ALIAS, "roles/eks/vars/main.yml"),
    Name(
        "the Kubernetes control plane's log group", "/aws/eks/{eks_name}/cluster", 512, _LOGS, "roles/eks/vars/main.yml"
    ),
    Name(
        "the IAM role of the Cluster Autoscaler",
        "{cluster_autoscaler_cluster}-cluster-autoscaler",
        64,
        _IAM,
        "roles/cluster_autoscaler/vars/main.yml",
        {"compute": "managed_nodegroups"},
    ),
    Name(
        "the IAM role of the flow logs",
        "{vpc_name}-flow-logs",
        64,
        _IAM,
        "roles/vpc/vars/main.yml",
        {"vpc_flow_logs": True},
    ),
    Name("the log group of the flow logs", "/aws/vpc/{vpc_name}/flow-logs", 512, _LOGS, "roles/vpc/vars/main.yml"),
    Name(
        "the IAM role of the snapshots",
        "{elasticsearch_cluster}-elasticsearch",
        64,
        _IAM,
        "roles/elasticsearch/vars/main.yml",
        SNAPSHOTS,
    ),
    Name(
        "the bucket of the snapshots",
        "{elasticsearch_cluster}-elasticsearch-111122223333",
        63,
        "https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html",
        "roles/elasticsearch/vars/main.yml",
        {**SNAPSHOTS, "elasticsearch_snapshot_bucket": ""},
    ),
    Name("the session of an assumed role", "{fleet_cluster}", 64, _STS, "playbooks/tasks/credentials.yml"),
    Name(
        "the session in which a peering is accepted",
        "{peering_fleet}-{peering_member}-peering",
        64,
        _STS,
        "roles/peering/tasks/workload.yml",
        {"purpose": "workload"},
    ),
    Name(
        "the common name of the issuer",
        "{pki_fleet} {member}",
        64,
        _COMMON_NAME,
        "roles/pki/tasks/fleet.yml",
        every=True,
    ),
    Name("the common name of the fleet's root", "{pki_fleet} root 2036", 64, _COMMON_NAME, "roles/pki/tasks/fleet.yml"),
    Name(
        "the table of the locks",
        "{fleet_name}-locks",
        255,
        "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html",
        "playbooks/tasks/lock.yml",
    ),
    Name(
        "the longest secret",
        "{pki_fleet}/{pki_member}/passwords",
        512,
        "https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html",
        "roles/pki/tasks/member.yml",
        every=True,
    ),
    Name(
        "the name of a broker",
        "kafka-1000.{pki_fleet}.internal",
        253,
        "https://www.rfc-editor.org/rfc/rfc1035#section-2.3.4",
        "roles/pki/vars/main.yml",
    ),
    Name(
        "the topic of the metrics",
        "metrics-{prometheus_member}",
        249,
        "https://github.com/apache/kafka/blob/4.0/clients/src/main/java/org/apache/kafka/common/internals/Topic.java",
        "roles/prometheus/defaults/main.yml",
    ),
)
# Where an inventory does not say otherwise. The first are what names are made of, the others whether one is made.
BY_DEFAULT: Mapping[str, Value] = {
    "cluster_autoscaler_cluster": "{fleet}-{member}",
    "eks_name": "{fleet}-{member}",
    "elasticsearch_cluster": "{fleet}-{member}",
    "fleet_cluster": "{fleet}-{member}",
    "fleet_name": "{fleet}",
    "peering_fleet": "{fleet}",
    "peering_member": "{member}",
    "pki_fleet": "{fleet}",
    "pki_member": "{member}",
    "prometheus_member": "{member}",
    "vpc_name": "{fleet}-{member}",
    "compute": "managed_nodegroups",
    "elasticsearch_snapshot_bucket": "",
    "elasticsearch_snapshots": True,
    "vpc_flow_logs": False,
}


def too_long(fleet: str, members: Mapping[str, Mapping[str, Value]], own: Mapping[str, Value], host: str) -> list[str]:
    """Return a sentence for each name that would be too long, of what ``host``'s run makes for it or for any member.

    ``own`` are the options that the inventory gives the host.
    """
    found = []
    for member in members:
        given = {name: own[name] for name in BY_DEFAULT if member == host and own.get(name) is not None}
        facts = {**BY_DEFAULT, **members[member], **given}
        for name in NAMES:
            if (member == host or name.every) and all(facts.get(key) == value for key, value in name.only.items()):
                text = _filled(_filled(name.text, facts), {"fleet": fleet, "member": member})
                if len(text) > name.longest:
                    found.append(_sentence(name, text, [key for key in given if f"{{{key}}}" in name.text], member))
    return list(dict.fromkeys(found))


def _filled(text: str, values: Mapping[str, Value]) -> str:
    return re.sub(r"{(\w+)}", lambda match: str(values.get(match[1], match[0])), text)


def _sentence(name: Name, text: str, options: list[str], member: str) -> str:
    parts = _filled(name.text, BY_DEFAULT)
    defaults = [what for part, what in (("{fleet}", "fleet_name"), ("{member}", "the member's name")) if part in parts]
    return (
        f"{name.what[0].upper()}{name.what[1:]} of {member} would be {shown(text)}, which has {len(text)} characters; "
        f"{name.longest} are possible ({name.source}). Shorten {' or '.join(options or defaults)} by "
        f"{len(text) - name.longest}."
    )
