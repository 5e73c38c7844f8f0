# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generated texts: passwords, keys and identifiers."""

from __future__ import annotations

import base64
import secrets
import string
from collections.abc import Collection, Mapping

# Letters and digits alone: nothing that a shell, URL, JSON or properties file would have to escape.
ALPHABET = string.ascii_letters + string.digits
LENGTH = 32  # 190 bits
KINDS = ("password", "key", "id")


def generate(kind: str = "password") -> str:
    if kind == "id":
        return _kafka_id()
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def complete(
    live: Mapping[str, str], wanted: Mapping[str, str], rotate: Collection[str]
) -> tuple[dict[str, str], list[str]]:
    """Return all of ``live``, and a text for what ``wanted`` (names and kinds) misses; and the names made now.

    What is to be rotated is renewed: V(all) are the passwords; keys go by their names only, identifiers never.
    """
    made = [
        name
        for name, kind in wanted.items()
        if not live.get(name)
        or (kind == "password" and ("all" in rotate or name in rotate))
        or (kind == "key" and name in rotate)
    ]
    return {**live, **{name: generate(wanted[name]) for name in made}}, sorted(made)


def _kafka_id() -> str:
    """Return a random identifier as Kafka's own class Uuid does: none that begins like a command's option."""
    while True:
        text = base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
        if not text.startswith("-"):
            return text
