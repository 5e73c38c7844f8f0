# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a role would send to a cluster, rendered without running it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

CHECKOUT = Path(__file__).parents[3]
ROLES = CHECKOUT / "roles"

Objects = list[dict[str, Any]]


def role_names() -> list[str]:
    return sorted(path.name for path in ROLES.iterdir() if (path / "tasks").is_dir())


def template_files(role: str) -> list[Path]:
    return sorted((ROLES / role / "templates").glob("*.yaml.j2"))


def variables(role: str, host: str = "staging", **options: Any) -> dict[str, Any]:
    """Return the fleet's values, the role's defaults and internals, and ``options`` above them, untemplated."""
    loader = DataLoader()
    found: dict[str, Any] = {"inventory_hostname": host}
    for path in (
        CHECKOUT / "inventories" / "fleet.yml",
        ROLES / role / "defaults" / "main.yml",
        ROLES / role / "vars" / "main.yml",
    ):
        if path.exists():
            found.update(loader.load_from_file(str(path), trusted_as_template=True) or {})
    return found | options


def evaluate(role: str, expression: str, **options: Any) -> Any:
    """Return the value of a Jinja expression as the role's tasks would see it."""
    templar = Templar(DataLoader(), variables=variables(role, **options))
    return templar.template(trust_as_template("{{ " + expression + " }}"))


def render_template(path: Path, **options: Any) -> Objects:
    templar = Templar(DataLoader(), variables=variables(path.parents[1].name, **options))
    text = templar.template(trust_as_template(path.read_text(encoding="utf-8")), convert_data=False)
    return [document for document in yaml.safe_load_all(text) if document]


def render_role(role: str, **options: Any) -> Objects:
    return [document for path in template_files(role) for document in render_template(path, **options)]


def select(objects: Objects, kind: str, name: str | None = None, namespace: str | None = None) -> Objects:
    return [
        item
        for item in objects
        if item["kind"] == kind
        and name in (None, item["metadata"]["name"])
        and namespace in (None, item["metadata"].get("namespace"))
    ]


def only(objects: Objects, kind: str, name: str | None = None, namespace: str | None = None) -> dict[str, Any]:
    (found,) = select(objects, kind, name, namespace)
    return found
