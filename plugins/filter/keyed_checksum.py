# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checksums of content with secrets: without the key, guesses of a secret cannot be tested against a checksum."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._shared_values.names import is_placeholder

SHORTEST = 16


def keyed_checksum(content: str, key: str) -> str:
    """Return the HMAC-SHA-256 of ``content`` as 64 hexadecimal digits, only f for the placeholder of a key.

    Raises AnsibleFilterError for a key of less than 16 characters. No error contains the content or the key.
    """
    if not isinstance(content, str) or not isinstance(key, str):
        raise AnsibleFilterError("keyed_checksum: the content and the key must be text, such as the result of to_json.")
    if is_placeholder(key):
        return "f" * 64  # YAML would read zeros as a number, and an annotation must be text
    if len(key) < SHORTEST:
        raise AnsibleFilterError(
            f"keyed_checksum: the key has {len(key)} characters. Give at least {SHORTEST} random ones, or leave the "
            "role's option to its default, which reads what the role pki has made."
        )
    return hmac.digest(key.encode(), content.encode(), "sha256").hex()


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"keyed_checksum": keyed_checksum}
