# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Record a real API server's results for objects that a set applies and users edit, for the unit tests of the plan.

``python -m tests.integration.apply.record`` writes ``tests/unit/plugins/plugin_utils/_apply/recorded.json``.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any, Final

import yaml
from ansible.plugins.loader import init_plugin_loader

from localcloud.kubernetes.control_plane import ControlPlane

ROOT: Final = Path(__file__).parents[3]
FILE: Final = ROOT / "tests/unit/plugins/plugin_utils/_apply/recorded.json"
SOURCE: Final = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {a: "1"}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}, annotations: {note: a}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          image: web:1
          args: [a, b]
          env: [{name: A, value: "1"}]
          resources: {requests: {cpu: 0.5, memory: 128Mi}}
          ports: [{name: http, containerPort: 8080}]
      volumes: [{name: tmp, emptyDir: {}}]
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: web
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: db, image: "db:1"}]}
  volumeClaimTemplates:
    - metadata: {name: data}
      spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 10Gi}}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: files}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
"""
# Edits with `kubectl edit`: (kind, strategic merge patch).
EDITS: Final[dict[str, Any]] = {
    "ConfigMap": {"data": {"b": "by hand"}, "metadata": {"labels": {"mine": "x"}}},
    "Service": {"spec": {"ports": [{"name": "debug", "port": 81}]}},
    "Deployment": {
        "metadata": {"annotations": {"seen": "by me"}},
        "spec": {
            "minReadySeconds": 7,
            "template": {
                "metadata": {"annotations": {"by": "hand"}},
                "spec": {
                    "hostNetwork": True,
                    "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}}],
                    "containers": [
                        {"name": "web", "image": "web:2", "env": [{"name": "DEBUG", "value": "1"}]},
                        {"name": "shell", "image": "shell:1"},
                    ],
                },
            },
        },
    },
}
# Edits of programs: (kind, manager, strategic merge patch).
PROGRAMS: Final[list[tuple[str, str, Any]]] = [
    ("Deployment", "autoscaler", {"spec": {"replicas": 5}}),
    (
        "Deployment",
        "injector",
        {"spec": {"template": {"spec": {"containers": [{"name": "proxy", "image": "proxy:1"}]}}}},
    ),
]
_REFERENCE: Final = "#/components/schemas/"


def _used(node: Any, value: Any, schemas: dict[str, Any], kept: dict[str, Any]) -> Any:
    """The part of a schema that describes *value*, into *kept* by component."""
    reference = node.get("$ref") or next((one["$ref"] for one in node.get("allOf", ()) if "$ref" in one), "")
    if reference:
        name = reference.removeprefix(_REFERENCE)
        there = kept.setdefault(name, {})
        part = _used(schemas[name], value, schemas, kept)
        properties = {**there.get("properties", {}), **part.get("properties", {})}
        there.update(part)
        if properties:
            there["properties"] = properties
        return node
    part = {name: item for name, item in node.items() if name != "x-kubernetes-group-version-kind"}
    if isinstance(value, dict) and "properties" in node:
        part["properties"] = {
            name: _used(node["properties"][name], item, schemas, kept)
            for name, item in value.items()
            if name in node["properties"]
        }
    if isinstance(value, dict) and isinstance(node.get("additionalProperties"), dict):
        for item in value.values():
            part["additionalProperties"] = _used(node["additionalProperties"], item, schemas, kept)
    if isinstance(value, list) and "items" in node:
        for item in value:
            part["items"] = _used(node["items"], item, schemas, kept)
    return part


def _text(value: Any, depth: int = 0) -> str:
    """JSON with a line for each state of an object, and for each component of a schema."""
    if depth == 3 or not isinstance(value, dict):
        return json.dumps(value, sort_keys=True)
    lines = [f"{json.dumps(name)}: {_text(item, depth + 1)}" for name, item in sorted(value.items())]
    return "{\n" + ",\n".join(lines) + "\n}" + ("" if depth else "\n")


def main() -> None:
    init_plugin_loader([str(ROOT / "collections")])
    from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply import (  # noqa: PLC0415 - needs the loader
        connection,
        drift,
        render,
        schema,
    )
    from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.applier import (  # noqa: PLC0415
        Applier,
        Settings,
    )
    from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.client import Client  # noqa: PLC0415

    with (
        tempfile.TemporaryDirectory() as folder,
        ControlPlane.temporary(Path(folder)) as plane,
        Client(connection.server_for({"kubeconfig": str(plane.kubeconfig)})) as client,
    ):
        found = render.from_definition(list(yaml.safe_load_all(SOURCE)))
        applier = Applier(client, Settings("recorded", "default", wait=False))
        result = applier.present(found)
        recorded: dict[str, Any] = {"server": client.get("/version")["gitVersion"], "objects": {}}
        kept: dict[str, dict[str, Any]] = {}

        def change(action: Any, manager: str, patch: Any) -> None:
            path = action.resource.path(action.key.namespace, action.key.name)
            kind = "application/strategic-merge-patch+json"
            client.request("PATCH", path, {"fieldManager": manager}, body=patch, content_type=kind)

        for action in result.actions:
            kind = action.key.kind
            if action.member is None:
                continue
            path = action.resource.path(action.key.namespace, action.key.name)
            entry: dict[str, Any] = {"rendered": action.member.body, "applied": client.get(path)}
            recorded["objects"][kind] = entry
            if kind in EDITS:
                change(action, "kubectl-edit", EDITS[kind])
                for named, manager, patch in PROGRAMS:
                    if named == kind:
                        change(action, manager, patch)
                if kind == "Deployment":
                    status = {"status": {"replicas": 1, "observedGeneration": 1}}
                    content = "application/merge-patch+json"
                    query = {"fieldManager": "kubectl-edit"}
                    client.request("PATCH", f"{path}/status", query, body=status, content_type=content)
                entry["edited"] = client.get(path)
            type_ = applier.discovery.type_of(action.resource)
            added = drift.additions(action.member.body, entry.get("edited", entry["applied"]), type_)
            if added:
                patch = drift.hand_over(entry["edited"], [step for paths in added.values() for step in paths])
                client.request("PATCH", path, body=patch, content_type="application/json-patch+json")
                entry["handed_over"] = client.get(path)
            if kind in EDITS:
                query = {"fieldManager": "dataplatform.fleet.apply", "force": "true"}
                content = "application/apply-patch+yaml"
                client.request("PATCH", path, query, body=action.member.body, content_type=content)
                entry["restored"] = client.get(path)
            name = f"/openapi/v3/{'apis/' if action.resource.group else 'api/'}{action.resource.api_version}"
            components, kinds = schema.reduce(client.get(name), action.resource.group, action.resource.version)
            part = kept.setdefault(action.resource.api_version, {})
            for obj in entry.values():
                _used({"$ref": _REFERENCE + kinds[kind]}, obj, components, part)
        recorded["schemas"] = kept
    FILE.write_text(_text(recorded))


if __name__ == "__main__":
    main()
