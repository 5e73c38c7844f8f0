# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.dataplatform.fleet.plugins.filter.keyed_checksum import keyed_checksum

KEY = "0123456789abcdef"


def test_is_hmac_sha_256() -> None:
    """Test case 1 of https://www.rfc-editor.org/rfc/rfc4231#section-4.2."""
    expected = "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
    assert keyed_checksum("Hi There", "\x0b" * 20) == expected


def test_takes_what_a_template_gives() -> None:
    text = trust_as_template(
        "{{ {'b': 'ü', 'a': 1} | to_json(sort_keys=true) | dataplatform.fleet.keyed_checksum(key) }}"
    )
    found = Templar(DataLoader(), variables={"key": KEY}).template(text)
    assert found == keyed_checksum('{"a": 1, "b": "\\u00fc"}', KEY)


def test_a_placeholder_is_not_a_key() -> None:
    placeholder = "made-by-this-run:staging/passwords/checksum-key"
    assert {keyed_checksum(content, placeholder) for content in ("a", "b")} == {"f" * 64}


@pytest.mark.parametrize(
    ("content", "key"), [("hunter2", ""), ("hunter2", "short-secret"), ({"a": "hunter2"}, KEY), ("hunter2", None)]
)
def test_a_refusal_does_not_contain_the_value(content: Any, key: Any) -> None:
    with pytest.raises(AnsibleFilterError) as error:
        keyed_checksum(content, key)
    assert "hunter2" not in str(error.value)
    assert not key or key not in str(error.value)
