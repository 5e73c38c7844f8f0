# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All AWS modules that make changes have the interface of amazon.aws."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible.plugins.loader import fragment_loader
from ansible_collections.amazon.aws.plugins.doc_fragments.tags import ModuleDocFragment as AmazonTags
from ansible_collections.dataplatform.fleet.plugins import modules
from ansible_collections.dataplatform.fleet.plugins.doc_fragments.aws import ModuleDocFragment as Shared
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws import spec
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible.yaml_files import parse

COLLECTION = "ansible_collections.dataplatform.fleet.plugins.modules"
FOLDER = Path(modules.__path__[0])


def load(name: str) -> Any:
    return importlib.import_module(f"{COLLECTION}.{name}")


def fragments(code: Any) -> list[str]:
    found: list[str] = parse(code.DOCUMENTATION)["extends_documentation_fragment"]
    return found


MODULES = [path.stem for path in sorted(FOLDER.glob("[!_]*.py")) if "def argument_spec" in path.read_text()]
WRITING = [name for name in MODULES if "dataplatform.fleet.attributes" in fragments(load(name))]


def documented(code: Any) -> dict[str, Any]:
    """The options of a module with those of its fragments."""
    options: dict[str, Any] = {}
    for fragment in fragments(code):
        if not fragment.startswith(("amazon.aws.common", "amazon.aws.region", "amazon.aws.boto3")):
            name, _dot, part = fragment.removeprefix("dataplatform.fleet.").partition(".")
            if fragment.startswith("amazon.aws."):
                name, part = fragment, ""
            elif fragment.startswith("dataplatform.fleet."):
                name = f"dataplatform.fleet.{name}"
            text = getattr(fragment_loader.get(name), part.upper() or "DOCUMENTATION")
            options |= parse(text).get("options") or {}
    own = parse(code.DOCUMENTATION).get("options") or {}
    return options | {name: options.get(name, {}) | option for name, option in own.items()}


def compare(options: Mapping[str, Any], arguments: Mapping[str, Any], where: str) -> None:
    assert set(options) == set(arguments), where
    for name, argument in arguments.items():
        option = options[name]
        for key, default in (("type", "str"), ("elements", None), ("choices", None), ("required", False)):
            assert option.get(key, default) == argument.get(key, default), f"{where}.{name}: {key}"
        assert option.get("default") == argument.get("default"), f"{where}.{name}"
        assert set(option.get("aliases", [])) == set(argument.get("aliases", [])), f"{where}.{name}"
        compare(option.get("suboptions") or {}, argument.get("options") or {}, f"{where}.{name}")


def test_the_modules_are_found() -> None:
    prefixes = ("cloudwatchlogs_", "ec2_", "eks_", "route53_", "s3_", "secretsmanager_")
    named = {path.stem for path in FOLDER.glob("*.py") if path.stem.startswith(prefixes)}
    assert {name for name in named if not name.endswith("_info")} <= set(WRITING)


@pytest.mark.parametrize("name", MODULES)
def test_documented_options_are_the_accepted_options(name: str) -> None:
    compare(documented(load(name)), load(name).argument_spec(), name)


def test_tags_are_those_of_amazon_aws() -> None:
    compare(parse(AmazonTags.DOCUMENTATION)["options"], spec.TAGS, "amazon.aws.tags")


@pytest.mark.parametrize("name", WRITING)
def test_shared_options_are_equal_in_all_modules(name: str) -> None:
    arguments, used = load(name).argument_spec(), fragments(load(name))
    assert {"amazon.aws.common.modules", "amazon.aws.region.modules", "amazon.aws.boto3"} <= set(used)
    for fragment, options in (("amazon.aws.tags", spec.TAGS), ("dataplatform.fleet.aws.wait", spec.WAIT)):
        given = {key: arguments[key] for key in options if key in arguments}
        assert given in ({}, options), f"{name}: {fragment}"
        assert (fragment in used) == bool(given)
    # The tags of a resource identify its owner.
    if "tags" in arguments and arguments["adopt"]["type"] == "bool":
        assert arguments["adopt"] == spec.ADOPT["adopt"]
        assert "dataplatform.fleet.aws.ownership" in used
    if "state" in arguments:
        assert arguments["state"]["default"] == "present"
    assert "timeout" not in arguments


def test_the_shared_options_are_documented() -> None:
    for text, options in ((Shared.DOCUMENTATION, spec.STATE), (Shared.OWNERSHIP, spec.ADOPT), (Shared.WAIT, spec.WAIT)):
        compare(parse(text)["options"], options, "dataplatform.fleet.aws")


@pytest.mark.parametrize("name", WRITING)
def test_results_have_one_structure(name: str) -> None:
    returned = parse(load(name).RETURN)
    assert {"actions"} <= set(returned)
    assert ("waited" in returned) >= ("wait" in load(name).argument_spec())
    assert len(set(returned) - {"actions", "waited"}) == 1, "one key for the resource"
    assert all("sample" in value for value in returned.values())


@pytest.mark.parametrize("name", MODULES)
def test_examples_are_yaml(name: str) -> None:
    assert parse(load(name).EXAMPLES)
