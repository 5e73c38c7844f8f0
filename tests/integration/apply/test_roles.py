# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every object of every role: a second apply is unchanged without a dry run, and no change is missed."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible.templates import Templates
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply import plan, render
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.errors import ApiError
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.fields import MANAGER
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.objects import Json, Source
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import variables

from .conftest import Cluster
from .mutations import mutate

pytestmark = pytest.mark.integration
CHECKOUT = Path(__file__).resolve().parents[3]
ROLES = sorted(
    {path.parents[1].name for path in CHECKOUT.glob(f"roles/*/templates/*{render.SUFFIX}")},
    key=lambda role: (role == "guardrails", role),  # it owns, and in the end removes, the others' namespaces
)
MUTATIONS = 400


def rendered(role: str) -> list[tuple[Json, Source]]:
    """A role's objects with its defaults, as for a member on which it runs, each with its place in the template."""
    root = CHECKOUT / "roles" / role
    templates = Templates(Templar(DataLoader()), variables(role), [str(root)])
    found: list[tuple[Json, Source]] = []
    for path in render.select(root / "templates", ["."]):
        text = path.read_text()
        found += render.parse(templates.render(path, text), path.name, text)
    return found


@pytest.mark.parametrize("role", ROLES)
def test_objects_of_a_role(cluster: Cluster, role: str) -> None:
    found = rendered(role)
    name = role.replace("_", "-")
    for namespace in {body["metadata"].get("namespace") for body, _ in found} - {None}:
        if cluster.get(f"/api/v1/namespaces/{namespace}") is None:
            cluster.send("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    options = {"allow_namespaces": True, "confirm": name}
    applier = cluster.applier(name, "default", **options)
    applier.present(found)
    try:
        again = cluster.applier(name, "default", **options)
        assert not again.present(rendered(role)).changed
        applier = cluster.applier(name, "default", **options)
        members = applier.read(rendered(role))
        lives = {member.key: cluster.client.get(member.path) for member in members}
        types = {member.key: applier.discovery.type_of(member.resource) for member in members}
        asked = [str(m.key) for m in members if not plan.surely_unchanged(m.body, lives[m.key], types[m.key])]
        assert asked == [], "these cost a dry run each time"

        chooser = random.Random(20261123)
        query = {"fieldManager": MANAGER, "force": "true", "dryRun": "All", "fieldValidation": "Strict"}
        for _ in range(MUTATIONS):
            member = chooser.choice(members)
            body = mutate(member.body, chooser)
            if not plan.surely_unchanged(body, lives[member.key], types[member.key]):
                continue
            answer = cluster.client.request(
                "PATCH", member.path, query, body=body, content_type="application/apply-patch+yaml"
            )
            assert plan.same_state(lives[member.key], answer.json()), f"missed: {body}"
    except ApiError as error:
        pytest.fail(f"the server refuses what was taken for unchanged: {error}")
    finally:
        cluster.absent(name, "default", confirm=name)
