# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logstash's rendered pipelines, evaluated for a message of Kafka, up to the action of Elasticsearch's bulk API.

Logstash is not available here. This reads the part of its language that the pipelines use, and does what the reference
says of each filter. Anything else in a pipeline is an error, so that a change of the role is not passed over.
https://www.elastic.co/docs/reference/logstash/plugins/plugins-filters-mutate: "Processing order"
"""

from __future__ import annotations

import copy
import datetime
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

Document = dict[str, Any]
Path = tuple[str, ...]

_TOKEN = re.compile(
    r"""
      (?P<blank>\s+ | \#[^\n]*)
    | (?P<string>"[^"]*" | '[^']*')
    | (?P<regex>/(?:[^/\\\n]|\\.)*/)
    | (?P<field>(?:\[[@A-Za-z_][\w]*\])+)
    | (?P<sign>=> | == | =~ | [{}\[\],])
    | (?P<word>-?\w+)
    """,
    re.VERBOSE,
)
_REFERENCE = re.compile(r"%\{((?:\[[@\w]+\])+)\}")


@dataclass(frozen=True)
class Plugin:
    name: str
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Branch:
    condition: Callable[[Document], bool]
    body: tuple[Plugin | Branch, ...]


@dataclass(frozen=True)
class Record:
    """A message of a Kafka consumer."""

    topic: str
    partition: int
    offset: int
    value: str
    timestamp: int = 1_795_996_800_000  # milliseconds, set by the producer


@dataclass(frozen=True)
class Action:
    """An item of a bulk request: always op type create."""

    index: str
    identity: str | None
    document: Document

    def lines(self) -> str:
        target = {"_index": self.index} | ({"_id": self.identity} if self.identity else {})
        return f"{json.dumps({'create': target})}\n{json.dumps(self.document)}\n"


class Pipeline:
    """One file of the role, such as ``metrics.conf``."""

    def __init__(self, text: str) -> None:
        sections = dict(_Reader(text).sections())
        self._input = _plugin(sections["input"], "kafka")
        self._filters = sections["filter"]
        self._output = _plugin(sections["output"], "elasticsearch")
        assert self._input.settings["decorate_events"] == "basic"

    def action(self, record: Record) -> Action | None:
        """Return the action for a message; None if it is dropped."""
        event = self._decoded(record)
        if not self._run(self._filters, event):
            return None
        document = {key: value for key, value in event.items() if key != "@metadata"}
        settings = self._output.settings
        if settings["data_stream"] == "true":
            assert "document_id" not in settings
            assert "index" not in settings
            parts = (event["data_stream"][part] for part in ("type", "dataset", "namespace"))
            return Action("-".join(parts), None, document)
        assert settings["action"] == "create"
        return Action(_filled(settings["index"], event), _filled(settings["document_id"], event), document)

    def _decoded(self, record: Record) -> Document:
        codec = self._input.settings["codec"]
        assert codec.name == "json"
        event: Document = {"@timestamp": _instant(datetime.datetime.now(datetime.UTC).timestamp() * 1000)}
        decoded = json.loads(record.value)
        assert isinstance(decoded, dict)
        if "target" in codec.settings:
            _set(event, _path(codec.settings["target"]), decoded)
        else:
            event |= decoded
        event["@version"] = "1"
        # As the codec does where pipeline.ecs_compatibility is v8.
        event.setdefault("event", {}).setdefault("original", record.value)
        event["@metadata"] = {
            # decorate in logstash-integration-kafka's lib/logstash/inputs/kafka.rb
            "kafka": {key: value for key, value in asdict(record).items() if key != "value"},
        }
        return event

    def _run(self, body: tuple[Plugin | Branch, ...], event: Document) -> bool:
        """Return whether the event is kept."""
        for item in body:
            if isinstance(item, Branch):
                if item.condition(event) and not self._run(item.body, event):
                    return False
            elif item.name == "drop":
                return False
            else:
                try:
                    {"mutate": _mutate, "date": _date}[item.name](event, item.settings)
                except NoMapError:
                    # Tagged by mutate, which leaves out the rest of its settings.
                    event["tags"] = list(dict.fromkeys([*event.get("tags", []), "_mutate_error"]))
        return True


def _plugin(body: tuple[Plugin | Branch, ...], name: str) -> Plugin:
    (found,) = body
    assert isinstance(found, Plugin)
    assert found.name == name
    return found


# -- filters


def _mutate(event: Document, settings: Mapping[str, Any]) -> None:
    rest = dict(settings)
    rest.pop("id")
    for source, target in rest.pop("rename", {}).items():
        if (found := _get(event, _path(source))) is not None:
            _remove(event, _path(source))
            _set(event, _path(target), found)
    for target, text in rest.pop("replace", {}).items():
        _set(event, _path(target), _filled(text, event))
    substitutions = rest.pop("gsub", [])
    for field, pattern, replacement in zip(*[iter(substitutions)] * 3, strict=True):
        if isinstance(found := _get(event, _path(field)), str):
            _set(event, _path(field), re.sub(pattern, replacement, found, flags=re.MULTILINE))
    for source, target in rest.pop("copy", {}).items():
        if (found := _get(event, _path(source))) is not None:
            _set(event, _path(target), copy.deepcopy(found))
    for target, text in rest.pop("add_field", {}).items():
        assert _get(event, _path(target)) is None, "it would become a list"
        _set(event, _path(target), _filled(text, event))
    for field in rest.pop("remove_field", []):
        _remove(event, _path(field))
    assert not rest, f"mutate has {', '.join(rest)}, which is not implemented here"


def _date(event: Document, settings: Mapping[str, Any]) -> None:
    (field, form) = settings["match"]
    assert set(settings) == {"id", "match"}
    assert form == "UNIX_MS"
    found = _get(event, _path(field))
    if found is None:
        return
    if re.fullmatch(r"-?\d+", str(found)):
        event["@timestamp"] = _instant(int(found))
    else:
        event.setdefault("tags", []).append("_dateparsefailure")


# -- fields


def _instant(milliseconds: float) -> str:
    found = datetime.datetime.fromtimestamp(int(milliseconds) / 1000, datetime.UTC)
    return found.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _path(reference: str) -> Path:
    assert re.fullmatch(r"(\[[@\w]+\])+", reference), reference
    return tuple(re.findall(r"[@\w]+", reference))


def _get(event: Document, path: Path) -> Any:
    found: Any = event
    for part in path:
        if not isinstance(found, dict) or part not in found:
            return None
        found = found[part]
    return found


class NoMapError(Exception):
    """A field below a value that is not a map, which Logstash's event rejects."""


def _set(event: Document, path: Path, value: Any) -> None:
    for part in path[:-1]:
        event = event.setdefault(part, {})
        if not isinstance(event, dict):
            raise NoMapError(f"{part} is {event!r}")
    event[path[-1]] = value


def _remove(event: Document, path: Path) -> None:
    parent = _get(event, path[:-1])
    if isinstance(parent, dict):
        parent.pop(path[-1], None)


def _filled(text: str, event: Document) -> str:
    def value(found: re.Match[str]) -> str:
        held = _get(event, _path(found[1]))
        if held is None:
            return found[0]
        return json.dumps(held, separators=(",", ":")) if isinstance(held, dict | list) else str(held)

    return _REFERENCE.sub(value, text)


# -- the language


class _Reader:
    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))

    def sections(self) -> Iterator[tuple[str, tuple[Plugin | Branch, ...]]]:
        while self._tokens:
            yield self._take("word"), self._body()

    def _body(self) -> tuple[Plugin | Branch, ...]:
        self._sign("{")
        found: list[Plugin | Branch] = []
        while not self._next("}"):
            name = self._take("word")
            if name == "if":
                found.append(Branch(self._condition(), self._body()))
            else:
                found.append(Plugin(name, self._settings()))
        return tuple(found)

    def _settings(self) -> dict[str, Any]:
        self._sign("{")
        found: dict[str, Any] = {}
        while not self._next("}"):
            key = self._take("word", "string")
            self._sign("=>")
            assert key not in found
            found[key] = self._value()
        return found

    def _value(self) -> Any:
        kind, text = self._tokens[0]
        if text == "{":
            return self._settings()
        if self._next("["):
            items: list[Any] = []
            while not self._next("]"):
                items.append(self._value())
                self._next(",")
            return items
        self._tokens.pop(0)
        assert kind in ("word", "string"), text
        if kind == "word" and self._tokens[0][1] == "{":
            return Plugin(text, self._settings())
        return text

    def _condition(self) -> Callable[[Document], bool]:
        terms = [self._term()]
        while self._next("and"):
            terms.append(self._term())
        return lambda event: all(term(event) for term in terms)

    def _term(self) -> Callable[[Document], bool]:
        left = self._operand()
        if self._next("=="):
            right = self._operand()
            return lambda event: left(event) == right(event)
        if self._next("=~"):
            pattern = re.compile(self._take("regex")[1:-1], re.MULTILINE)
            return lambda event: isinstance(left(event), str) and pattern.search(left(event)) is not None
        if self._next("not"):
            assert self._next("in")
            right = self._operand()
            return lambda event: left(event) not in (right(event) or [])
        return lambda event: left(event) not in (None, False)

    def _operand(self) -> Callable[[Document], Any]:
        kind, text = self._tokens.pop(0)
        if kind == "field":
            path = _path(text)
            return lambda event: _get(event, path)
        assert kind == "string", text
        return lambda _event: text

    def _take(self, *kinds: str) -> str:
        kind, text = self._tokens.pop(0)
        assert kind in kinds, f"{text} is not a {' or a '.join(kinds)}"
        return text

    def _next(self, text: str) -> bool:
        if self._tokens[0] not in (("sign", text), ("word", text)):
            return False
        self._tokens.pop(0)
        return True

    def _sign(self, text: str) -> None:
        assert self._next(text), f"{self._tokens[0][1]} is where {text} was looked for"


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    position = 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        assert found, f"cannot parse {text[position : position + 40]!r}"
        position = found.end()
        kind = str(found.lastgroup)
        if kind != "blank":
            yield kind, found[0][1:-1] if kind == "string" else found[0]
