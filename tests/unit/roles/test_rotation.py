# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A renewed password reaches running programs: pods are replaced, or a reconciler runs a new Job."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import (
    ROLES,
    Objects,
    render_template,
    role_names,
    shared_values,
    template_files,
)

# Where a role asks for a password of its own cluster's, or for the member's credential.
ASKED = re.compile(r"'/(passwords/[a-z-]+|kafka/(?:username|password))'")
# Of the one, what encrypts with it cannot follow; the others are no passwords.
NEVER_ALONE = ("-directory-", "cluster-id")

# They use a password while they run, and leave it nowhere.
ASKING = {"verify"}


def asked_for() -> list[tuple[str, str]]:
    """Every role with every password or credential that it reads."""
    found = set()
    for role in set(role_names()) - ASKING:
        for name in ("defaults", "vars"):
            path = ROLES / role / name / "main.yml"
            text = path.read_text(encoding="utf-8") if path.exists() else ""
            found |= {(role, key) for key in ASKED.findall(text) if not any(part in key for part in NEVER_ALONE)}
    return sorted(found)


def objects(role: str, **changed: str) -> Objects:
    # Dashboards take a second, and hold no password.
    paths = [path for path in template_files(role) if path.name != "dashboards.yaml.j2"]
    values = {"fleet_values": shared_values() | changed}
    return [item for path in paths for item in render_template(path, host="controlplane", **values)]


def running(found: Objects) -> set[str]:
    """What is replaced when it differs: pods by their template, Jobs by their name."""
    kinds = ("Deployment", "StatefulSet", "DaemonSet")
    pods = {json.dumps(item["spec"]["template"], sort_keys=True) for item in found if item["kind"] in kinds}
    return pods | {item["metadata"]["name"] for item in found if item["kind"] == "Job"}


def differing(before: Objects, after: Objects) -> set[str]:
    def texts(found: Objects) -> dict[str, str]:
        return {f"{item['kind']}/{item['metadata']['name']}": json.dumps(item, sort_keys=True) for item in found}

    old, new = texts(before), texts(after)
    return {name for name in {*old, *new} if old.get(name) != new.get(name)}


def test_found_the_passwords() -> None:
    found = asked_for()
    assert {("grafana", "passwords/grafana-admin"), ("kafka", "passwords/kafka-admin")} <= set(found)
    assert {role for role, key in found if key == "kafka/password"} >= {"fluent_bit", "prometheus"}
    made = {path.split("/", 1)[1] for path in shared_values() if path.startswith("controlplane/passwords/")}
    assert {key for _, key in found if key.startswith("passwords/")} == {
        name for name in made if not any(part in name for part in NEVER_ALONE)
    }, "a password is made that nobody reads"


@pytest.mark.parametrize(("role", "key"), asked_for())
def test_connects_to_running_pods(role: str, key: str) -> None:
    before = objects(role)
    after = objects(role, **{f"controlplane/{key}": "another-one-of-32-characters-abc"})
    changed = differing(before, after)
    assert changed, "nothing of it is in the role's objects"
    assert running(before) != running(after), f"{changed} differ, but nothing that runs would notice"
    shown: list[Any] = [item for item in after if item["kind"] != "Secret"]
    assert "another-one" not in json.dumps(shown)
