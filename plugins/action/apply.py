# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of dataplatform.fleet.apply: templating and results; the rest is plugin_utils/_apply."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NoReturn

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible import run
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible.environment import in_environment
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible.templates import Templates
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply import (
    applier,
    connection,
    fieldpath,
    options,
    preview,
    render,
)
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.client import Client
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.errors import ApplyError, ClusterMissingError
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.objects import Json, Source
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.plan import Ignore

display = Display()
# RFC 1123 label: the grammar of a namespace's name, and of a set's name, which is a part of its parent's name.
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


class ActionModule(ActionBase):  # type: ignore[misc]
    """Applies a set of Kubernetes objects from the controller."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    @in_environment
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        run.end_with_it()
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, args = self.validate_argument_spec(
            options.argument_spec(),
            mutually_exclusive=options.MUTUALLY_EXCLUSIVE,
            required_one_of=options.REQUIRED_ONE_OF,
            required_if=options.REQUIRED_IF,
            required_by=options.REQUIRED_BY,
        )
        try:
            outcome = self._apply(args, task_vars or {})
        except ApplyError as error:
            self._fail(error)
        result.update(
            changed=outcome.changed,
            objects=outcome.objects(),
            load_balancers=outcome.load_balancers(),
            requests=outcome.requests,
        )
        if outcome.warnings:
            result.setdefault("warnings", []).extend(outcome.warnings)
        if self._task.diff:
            result["diff"] = outcome.diff()
        return result

    def _fail(self, error: ApplyError) -> NoReturn:
        # The cause is not chained: it can contain a credential or the text of a response.
        raise AnsibleActionFail(str(error)) from None

    def _apply(self, args: dict[str, Any], task_vars: dict[str, Any]) -> applier.Result:
        settings = _settings(args, check=self._task.check_mode)
        absent = args["state"] == "absent"
        found = [] if absent else self._render(args, task_vars)
        try:
            server = connection.server_for(args)
        except ClusterMissingError as error:
            if absent:
                return applier.Result()
            if settings.check:
                return preview.of_new_cluster(settings, found)
            raise ApplyError(f"{error} Create it first (the eks role does), or check cluster and region.") from None
        with Client(server) as client:
            work = applier.Applier(
                client, settings, report=lambda text: display.display(f"apply {settings.name}: {text}")
            )
            return work.absent() if absent else work.present(found)

    def _render(self, args: dict[str, Any], task_vars: dict[str, Any]) -> list[tuple[Json, Source]]:
        if args.get("definition") is not None:
            return render.from_definition(args["definition"])
        root = self._template_root()
        templates = self._templates(task_vars)
        found: list[tuple[Json, Source]] = []
        for file in render.select(root, [str(pattern) for pattern in args["templates"]]):
            text = self._loader.get_text_file_contents(str(file))
            found += render.parse(templates.render(file, text), render.shown(file), str(text))
        return found

    def _template_root(self) -> Path:
        role = self._task._role
        base = Path(role._role_path if role else self._loader.get_basedir())
        return base / "templates" if role or (base / "templates").is_dir() else base

    def _templates(self, variables: dict[str, Any]) -> Templates:
        places = [*variables.get("ansible_search_path", []), self._loader.get_basedir()]
        return Templates(self._templar, variables, places)


def _settings(args: dict[str, Any], *, check: bool) -> applier.Settings:
    for option in ("name", "namespace"):
        if not _LABEL.fullmatch(str(args[option])):
            raise ApplyError(f"{option} {str(args[option])!r} may have lowercase letters, digits and dashes only.")
    if not 0 <= args["prune_limit"] <= 1:
        raise ApplyError(f"prune_limit is a share between 0 and 1, not {args['prune_limit']:g}.")
    ignore = [
        Ignore(
            item.get("kind") or "",
            item.get("name") or "",
            item.get("namespace") or "",
            [fieldpath.parse(str(text)) for text in item["fields"]],
        )
        for item in args.get("ignore_fields") or ()
    ]
    return applier.Settings(
        name=str(args["name"]),
        namespace=str(args["namespace"]),
        cluster=str(args.get("cluster") or ""),
        wait=args["wait"],
        wait_timeout=args["wait_timeout"],
        force=args["force"],
        ignore=ignore,
        prune=args["prune"],
        prune_limit=args["prune_limit"],
        confirm=str(args.get("confirm") or ""),
        allow_namespaces=args["allow_namespaces"],
        check=check,
    )
