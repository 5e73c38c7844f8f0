# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.applyset import PART_OF, Parent, Scope
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.client import Response, Server
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.discovery import Discovery
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.errors import ApiError
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.objects import Json, Key, Member, Source, key_of
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.reader import Reader

KIND = "HorizontalPodAutoscaler"
GROUP = "/apis/autoscaling"


class Autoscalers:
    """The client of a server that has autoscalers in two versions, and nothing else."""

    def __init__(self, items: list[Json]) -> None:
        self.server = Server("https://server.example.com")
        self.items = items
        self.asked: list[str] = []

    def map(self, call: Any, items: Any) -> list[Any]:
        return [call(item) for item in items]

    def request(self, _: str, path: str, *__: Any, **___: Any) -> Response:
        versions = [
            {
                "version": version,
                "resources": [
                    {
                        "resource": "horizontalpodautoscalers",
                        "responseKind": {"group": "autoscaling", "version": version, "kind": KIND},
                        "scope": "Namespaced",
                        "verbs": ["list", "patch"],
                        "subresources": [{"subresource": "status"}],
                    }
                ],
            }
            for version in ("v2", "v1")
        ]
        items = [{"metadata": {"name": "autoscaling"}, "versions": versions}] if path == "/apis" else []
        body = {"kind": "APIGroupDiscoveryList", "items": items, "paths": {}}
        return Response(200, {}, json.dumps(body).encode())

    def get(self, path: str, *_: Any) -> Json:
        if not path.startswith(GROUP):
            raise ApiError("not found", 404)
        self.asked.append(path)
        version = path.split("/")[3]
        return {"items": [item | {"spec": item["spec"] | {"read": version}} for item in self.items]}


def autoscaler(name: str, version: str, target: str = "web", **labels: str) -> Json:
    return {
        "apiVersion": f"autoscaling/{version}",
        "kind": KIND,
        "metadata": {"name": name, "namespace": "n", "labels": labels},
        "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": target}},
    }


def reader(client: Any, folder: Path) -> tuple[Reader, Discovery]:
    discovery = Discovery(client, folder)
    found = Reader(client, discovery, Parent("s", "n"))
    found.read_server()
    return found, discovery


def member(body: Json, discovery: Discovery) -> Member:
    resource = discovery.find("autoscaling", body["apiVersion"].rpartition("/")[2], KIND)
    assert resource is not None
    return Member(key_of(body), resource, body, Source("f", 1))


def test_each_object_is_read_in_the_version_in_which_it_is_rendered(tmp_path: Path) -> None:
    bodies = [autoscaler("a", "v1"), autoscaler("b", "v2")]
    client = Autoscalers([*bodies, autoscaler("c", "v1")])
    found, discovery = reader(client, tmp_path)
    scope = Scope(frozenset({f"{KIND}.autoscaling"}), frozenset({"n"}))
    live = found.members(scope, [member(body, discovery) for body in bodies])
    assert {key.name: item["spec"]["read"] for key, item in live.items() if key.name != "c"} == {"a": "v1", "b": "v2"}
    assert {key.name for key in live} == {"a", "b", "c"}
    client.asked.clear()
    found.members(scope, [member(bodies[0], discovery)])
    assert client.asked == [f"{GROUP}/v1/namespaces/n/horizontalpodautoscalers"], "one version costs one list"


def test_targets_of_the_autoscalers_after_the_run(tmp_path: Path) -> None:
    ours = {PART_OF: Parent("s", "n").id}
    client = Autoscalers([autoscaler("theirs", "v2", "other"), autoscaler("going", "v2", "gone", **ours)])
    found, discovery = reader(client, tmp_path)
    targets = found.autoscaled("n", [member(autoscaler("new", "v1", "web"), discovery)])
    assert targets == {Key("apps", "Deployment", "n", "other"), Key("apps", "Deployment", "n", "web")}
