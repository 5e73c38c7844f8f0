# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sentences of the documentation that promise something, selected by words."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible import yaml_files

ROOT = Path(__file__).parents[3]
WORDS = re.compile(
    r"\b(left (alone|to|out|as)|leaves? .{0,30}alone|never|stays?|kept|keeps?|touche[sd]|refuse[sd]?|only|neither"
    r"|cannot be changed|not changed|changes? nothing|nothing (is|but)|no other|nobody|ignored|at most"
    r"|check mode|before (anything|any|the first)|does nothing|unchanged)\b|--check",
    re.IGNORECASE,
)
# The pages of roles explain more, so fewer words of theirs promise something.
PAGE_WORDS = re.compile(
    r"\b(left alone|leaves? .{0,30}alone|never|stays?|not touched|refused|cannot be changed|before anything"
    r"|does nothing|no other|nothing else|only then|only if)\b|--check",
    re.IGNORECASE,
)
# A sentence ends where the next one begins, or with its paragraph.
END = re.compile(r"(?<=[.!?:])\s+(?=[A-Z\"'`(*\[])")
PLUGINS = ("action", "callback", "connection", "doc_fragments", "filter", "inventory", "lookup", "modules")
# Values of these keys are not prose.
DATA = {
    "positional",
    "sample",
    "choices",
    "default",
    "aliases",
    "type",
    "elements",
    "author",
    "version_added",
    "requirements",
}
PARAGRAPH = re.compile(r"\n\s*\n|\n(?=[-|#] ?)")


def sentences(text: str) -> Iterator[str]:
    yield from END.split(" ".join(text.split()))


def texts(documentation: object) -> Iterator[str]:
    """All texts of a structure of documentation, but those that hold data."""
    if isinstance(documentation, str):
        yield documentation
    elif isinstance(documentation, list):
        for one in documentation:
            yield from texts(one)
    elif isinstance(documentation, dict):
        for key, value in documentation.items():
            if key not in DATA or isinstance(value, dict):
                yield from texts(value)


def documentation_of(plugin: Path) -> Iterator[Any]:
    """The documentation and the return values of a plugin, wherever they are written."""
    if plugin.suffix == ".yml":
        written = yaml_files.parse(plugin.read_text())
        yield from (written[part] for part in ("DOCUMENTATION", "RETURN"))
        return
    for node in ast.walk(ast.parse(plugin.read_text())):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            name = getattr(node.targets[0], "id", "")
            if name in ("DOCUMENTATION", "RETURN") or (plugin.parent.name == "doc_fragments" and name.isupper()):
                yield yaml_files.parse(str(node.value.value))


def written(source: str) -> Iterator[str]:
    """Every sentence of a source, which is a plugin, a role's argument specs or a role's page."""
    path = ROOT / source
    if source.endswith(".md"):
        # The table of a role's options repeats its argument specs.
        without_code = re.sub(
            r"```.*?```|<!-- options: .*?<!-- end of options -->", "", path.read_text(), flags=re.DOTALL
        )
        for paragraph in PARAGRAPH.split(without_code):
            if not paragraph.startswith("#"):
                yield from sentences(paragraph.removeprefix("- "))
    elif source.startswith("roles/"):
        for text in texts(yaml_files.parse(path.read_text())):
            yield from sentences(text)
    else:
        for documentation in documentation_of(path):
            for text in texts(documentation):
                yield from sentences(text)


def sources() -> list[str]:
    """All files with documentation of what the collection does."""
    found = [path for kind in PLUGINS for path in (ROOT / "plugins" / kind).glob("*") if path.suffix in (".py", ".yml")]
    found += ROOT.glob("roles/*/meta/argument_specs.yml")
    found += ROOT.glob("roles/*/README.md")
    return sorted(str(path.relative_to(ROOT)) for path in found)


def promises(source: str) -> list[str]:
    """The sentences of a source that have one of the words, each once."""
    words = PAGE_WORDS if source.endswith(".md") else WORDS
    return list(dict.fromkeys(one for one in written(source) if words.search(one)))
