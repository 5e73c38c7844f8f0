# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: fleet_secret
short_description: A secret that the fleet has made
version_added: 0.1.0
author:
  - The dataplatform.fleet authors (@dataplatform-fleet)
description:
  - Reads one text out of a JSON document in AWS Secrets Manager, C(<fleet>/<member>/<document>). The role
    P(dataplatform.fleet.pki#role) makes the documents.
  - What does not exist is an error that says what to run first. In check mode, where the run at hand will make it, the
    value is a placeholder.
  - A process reads each only once. Ansible runs every task in a process of its own, so that what one task has written
    the next one reads.
requirements:
  - botocore
options:
  _terms:
    description: Paths of the form C(<member>/<document>/<key>), where the key may go on with further slashes.
    type: list
    elements: str
    required: true
extends_documentation_fragment:
  - dataplatform.fleet.shared_values
"""

EXAMPLES = r"""
- name: Give Kafka its certificate
  ansible.builtin.set_fact:
    kafka_tls_certificate: "{{ lookup('dataplatform.fleet.fleet_secret', 'controlplane/tls/kafka/certificate') }}"
  no_log: true
"""

RETURN = r"""
_raw:
  description: The values, in the order of the paths.
  type: list
  elements: str
"""

from ansible_collections.dataplatform.fleet.plugins.plugin_utils._shared_values.lookup import SharedLookup
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._shared_values.reader import read_secret


class LookupModule(SharedLookup):
    """Reads keys of documents in Secrets Manager."""

    kind = "secret"
    read = staticmethod(read_secret)
