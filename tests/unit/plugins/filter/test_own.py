# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.filter.own import own

TAGS = {"dataplatform.fleet/fleet": "one", "team": "a"}
OURS = {"id": 1, "tags": {"dataplatform.fleet/fleet": "one"}}
THEIRS = {"id": 2, "tags": {"dataplatform.fleet/fleet": "two"}}
UNTAGGED = {"id": 3, "tags": {}}
UNKNOWN: dict[str, Any] = {"id": 4}


@pytest.mark.parametrize(
    ("found", "strict", "expected"),
    [
        ([OURS, THEIRS, UNTAGGED, UNKNOWN], False, [OURS]),
        ([THEIRS, UNTAGGED], False, [THEIRS, UNTAGGED]),
        ([OURS, THEIRS, UNTAGGED, UNKNOWN], True, [OURS]),
        ([THEIRS, UNTAGGED], True, []),
        ([], False, []),
    ],
)
def test_those_with_the_fleets_tags(found: list[Any], strict: bool, expected: list[Any]) -> None:
    assert own(found, TAGS, strict=strict) == expected
