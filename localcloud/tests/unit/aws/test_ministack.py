# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One module uses ministack's private names, and all of them exist."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

import localcloud

SOURCES = Path(localcloud.__file__).parent
ADAPTER = SOURCES / "aws" / "ministack.py"
# Replaced functions, with the parameters of the replacements.
REPLACED = {
    "eks.handle_request": ["method", "path", "headers", "body", "query_params"],
    "eks._access_entry_for_principal": ["cluster_name", "account_id", "region", "principal_arn"],
    "eks._restart_k3s": ["cluster_name", "oidc_args", "idp_cfg_refs"],
    "iam_actions.s3_additional_checks": ["method", "path", "headers", "body", "query_params"],
    "route53.handle_request": ["method", "path", "headers", "body", "query_params"],
    "route53._change_resource_record_sets": ["zone_id", "body"],
    "s3._put_bucket_lifecycle": ["name", "body"],
    "s3._delete_objects": ["bucket_name", "body", "headers"],
    "s3._list_object_versions": ["bucket_name", "query_params"],
}


def imports(tree: ast.Module) -> dict[str, str]:
    """Return ministack's modules by the names under which a source file imports them."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "ministack":
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name: alias.name for alias in node.names if alias.name.split(".")[0] == "ministack"}
    return found


def used(tree: ast.Module, modules: dict[str, str]) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=module), attr=name) if module in modules:
                yield module, name
            case ast.Call(func=ast.Name(id="Hook"), args=[ast.Name(id=module), ast.Constant(value=str(name))]):
                yield module, name


def missing(source: str) -> list[str]:
    tree = ast.parse(source)
    modules = imports(tree)
    names = sorted(set(used(tree, modules)))
    assert names
    return [
        f"{modules[module]}.{name}"
        for module, name in names
        if not hasattr(importlib.import_module(modules[module]), name)
    ]


def test_ministack_has_every_name_that_is_used(server: object) -> None:
    assert missing(ADAPTER.read_text()) == []


def test_a_missing_name_is_reported(server: object) -> None:
    source = "from ministack.services import eks\nHook(eks, '_gone')\neks._lost\neks._clusters\n"
    assert missing(source) == ["ministack.services.eks._gone", "ministack.services.eks._lost"]


def test_ministack_calls_replaced_functions_with_the_expected_parameters(server: object) -> None:
    tree = ast.parse(ADAPTER.read_text())
    modules = imports(tree)
    hooks = {
        f"{module}.{name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for module, name in used(ast.Module([ast.Expr(node)], []), modules)
        if isinstance(node.func, ast.Name) and node.func.id == "Hook"
    }
    assert hooks == REPLACED.keys()
    for hook, parameters in REPLACED.items():
        module, name = hook.split(".")
        function = getattr(importlib.import_module(modules[module]), name)
        original = inspect.unwrap(function, stop=lambda one: one.__module__.startswith("ministack"))
        assert original.__module__.startswith(("ministack", "localcloud")), hook
        if original.__module__.startswith("ministack"):
            assert list(inspect.signature(original).parameters) == parameters, hook


@pytest.mark.parametrize("path", sorted(SOURCES.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCES)))
def test_no_other_module_imports_it(path: Path) -> None:
    if path != ADAPTER:
        assert imports(ast.parse(path.read_text())) == {}
