"""Test callback: one JSON line per task result, with the fields that its diff names as changed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: record
type: notification
short_description: Writes each task result as a JSON line
description: Writes host, task, item, changed and the changed fields to the file that RECORD_FILE names.
"""


def changed_fields(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """Return the dotted paths at which two structures differ; a value on one side only counts field by field."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in before.keys() | after.keys():
            here = f"{path}.{key}" if path else str(key)
            old, new = before.get(key), after.get(key)
            if isinstance(old or new, dict):
                yield from changed_fields(old or {}, new or {}, here)
            elif old != new or (key in before) != (key in after):
                yield here
    elif before != after:
        yield path or "."


def fields_of(result: dict[str, Any]) -> list[str]:
    diffs = result.get("diff") or []
    fields: set[str] = set()
    for diff in diffs if isinstance(diffs, list) else [diffs]:
        header = diff.get("after_header") or diff.get("before_header") or ""
        for field in changed_fields(diff.get("before"), diff.get("after")):
            fields.add(f"{header}:{field}" if header else field)
    return sorted(fields)


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "record"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._path = Path(os.environ["RECORD_FILE"])

    def _write(self, result: Any, item: str | None, *, failed: bool = False) -> None:
        data = result.result
        line = {
            "host": result.host.get_name(),
            "task": result.task.get_name().strip(),
            "item": item,
            "changed": bool(data.get("changed")),
            "fields": fields_of(data),
            "objects": [
                {key: value for key, value in entry.items() if key in ("kind", "namespace", "name", "action", "fields")}
                for entry in data.get("objects") or []
                if isinstance(entry, dict) and entry.get("action") != "unchanged"
            ],
            "failed": failed,
            "message": str(data.get("msg", ""))[:2000],
        }
        with self._path.open("a") as stream:
            stream.write(json.dumps(line) + "\n")

    def v2_runner_on_ok(self, result: Any) -> None:
        if "results" not in result.result or not result.task.loop:
            self._write(result, None)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:  # noqa: ARG002
        if "results" not in result.result or not result.task.loop:
            self._write(result, None, failed=True)

    def v2_runner_item_on_ok(self, result: Any) -> None:
        self._write(result, str(result.result.get("_ansible_item_label", result.result.get("item"))))

    def v2_runner_item_on_failed(self, result: Any) -> None:
        label = str(result.result.get("_ansible_item_label", result.result.get("item")))
        self._write(result, label, failed=True)
