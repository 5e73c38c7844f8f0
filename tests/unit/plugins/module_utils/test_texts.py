# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.dataplatform.fleet.plugins.module_utils._eks.transformations import taints
from ansible_collections.dataplatform.fleet.plugins.module_utils._texts import texts


def test_values_are_written_as_yaml_writes_them() -> None:
    values = {
        "cost": 4711,
        "ratio": 0.5,
        "keep": True,
        "spot": False,
        "note": None,
        7: "seven",
        True: "yes",
        "t": "T",
    }
    assert texts(values) == {
        "cost": "4711",
        "ratio": "0.5",
        "keep": "true",
        "spot": "false",
        "note": "",
        "7": "seven",
        "true": "yes",
        "t": "T",
    }


def test_a_taints_value_too() -> None:
    found = taints([{"key": "spot", "value": False, "effect": "NoSchedule"}, {"key": "a", "effect": "NoExecute"}])
    assert [taint["value"] for taint in found] == ["", "false"]
