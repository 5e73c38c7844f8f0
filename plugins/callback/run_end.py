# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Release the locks of a run before its process ends."""

from __future__ import annotations

DOCUMENTATION = r"""
name: run_end
type: aggregate
short_description: Releases the locks of a run before its process ends
version_added: 0.1.0
description:
  - A process of its own keeps each lock that M(dataplatform.fleet.run_lock) has taken, and releases the lock after the
    end of C(ansible-playbook). In a container, this process ends together with C(ansible-playbook), and the lock
    stays until it is five minutes old.
  - With this callback, C(ansible-playbook) waits up to 10 seconds at its end until its locks are released, also when it
    has received SIGTERM. A container that is stopped gets that signal in its first process.
  - Nothing is printed.
requirements:
  - V(dataplatform.fleet.run_end) in the setting C(callbacks_enabled) of C(ansible.cfg), as in the C(ansible.cfg) of
    this project.
author:
  - The dataplatform.fleet authors (@dataplatform-fleet)
"""

import atexit
import contextlib
import multiprocessing
import os
import signal
import time
from types import FrameType
from typing import Any

from ansible.playbook import Playbook
from ansible.plugins.callback import CallbackBase
from ansible_collections.dataplatform.fleet.plugins.module_utils._lock import heartbeat, held
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible import run

SECONDS = 10.0


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """Wait at the end of the run's process."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "dataplatform.fleet.run_end"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - Ansible's signature
        super().__init__(*args, **kwargs)
        self._process: int | None = None
        self._before: Any = None

    def v2_playbook_on_start(self, playbook: Playbook) -> None:  # noqa: ARG002 - Ansible's signature
        if self._process is None:
            self._process = os.getpid()
            atexit.register(self._release)
            self._before = signal.signal(signal.SIGTERM, self._terminate)

    def _terminate(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() == self._process:
            for worker in multiprocessing.active_children():
                worker.terminate()
            self._release()
        if callable(self._before):
            self._before(number, frame)
        # The first process of a container does not end by a signal that it has no handler for.
        os._exit(128 + number)

    def _release(self) -> None:
        """Tell the processes that keep this run's locks that it ends, and wait for them."""
        if os.getpid() != self._process:
            return
        keepers = []
        for _place, memory in held.memories(run.directory()):
            if not held.ended(memory):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(memory["pid"], heartbeat.ENDS)
                    keepers.append(heartbeat.Process(memory["pid"], memory["started"]))
        until = time.monotonic() + SECONDS
        for keeper in keepers:
            keeper.wait(max(0.0, until - time.monotonic()))
