# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that the AWS modules share. Documented in amazon.aws.tags and the fragment dataplatform.fleet.aws."""

from __future__ import annotations

from typing import Any

Spec = dict[str, Any]

STATE: Spec = {"state": {"type": "str", "choices": ["present", "absent"], "default": "present"}}
TAGS: Spec = {
    "tags": {"type": "dict", "aliases": ["resource_tags"]},
    "purge_tags": {"type": "bool", "default": True},
}
ADOPT: Spec = {"adopt": {"type": "bool", "default": False}}
WAIT: Spec = {
    "wait": {"type": "bool", "default": True},
    "wait_timeout": {"type": "int", "default": 3600},
}
