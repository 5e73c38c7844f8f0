# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The run that a worker process of Ansible's belongs to: its process, its directory, its end."""

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
    """The number of the run's process, whose child this one is. Raises AnsibleError if the run has ended."""
    parent = os.getppid()
    own = multiprocessing.parent_process()
    if own is not None and own.pid != parent:
        raise AnsibleError("The run has ended while a task of it was under way. Run again.")
    return parent


def directory() -> Path:
    """The run's temporary directory, the same in all of its processes."""
    return Path(constants.DEFAULT_LOCAL_TMP)


def end_with_it() -> None:
    """Let this worker end, with what it has started, as soon as the run has ended. Raises AnsibleError if it has.

    Ansible's workers pass SIGTERM on to their process group. Other systems than Linux have no such signal.
    """
    if multiprocessing.parent_process() is None:
        return
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    process()
