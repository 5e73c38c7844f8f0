# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Permissions that no role grants to its programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import (
    CONTROLPLANE,
    render_role,
    rendered_role,
    role_names,
    select,
)

TENANT = [{"name": "shop"}]


def granted(role: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """What is bound in all of the cluster, and what in one namespace: the namespace or "", and the rule."""
    options = {"guardrails_tenants": TENANT} if role == "guardrails" else {}
    objects = render_role(role, **options) if options else rendered_role(role)
    for kind in ("ClusterRoleBinding", "RoleBinding"):
        for binding in select(objects, kind):
            ref = binding["roleRef"]
            namespace = binding["metadata"].get("namespace", "")
            where = namespace if ref["kind"] == "Role" else None
            for found in select(objects, ref["kind"], ref["name"], where):
                for rule in found.get("rules") or []:
                    yield namespace, rule


@pytest.mark.parametrize("role", role_names())
def test_no_program_reads_every_secret_of_a_cluster(role: str) -> None:
    for namespace, rule in granted(role):
        if not namespace:
            assert not {"secrets", "*"} & set(rule.get("resources", [])), rule


@pytest.mark.parametrize("role", role_names())
def test_rights_are_named(role: str) -> None:
    for _, rule in granted(role):
        for key in ("apiGroups", "resources", "verbs"):
            assert "*" not in rule.get(key, []), rule


@pytest.mark.parametrize("role", sorted(CONTROLPLANE))
def test_namespaces_of_the_data_have_no_role_bindings_of_users(role: str) -> None:
    bound = {namespace for other in role_names() if other not in CONTROLPLANE for namespace, _ in granted(other)}
    assert role not in bound
