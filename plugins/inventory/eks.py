# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""EKS clusters as hosts."""

from __future__ import annotations

DOCUMENTATION = r"""
name: eks
short_description: EKS clusters as hosts
version_added: 0.1.0
author: The dataplatform.fleet authors (@dataplatform-fleet)
description:
  - Finds the EKS clusters of several accounts and regions at once. Every cluster is one host.
  - All that discovery knows of a cluster is in one variable, C(eks_discovered), so it never outranks what an inventory
    declares. A host that another inventory source declares under the same name stays one host.
  - Never puts a host into the group C(managed), which holds what an inventory declares, or into C(purpose_controlplane)
    and C(purpose_workload), of which an inventory makes it.
  - A cluster whose name or tag cannot name a host, such as a path, a pattern or the name of a group of the inventory,
    is a problem that O(on_error) decides on.
  - The file's name ends in C(eks.yml) or C(aws_eks.yml), with C(.yaml) as good as C(.yml).
notes:
  - Needs the permissions C(eks:ListClusters) and C(eks:DescribeCluster), C(ec2:DescribeRegions) unless O(regions) are
    given, C(sts:AssumeRole) for O(role_arns), and for what O(include) adds C(eks:ListNodegroups),
    C(eks:DescribeNodegroup), C(eks:ListAddons), C(eks:DescribeAddon) and C(eks:ListInsights).
  - The options that tell what to ask may be Jinja expressions, for example of environment lookups.
  - It runs before any play, so that an C(environment) of a play or task does not reach it.
options:
  plugin:
    description: Marks the file as a source of this plugin.
    type: str
    required: true
    choices: [dataplatform.fleet.eks]
  regions:
    description:
      - The regions to ask. If empty, all that the account has enabled, or, where it may not list them, all with EKS
        that botocore knows.
    type: list
    elements: str
    default: []
  role_arns:
    description: Roles to assume, one for each account to ask. If empty, the account of the credentials is asked.
    type: list
    elements: str
    default: []
  include:
    description: What else to ask of every cluster. Each costs further calls per cluster.
    type: list
    elements: str
    choices: [nodegroups, addons, insights]
    default: []
  names:
    description: Only clusters with one of these names. C(*), C(?) and C([...]) match as in a shell.
    type: list
    elements: str
    default: []
  tags:
    description:
      - Only clusters with all of these tags. A value may be a list of alternatives, and match as in O(names).
    type: dict
    default: {}
  query:
    description: Only clusters for which this JMESPath expression on C(eks_discovered) is true.
    type: str
  hostnames:
    description:
      - How hosts are named. The first entry that gives a name to a cluster counts.
      - C(tag:KEY) is a tag's value, V(arn) the ARN. V(name), V(region) and V(account_id) may be joined by C(-).
    type: list
    elements: str
    default: ["tag:dataplatform.fleet/cluster", name]
  on_error:
    description:
      - V(fail) if an account, region or cluster could not be read, several clusters would have the same host name, or
        one would have a name that no host can have.
      - V(warn) and go on without them.
    type: str
    choices: [fail, warn]
    default: fail
  workers:
    description: How many calls may be under way at once.
    type: int
    default: 50
  region:
    description: Where to ask for the regions and to assume the roles. It does not limit O(regions).
    type: str
    aliases: [aws_region]
    env:
      - name: AWS_REGION
      - name: AWS_DEFAULT_REGION
  profile:
    description: Profile of the AWS configuration.
    type: str
    aliases: [aws_profile]
  access_key:
    description: AWS access key ID. If not given, credentials are found as any AWS client finds them.
    type: str
    aliases: [aws_access_key_id, aws_access_key]
  secret_key:
    description: AWS secret access key.
    type: str
    aliases: [aws_secret_access_key, aws_secret_key]
  session_token:
    description: AWS session token.
    type: str
    aliases: [aws_session_token]
  endpoint_url:
    description: URL to connect to instead of the AWS endpoints.
    type: str
    aliases: [aws_endpoint_url]
    env:
      - name: AWS_URL
  validate_certs:
    description: Whether to verify the certificates of the AWS endpoints.
    type: bool
    default: true
  aws_ca_bundle:
    description: File with the certificate authorities to trust.
    type: path
    env:
      - name: AWS_CA_BUNDLE
extends_documentation_fragment:
  - ansible.builtin.constructed
  - ansible.builtin.inventory_cache
"""

EXAMPLES = r"""
# fleet.eks.yml: all clusters of one account, in all its regions
plugin: dataplatform.fleet.eks

---
# Two accounts, two regions, grouped. An account that cannot be read is a warning.
plugin: dataplatform.fleet.eks
regions: [eu-central-1, eu-west-1]
role_arns:
  - arn:aws:iam::111122223333:role/inventory
  - arn:aws:iam::444455556666:role/inventory
on_error: warn
tags:
  dataplatform.fleet/fleet: dataplatform
query: "status == 'ACTIVE'"
include: [nodegroups, insights]
keyed_groups:
  - key: eks_discovered.version
    prefix: version
  - key: eks_discovered.tags['dataplatform.fleet/purpose']
    prefix: discovered
groups:
  extended_support: eks_discovered.support_type == 'EXTENDED'
  upgrade_blocked: eks_discovered.insights | selectattr('status', '==', 'ERROR') | list | length > 0
compose:
  discovered_nodes: eks_discovered.nodegroups | map(attribute='scaling_config.desired_size') | sum
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: .ansible/inventory
cache_timeout: 600

---
# The same name in two regions
plugin: dataplatform.fleet.eks
regions: [eu-central-1, us-east-1]
hostnames: [name-region]
"""

import re
from collections.abc import Sequence

from ansible.errors import AnsibleParserError
from ansible.module_utils.basic import missing_required_lib
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._eks_inventory.fetch import (
    Query,
    discover,
    has_credentials,
)
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._eks_inventory.selection import (
    ambiguity_text,
    fault_text,
    host_name,
    select,
)
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._inventory.plugin import ClustersPlugin, Discovery
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._inventory.selection import Cluster

try:
    from botocore.exceptions import BotoCoreError
except ImportError:
    HAS_BOTOCORE = False
else:
    HAS_BOTOCORE = True


class InventoryModule(ClustersPlugin):
    """Asks AWS."""

    NAME = "dataplatform.fleet.eks"
    FILE_NAME = re.compile(r"(^|[._-])eks\.ya?ml$")
    VARIABLE = "eks_discovered"
    ADVICE = "what AWS does not return"

    def missing(self) -> str:
        return "" if HAS_BOTOCORE else missing_required_lib("botocore")

    def ask(self, path: str) -> Discovery:
        query = self._query(path)
        try:
            if has_credentials(query):
                return discover(query)
        except BotoCoreError as error:
            return Discovery([], [f"The AWS API could not be called: {error}"])
        return Discovery(
            [],
            [
                "No AWS credentials were found. Give access_key and secret_key or a profile, set AWS_PROFILE, or log "
                "in with aws sso login."
            ],
        )

    def selected(self, clusters: Sequence[Cluster]) -> list[Cluster]:
        return select(clusters, self.option("names"), self.option("tags"))

    def identify(self, cluster: Cluster) -> str:
        return str(cluster["arn"])

    def host_name(self, cluster: Cluster) -> str:
        return host_name(cluster, self.option("hostnames"))

    def name_fault(self, name: str, cluster: Cluster, groups: set[str]) -> str:
        return fault_text(name, cluster, groups)

    def ambiguity(self, name: str, clusters: Sequence[Cluster]) -> str:
        return ambiguity_text(name, clusters)

    def _query(self, path: str) -> Query:
        names = ("region", "profile", "access_key", "secret_key", "session_token", "endpoint_url")
        connection = {name: self.option(name) or None for name in names}
        if connection["profile"] and connection["access_key"]:
            raise AnsibleParserError(f"{path}: profile and access_key are mutually exclusive: give one of them.")
        bundle = self.get_option("aws_ca_bundle") or None
        return Query(
            regions=self.option("regions"),
            role_arns=self.option("role_arns"),
            include=self.get_option("include"),
            verify=bundle if self.get_option("validate_certs") else False,
            workers=self.get_option("workers"),
            **connection,
        )
