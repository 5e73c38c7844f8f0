# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.dataplatform.fleet.plugins.filter.grafana_dashboards import grafana_dashboards


def plan(*given: dict[str, Any], **files: str) -> dict[str, Any]:
    folders, shipped = {"fleet": "Fleet", "apps": "Apps"}, {"fleet": "{} ", "apps": "{}"}
    return grafana_dashboards([{"folder": "Ours"} | item for item in given], folders, shipped, files)


def faults(*given: dict[str, Any], **files: str) -> list[str]:
    return list(plan(*given, **files)["faults"])


def test_dashboards_of_the_role_take_precedence_by_uid() -> None:
    assert plan() == {
        "dashboards": [
            {"uid": "apps", "folder": "Apps", "source": "roles/grafana/files/dashboards/apps.json", "text": "{}"},
            {"uid": "fleet", "folder": "Fleet", "source": "roles/grafana/files/dashboards/fleet.json", "text": "{} "},
        ],
        "faults": [],
    }


def test_a_site_gives_a_file_text_or_a_dictionary() -> None:
    texts = ['{"uid": "a"}', '{"uid":  "b", "title": "B"}']
    found = plan({"file": "a"}, {"json": texts[1]}, {"json": {"uid": "c", "panels": []}}, a=texts[0])
    file, text, dictionary = found["dashboards"][2:]
    assert file == {"uid": "a", "folder": "Ours", "source": "a", "text": texts[0]}
    assert text == {"uid": "b", "folder": "Ours", "source": 'grafana_dashboards, number 2 ("B")', "text": texts[1]}
    assert dictionary["source"] == 'grafana_dashboards, number 3 ("no title")'
    assert dictionary["text"] == json.dumps({"panels": [], "uid": "c"}, indent=4, sort_keys=True)
    assert found["faults"] == []


def test_either_a_file_or_json() -> None:
    good = {"json": {"uid": "a"}}
    assert faults(good, {}, good | {"file": "a"}, {"json": {"uid": "b"}}) == [
        "Number 2 of grafana_dashboards needs either file or json.",
        "Number 3 of grafana_dashboards needs either file or json.",
    ]


@pytest.mark.parametrize("uid", ["-a", "a-", "A", "a_b", "a" * 41, "a\n"])
def test_a_uid_is_part_of_a_name_of_kubernetes(uid: str) -> None:
    (fault,) = faults({"json": {"uid": uid}})
    assert fault == (
        f'grafana_dashboards, number 1 ("no title"): the uid "{uid}" may have at most 40 lowercase letters, digits and '
        "dashes."
    )


@pytest.mark.parametrize("uid", ["a", "a-b", "0", "a" * 40])
def test_a_uid_that_is_one(uid: str) -> None:
    assert faults({"json": {"uid": uid}}) == []


@pytest.mark.parametrize("dashboard", [{}, {"uid": ""}, {"uid": None}])
def test_without_a_uid(dashboard: dict[str, Any]) -> None:
    assert faults({"json": dashboard}) == [
        'grafana_dashboards, number 1 ("no title"): the dashboard has no uid. Give it one.'
    ]


def test_two_with_one_uid_are_named() -> None:
    assert faults({"json": {"uid": "fleet", "title": "Mine"}}) == [
        'The uid "fleet" is in roles/grafana/files/dashboards/fleet.json and in grafana_dashboards, number 1 ("Mine"): '
        "Grafana would show only one of the dashboards. Change the uid of your dashboard."
    ]


def test_one_that_does_not_fit_in_a_config_map() -> None:
    text = json.dumps({"uid": "a"})
    assert faults({"file": "a"}, a=text.ljust(921600)) == []
    (fault,) = faults({"file": "a"}, a=text.ljust(921601))
    assert fault.startswith("a: the dashboard has 921601 characters, more than the 921600 that fit")


@pytest.mark.parametrize(("text", "words"), [("{", "a is not JSON: Expecting"), ("[]", "a is not a JSON object")])
def test_an_invalid_dashboard_is_refused(text: str, words: str) -> None:
    with pytest.raises(AnsibleFilterError, match=words):
        plan({"file": "a"}, a=text)
