from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._eks_inventory.selection import (
    ambiguity_text,
    host_name,
    select,
)
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._inventory.selection import (
    SelectionError,
    by_host_name,
    compile_query,
    truthy,
)


def cluster(name: str = "data", region: str = "eu-central-1", **fields: Any) -> dict[str, Any]:
    arn = f"arn:aws:eks:{region}:111122223333:cluster/{name}"
    return {"name": name, "region": region, "account_id": "111122223333", "arn": arn, "tags": {}, **fields}


def arn(each: Mapping[str, Any]) -> str:
    return str(each["arn"])


@pytest.mark.parametrize(
    ("preferences", "name"),
    [
        (["name"], "data"),
        (["tag:host", "name"], "web"),
        (["tag:none", "name"], "data"),
        (["tag:empty", "arn"], "arn:aws:eks:eu-central-1:111122223333:cluster/data"),
        (["name-region"], "data-eu-central-1"),
        (["region-account_id-name"], "eu-central-1-111122223333-data"),
    ],
)
def test_a_host_is_named_by_the_first_preference_that_names_it(preferences: list[str], name: str) -> None:
    assert host_name(cluster(tags={"host": "web", "empty": ""}), preferences) == name


@pytest.mark.parametrize(("preferences", "text"), [(["tag:none"], "gives a name"), (["nam"], "nam is none of")])
def test_a_cluster_without_a_name_is_an_error(preferences: list[str], text: str) -> None:
    with pytest.raises(SelectionError, match=text):
        host_name(cluster(), preferences)


def test_clusters_with_the_same_name_are_distinguished() -> None:
    first, second, other = cluster(), cluster(region="eu-west-1"), cluster("other")
    unique, ambiguous = by_host_name([first, second, other], lambda each: host_name(each, ["name"]))
    assert unique == {"other": other}
    assert ambiguous == {"data": [first, second]}
    text = ambiguity_text("data", ambiguous["data"])
    assert first["arn"] in text
    assert second["arn"] in text


@pytest.mark.parametrize(
    ("names", "tags", "selected"),
    [
        ([], {}, True),
        (["d*"], {}, True),
        (["D*"], {}, False),
        (["x", "dat?"], {}, True),
        ([], {"team": "web"}, True),
        ([], {"team": ["x", "w*"]}, True),
        ([], {"team": "web", "other": "*"}, False),
        (["x"], {"team": "web"}, False),
    ],
)
def test_names_and_tags_select(names: list[str], tags: dict[str, Any], selected: bool) -> None:
    found = [cluster(tags={"team": "web"})]
    assert select(found, names, tags) == (found if selected else [])


@pytest.mark.parametrize(
    ("query", "selected"),
    [
        (None, True),
        ("", True),
        ("name == 'data'", True),
        ("tags.none", False),
        ("count", True),
        ("contains(region, 'west')", False),
    ],
)
def test_a_query_selects(query: str | None, selected: bool) -> None:
    assert compile_query(query, arn)(cluster(count=0)) is selected


def test_a_query_that_fails_names_the_cluster() -> None:
    with pytest.raises(SelectionError, match="not a JMESPath expression"):
        compile_query("a ==", arn)
    with pytest.raises(SelectionError, match="cluster/data"):
        compile_query("length(none)", arn)(cluster())


@pytest.mark.parametrize("value", [None, False, "", [], {}])
def test_what_is_not_true(value: Any) -> None:
    assert not truthy(value)


@pytest.mark.parametrize("value", [0, True, "x", [0], {"a": 1}])
def test_what_is_true(value: Any) -> None:
    assert truthy(value)
