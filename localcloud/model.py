# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the parts of the local cloud tell each other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class ClusterRef:
    """A running control plane, as the in-cluster controllers see it.

    ``kubeconfig`` is the administrator's (``system:masters``), ``directory`` the cluster's own folder
    under the state directory.
    """

    name: str
    account: str
    region: str
    endpoint: str
    kubeconfig: Path
    ca_file: Path
    directory: Path


class Stoppable(Protocol):
    """Something that works in the background until it is told to stop."""

    def stop(self) -> None: ...
