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

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible.utils.display import Display
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._eks_inventory.fetch import (
    Discovery,
    Query,
    discover,
    has_credentials,
)
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._eks_inventory.selection import (
    SelectionError,
    ambiguity_text,
    by_host_name,
    compile_query,
    group_fault,
    name_fault,
    select,
)
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._limits.fleet import PURPOSES, RESERVED

try:
    from botocore.exceptions import BotoCoreError
except ImportError:
    HAS_BOTOCORE = False
else:
    HAS_BOTOCORE = True

VARIABLE = "eks_discovered"
# Hosts of this group are declared; nothing found may become one of them.
DECLARED = "managed"
# Its children in the inventories, which may be read after this source; and what else no host is called.
DECLARING = frozenset({DECLARED, *(f"purpose_{purpose}" for purpose in PURPOSES)})
FILE_NAME = re.compile(r"(^|[._-])eks\.ya?ml$")
Value = Any  # whatever an option can hold

display = Display()


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):  # type: ignore[misc]
    """Fetch, keep in the cache, select, populate."""

    NAME = "dataplatform.fleet.eks"

    def verify_file(self, path: str) -> bool:
        """Whether the file may be a source of this plugin."""
        return bool(super().verify_file(path)) and bool(FILE_NAME.search(Path(path).name))

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:  # noqa: ANN401 - untyped API
        """Read the file and add the clusters it describes."""
        super().parse(inventory, loader, path, cache)
        if not HAS_BOTOCORE:
            raise AnsibleParserError(f"{path}: the inventory plugin {self.NAME} needs botocore on the controller.")
        self._refuse_unknown_options(self._read_config_data(path), path)
        try:
            matches = compile_query(self._option("query"))
            discovery = self._discovery(path, cache)
            clusters = select(discovery.clusters, self._option("names"), self._option("tags"), matches)
            unique, ambiguous = by_host_name(clusters, self._option("hostnames"))
        except SelectionError as error:
            raise AnsibleParserError(f"{path}: {error}") from error
        groups = {*self.inventory.groups, *RESERVED, *DECLARING}
        faults = {name: name_fault(name, cluster, groups) for name, cluster in unique.items()}
        unique = {name: cluster for name, cluster in unique.items() if not faults[name]}
        problems = [*discovery.problems, *(ambiguity_text(name, each) for name, each in ambiguous.items())]
        problems += filter(None, faults.values())
        self._report(problems, path)
        display.v(f"{path}: found {len(discovery.clusters)} clusters, selected {len(unique)}")
        self._populate(unique, path)

    def _discovery(self, path: str, cache: bool) -> Discovery:
        """From the cache if it may be used and has it, else from AWS. Only a complete answer is kept."""
        key = self.get_cache_key(path)
        if cache and self.get_option("cache"):
            try:
                return Discovery(self._cache[key], [])
            except KeyError:
                pass  # not there, or expired
        discovery = self._ask(path)
        if self.get_option("cache") and not discovery.problems:
            self._cache[key] = discovery.clusters
        return discovery

    def _ask(self, path: str) -> Discovery:
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

    def _query(self, path: str) -> Query:
        names = ("region", "profile", "access_key", "secret_key", "session_token", "endpoint_url")
        connection = {name: self._option(name) or None for name in names}
        if connection["profile"] and connection["access_key"]:
            raise AnsibleParserError(f"{path}: profile and access_key are mutually exclusive: give one of them.")
        if self.get_option("workers") < 1:
            raise AnsibleParserError(f"{path}: workers must be at least 1.")
        bundle = self.get_option("aws_ca_bundle") or None
        return Query(
            regions=self._option("regions"),
            role_arns=self._option("role_arns"),
            include=self.get_option("include"),
            verify=bundle if self.get_option("validate_certs") else False,
            workers=self.get_option("workers"),
            **connection,
        )

    def _report(self, problems: list[str], path: str) -> None:
        if problems and self.get_option("on_error") == "fail":
            advice = "With on_error: warn, the inventory leaves out what AWS does not return."
            raise AnsibleParserError("\n".join([f"{path}:", *(f"  - {each}" for each in problems), f"  {advice}"]))
        for each in problems:
            display.warning(f"{path}: {each}")

    def _populate(self, clusters: Mapping[str, Mapping[str, Any]], path: str) -> None:
        strict = self.get_option("strict")
        declared, groups = self._declared(), set(self.inventory.groups)
        for host, cluster in clusters.items():
            self.inventory.add_host(host)
            self.inventory.set_variable(host, VARIABLE, cluster)
            self._set_composite_vars(self.get_option("compose"), self._host_vars(host), host, strict=strict)
            variables = self._host_vars(host)
            self._add_host_to_composed_groups(self.get_option("groups"), variables, host, strict=strict)
            self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables, host, strict=strict)
        added = sorted(self._declared() - declared)
        if added:
            for group, host in added:  # Ansible may go on with another plugin
                self.inventory.groups[group].remove_host(self.inventory.get_host(host))
            hosts = ", ".join(dict.fromkeys(host for _, host in added))
            raise AnsibleParserError(
                f"{path}: groups or keyed_groups would put {hosts} into the group {added[0][0]}, which holds "
                "the hosts an inventory declares: a run changes those. Name the group otherwise."
            )
        faults = {group: group_fault(group, self.inventory.hosts) for group in set(self.inventory.groups) - groups}
        for group in sorted(name for name, fault in faults.items() if fault):
            self.inventory.remove_group(self.inventory.groups[group])
            raise AnsibleParserError(f"{path}: {faults[group]} Correct the tag, or name the group otherwise.")

    def _declared(self) -> set[tuple[str, str]]:
        """The groups that hold what an inventory declares, each with each of its hosts."""
        groups = [self.inventory.groups[name] for name in sorted(DECLARING) if name in self.inventory.groups]
        return {(group.name, host.name) for group in groups for host in group.get_hosts()}

    def _host_vars(self, host: str) -> dict[str, Any]:
        variables: dict[str, Any] = self.inventory.get_host(host).get_vars()
        return variables

    def _option(self, name: str) -> Value:
        """An option's value with its expressions evaluated."""
        return self._evaluated(self.get_option(name))

    def _evaluated(self, value: Value) -> Value:
        if isinstance(value, str):
            return self.templar.template(value) if self.templar.is_template(value) else value
        if isinstance(value, Mapping):
            return {key: self._evaluated(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self._evaluated(each) for each in value]
        return value

    def _refuse_unknown_options(self, config: Mapping[str, Any], path: str) -> None:
        definitions = constants.config.get_configuration_definitions("inventory", self._load_name)
        known = {"plugin", *definitions}
        known |= {alias for each in definitions.values() for alias in each.get("aliases") or []}
        for name in sorted(set(config) - known):
            near = difflib.get_close_matches(name, sorted(known), n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise AnsibleParserError(f"{path}: {name} is not an option of {self.NAME}.{hint}")
