# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The run of a worker process: its process, its directory, its end."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
from pathlib import Path

from ansible import constants
from ansible.errors import AnsibleError

PR_SET_PDEATHSIG = 1  # prctl(2)


def process() -> int:
    """Return the id of the run's process, the parent of this process. Raises AnsibleError if the run has ended."""
    parent = os.getppid()
    own = multiprocessing.parent_process()
    if own is not None and own.pid != parent:
        raise AnsibleError("The run has ended during one of its tasks. Run again.")
    return parent


def directory() -> Path:
    """Return the run's temporary directory, the same in all its processes."""
    return Path(constants.DEFAULT_LOCAL_TMP)


def end_with_it() -> None:
    """End this worker and its child processes when the run ends. Raises AnsibleError if it has ended.

    Ansible's workers pass SIGTERM on to their process group. Other systems than Linux have no such signal.
    """
    if multiprocessing.parent_process() is None:
        return
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    process()
