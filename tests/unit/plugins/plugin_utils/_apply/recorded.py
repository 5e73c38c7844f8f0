# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects that a real API server returned, with its schemas.

``rendered`` is what was sent, ``applied`` what the server made of it, ``edited`` the same after a person's ``kubectl
edit`` and two programs' patches, ``handed_over`` after the JSON patch of ``drift.hand_over``, and ``restored`` after
the apply that followed. tests/integration/apply/record.py says what was sent, and writes the file again.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Final

from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.objects import (
    Json,
    Key,
    key_of,
    split_api_version,
)
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.schema import Document, Type

_RECORDED: Final[Json] = json.loads(Path(__file__).with_name("recorded.json").read_text())
SCHEMAS: Final[dict[str, Json]] = _RECORDED["schemas"]
KINDS: Final = sorted(_RECORDED["objects"])
EDITED: Final = [kind for kind in KINDS if "edited" in _RECORDED["objects"][kind]]


def state(kind: str, name: str) -> Json:
    """An object in one of the recorded states; free to be changed."""
    found: Json = copy.deepcopy(_RECORDED["objects"][kind][name])
    return found


def key(kind: str) -> Key:
    return key_of(_RECORDED["objects"][kind]["rendered"])


def component(api_version: str, kind: str) -> str:
    """Return the name of a built-in kind's schema in OpenAPI documents."""
    group, version = split_api_version(api_version)
    return f"io.k8s.api.{group or 'core'}.{version}.{kind}"


def type_of(kind: str) -> Type:
    """The kind's type, from the server's OpenAPI document, as far as the recorded objects use it."""
    version = _RECORDED["objects"][kind]["rendered"]["apiVersion"]
    found = Document(SCHEMAS[version], {kind: component(version, kind)}).type_of(kind)
    assert found is not None
    return found
