# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of an object: edited, added and removed values, reordered lists."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from paths(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from paths(item, (*path, index))


NAMES = [
    "added",
    "namespaceSelector",
    "podSelector",
    "protocol",
    "optional",
    "mode",
    "items",
    "tags",
    "ports",
    "emptyDir",
]


def changed_value(value: Any, chooser: random.Random) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return value * 2
    if isinstance(value, str):
        options = [value + "x", value.upper(), value + "0", "1" + value, "", value[:-1], value + "m", value + "Mi"]
        return chooser.choice([option for option in options if option != value])
    if isinstance(value, list):
        if len(value) > 1 and chooser.random() < 0.3:
            return value[::-1]
        return [*value, *copy.deepcopy(value[:1])] if value and chooser.random() < 0.3 else value[:-1]
    if isinstance(value, dict):
        if value and chooser.random() < 0.5:
            return dict(list(value.items())[1:])
        return {**value, chooser.choice(NAMES): chooser.choice(["x", "", {}, [], 0, False])}
    return "was-null"


def mutate(body: Json, chooser: random.Random) -> Json:
    body = copy.deepcopy(body)
    content = [
        path for path in paths(body) if path[0] not in {"apiVersion", "kind"} and path[:2] != ("metadata", "name")
    ]
    content = [path for path in content if path[:2] != ("metadata", "namespace") and path != ("metadata",)]
    path = chooser.choice(content)
    parent: Any = body
    for step in path[:-1]:
        parent = parent[step]
    if chooser.random() < 0.3:
        del parent[path[-1]]
    else:
        parent[path[-1]] = changed_value(parent[path[-1]], chooser)
    return body
