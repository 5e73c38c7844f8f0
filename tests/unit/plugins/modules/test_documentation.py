# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.modules import (
    cloudwatchlogs_group,
    ec2_network,
    route53_records,
    s3_versioned_bucket,
)
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible.yaml_files import parse

MODULES = [cloudwatchlogs_group, ec2_network, route53_records, s3_versioned_bucket]


def described(options: dict[str, Any]) -> dict[str, Any]:
    """Return the argument specification that a documentation describes."""
    keys = ("type", "elements", "default", "choices")
    return {
        name: {key: option[key] for key in keys if key in option}
        | ({"required": True} if option.get("required") else {})
        | ({"options": described(option["suboptions"])} if "suboptions" in option else {})
        for name, option in options.items()
    }


@pytest.mark.parametrize("module", MODULES)
def test_the_options_are_the_documented_ones(module: Any) -> None:
    assert module.argument_spec() == described(parse(module.DOCUMENTATION)["options"])


@pytest.mark.parametrize("module", MODULES)
def test_the_documentation_is_yaml(module: Any) -> None:
    assert all(parse(text) for text in (module.DOCUMENTATION, module.EXAMPLES, module.RETURN))
