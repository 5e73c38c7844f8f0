# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.dataplatform.fleet.plugins.filter.amount import amount


@pytest.mark.parametrize(
    ("value", "expected"), [("1k", 1000), ("500m", 0.5), ("2Ki", 2048), ("1e3", 1000), (2, 2), ("0", 0), ("0k", 0)]
)
def test_is_what_the_quantity_stands_for(value: Any, expected: float) -> None:
    assert amount(value) == expected


@pytest.mark.parametrize("value", ["many", "1 k", "", None, True, []])
def test_refuses_invalid_values(value: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="is not a Kubernetes quantity"):
        amount(value)
