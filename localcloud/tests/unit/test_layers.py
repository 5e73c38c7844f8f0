# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A part of the package imports only parts below it, anywhere in its source, and none for types alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import localcloud

SOURCES = Path(localcloud.__file__).parent
# From the lowest; README.md describes each part.
PARTS = (
    "model",
    "host",
    "releases",
    "artifacts",
    "kubernetes",
    "aws",
    "controllers",
    "nodes",
    "daemon",
    "cli",
    "testing",
    "pytest_fixtures",
    "__main__",
)


def part(path: Path) -> str:
    return path.relative_to(SOURCES).parts[0].removesuffix(".py")


def imported(tree: ast.Module) -> Iterator[str]:
    """Return the parts that a source file imports anywhere."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (module.split(".")[1] for module in modules if module.startswith("localcloud."))


def upwards(name: str, tree: ast.Module) -> list[str]:
    return [other for other in imported(tree) if PARTS.index(other) > PARTS.index(name)]


def test_all_parts_are_in_the_list() -> None:
    assert {part(path) for path in SOURCES.rglob("*.py")} - {"__init__"} == set(PARTS)


@pytest.mark.parametrize("path", sorted(SOURCES.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCES)))
def test_parts_import_only_lower_parts(path: Path) -> None:
    if path != SOURCES / "__init__.py":
        assert upwards(part(path), ast.parse(path.read_text())) == []


@pytest.mark.parametrize(
    "source",
    [
        "from localcloud.nodes.dns import Zone",
        "from localcloud import nodes",
        "import localcloud.nodes.dns",
        "def f():\n    from localcloud.nodes import dns",
        "if TYPE_CHECKING:\n    from localcloud.nodes import dns",
    ],
)
def test_all_forms_of_imports_are_found(source: str) -> None:
    assert upwards("controllers", ast.parse(source)) == ["nodes"]
    assert upwards("nodes", ast.parse(source)) == []
