# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parse template output and definitions into objects with their file and line."""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml
from ansible_collections.dataplatform.fleet.plugins.module_utils import _yamltext as yamltext

from .diff import is_secret
from .errors import RenderError
from .objects import Json, Source, Value, template_line

SUFFIX: Final = ".yaml.j2"
_REQUIRED: Final = ("apiVersion", "kind")
Node = Any  # of PyYAML
_NAMES: Final[dict[type, str]] = {
    bool: "a truth value",
    float: "a number",
    int: "a number",
    list: "a list",
    str: "text",
    type(None): "null",
}


def select(root: Path, patterns: Sequence[str]) -> list[Path]:
    """Return the template files under *root* that match the patterns; ``.`` matches all."""
    found: dict[Path, None] = {}
    for pattern in patterns:
        if pattern == ".":
            matches = sorted(root.rglob(f"*{SUFFIX}"))
        else:
            matches = sorted(path for path in root.glob(pattern) if path.is_file())
        if not matches:
            wanted = f"no *{SUFFIX} in it" if pattern == "." else f"nothing that matches {pattern!r}"
            raise RenderError(f"{shown(root)}: there is {wanted}.")
        found.update(dict.fromkeys(matches))
    return list(found)


def shown(path: Path) -> str:
    """Return a path for messages, relative to the current directory if it is below."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def parse(text: str, file: str, template: str = "") -> list[tuple[Json, Source]]:
    """The objects of a multi-document YAML text. *template* is what it was rendered from; lines refer to it."""
    try:
        documents = yamltext.documents(text)
    except yamltext.TextError as error:
        line = template_line(text, template, error.line)
        raise RenderError(f"{file}:{line}: this is not valid YAML: {error.problem}.") from None
    return list(_objects(documents, text, file, template))


def from_definition(definition: Value) -> list[tuple[Json, Source]]:
    """The objects of a task's `definition`: YAML text, an object, or a list of both."""
    items = definition if isinstance(definition, list) else [definition]
    found: list[tuple[Json, Source]] = []
    for number, item in enumerate(items, 1):
        where = f"definition[{number}]" if isinstance(definition, list) else "definition"
        if isinstance(item, str):
            found += parse(item, where)
            continue
        try:
            document = yamltext.Document(yamltext.plain(item), 1)
        except ValueError as error:
            raise RenderError(f"{where}: this cannot be written as JSON: {error}.") from None
        found += _objects([document], "", where, "")
    return found


def _objects(
    documents: Iterable[yamltext.Document], text: str, file: str, template: str
) -> Iterator[tuple[Json, Source]]:
    for found in documents:
        document = found.value
        if document is None and not found.item:
            continue
        source = Source(file, found.line, text, template)
        if not isinstance(document, dict):
            raise RenderError(f"{source}: a Kubernetes object is expected here, not {_NAMES[type(document)]}.")
        missing = [name for name in _REQUIRED if not isinstance(document.get(name), str) or not document[name]]
        if missing:
            raise RenderError(f"{source}: the object has no {' and no '.join(missing)}.")
        if document["kind"].endswith("List") and isinstance(document.get("items"), list):
            inner = document["kind"].removesuffix("List")
            defaults = {"apiVersion": document["apiVersion"], "kind": inner} if inner else {}
            yield from _objects(_items(found, defaults), text, file, template)
            continue
        metadata = document.get("metadata")
        if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str) or not metadata["name"]:
            raise RenderError(f"{source}: the {document['kind']} has no metadata.name.")
        if not isinstance(metadata.get("namespace"), str | None):
            where = field_line(source, document, ("metadata", "namespace"))
            # YAML reads no, n and off as false, and an object without a namespace belongs to the set's namespace.
            raise RenderError(
                f"{source.file}:{where}: metadata.namespace of the {document['kind']} must be text: put it in quotes."
            )
        for name in ("labels", "annotations"):
            _check_text_map(metadata.get(name), f"metadata.{name}", document, source)
        if is_secret(document):
            _check_base64(document, source)
        yield document, source


def _check_text_map(value: Value, name: str, document: Json, source: Source) -> None:
    if value is None:
        return
    if not isinstance(value, dict):
        raise RenderError(f"{source}: {name} of the {document['kind']} must be a mapping.")
    wrong = [key for key, item in value.items() if item is not None and not isinstance(item, str)]
    if wrong:
        where = field_line(source, document, ("metadata", name.rpartition(".")[2], wrong[0]))
        raise RenderError(
            f"{source.file}:{where}: {name}[{wrong[0]!r}] of the {document['kind']} must be text: put it in quotes."
        )


def _check_base64(secret: Json, source: Source) -> None:
    data = secret.get("data")
    for key, value in data.items() if isinstance(data, dict) else ():
        try:
            base64.b64decode(re.sub(r"[\r\n]", "", value or ""), validate=True)
        except (TypeError, ValueError):
            line = field_line(source, secret, ("data", key))
            raise RenderError(
                f"{source.file}:{line}: data[{key!r}] of the Secret is not base64: encode it, without !!binary, which"
                " decodes it again, or write it as it is under stringData."
            ) from None


def _items(parent: yamltext.Document, defaults: Json) -> Iterator[yamltext.Document]:
    """The objects of a List, each with its own line where that is known."""
    place = yamltext.child(parent.node, "items")
    for number, item in enumerate(parent.value["items"]):
        node = yamltext.child(place[1], number) if place else None
        value = {**defaults, **item} if isinstance(item, dict) else item
        line = node[0].start_mark.line + 1 if node else parent.line
        yield yamltext.Document(value, line, node and node[1], item=True)


def field_line(source: Source, body: Mapping[str, Any], path: Sequence[str | int]) -> int:
    """The template's line of a field of an object; the object's own line when it cannot be told."""
    node = next((node for node in _nodes(source.text) if _is(node, body)), None)
    if node is None:
        return source.line
    line = node.start_mark.line
    for step in path:
        found = yamltext.child(node, step)
        if found is None:
            break
        line, node = found[0].start_mark.line, found[1]
    return template_line(source.text, source.template, line + 1)


def _nodes(text: str) -> Iterator[Node]:
    """The nodes of all objects of a text, of Lists' items too."""
    with contextlib.suppress(yamltext.TextError):
        for document in yamltext.nodes(text):
            yield document
            items = yamltext.child(document, "items")
            if items and isinstance(items[1], yaml.SequenceNode):
                yield from items[1].value


def _is(node: Node, body: Mapping[str, Any]) -> bool:
    kind, metadata = yamltext.child(node, "kind"), yamltext.child(node, "metadata")
    name = yamltext.child(metadata[1], "name") if metadata else None
    same_kind = kind[1].value == body.get("kind") if kind else True  # a typed List's items have none
    return bool(same_kind and name and name[1].value == body["metadata"]["name"])
