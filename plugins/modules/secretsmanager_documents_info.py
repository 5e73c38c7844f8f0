#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: secretsmanager_documents_info
short_description: Read the secrets that the members of a fleet share
version_added: 0.1.0
description:
  - Reads JSON documents from AWS Secrets Manager. What it returns is secret, so that a task has to have C(no_log).
  - For a single value there is P(dataplatform.fleet.fleet_secret#lookup).
options:
  fleet:
    description: The fleet's name, with which the secrets' names begin.
    type: str
    required: true
  names:
    description: The names, after the fleet's, of the documents to read. Those that do not exist are left out.
    type: list
    elements: str
    default: []
  listed:
    description:
      - Whether the names of all secrets of the fleet are returned, with their tags.
      - Their contents are read where the last part of the name is one of O(contents).
    type: bool
    default: false
  contents:
    description: The last parts of the names of listed documents to read, such as V(issuer).
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - dataplatform.fleet.attributes.info
author:
  - The dataplatform.fleet authors (@dataplatform-fleet)
"""

EXAMPLES = r"""
- name: Read what was made for staging
  dataplatform.fleet.secretsmanager_documents_info:
    fleet: example
    names: [staging/issuer, staging/kafka]
  register: found
  no_log: true

- name: Find all secrets of the fleet, and read the issuers
  dataplatform.fleet.secretsmanager_documents_info:
    fleet: example
    listed: true
    contents: [issuer]
  register: found
  no_log: true
"""

RETURN = r"""
documents:
  description: The contents by the documents' names after the fleet's.
  returned: always
  type: dict
names:
  description: The tags of all secrets of the fleet by their names after the fleet's.
  returned: with O(listed)
  type: dict
  sample:
    staging/kafka:
      dataplatform.fleet/member: staging
"""

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.dataplatform.fleet.plugins.module_utils import _python  # noqa: F401
from ansible_collections.dataplatform.fleet.plugins.module_utils._documents import api

try:  # noqa: SIM105
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:
    pass  # AnsibleAWSModule says what is missing


def argument_spec() -> dict[str, Any]:
    return {
        "fleet": {"type": "str", "required": True},
        "names": {"type": "list", "elements": "str", "default": []},
        "listed": {"type": "bool", "default": False},
        "contents": {"type": "list", "elements": "str", "default": []},
    }


def main() -> None:
    module = AnsibleAWSModule(argument_spec=argument_spec(), supports_check_mode=True)
    fleet, contents = module.params["fleet"], module.params["contents"]
    wanted = {f"{fleet}/{name}" for name in module.params["names"]}
    try:
        client = module.client("secretsmanager")
        listed = api.names(client, fleet) if module.params["listed"] else {}
        wanted |= {name for name in listed if name.rpartition("/")[2] in contents}
        found = api.contents(client, wanted)
    except api.DocumentError as error:
        module.fail_json(msg=str(error))
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg=f"Could not read the secrets of the fleet {fleet}")
    short = len(fleet) + 1
    result: dict[str, Any] = {"documents": {name[short:]: content for name, content in found.items()}}
    if module.params["listed"]:
        result["names"] = {name[short:]: tags for name, tags in listed.items()}
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
