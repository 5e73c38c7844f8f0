# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of playbooks that need no cloud."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from ansible_collections.dataplatform.fleet.tests.integration import commands


def ansible_playbook(
    *arguments: str | Path, config: Path = commands.CHECKOUT / "ansible.cfg", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run ansible-playbook with the settings of ``config``, without other settings of Ansible and AWS."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "AWS_"))}
    settings = {"ANSIBLE_CONFIG": str(config), "COLUMNS": "1000"}
    return commands.run("ansible-playbook", *arguments, env=inherited | settings | environment)
