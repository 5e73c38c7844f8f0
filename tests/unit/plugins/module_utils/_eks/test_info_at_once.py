# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The concurrent reads of the _info modules."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.module_utils._at_once import at_once
from ansible_collections.dataplatform.fleet.plugins.module_utils._eks import api, info

CALLS = 4
NAMES = [f"item-{number}" for number in range(CALLS)]
Read = Callable[[], list[dict[str, Any]]]


@pytest.mark.parametrize(
    ("listing", "describing", "read", "key"),
    [
        ("list_clusters", "describe_cluster", lambda: info.clusters({"include": []}, None), "name"),
        ("list_nodegroups", "describe_nodegroup", lambda: info.nodegroups({"cluster_name": "c"}, None), "name"),
        ("list_addons", "describe_addon", lambda: info.addons({"cluster_name": "c"}, None), "name"),
        (
            "list_access_entries",
            "describe_access_entry",
            lambda: info.access_entries({"cluster_name": "c"}, None),
            "principal_arn",
        ),
    ],
)
def test_reads_all_concurrently_and_leaves_out_deleted_resources(
    monkeypatch: pytest.MonkeyPatch, listing: str, describing: str, read: Read, key: str
) -> None:
    together = threading.Barrier(CALLS, timeout=20)

    def describe(*given: Any) -> dict[str, Any] | None:
        together.wait()
        name = given[-1]
        return None if name == NAMES[1] else {"name": name, "addonName": name, "principalArn": name, "tags": {}}

    monkeypatch.setattr(api, listing, lambda *_given: NAMES)
    monkeypatch.setattr(api, describing, describe)
    monkeypatch.setattr(api, "list_associated_access_policies", lambda *_given: [])
    monkeypatch.setattr(info, "associations_of", lambda *_given: [])
    assert [one[key] for one in read()] == [NAMES[0], *NAMES[2:]]


def test_an_error_of_one_is_an_error_of_all() -> None:
    def read(name: str) -> str:
        if name == NAMES[2]:
            raise ValueError(name)
        return name

    with pytest.raises(ValueError, match=NAMES[2]):
        at_once(read, NAMES)
