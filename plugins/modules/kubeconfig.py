#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write a kubeconfig for EKS clusters."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kubeconfig
short_description: Write a kubeconfig with one context per EKS cluster
version_added: 0.1.0
author: The dataplatform.fleet authors (@dataplatform-fleet)
description:
  - Writes a file for C(kubectl) and other clients that has one context for each of the clusters given, and no other.
  - The clients get their tokens when they need them, by a program, so the file holds no token.
  - A cluster that does not exist, or has no endpoint yet, is left out with a warning.
options:
  path:
    description:
      - The file. It is replaced at once and readable by its owner only.
      - A file with contexts, clusters or users that this module did not write is never touched, nor is one that is no
        kubeconfig.
      - The current context and the namespaces chosen in the file are kept.
    type: path
    required: true
  clusters:
    description: The clusters.
    type: list
    elements: dict
    required: true
    suboptions:
      context:
        description: Name of the context.
        type: str
        required: true
      cluster:
        description: Name of the EKS cluster.
        type: str
        required: true
      region:
        description: Region of the cluster.
        type: str
        required: true
      profile:
        description: Profile of the AWS configuration, used now and for tokens later.
        type: str
      role_arn:
        description: Role to assume, now and for tokens later.
        type: str
      endpoint_url:
        description: URL to connect to instead of the AWS endpoints.
        type: str
      access_key:
        description:
          - AWS access key ID.
          - Used now. It is written into the file only together with an O(clusters[].endpoint_url) on this machine. For
            a real account the clients of the file find credentials as any AWS client does.
        type: str
      secret_key:
        description: AWS secret access key, treated like O(clusters[].access_key).
        type: str
      session_token:
        description: AWS session token, treated like O(clusters[].access_key).
        type: str
      proxy_url:
        description: Proxy through which the clients reach the Kubernetes API.
        type: str
      tls_server_name:
        description: Name to expect in the Kubernetes API's certificate, if it is not the endpoint's.
        type: str
  token_command:
    description:
      - Program and first arguments to get a token with. It is given C(--cluster), C(--region) and, where they apply,
        C(--profile) and C(--role-arn), and prints an ExecCredential.
      - If empty, C(aws eks get-token) of the AWS CLI version 2.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    description: Can run with C(--check) and tells what would change.
    support: full
  diff_mode:
    description: Shows the file before and after, without secrets.
    support: full
notes:
  - Needs the permission C(eks:DescribeCluster).
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = r"""
- name: Write a kubeconfig for two clusters
  dataplatform.fleet.kubeconfig:
    path: ./kubeconfig
    clusters:
      - context: staging
        cluster: dataplatform-staging
        region: eu-central-1
      - context: production
        cluster: dataplatform-production
        region: eu-central-1
        role_arn: arn:aws:iam::111122223333:role/operator
"""

RETURN = r"""
contexts:
  description: The contexts the file has.
  returned: always
  type: list
  elements: str
  sample: [production, staging]
skipped_clusters:
  description: The clusters that were left out, and why.
  returned: always
  type: list
  elements: dict
  contains:
    context:
      description: Name of the context the cluster would have had.
      type: str
    cluster:
      description: Name of the EKS cluster.
      type: str
    reason:
      description: Why.
      type: str
  sample: [{context: testing, cluster: dataplatform-testing, reason: it does not exist}]
"""

import os
import tempfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.dataplatform.fleet.plugins.module_utils import _python  # noqa: F401
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.session import verification
from ansible_collections.dataplatform.fleet.plugins.module_utils._kubeconfig.api import DescribeError, describe_all
from ansible_collections.dataplatform.fleet.plugins.module_utils._kubeconfig.document import (
    ForeignEntryError,
    Server,
    Target,
    document,
    redacted,
)
from ansible_collections.dataplatform.fleet.plugins.module_utils._yamltext import HAS_YAML, TextError, documents, dump

MODE = 0o600
# https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
KEYS = {"apiVersion", "kind", "preferences", "clusters", "users", "contexts", "current-context", "extensions"}
CONNECTION = ("profile", "endpoint_url", "access_key", "secret_key", "session_token")


def main() -> None:
    """Run the module."""
    text = {"type": "str"}
    secret = {"type": "str", "no_log": True}
    module = AnsibleAWSModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "token_command": {"type": "list", "elements": "str", "default": [], "no_log": False},
            "clusters": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "context": {"type": "str", "required": True},
                    "cluster": {"type": "str", "required": True},
                    "region": {"type": "str", "required": True},
                    "profile": text,
                    "role_arn": text,
                    "endpoint_url": text,
                    "access_key": {"type": "str", "no_log": False},
                    "secret_key": secret,
                    "session_token": secret,
                    "proxy_url": text,
                    "tls_server_name": text,
                },
            },
        },
        supports_check_mode=True,
    )
    if not HAS_YAML:
        module.fail_json(msg=missing_required_lib("PyYAML"))
    targets = [target_of(options, module.params) for options in module.params["clusters"]]
    path = Path(module.params["path"])
    existing = read(module, path)
    try:
        answers = describe_all(targets, verification(module.params))
    except DescribeError as error:
        module.fail_json(msg=str(error))
    found = [(target, answer) for target, answer in answers if isinstance(answer, Server)]
    skipped = [
        {"context": target.context, "cluster": target.cluster, "reason": answer}
        for target, answer in answers
        if isinstance(answer, str)
    ]
    for entry in skipped:
        module.warn(f"No context {entry['context']}: cluster {entry['cluster']} was left out, {entry['reason']}.")
    try:
        content = document(found, module.params["token_command"], existing)
    except ForeignEntryError as error:
        module.fail_json(msg=f"{path} has entries that were not written by this module: {error}. Give another path.")
    changed = content != existing
    if changed and not module.check_mode:
        write(module, path, content)
    if path.exists():
        changed = module.set_mode_if_different(str(path), MODE, changed)
    module.exit_json(
        changed=changed,
        contexts=[entry["name"] for entry in content["contexts"]],
        skipped_clusters=skipped,
        diff={
            "before_header": str(path),
            "after_header": str(path),
            "before": dump(redacted(existing)) if existing else "",
            "after": dump(redacted(content)),
        },
    )


def target_of(options: dict[str, Any], defaults: dict[str, Any]) -> Target:
    """A target with what it leaves open taken from the module's own connection options."""
    values: dict[str, Any] = {key: value or None for key, value in options.items()}
    if not any(values[key] for key in CONNECTION):
        values.update({key: defaults.get(key) or None for key in CONNECTION})
    return Target(**values)


def read(module: AnsibleAWSModule, path: Path) -> dict[str, Any]:
    """The existing file's content; empty if there is none."""
    try:
        found = documents(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except TextError as error:
        module.fail_json(
            msg=f"{path}:{error.line}: this is not valid YAML: {error.problem}. Remove it, or give another path."
        )
    except (OSError, UnicodeDecodeError) as error:
        module.fail_json(msg=f"{path} could not be read: {error}. Remove it, or give another path.")
    content = found[0].value if found else None
    if content is None:
        return {}
    if len(found) > 1 or not isinstance(content, dict) or content.keys() - KEYS:
        module.fail_json(msg=f"{path} is not a kubeconfig. Remove it, or give another path.")
    return dict(content)


def write(module: AnsibleAWSModule, path: Path, content: dict[str, Any]) -> None:
    """Replace the file at once; a reader sees the old content or the new."""
    if not path.parent.is_dir():
        module.fail_json(msg=f"{path.parent} is not a directory: {path} cannot be written.")
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        module.fail_json(msg=f"{path} cannot be written: {error.strerror}. Give another path.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(dump(content))
        Path(name).chmod(MODE)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


if __name__ == "__main__":
    main()
