# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes how long each task of a run took, from its start to its result, to the file $TASK_SECONDS."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: task_seconds
type: notification
short_description: Writes the seconds of each task to a file
description:
  - One JSON object a line, with the task's name, seconds, whether it changed something and the number of its requests.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "task_seconds"
    CALLBACK_NEEDS_ENABLED = True

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:  # noqa: ARG002 - the hook's signature
        self._started = time.perf_counter()

    def v2_runner_on_ok(self, result: Any) -> None:
        line = {
            "task": result.task.get_name(),
            "seconds": time.perf_counter() - self._started,
            "changed": bool(result.result.get("changed")),
            "requests": result.result.get("requests"),
        }
        with Path(os.environ["TASK_SECONDS"]).open("a") as file:
            file.write(json.dumps(line) + "\n")
