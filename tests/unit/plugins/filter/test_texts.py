# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.dataplatform.fleet.plugins.filter.texts import text, texts


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (True, "true"),
        (False, "false"),
        (None, ""),
        (3, "3"),
        (0.5, "0.5"),
        ("a", "a"),
        ([True, "b", 1], "true,b,1"),
        ([], ""),
    ],
)
def test_a_value_is_written_as_yaml_writes_it(value: Any, written: str) -> None:
    assert text(value) == written


@pytest.mark.parametrize("value", [{"a": 1}, [["a"]], [{"a": 1}]])
def test_a_value_that_is_not_a_text_is_refused(value: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="is not text: give"):
        text(value)


def test_dictionaries_and_lists_have_text_in_them() -> None:
    assert texts({"a": False, True: [1, None, {"b": True}]}) == {"a": "false", "true": ["1", "", {"b": "true"}]}
    assert texts(None) == {}


def test_keys_that_are_kept_keep_their_type() -> None:
    assert texts([{"value": True, "tolerationSeconds": 60}], keep=["tolerationSeconds"]) == [
        {"value": "true", "tolerationSeconds": 60}
    ]
