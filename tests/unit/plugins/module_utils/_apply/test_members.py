# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.module_utils._apply.applyset import Parent
from ansible_collections.dataplatform.fleet.plugins.module_utils._apply.members import complete, resolve
from ansible_collections.dataplatform.fleet.plugins.module_utils._apply.objects import Json, Member
from ansible_collections.dataplatform.fleet.plugins.module_utils._apply.preview import Assumed
from ansible_collections.dataplatform.fleet.plugins.module_utils._apply.render import parse

PARENT = Parent("s", "n")
DEFINITION = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: parts.example.com}}
spec:
  group: example.com
  scope: Namespaced
  names: {{kind: Part, plural: parts}}
  versions: [{{name: v1{}}}]
---
"""
PART = """\
apiVersion: example.com/v1
kind: Part
metadata:
  name: p
status:
  phase: x
"""


def completed(text: str) -> tuple[list[Member], list[str]]:
    found = parse(text, "set.yaml.j2")
    kinds = Assumed(found)
    members = resolve(found, kinds, PARENT, allow_namespaces=False)
    return members, complete(members, kinds, PARENT)


@pytest.mark.parametrize(
    ("subresources", "status"), [("", {"phase": "x"}), (", subresources: {scale: {}}", {"phase": "x"})]
)
def test_a_status_that_is_no_subresource_is_sent(subresources: str, status: Json) -> None:
    members, warnings = completed(DEFINITION.format(subresources) + PART)
    assert members[1].body["status"] == status
    assert warnings == []


def test_what_is_not_sent_is_said_with_file_line_object_and_field() -> None:
    members, warnings = completed(DEFINITION.format(", subresources: {status: {}}") + PART)
    assert "status" not in members[1].body
    (said,) = warnings
    why = "status is written by the kind's controller alone: it is not sent. Take it out."
    assert said == f"set.yaml.j2:14: Part.example.com n/p: {why}"


@pytest.mark.parametrize("status", [{}, {"conditions": []}, {"loadBalancer": {}}, None])
def test_an_empty_status_is_not_worth_a_word(status: Any) -> None:
    text = f"{{apiVersion: v1, kind: Service, metadata: {{name: s}}, status: {'null' if status is None else status}}}"
    assert completed(text)[1] == []
