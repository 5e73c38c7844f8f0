# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.dataplatform.fleet.plugins.filter import adopts as plugin
from ansible_collections.dataplatform.fleet.plugins.filter.adopts import adopts, names_to_adopt
from ansible_collections.dataplatform.fleet.plugins.module_utils._ownership.tags import KINDS


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("vpc/one", {"vpc"}),
        (["vpc/one"], {"vpc"}),
        (["vpc/one-two"], set()),
        ("eks_cluster/one, vpc/one", {"eks_cluster", "vpc"}),
        ("one", set(KINDS)),
        ("", set()),
        (None, set()),
        ([], set()),
    ],
)
def test_a_name_with_its_kind_is_that_kind_only(given: Any, expected: set[str]) -> None:
    assert {kind for kind in KINDS if adopts(given, kind, "one")} == expected


def test_names_have_slashes_of_their_own() -> None:
    assert adopts("log_group//aws/eks/one/cluster", "log_group", "/aws/eks/one/cluster")
    assert adopts("one/general", "eks_nodegroup", "one/general")
    assert not adopts("eks_addon/one/general", "eks_nodegroup", "one/general")


def test_names_as_text_or_as_a_list() -> None:
    for given in ("a, b/c,", ["a", " b/c", ""]):
        assert names_to_adopt(given) == ["a", "b/c"]


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(AnsibleFilterError, match="'role' is not a kind of resource"):
        adopts([], "role", "one")


def test_the_kinds_are_the_documented_ones() -> None:
    document = yaml.safe_load(Path(plugin.__file__).with_suffix(".yml").read_text())["DOCUMENTATION"]
    assert document["options"]["kind"]["choices"] == sorted(KINDS)
