# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Record what each playbook of a scenario changes, or announces in check mode.

$MOLECULE_EPHEMERAL_DIRECTORY/<playbook>-<run or check>.jsonl has a line for each change of the last run of a playbook:
the play, the host, the task and the item of a loop. Playbooks in shared/ compare them.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ansible import context
from ansible.executor.task_result import CallbackTaskResult
from ansible.playbook import Playbook
from ansible.playbook.play import Play
from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """Write a line for each change when it happens, so that a later play can read it."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "changes"
    _play = ""

    def v2_playbook_on_start(self, playbook: Playbook) -> None:
        mode = "check" if context.CLIARGS["check"] else "run"
        folder = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
        self._file = folder / f"{Path(playbook._file_name).stem}-{mode}.jsonl"
        self._file.write_text("", encoding="utf-8")

    def v2_playbook_on_play_start(self, play: Play) -> None:
        self._play = play.get_name()

    def v2_runner_on_ok(self, result: CallbackTaskResult) -> None:
        if not result.is_changed() or "results" in result.result:
            return
        self._record(result)

    def v2_runner_item_on_ok(self, result: CallbackTaskResult) -> None:
        if result.is_changed():
            self._record(result)

    def _record(self, result: CallbackTaskResult) -> None:
        change: dict[str, Any] = {"play": self._play, "host": result.host.get_name(), "task": result.task.get_name()}
        if "_ansible_item_label" in result.result:
            change["item"] = str(result.result["_ansible_item_label"])
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(change, sort_keys=True) + "\n")
