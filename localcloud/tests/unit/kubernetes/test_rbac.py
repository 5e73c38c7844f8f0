# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from typing import Any

import pytest

from localcloud.kubernetes.rbac import GROUP, Step, execute, managed, plan


def role(name: str, *verbs: str) -> dict[str, Any]:
    return {"kind": "ClusterRole", "metadata": {"name": name}, "rules": [{"verbs": list(verbs)}]}


def binding(name: str, to: str, namespace: str = "") -> dict[str, Any]:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    kind = "RoleBinding" if namespace else "ClusterRoleBinding"
    return {"kind": kind, "metadata": metadata, "roleRef": {"name": to}, "subjects": []}


def live(item: dict[str, Any]) -> dict[str, Any]:
    """Return an object in the API server's format."""
    return {**item, "metadata": {**item["metadata"], "uid": "1", "resourceVersion": "2"}}


def test_the_desired_state_needs_no_requests() -> None:
    items = [role("view", "get"), binding("b", "view"), binding("b", "view", "team")]
    assert plan(items, [live(item) for item in items]) == []


@pytest.mark.parametrize(
    ("desired", "current", "expected"),
    [
        ([role("view", "get")], [], [Step("POST", f"{GROUP}/clusterroles", role("view", "get"))]),
        (
            [role("view", "get")],
            [role("view", "list")],
            [Step("PUT", f"{GROUP}/clusterroles/view", role("view", "get"))],
        ),
        ([], [binding("b", "view", "team")], [Step("DELETE", f"{GROUP}/namespaces/team/rolebindings/b")]),
        (
            [binding("b", "edit")],
            [binding("b", "view")],
            [
                Step("DELETE", f"{GROUP}/clusterrolebindings/b"),
                Step("POST", f"{GROUP}/clusterrolebindings", binding("b", "edit")),
            ],
        ),
        (
            [binding("b", "view", "one")],
            [binding("b", "view", "two")],
            [
                Step("DELETE", f"{GROUP}/namespaces/two/rolebindings/b"),
                Step("POST", f"{GROUP}/namespaces/one/rolebindings", binding("b", "view", "one")),
            ],
        ),
    ],
    ids=["create", "change", "delete", "another role", "another namespace"],
)
def test_plan(desired: list[dict[str, Any]], current: list[dict[str, Any]], expected: list[Step]) -> None:
    assert plan(desired, [live(item) for item in current]) == expected


class Server:
    def __init__(self, status: int, answer: object = None) -> None:
        self.status = status
        self.answer = json.dumps(answer).encode()
        self.asked: list[tuple[str, str]] = []

    def request(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        assert (body is None) == (method in {"GET", "DELETE"})
        self.asked.append((method, path))
        return self.status, self.answer


def test_managed_objects_get_their_kind() -> None:
    server = Server(200, {"items": [{"metadata": {"name": "a"}}]})
    kinds = [item["kind"] for item in managed(server, "role", "binding")]
    assert kinds == ["ClusterRole", "ClusterRoleBinding", "RoleBinding"]
    assert ("GET", f"{GROUP}/rolebindings?labelSelector=binding%3Dtrue") in server.asked


@pytest.mark.parametrize("status", [200, 201, 404, 409])
def test_a_race_with_other_clients_is_not_an_error(status: int) -> None:
    execute(Server(status), [Step("POST", "/x", {})])


def test_a_refusal_is_an_error() -> None:
    with pytest.raises(OSError, match="POST /x answered 403"):
        execute(Server(403), [Step("POST", "/x", {})])
