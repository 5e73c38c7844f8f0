# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible_collections.dataplatform.fleet.plugins.modules import log_group


def described(options: dict[str, Any]) -> dict[str, Any]:
    """Return the argument specification that a documentation describes."""
    keys = ("type", "elements", "default", "choices")
    return {
        name: {key: option[key] for key in keys if key in option}
        | ({"required": True} if option.get("required") else {})
        | ({"options": described(option["suboptions"])} if "suboptions" in option else {})
        for name, option in options.items()
    }


def test_the_options_are_the_documented_ones() -> None:
    assert log_group.argument_spec() == described(yaml.safe_load(log_group.DOCUMENTATION)["options"])


@pytest.mark.parametrize("text", [log_group.DOCUMENTATION, log_group.EXAMPLES, log_group.RETURN])
def test_the_documentation_is_yaml(text: str) -> None:
    assert yaml.safe_load(text)
