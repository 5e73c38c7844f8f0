# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From template output and definitions to objects, each knowing the file and line it came from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

import yaml

from .errors import RenderError
from .objects import Json, Source, Value, template_line

_SafeLoader: Value = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
SUFFIX: Final = ".yaml.j2"
_REQUIRED: Final = ("apiVersion", "kind")


class _Loader(_SafeLoader):  # type: ignore[misc]
    """YAML as Kubernetes reads it: JSON's types only, and no key twice."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in _SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: Value, deep: bool = False) -> dict[Any, Any]:
        own = {id(pair) for pair in node.value}
        self.flatten_mapping(node)  # puts the pairs of merged mappings before its own
        mapping: dict[Any, Any] = {}
        declared: set[str] = set()
        for pair in node.value:
            key_node, value_node = pair
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is not text: write it in quotes", key_node.start_mark
                )
            if id(pair) in own and key in declared:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is there twice", key_node.start_mark
                )
            if id(pair) in own:
                declared.add(key)
            mapping[key] = self.construct_object(value_node, deep=deep)
        return mapping


def _construct_map(loader: _Loader, node: Value) -> Iterator[dict[Any, Any]]:
    data: dict[Any, Any] = {}
    yield data
    data.update(loader.construct_mapping(node, deep=True))


_Loader.add_constructor("tag:yaml.org,2002:map", _construct_map)


def select(root: Path, patterns: Sequence[str]) -> list[Path]:
    """The template files under *root* that the patterns name; ``.`` is all of them."""
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
    """A path as messages show it: relative to where the run was started if it is below."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def parse(text: str, file: str, template: str = "") -> list[tuple[Json, Source]]:
    """The objects of a multi-document YAML text. *template* is what it was rendered from; lines refer to it."""
    loader = _Loader(text)
    documents: list[tuple[Any, int]] = []
    try:
        while loader.check_node():
            node = loader.get_node()
            documents.append((loader.construct_document(node), node.start_mark.line + 1))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        line = template_line(text, template, mark.line + 1 if mark else 1)
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "unreadable text"
        raise RenderError(f"{file}:{line}: this is not valid YAML: {problem}.") from None
    finally:
        loader.dispose()
    return list(_objects(documents, text, file, template))


def from_definition(definition: Value) -> list[tuple[Json, Source]]:
    """The objects of a task's `definition`: YAML text, an object, or a list of both."""
    items = definition if isinstance(definition, list) else [definition]
    found: list[tuple[Json, Source]] = []
    for number, item in enumerate(items, 1):
        where = f"definition[{number}]" if isinstance(definition, list) else "definition"
        if isinstance(item, str):
            found += parse(item, where)
        else:
            found += _objects([(item, 1)], "", where, "")
    return found


def _objects(
    documents: Iterable[tuple[Any, int]], text: str, file: str, template: str
) -> Iterator[tuple[Json, Source]]:
    for document, rendered_line in documents:
        if document is None:
            continue
        source = Source(file, rendered_line, text, template)
        if not isinstance(document, dict):
            raise RenderError(f"{source}: a Kubernetes object is expected here, not a {type(document).__name__}.")
        missing = [name for name in _REQUIRED if not isinstance(document.get(name), str) or not document[name]]
        if missing:
            raise RenderError(f"{source}: the object has no {' and no '.join(missing)}.")
        if document["kind"].endswith("List") and isinstance(document.get("items"), list):
            inner = document["kind"].removesuffix("List")
            defaults = {"apiVersion": document["apiVersion"], "kind": inner} if inner else {}
            items = [
                ({**defaults, **item} if isinstance(item, dict) else item, rendered_line) for item in document["items"]
            ]
            yield from _objects(items, text, file, template)
            continue
        metadata = document.get("metadata")
        if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str) or not metadata["name"]:
            raise RenderError(f"{source}: the {document['kind']} has no metadata.name.")
        for name in ("labels", "annotations"):
            _check_text_map(metadata.get(name), f"metadata.{name}", document, source)
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


def field_line(source: Source, body: Mapping[str, Any], path: Sequence[str | int]) -> int:
    """The template's line of a field of an object; the object's own line when it cannot be told."""
    if not source.text:
        return source.line
    for node in yaml.compose_all(source.text, Loader=_Loader):
        if node is None or not _is(node, body):
            continue
        line, inner = node.start_mark.line, node
        for step in path:
            found = _child(inner, step)
            if found is None:
                break
            line, inner = found[0].start_mark.line, found[1]
        return template_line(source.text, source.template, line + 1)
    return source.line


def _is(node: Value, body: Mapping[str, Any]) -> bool:
    kind, metadata = _child(node, "kind"), _child(node, "metadata")
    name = _child(metadata[1], "name") if metadata else None
    return bool(kind and name and kind[1].value == body.get("kind") and name[1].value == body["metadata"]["name"])


def _child(node: Value, step: str | int) -> tuple[Any, Any] | None:
    """(key node, value node) of a mapping's field, or a sequence's item twice."""
    if isinstance(node, yaml.MappingNode) and isinstance(step, str):
        for key, value in node.value:
            if key.value == step:
                return key, value
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step]
    return None
