# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Protected objects, whose removal can lose data and needs a typed name."""

from __future__ import annotations

import re

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.errors import PlanError
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.objects import Json, Key
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.plan import (
    check_removal,
    is_initial,
    is_protected,
)
from ansible_collections.dataplatform.fleet.tests.unit.plugins.plugin_utils._apply import recorded

CLAIMS: Json = {"volumeClaimTemplates": [{"metadata": {"name": "data"}}]}
DATABASE = Key("apps", "StatefulSet", "n", "db")
CONFIRM = "If that is meant, type the name: confirm='one' or 'metrics'"


def maps(count: int) -> dict[Key, Json]:
    return {Key("", "ConfigMap", "n", f"m{number}"): {} for number in range(count)}


def refusal(removed: dict[Key, Json], total: int = 100, *, confirm: str = "", limit: float = 0.5) -> list[str]:
    """Return the error of a refused removal; nothing if it is allowed."""
    try:
        check_removal(removed, total, limit=limit, confirm=confirm, accepted=["one", "metrics"])
    except PlanError as error:
        return list(error.findings)
    return []


@pytest.mark.parametrize(
    ("key", "live"),
    [
        (Key("", "Namespace", "", "n"), {}),
        (Key("", "PersistentVolume", "", "pv"), {}),
        (Key("", "PersistentVolumeClaim", "n", "data-db-0"), {}),
        (Key("apiextensions.k8s.io", "CustomResourceDefinition", "", "parts.example.com"), {}),
        (DATABASE, {"spec": CLAIMS}),
        (recorded.key("StatefulSet"), recorded.state("StatefulSet", "applied")),
        (recorded.key("PersistentVolumeClaim"), recorded.state("PersistentVolumeClaim", "applied")),
    ],
    ids=str,
)
def test_objects_with_data_need_the_typed_name(key: Key, live: Json) -> None:
    assert is_protected(key, live)
    said = [f"{key} would be removed, and data with it.", f"{CONFIRM}. Nothing was changed."]
    assert refusal({key: live}) == said
    said[1] = f"{CONFIRM}, not 'other'. Nothing was changed."
    assert refusal({key: live}, confirm="other") == said
    for name in ("one", "metrics"):
        assert refusal({key: live}, confirm=name) == []


@pytest.mark.parametrize(
    ("key", "live"),
    [
        (DATABASE, {}),
        (DATABASE, {"spec": None}),
        (DATABASE, {"spec": {"volumeClaimTemplates": []}}),
        (DATABASE, {"spec": {"replicas": 1}}),
        # The name of a kind with data can be another kind in another group.
        (Key("apps", "Deployment", "n", "web"), {"spec": CLAIMS}),
        (Key("example.com", "StatefulSet", "n", "db"), {"spec": CLAIMS}),
        (Key("example.com", "Namespace", "n", "x"), {}),
        (Key("", "CustomResourceDefinition", "n", "x"), {}),
        (recorded.key("ConfigMap"), recorded.state("ConfigMap", "applied")),
    ],
    ids=str,
)
def test_objects_without_data_are_removed_without_a_name(key: Key, live: Json) -> None:
    assert not is_protected(key, live)
    assert refusal({key: live}) == []


def test_each_object_with_data_is_named_and_no_other() -> None:
    claim = Key("", "PersistentVolumeClaim", "n", "c")
    said = refusal({**maps(2), DATABASE: {"spec": CLAIMS}, claim: {}})
    assert said[:-1] == [f"{key} would be removed, and data with it." for key in (DATABASE, claim)]


def test_an_empty_name_confirms_nothing() -> None:
    with pytest.raises(PlanError, match=re.escape("confirm='metrics'. Nothing was changed.")):
        check_removal({DATABASE: {"spec": CLAIMS}}, 1, limit=1, confirm="", accepted=["metrics"])


@pytest.mark.parametrize(("removed", "total"), [(0, 0), (0, 4), (1, 1), (1, 2), (2, 4), (5, 10)])
def test_up_to_the_limit_objects_are_pruned(removed: int, total: int) -> None:
    assert refusal(maps(removed), total) == []


@pytest.mark.parametrize(("removed", "total"), [(2, 2), (2, 3), (3, 4), (6, 10)])
def test_above_the_limit_nothing_is_pruned(removed: int, total: int) -> None:
    names = ", ".join(f"ConfigMap n/m{number}" for number in range(min(removed, 5)))
    more = ", ..." if removed > 5 else ""
    assert refusal(maps(removed), total, confirm="one") == [
        f"{removed} of the set's {total} objects are no longer rendered ({names}{more}):"
        " more than prune_limit=0.5 allows. If that is meant, raise prune_limit. Nothing was changed."
    ]


def test_exactly_five_objects_are_all_named() -> None:
    assert "ConfigMap n/m4): more" in refusal(maps(5), 6)[0]


def test_the_limit_holds_unless_a_whole_set_is_meant() -> None:
    with pytest.raises(PlanError, match="no longer rendered"):
        check_removal(maps(9), 9, limit=0.5, confirm="", accepted=[])


def test_a_whole_set_is_removed_regardless_of_the_limit() -> None:
    assert refusal(maps(9), 9, limit=1) == []


@pytest.mark.parametrize("name", ["default", "kube-node-lease", "kube-public", "kube-system"])
def test_a_namespace_that_every_cluster_has_is_released_not_removed(name: str) -> None:
    """https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/#initial-namespaces"""
    key = Key("", "Namespace", "", name)
    assert is_initial(key)
    assert refusal({key: {}}) == []
    others = [Key("", "Namespace", "", f"{name}-x"), Key("x", "Namespace", "", name), Key("", "ConfigMap", "n", name)]
    assert not any(is_initial(other) for other in others)
    assert refusal({key: {}, DATABASE: {"spec": CLAIMS}})[:-1] == [f"{DATABASE} would be removed, and data with it."]
