# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kubectl for a user, and the guardrails' configuration in the tests."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

GUARDRAILS: dict[str, Any] = {
    "guardrails_namespaces": [
        {"name": "ingress-nginx", "quota": {"pods": "20", "services.loadbalancers": "1"}},
        {"name": "agents", "pod_security": "privileged", "pod_security_reason": "Reads the logs of the node."},
        {"name": "scratch", "protected": False},
    ],
    "guardrails_tenants": [
        {"name": "analytics", "principals": ["arn:aws:iam::111122223333:role/analytics"]},
        {"name": "research", "groups": ["oidc:research"]},
        {"name": "frugal", "quota": {"pods": "10"}},
        {"name": "balanced", "quota": {"pods": "10", "services.loadbalancers": 2, "services.nodeports": "9"}},
        {"name": "addressed", "quota": {"pods": "10", "services.loadbalancers": "1k"}},
    ],
}


@dataclass(frozen=True)
class Kubectl:
    """One user of one cluster."""

    program: Path
    kubeconfig: Path
    user: str = ""
    groups: tuple[str, ...] = ()

    def member_of(self, *groups: str) -> Kubectl:
        return replace(self, user="somebody", groups=groups)

    def run(self, *arguments: str, content: str | None = None) -> subprocess.CompletedProcess[str]:
        identity = [*([f"--as={self.user}"] if self.user else []), *(f"--as-group={group}" for group in self.groups)]
        return subprocess.run(
            [self.program, f"--kubeconfig={self.kubeconfig}", *identity, *arguments],
            input=content,
            capture_output=True,
            text=True,
            check=False,
        )

    def do(self, *arguments: str, content: str | None = None) -> str:
        done = self.run(*arguments, content=content)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def refused(self, *arguments: str, content: str | None = None) -> str:
        """Return why the command failed; it must."""
        done = self.run(*arguments, content=content)
        assert done.returncode != 0, done.stdout
        return done.stderr

    def get(self, *arguments: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.do("get", "--output=json", *arguments))
        return found

    def names(self, *arguments: str) -> list[str]:
        return [item["metadata"]["name"] for item in self.get(*arguments)["items"]]

    def apply(self, objects: Iterable[dict[str, Any]], *arguments: str) -> str:
        """Apply with server-side apply; unknown fields are errors. Namespaces are applied first."""
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        return self.do("apply", "--server-side", "--validate=strict", "--filename=-", *arguments, content=text)

    def can(self, verb: str, resource: str, namespace: str) -> bool:
        kind, _, subresource = resource.partition("/")
        question = ["auth", "can-i", verb, kind, f"--subresource={subresource}", f"--namespace={namespace}"]
        return self.run(*question).stdout.strip() == "yes"

    def read(self, objects: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the same objects as they are on the server."""
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        items: list[dict[str, Any]] = json.loads(self.do("get", "--output=json", "--filename=-", content=text))["items"]
        return items
