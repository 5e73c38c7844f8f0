# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documented options are the accepted options."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.amazon.aws.plugins.doc_fragments import common, region
from ansible_collections.amazon.aws.plugins.module_utils.modules import aws_argument_spec
from ansible_collections.dataplatform.fleet.plugins.modules import apply
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply import fieldpath
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.objects import Key, Resource
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.options import (
    MUTUALLY_EXCLUSIVE,
    REQUIRED_BY,
    REQUIRED_IF,
    REQUIRED_ONE_OF,
    argument_spec,
)
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.plan import Action

COMPARED = ("type", "elements", "required", "choices", "default")


def facts(option: dict[str, Any]) -> dict[str, Any]:
    found = {name: option[name] for name in COMPARED if name in option}
    found["aliases"] = sorted(option.get("aliases", ()))
    inner = option.get("suboptions") or option.get("options") or {}
    found["inner"] = {name: facts(value) for name, value in inner.items()}
    return found


def test_every_option_is_documented_as_it_is_taken() -> None:
    documented = yaml.safe_load(apply.DOCUMENTATION)["options"]
    for fragment in (common.ModuleDocFragment.MODULES, region.ModuleDocFragment.MODULES):
        documented |= yaml.safe_load(fragment)["options"]
    assert {name: facts(option) for name, option in documented.items()} == {
        name: facts(option) for name, option in argument_spec().items()
    }


def test_aws_options_are_those_of_amazon_aws() -> None:
    ours = argument_spec()
    for name, option in aws_argument_spec().items():
        assert sorted(ours[name].get("aliases", ())) == sorted(option.get("aliases", ()))
        assert bool(ours[name].get("no_log")) == bool(option.get("no_log"))
        if "fallback" in option and name != "debug_botocore_endpoint_logs":
            assert set(ours[name]["fallback"][1]) >= set(option["fallback"][1])


@pytest.mark.parametrize("task", yaml.safe_load(apply.EXAMPLES), ids=lambda task: task["name"])
def test_the_examples_are_valid_tasks(task: dict[str, Any]) -> None:
    arguments = task["dataplatform.fleet.apply"]
    validator = ArgumentSpecValidator(
        argument_spec(),
        mutually_exclusive=MUTUALLY_EXCLUSIVE,
        required_one_of=REQUIRED_ONE_OF,
        required_if=REQUIRED_IF,
        required_by=REQUIRED_BY,
    )
    assert validator.validate(arguments).error_messages == []
    for item in arguments.get("ignore_fields", ()):
        assert all(fieldpath.parse(text) for text in item["fields"])


def test_the_returned_objects_are_documented() -> None:
    documented = yaml.safe_load(apply.RETURN)
    action = Action(
        Key("", "ConfigMap", "n", "x"), Resource("", "v1", "ConfigMap", "configmaps", namespaced=True), "created"
    )
    assert set(documented["objects"]["contains"]) == set(action.report())
