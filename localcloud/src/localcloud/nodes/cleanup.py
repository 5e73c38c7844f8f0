# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cleanup of the resources that real nodes leave when their processes have ended: control groups, sockets and files.

The kernel removes namespaces, mounts, network links and packet filters with the processes, and loop devices with the
mounts.
"""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

from localcloud.nodes import cgroups, volumes

LOG = logging.getLogger("localcloud.nodes")
SOCKETS = Path("/run")


def clear(root: Path) -> None:
    """Remove the remaining resources of a state directory's real nodes."""
    machines = root / "nodes"
    if os.geteuid() != 0 or not machines.exists():
        return
    key = cgroups.key_of(root)
    cgroups.remove(key)
    shutil.rmtree(SOCKETS / key, ignore_errors=True)
    if held := volumes.release(machines):
        LOG.warning("These loop devices are still in use: %s", ", ".join(held))
    shutil.rmtree(machines, ignore_errors=True)
