# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import hashlib

from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply import applyset, order
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.applyset import Parent, Scope
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.objects import Key


def test_the_id_is_the_hash_of_the_specification() -> None:
    digest = hashlib.sha256(b"web-applyset.default.ConfigMap.").digest()
    expected = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    assert Parent("web", "default").id == f"applyset-{expected}-v1"


def test_the_record_of_the_parent_can_be_read() -> None:
    parent = Parent("web", "default")
    scope = Scope(frozenset({"Deployment.apps", "ConfigMap"}), frozenset({"default", "other"}))
    body = parent.body(scope)
    assert body["metadata"]["annotations"][applyset.GROUP_KINDS] == "ConfigMap,Deployment.apps"
    assert body["metadata"]["annotations"][applyset.NAMESPACES] == "other"
    assert applyset.recorded_scope(body, parent) == scope


def test_foreign_tools() -> None:
    parent = Parent("web", "default").body(Scope())
    assert applyset.foreign_tool(parent) == ""
    parent["metadata"]["annotations"][applyset.TOOLING] = "kubectl/v1.36"
    assert applyset.foreign_tool(parent) == "kubectl/v1.36"


def key(kind: str, group: str = "") -> Key:
    return Key(group, kind, "", kind)


def test_order() -> None:
    keys = [
        key("ValidatingAdmissionPolicy", "admissionregistration.k8s.io"),
        key("Deployment", "apps"),
        key("Role", "rbac.authorization.k8s.io"),
        key("ConfigMap"),
        key("Namespace"),
        key("CustomResourceDefinition", "apiextensions.k8s.io"),
    ]
    steps = [[item.kind for item in step] for step in order.phases(keys, lambda item: item)]
    expected = [
        ["CustomResourceDefinition"],
        ["Namespace"],
        ["Role", "ConfigMap"],
        ["Deployment"],
        ["ValidatingAdmissionPolicy"],
    ]
    assert steps == expected
    assert [[item.kind for item in step] for step in order.phases(keys, lambda item: item, removing=True)] == expected[
        ::-1
    ]
