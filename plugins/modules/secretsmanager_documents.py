#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: secretsmanager_documents
short_description: Manage the secrets that the members of a fleet share
version_added: 0.1.0
description:
  - Creates, changes and deletes JSON documents in AWS Secrets Manager, all of a fleet's at once.
  - The difference names the keys that change, with a short hash of their values before, never a value.
    M(community.aws.secretsmanager_secret) shows none, and compares with what it never returns in check mode.
  - A deleted document that is wanted again is restored, and gets all its values again.
options:
  fleet:
    description: The fleet's name, with which the secrets' names begin.
    type: str
    required: true
  documents:
    description: The documents. Others stay as they are.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The name after the fleet's, such as V(staging/kafka).
        type: str
        required: true
      secret:
        description: The secret values by their keys. Keys that are not given go.
        type: dict
        default: {}
      public:
        description: Values by their keys, in the same document, that a difference may show.
        type: dict
        default: {}
      tags:
        description: Tags of this secret beside O(tags).
        type: dict
  absent:
    description: The names, after the fleet's, of documents to delete.
    type: list
    elements: str
    default: []
  kms_key:
    description:
      - The key that encrypts the documents, by alias, id or ARN. It must exist, but in check mode.
      - Needed with O(documents).
    type: str
  recovery_days:
    description: How long a deleted document can be restored, 7 to 30 days. V(0) deletes it at once.
    type: int
    default: 7
  adopt:
    description:
      - Names of secrets, with the fleet's, that are taken over or deleted although they lack these tags.
        V(secret/<name>) is the same. Other kinds are passed over.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - amazon.aws.tags
  - dataplatform.fleet.attributes
notes:
  - O(tags) are those of all documents. As far as the tags C(dataplatform.fleet/fleet) and
    C(dataplatform.fleet/cluster) are among them, a secret without them is refused before any is changed. O(purge_tags)
    never removes these two.
seealso:
  - plugin: dataplatform.fleet.fleet_secret
    plugin_type: lookup
author:
  - The dataplatform.fleet authors (@dataplatform-fleet)
"""

EXAMPLES = r"""
- name: Give staging its credential
  dataplatform.fleet.secretsmanager_documents:
    fleet: example
    kms_key: alias/example-secrets
    documents:
      - name: staging/kafka
        public:
          username: staging
        secret:
          password: "{{ staging_password }}"
        tags:
          dataplatform.fleet/member: staging

- name: Take it back
  dataplatform.fleet.secretsmanager_documents:
    fleet: example
    absent: [staging/kafka]
"""

RETURN = r"""
actions:
  description: The API calls that were made, or would be made in check mode, with the fields each changes.
  returned: always
  type: list
  elements: dict
  sample:
    - operation: PutSecretValue
      changes:
        example/staging/kafka.password: {before: <redacted 1f2e3d4c>, after: (made by this run)}
documents:
  description: The documents that were changed, or would be.
  returned: always
  type: dict
  contains:
    changed:
      description: The names of those that are created or get other values or tags.
      type: list
      elements: str
    deleted:
      description: The names of those that are deleted.
      type: list
      elements: str
  sample:
    changed: [example/staging/kafka]
    deleted: []
"""

from collections.abc import Mapping
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.dataplatform.fleet.plugins.module_utils import _python  # noqa: F401
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.aliases import Value
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.errors import AwsError
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.run import Run, outcome, run
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.spec import TAGS
from ansible_collections.dataplatform.fleet.plugins.module_utils._documents import api, plan
from ansible_collections.dataplatform.fleet.plugins.module_utils._texts import texts


def argument_spec() -> dict[str, Any]:
    document = {
        "name": {"type": "str", "required": True},
        "secret": {"type": "dict", "default": {}, "no_log": True},
        "public": {"type": "dict", "default": {}},
        "tags": {"type": "dict"},
    }
    return {
        "fleet": {"type": "str", "required": True},
        "documents": {"type": "list", "elements": "dict", "default": [], "options": document},
        "absent": {"type": "list", "elements": "str", "default": []},
        "kms_key": {"type": "str", "no_log": False},
        "recovery_days": {"type": "int", "default": 7},
        **TAGS,
        "adopt": {"type": "list", "elements": "str", "default": []},
    }


def wanted(parameters: Mapping[str, Any]) -> list[plan.Want]:
    fleet, tags = parameters["fleet"], parameters["tags"]

    def tags_of(one: dict[str, Any]) -> dict[str, str] | None:
        return None if tags is None and one["tags"] is None else texts({**(tags or {}), **(one["tags"] or {})})

    return [
        plan.Want(
            f"{fleet}/{one['name']}",
            one["secret"],
            one["public"],
            tags_of(one),
        )
        for one in parameters["documents"]
    ]


def manage(this: Run) -> dict[str, Value]:
    options, fleet = this.options, this.options["fleet"]
    wants, gone = wanted(options), [f"{fleet}/{name}" for name in options["absent"]]
    check(options, wants, check_mode=this.check_mode)
    client = this.client("secretsmanager")
    key = api.kms_key(this.client("kms"), options["kms_key"]) if wants else ()
    if wants and not key and not this.check_mode:
        raise AwsError(f"There is no key {options['kms_key']}: the controlplane's run creates it.")
    live = api.read(client, [*(want.name for want in wants), *gone])
    plan.refuse_foreign(live.values(), options["tags"], options["adopt"])
    purge = options["purge_tags"] and options["tags"] is not None
    plans = {want.name: plan.present(want, live.get(want.name), key, purge_tags=purge) for want in wants}
    plans |= {name: plan.absent(name, live.get(name), options["recovery_days"]) for name in gone}
    for name, one in plans.items():
        this.about = f"{'delete' if name in gone else 'write'} the secret {name}"
        this.apply(client, one)
    whole = this.plan()
    changed = [name for name, one in plans.items() if one]
    documents = {
        "changed": [name for name in changed if name not in gone],
        "deleted": [name for name in changed if name in gone],
    }
    return outcome(whole, documents=documents)


def check(options: Mapping[str, Any], wants: list[plan.Want], *, check_mode: bool) -> None:
    """Refuse options that cannot be carried out."""
    recovery = options["recovery_days"]
    if recovery and not 7 <= recovery <= 30:
        raise AwsError(f"recovery_days is {recovery}: Secrets Manager takes 7 to 30, or 0 for at once.")
    if wants and not options["kms_key"]:
        raise AwsError("kms_key is missing: documents are encrypted under a key of the fleet's own.")
    stood_in = [want.name for want in wants if plan.has_placeholder(want)]
    if stood_in and not check_mode:
        raise AwsError(
            f"{', '.join(stood_in)}: a value is the text that check mode uses in place of what a run makes. A task "
            "with check_mode=false cannot write it. Run without --check, or leave check_mode out of the task, block or "
            "role."
        )


def main() -> None:
    module = AnsibleAWSModule(argument_spec=argument_spec(), supports_check_mode=True)
    run(module, f"the secrets of the fleet {module.params['fleet']}", manage)


if __name__ == "__main__":
    main()
