# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every object of every role, validated with the API of the oldest Kubernetes version that EKS offers.

No program here plays that version. Its official client for Python is generated from its OpenAPI document: the fields of
each kind, and which of them are alpha, so that EKS drops them. What a schema cannot tell is in ``BEHAVIOUR``.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import evaluate, rendered_role, role_names

from localcloud.artifacts.cache import Cache
from localcloud.host.files import home
from localcloud.releases.versions import VERSIONS, number

pytestmark = pytest.mark.integration
MEMBER = "controlplane"  # it has every role's objects
ROLES = [role for role in role_names() if rendered_role(role, MEMBER)]
OLDEST = min(map(number, VERSIONS))
# Version and hash of the package `kubernetes` that belongs to a minor; an older one goes when EKS no longer offers it.
CLIENTS = {34: ("34.1.0", "bffba2272534e224e6a7a74d582deb0b545b7c9879d2cd9e4aae9481d1f2cc2a")}
# What older versions accept and ignore: text in an object, the first minor that honours it, who says so, and the
# files of roles that go without. What every offered version honours is not checked.
BEHAVIOUR: dict[str, tuple[int, str, set[str]]] = {
    "metadata.labels['topology.kubernetes.io/": (
        35,
        "KEP-4742",
        {"elasticsearch/files/prepare.sh", "kafka/files/start.sh"},
    ),
    "PreferSameZone": (35, "KEP-3015", set()),
    "PreferSameNode": (35, "KEP-3015", set()),
    '"nodes/pods"': (33, "KEP-2862", set()),
    '"nodes/metrics"': (33, "KEP-2862", set()),
}

Json = dict[str, Any]


class Schema:
    """The kinds of a minor's API."""

    def __init__(self, wheel: Path) -> None:
        self._archive = zipfile.ZipFile(wheel)
        self._files: dict[str, str] = {}
        for name in self._archive.namelist():
            if "/client/models/" in name and (found := re.search(r"^class (\w+)\(object\)", self._text(name), re.M)):
                self._files[found[1]] = name
        self._models: dict[str, dict[str, tuple[str, bool]]] = {}

    def unknown(self, item: Json) -> list[str]:
        """Return the fields of an object that this version lacks, or has as alpha fields."""
        version = item["apiVersion"].rpartition("/")[2]
        name = f"{version.capitalize()}{item['kind']}"
        return list(self._unknown(item, name, "")) if name in self._files else [f"{item['apiVersion']} {item['kind']}"]

    def _text(self, name: str) -> str:
        return self._archive.read(name).decode()

    def _unknown(self, value: Any, kind: str, path: str) -> Iterator[str]:
        if listed := re.fullmatch(r"list\[(.+)\]", kind):
            for index, part in enumerate(value):
                yield from self._unknown(part, listed[1], f"{path}[{index}]")
        elif mapped := re.fullmatch(r"dict\(str, (.+)\)", kind):
            for key, part in value.items():
                yield from self._unknown(part, mapped[1], f"{path}.{key}")
        elif kind in self._files and isinstance(value, dict):
            fields = self._model(kind)
            for key, part in value.items():
                known, alpha = fields.get(key, ("", False))
                if not known or alpha:
                    yield f"{path}.{key}"
                else:
                    yield from self._unknown(part, known, f"{path}.{key}")

    def _model(self, kind: str) -> dict[str, tuple[str, bool]]:
        """Each field's type, and whether its description calls it alpha."""
        if kind not in self._models:
            (found,) = (
                node for node in ast.parse(self._text(self._files[kind])).body if isinstance(node, ast.ClassDef)
            )
            tables = {
                node.targets[0].id: ast.literal_eval(node.value)
                for node in found.body
                if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and "_" in node.targets[0].id
                if isinstance(node.value, ast.Dict)
            }
            described = {
                node.name: ast.get_docstring(node) or "" for node in found.body if isinstance(node, ast.FunctionDef)
            }
            self._models[kind] = {
                tables["attribute_map"][name]: (type_, bool(re.search(r"\balpha(-level| field)", described[name])))
                for name, type_ in tables["openapi_types"].items()
            }
        return self._models[kind]


@pytest.fixture(scope="module")
def schema() -> Schema:
    version, digest = CLIENTS[OLDEST]
    name = f"kubernetes-{version}-py2.py3-none-any.whl"

    def make(target: Path) -> None:
        wanted = target.with_name("requirements.txt")
        wanted.write_text(f"kubernetes=={version} --hash=sha256:{digest}\n")
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        place = ["--require-hashes", "--requirement", str(wanted), "--dest", str(target.parent)]
        subprocess.run([*pip, *place], check=True)

    return Schema(Cache(home() / "python").get(name, name, make))


@pytest.mark.parametrize("role", ROLES)
def test_the_oldest_version_knows_every_field(schema: Schema, role: str) -> None:
    objects = rendered_role(role, MEMBER)
    brought = {item["spec"]["group"] for item in objects if item["kind"] == "CustomResourceDefinition"}
    found = {
        f"{item['kind']} {item['metadata']['name']}": unknown
        for item in objects
        if item["apiVersion"].partition("/")[0] not in brought and (unknown := schema.unknown(item))
    }
    assert found == {}


def test_unknown_fields_of_a_version_are_found(schema: Schema) -> None:
    pod = {"containers": [{"name": "a", "image": "b", "lifecycle": {"preStop": {"sleep": {"seconds": 1}}}}], "new": 1}
    item = {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": {"spec": pod}}}
    assert schema.unknown(item) == [".spec.template.spec.new"]
    strategy = {"rollingUpdate": {"partition": 1, "maxUnavailable": 1}}
    item = {"apiVersion": "apps/v1", "kind": "StatefulSet", "spec": {"updateStrategy": strategy}}
    assert schema.unknown(item) == [".spec.updateStrategy.rollingUpdate.maxUnavailable"]
    policy = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicy", "spec": {}}
    assert schema.unknown(policy) == ["admissionregistration.k8s.io/v1 MutatingAdmissionPolicy"]


@pytest.mark.parametrize("text", [text for text, (minor, _, _) in BEHAVIOUR.items() if minor > OLDEST])
def test_fields_that_only_newer_versions_honour_are_optional(text: str) -> None:
    using = {role for role in ROLES if text in json.dumps(rendered_role(role, MEMBER))}
    assert using == {path.partition("/")[0] for path in BEHAVIOUR[text][2]}


def test_an_older_version_is_refused() -> None:
    assert evaluate("eks", "__eks_oldest_version") == f"1.{OLDEST}"
    assert OLDEST in CLIENTS
