# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters of kubeconfig files as hosts."""

from __future__ import annotations

DOCUMENTATION = r"""
name: kubeconfig
short_description: Clusters of kubeconfig files as hosts
version_added: 0.1.0
author: The dataplatform.fleet authors (@dataplatform-fleet)
description:
  - Asks the API servers of all contexts of kubeconfig files at once, with the C(openshift) dynamic client, which
    version and platform they are. Every context is one host.
  - All that discovery knows of a cluster is in one variable, C(kubeconfig_discovered), so it never outranks what an
    inventory declares. A host that another inventory source declares under the same name stays one host.
  - Never puts a host into the group C(managed), which holds what an inventory declares, or into C(purpose_controlplane)
    and C(purpose_workload), of which an inventory makes it.
  - A context whose name cannot name a host is a problem that O(on_error) decides on.
  - The file's name ends in C(kubeconfig.yml), with C(.yaml) as good as C(.yml).
requirements:
  - openshift
  - kubernetes
notes:
  - Needs no rights beyond those that every authenticated user has. What OpenShift says of itself needs the right to get
    C(clusterversions), C(infrastructures) and C(ingresses) of C(config.openshift.io), which C(cluster-reader) has; what
    may not be read is listed under C(unread), and its facts are empty.
  - The options that tell what to ask may be Jinja expressions, for example of environment lookups.
  - It runs before any play, so that an C(environment) of a play or task does not reach it.
options:
  plugin:
    description: Marks the file as a source of this plugin.
    type: str
    required: true
    choices: [dataplatform.fleet.kubeconfig]
  kubeconfigs:
    description:
      - The kubeconfig files. An entry may be several paths that are separated as in E(KUBECONFIG); these are merged as
        C(kubectl) merges them. A relative path begins in the folder of the inventory file.
      - If empty, what E(KUBECONFIG) names, and without that C(~/.kube/config).
    type: list
    elements: str
    default: []
  names:
    description:
      - Only contexts with one of these names. C(*), C(?) and C([...]) match as in a shell. Others are not asked.
    type: list
    elements: str
    default: []
  query:
    description: Only clusters for which this JMESPath expression on C(kubeconfig_discovered) is true.
    type: str
  hostnames:
    description:
      - How hosts are named. The first entry that gives a cluster a name that a host can have counts.
      - V(context), V(cluster) and V(user) are the names in the kubeconfig, V(infrastructure_name) that of OpenShift.
        V(slug) is the context's name with C(-) instead of all that a host's name cannot have, such as in
        C(default/api-example-com:6443/admin). They may be joined by C(+).
    type: list
    elements: str
    default: [context, slug]
  on_error:
    description:
      - V(fail) if a kubeconfig could not be read or a cluster did not answer, several contexts would have the same host
        name, or one would have a name that no host can have.
      - V(warn) and go on without them.
    type: str
    choices: [fail, warn]
    default: fail
  timeout:
    description: Seconds within which a connection, each answer and an exec plugin have to come.
    type: int
    default: 10
  workers:
    description: How many clusters may be asked at once.
    type: int
    default: 50
extends_documentation_fragment:
  - ansible.builtin.constructed
  - ansible.builtin.inventory_cache
"""

EXAMPLES = r"""
# fleet.kubeconfig.yml: all contexts of KUBECONFIG
plugin: dataplatform.fleet.kubeconfig

---
# OpenShift only, in groups by platform and version. A cluster that does not answer is a warning.
plugin: dataplatform.fleet.kubeconfig
kubeconfigs: [~/.kube/onprem, ~/.kube/rosa]
on_error: warn
query: "contains(['openshift', 'rosa'], platform)"
keyed_groups:
  - key: kubeconfig_discovered.platform
    prefix: platform
  - key: kubeconfig_discovered.version
    prefix: version
groups:
  with_prometheus_operator: "'monitoring.coreos.com' in kubeconfig_discovered.api_groups"
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: .ansible/inventory
cache_timeout: 600

---
# Names that oc login gives, such as default/api-onprem-example-com:6443/admin, as the name of the cluster
plugin: dataplatform.fleet.kubeconfig
names: ["default/*"]
hostnames: [infrastructure_name, slug]
"""

import hashlib
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from ansible.errors import AnsibleParserError
from ansible.module_utils.basic import missing_required_lib
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._inventory.plugin import ClustersPlugin, Discovery
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._inventory.selection import Cluster
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._kubeconfig_inventory.selection import (
    ambiguity_text,
    fault_text,
    host_name,
)


def _fetch() -> ModuleType:
    """Ansible loads all enabled inventory plugins in each run, and the Kubernetes client only when one has a source."""
    from ansible_collections.dataplatform.fleet.plugins.plugin_utils._kubeconfig_inventory import fetch  # noqa: PLC0415

    return fetch


class InventoryModule(ClustersPlugin):
    """Asks the API servers of contexts."""

    NAME = "dataplatform.fleet.kubeconfig"
    FILE_NAME = re.compile(r"(^|[._-])kubeconfig\.ya?ml$")
    VARIABLE = "kubeconfig_discovered"
    ADVICE = "what cannot be used"

    def missing(self) -> str:
        missing = _fetch().MISSING
        return f"{missing_required_lib('openshift')} ({missing})" if missing else ""

    def cache_key(self, path: str) -> str:
        asked = json.dumps([self._kubeconfigs(path), self.option("names")])
        return f"{super().cache_key(path)}_{hashlib.sha256(asked.encode()).hexdigest()[:12]}"

    def ask(self, path: str) -> Discovery:
        timeout = self.get_option("timeout")
        if timeout < 1:
            raise AnsibleParserError(f"{path}: timeout must be at least 1.")
        fetch = _fetch()
        query = fetch.Query(self._kubeconfigs(path), self.option("names"), timeout, self.get_option("workers"))
        found: Discovery = fetch.discover(query)
        return found

    def selected(self, clusters: Sequence[Cluster]) -> list[Cluster]:
        return list(clusters)

    def identify(self, cluster: Cluster) -> str:
        return f"{cluster['context']!r} of {cluster['kubeconfig']}"

    def host_name(self, cluster: Cluster) -> str:
        return host_name(cluster, self.option("hostnames"))

    def name_fault(self, name: str, cluster: Cluster, groups: set[str]) -> str:
        return fault_text(name, self.identify(cluster), groups)

    def ambiguity(self, name: str, clusters: Sequence[Cluster]) -> str:
        return ambiguity_text(name, [self.identify(each) for each in clusters])

    def _kubeconfigs(self, path: str) -> list[str]:
        given = self.option("kubeconfigs")
        if not given:
            return [os.environ.get("KUBECONFIG") or str(Path("~/.kube/config").expanduser())]
        folder = Path(path).resolve().parent

        def absolute(part: str) -> str:
            return str(folder / Path(os.path.expandvars(part)).expanduser())

        return [os.pathsep.join(absolute(part) for part in each.split(os.pathsep) if part.strip()) for each in given]
