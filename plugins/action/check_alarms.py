# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuse invalid overrides of alarms, and custom alarms that Prometheus would refuse."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._alarms.model import AlarmError, Where
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._alarms.rules import rule
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._alarms.site import EXTRA, OVERRIDES, Site, site

_TIMEOUT = 60


def refused_by_promtool(alarms: Site, cluster: str) -> str | None:
    """Return promtool's error about the alarms of ``cluster``; None without an error or without promtool.

    Raises AlarmError if promtool cannot be run.
    """
    program = shutil.which("promtool")
    if program is None:
        return None
    rules = [
        rule(each, alarms.usual[each.name])
        for topic in alarms.of(cluster)
        for each in topic.alarms
        if each.where is not Where.LOGS
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "alarms.yml"
        path.write_text(json.dumps({"groups": [{"name": "alarms", "rules": rules}]}), encoding="utf-8")
        try:
            done = subprocess.run(
                [program, "check", "rules", path], capture_output=True, text=True, check=False, timeout=_TIMEOUT
            )
        except subprocess.TimeoutExpired as error:
            raise AlarmError(
                [f"promtool has not answered within {_TIMEOUT} seconds: {program} check rules."]
            ) from error
        except OSError as error:
            raise AlarmError([f"promtool cannot be run: {error}."]) from error
    if done.returncode == 0:
        return None
    said = [line.strip().replace(f"{path}: ", "") for line in done.stderr.splitlines() if line.strip()]
    return " ".join(line for line in said if line != "FAILED:")


class ActionModule(ActionBase):  # type: ignore[misc]
    """Check the overrides and custom alarms on the controller."""

    _requires_connection = False
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        variables = task_vars or {}
        _result, args = self.validate_argument_spec(
            argument_spec={
                "overrides": {"type": "raw"},
                "extra": {"type": "raw"},
                "cluster": {"type": "str", "required": True},
                "members": {"type": "list", "elements": "str", "default": []},
            }
        )
        host = variables.get("inventory_hostname", "this host")
        try:
            alarms = site(
                args["overrides"], args["extra"], folder=variables.get("inventory_dir"), clusters=args["members"]
            )
            refused = refused_by_promtool(alarms, args["cluster"]) if alarms.overrides or alarms.own else None
        except AlarmError as error:
            return _refused(error.faults, host)
        if refused:
            said = f"promtool refuses what {OVERRIDES} and {EXTRA} make of the alarms: {refused}. Correct the query."
            return _refused([said], host)
        return {"changed": False, "faults": []}


def _refused(faults: list[str], host: str) -> dict[str, Any]:
    return {"failed": True, "faults": faults, "msg": f"{' '.join(faults)} It is set in the variables of {host}."}
