# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the Kubernetes objects of a playbook's roles to files. Documented in the module of the same name."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleActionFail
from ansible.template import trust_as_template
from ansible.utils.collection_loader._collection_finder import _get_collection_playbook_path
from ansible_collections.dataplatform.fleet.plugins.action.apply import ActionModule as Apply
from ansible_collections.dataplatform.fleet.plugins.module_utils._yamltext import dump
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible.environment import in_environment
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply import preview, render
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.diff import clean
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.errors import ApplyError
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.objects import Json, Source, split_api_version
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._shared_values.lookup import placeholders

COLLECTION = Path(__file__).parents[2]
Value = Any  # whatever a YAML file holds


class ActionModule(Apply):
    """Render as the action apply does, and write the result to files."""

    @in_environment
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super(Apply, self).run(tmp, task_vars)
        _, args = self.validate_argument_spec(
            {
                "playbook": {"type": "path", "required": True},
                "dest": {"type": "path", "required": True},
                "placeholders": {"type": "bool", "default": True},
            }
        )
        variables = task_vars or {}
        try:
            with placeholders() if args["placeholders"] else contextlib.nullcontext():
                texts = self._texts(args["playbook"], variables)
        except ApplyError as error:
            raise AnsibleActionFail(str(error)) from None
        dest = Path(args["dest"])
        there = {str(path.relative_to(dest)) for path in dest.rglob("*.yaml")}
        removed = sorted(there - texts.keys())
        changed = {
            name for name, text in texts.items() if name not in there or (dest / name).read_bytes() != text.encode()
        }
        if not self._task.check_mode:
            try:
                write(dest, {name: texts[name] for name in changed}, removed)
            except OSError as error:
                raise AnsibleActionFail(
                    f"{error.filename} cannot be written: {error.strerror}. Give dest another path (render_path)."
                ) from None
        result.update(changed=bool(changed or removed), files=sorted(texts), removed=removed)
        return result

    def _texts(self, playbook: str, variables: dict[str, Any]) -> dict[str, str]:
        """Each file's text by its name."""
        texts: dict[str, str] = {}
        for entry in roles_of(playbook, groups_of(variables)):
            role = str(entry["role"]).rpartition(".")[2]
            known = self._variables_of(role, {**variables, **entry.get("vars", {})})
            if self._runs(entry, known) and self._value(f"{role}_enabled", known, default=True):
                namespace = str(self._value(f"{role}_namespace", known, default=""))
                for body in self._objects(role, known, namespace):
                    name = f"{role}/{file_name(body)}"
                    if name in texts:
                        raise AnsibleActionFail(f"The role {role} renders {file_name(body)} twice.")
                    texts[name] = text_of(body)
        return texts

    def _variables_of(self, role: str, variables: dict[str, Any]) -> dict[str, Any]:
        """Return the variables of a task of the role."""
        root = COLLECTION / "roles" / role
        shared = self._load(COLLECTION / "roles" / "fleet" / "defaults" / "main.yml")
        defaults, constants = (self._load(root / folder / "main.yml") for folder in ("defaults", "vars"))
        place = {"role_path": str(root), "role_name": role, "ansible_search_path": [str(root)]}
        return {**shared, **defaults, **variables, **constants, **place}

    def _load(self, path: Path) -> dict[str, Any]:
        if not path.exists():
            return {}
        found: dict[str, Any] = self._loader.load_from_file(str(path), trusted_as_template=True) or {}
        return found

    def _value(self, name: str, variables: dict[str, Any], default: Value) -> Value:
        if name not in variables:
            return default
        return self._templar.copy_with_new_env(available_variables=variables).template(variables[name])

    def _runs(self, entry: Mapping[str, Any], variables: dict[str, Any]) -> bool:
        """Whether the role runs on the host, by the entry's ``when``."""
        conditions = entry.get("when", [])
        for condition in conditions if isinstance(conditions, list) else [conditions]:
            templar = self._templar.copy_with_new_env(available_variables=variables)
            if not templar.evaluate_conditional(trust_as_template(str(condition))):
                return False
        return True

    def _objects(self, role: str, variables: dict[str, Any], namespace: str) -> Iterator[Json]:
        root = COLLECTION / "roles" / role / "templates"
        templates = self._templates(variables)
        found: list[tuple[Json, Source]] = []
        for file in sorted(root.rglob(f"*{render.SUFFIX}")):
            text = self._loader.get_text_file_contents(str(file))
            found += render.parse(templates.render(file, text), render.shown(file), str(text))
        return (placed(body, namespace, found) for body, _ in found)


def write(dest: Path, texts: Mapping[str, str], removed: Iterable[str]) -> None:
    """Write the texts to files of these names, and delete all other files and empty folders."""
    for name in removed:
        (dest / name).unlink()
    for name, text in texts.items():
        (dest / name).parent.mkdir(parents=True, exist_ok=True)
        (dest / name).write_text(text, encoding="utf-8")
    for folder in [path for path in dest.glob("*") if path.is_dir() and not any(path.iterdir())]:
        folder.rmdir()


def groups_of(variables: Mapping[str, Any]) -> set[str]:
    """Return the groups of the host."""
    return {"all", *variables.get("group_names", ())}


def roles_of(name: str, groups: set[str], folder: Path = Path()) -> Iterator[dict[str, Any]]:
    """Return the roles that a playbook and its imported playbooks run on a host in these groups, in that order.

    A playbook's name is its path from the folder, or that of one in a collection, as ``dataplatform.fleet.site``.
    """
    of_collection = _get_collection_playbook_path(name)
    playbook = Path(of_collection[1]) if of_collection else folder / name
    try:
        plays = yaml.safe_load(playbook.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise AnsibleActionFail(f"The playbook {playbook} cannot be read: {error}") from error
    for play in plays:
        imported = play.get("import_playbook") or play.get("ansible.builtin.import_playbook")
        if imported:
            yield from roles_of(imported, groups, playbook.parent)
        elif set(str(play["hosts"]).split(":&")) <= groups:
            for entry in play.get("roles", ()):
                yield entry if isinstance(entry, dict) else {"role": entry}
            for task in play.get("tasks", ()):
                included = task.get("ansible.builtin.include_role") or task.get("ansible.builtin.import_role") or {}
                if included.get("tasks_from", "main") == "main" and "name" in included:
                    yield {"role": included["name"], "vars": task.get("vars", {}), "when": task.get("when", [])}


def placed(body: Json, namespace: str, found: list[tuple[Json, Source]]) -> Json:
    """An object with its set's namespace if its kind has namespaces and it names none."""
    group, version = split_api_version(body["apiVersion"])
    metadata = body["metadata"]
    namespaced = preview.Assumed(found).find(group, version, body["kind"]).namespaced
    if not namespaced or metadata.get("namespace") or not namespace:
        return body
    return {**body, "metadata": {"name": metadata["name"], "namespace": namespace, **metadata}}


def file_name(body: Json) -> str:
    """Return a file name such as ``Deployment-web-web.yaml`` that is valid in every file system."""
    metadata = body["metadata"]
    parts = [body["kind"], metadata.get("namespace"), metadata["name"]]
    return "-".join(str(part) for part in parts if part).replace(":", "_").replace("/", "_") + ".yaml"


def text_of(body: Json) -> str:
    """Return an object as YAML: the same text in each run, and without secret values."""
    return dump(clean(body, hide=lambda _: "<redacted>"))
