# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every object of every role, validated by a real API server: known fields, no deprecated APIs, Pod Security.

New roles are included automatically. Rules 3 to 5 of the architecture are tested without a server, in
tests/unit/roles/test_structure.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply import connection
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.client import Client
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.discovery import Discovery
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.errors import ApiError
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import Objects, rendered_role, role_names
from ansible_collections.dataplatform.fleet.tests.unit.roles.test_structure import pod_templates

from localcloud.kubernetes.control_plane import ControlPlane

pytestmark = pytest.mark.integration
MEMBER = "controlplane"  # it loads every role's objects
ROLES = [role for role in role_names() if rendered_role(role, MEMBER)]
# Objects that must exist before a pod is admitted.
FIRST = ("Namespace", "PriorityClass", "CustomResourceDefinition", "ServiceAccount")


class Server:
    """An API server in which the guardrails' namespaces enforce their Pod Security levels."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._discovery = Discovery(client)
        self._discovery.load()

    def apply(self, item: dict[str, Any], *, dry: bool) -> tuple[int, str]:
        """Return the response's status, and its warnings or error."""
        query = {"fieldManager": "test", "force": "true", "fieldValidation": "Strict"} | (
            {"dryRun": "All"} if dry else {}
        )
        metadata = item["metadata"]
        group, _, version = item["apiVersion"].rpartition("/")
        resource = self._discovery.find(group, version, item["kind"])
        assert resource, f"no such kind: {item['apiVersion']} {item['kind']}"
        path = resource.path(metadata.get("namespace", ""), metadata["name"])
        try:
            answer = self._client.request("PATCH", path, query, body=item, content_type="application/apply-patch+yaml")
        except ApiError as error:
            return error.status, str(error)
        return answer.status, answer.headers.get("Warning", "")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with (
        ControlPlane.temporary(tmp_path_factory.mktemp("platform")) as plane,
        Client(connection.server_for({"kubeconfig": str(plane.kubeconfig)})) as client,
    ):
        found = Server(client)
        everything = [item for role in ROLES for item in rendered_role(role, MEMBER)]
        for kind in FIRST:
            for item in everything:
                if item["kind"] == kind:
                    assert found.apply(item, dry=False)[0] < 300, item
        yield found


@pytest.mark.parametrize("role", ROLES)
def test_every_object_is_accepted_without_a_warning(server: Server, role: str) -> None:
    objects: Objects = rendered_role(role, MEMBER)
    for item in objects:
        status, said = server.apply(item, dry=True)
        assert (status < 300, said) == (True, ""), f"{item['kind']} {item['metadata']['name']}: {said}"


@pytest.mark.parametrize("role", ROLES)
def test_every_pod_is_admitted(server: Server, role: str) -> None:
    """Pod Security only warns about a workload; the pod itself is what it refuses."""
    for item, template in pod_templates(rendered_role(role, MEMBER)):
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": item["metadata"]["name"],
                "namespace": item["metadata"]["namespace"],
                **{
                    key: value
                    for key, value in template.get("metadata", {}).items()
                    if key in ("labels", "annotations")
                },
            },
            "spec": {"restartPolicy": "Always", **template["spec"]},
        }
        # A StatefulSet's controller adds the volumes of its claims.
        claims = item["spec"].get("volumeClaimTemplates", [])
        volumes = [{"name": claim["metadata"]["name"], "emptyDir": {}} for claim in claims]
        pod["spec"]["volumes"] = [*pod["spec"].get("volumes", []), *volumes]
        status, said = server.apply(pod, dry=True)
        assert status < 300, f"{item['kind']} {item['metadata']['name']}: {said}"
