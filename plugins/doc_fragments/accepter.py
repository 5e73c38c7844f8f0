# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    # For modules whose two sides may be in two accounts. The specification: module_utils/_peering/api.py.
    DOCUMENTATION = r"""
options:
  accepter:
    description: Credentials of the other side's account. Without them, those of the task.
    type: dict
    default: {}
    suboptions:
      access_key:
        description: The access key.
        type: str
      secret_key:
        description: The secret key.
        type: str
      session_token:
        description: The session token.
        type: str
"""
