# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests to Elasticsearch, checked with its official client for JavaScript.

It is generated from Elasticsearch's specification. A request's method and path tell which of the client's functions it
is. Its parameters and its body become arguments of that function in a file of TypeScript, which the compiler holds to
the client's types. At last the client itself is given them, and has to make the same request.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from ansible_collections.dataplatform.fleet.tests.integration.fake_https import Request
from ansible_collections.dataplatform.fleet.tests.integration.typescript import CLOSED, mistyped, node

from localcloud.artifacts.programs.npm import packages

Json = dict[str, Any]

_TYPES = f"""\
import type {{ Client }} from '@elastic/elasticsearch';
{CLOSED}type Given<F extends (...given: never[]) => unknown> = Closed<NonNullable<Parameters<F>[0]>>;
"""
# Settings of an index of the module data-streams (DataStreamsPlugin.java), which the specification leaves out.
_LEFT_OUT = frozenset({"look_ahead_time", "look_back_time"})
# What the client hands to its connection, for calls read from a file: [function, argument] each.
_REPLAY = """\
const { Client } = require('@elastic/elasticsearch');
const client = new Client({ node: 'https://localhost' });
let sent;
client.transport.request = async (request) => { sent = request; };
(async () => {
  const found = [];
  for (const [path, given] of JSON.parse(require('fs').readFileSync(0))) {
    const names = path.split('.');
    const owner = names.slice(0, -1).reduce((from, name) => from[name], client);
    await owner[names.at(-1)](given);
    found.push({ method: sent.method, path: sent.path, query: sent.querystring, body: sent.body });
  }
  console.log(JSON.stringify(found));
})();
"""
_FUNCTION = re.compile(r"^ *async (?:function )?\w+\(params, options\) \{$.*?this\.transport\.request", re.M | re.S)
_NAME = re.compile(r"meta = \{\s+name: '([\w.]+)'")
_WHOLE = re.compile(r"body = params\[key\];.*body: \['(\w+)'\],", re.DOTALL)
_PLACE = re.compile(r"method = ([^;]+);\s+(?:const )?path = ['`](.+)['`];")
_PARAMETER = re.compile(r"\$\{encodeURIComponent\(params\.(\w+)\.toString\(\)\)\}")


@dataclass(frozen=True, eq=False)
class Sent:
    """A request: the path without its query, both decoded."""

    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    body: Json | None = None

    @classmethod
    def of(cls, request: Request) -> Sent:
        return cls(request.method, request.path, request.query, json.loads(request.text) if request.text else None)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True)
class Route:
    """A function of the client, such as ``cluster.putComponentTemplate``, and a path by which it asks."""

    function: str
    methods: frozenset[str]
    pattern: re.Pattern[str]
    whole: str = ""
    """The argument that is the body, where the body's fields are not arguments of their own."""

    @property
    def type(self) -> str:
        return "Client" + "".join(f"['{name}']" for name in self.function.split("."))


class OfficialClient:
    """The installed client; requests are checked in batches."""

    def __init__(self) -> None:
        self._folder = packages("elasticsearch_client")
        self.library = self._folder / "node_modules" / "@elastic" / "elasticsearch" / "lib" / "api"
        self._routes = list(_routes(self.library / "api"))

    def problems(self, requests: Iterable[Sent]) -> list[str]:
        """Return the problems of the requests, each prefixed with its request."""
        found: list[str] = []
        known: list[tuple[Sent, Route, Json]] = []
        for request in {json.dumps(vars(request)): request for request in requests}.values():
            route = self._route(request)
            if route is None:
                found.append(f"{request}: the client has no function for that method and path")
            else:
                known.append((request, route, _arguments(request, route)))
        return [*found, *self._mistyped(known), *self._sent_otherwise(known)]

    def literals(self, name: str) -> set[str]:
        """The texts that the types name for an alias: it may be open beside them, as ``'all' | 'none' | string``."""
        text = (self.library / "types.d.ts").read_text(encoding="utf-8")
        alias = re.search(rf"^export type {name} = (.+);$", text, re.MULTILINE)
        assert alias, f"the client has no type {name}"
        return set(re.findall(r"'([^']+)'", alias[1]))

    def _route(self, request: Sent) -> Route | None:
        fitting = [
            route for route in self._routes if request.method in route.methods and route.pattern.fullmatch(request.path)
        ]
        # /_security/role is not an index with the name _security and the document type role.
        return min(fitting, key=lambda route: route.pattern.groups, default=None)

    def _mistyped(self, known: list[tuple[Sent, Route, Json]]) -> list[str]:
        values = [(f"Given<{route.type}>", _specified(given)) for _, route, given in known]
        return [f"{known[number][0]}: {problem}" for number, problem in mistyped(self._folder, _TYPES, values)]

    def _sent_otherwise(self, known: list[tuple[Sent, Route, Json]]) -> Iterator[str]:
        calls = json.dumps([[route.function, given] for _, route, given in known])
        ran = node("node", "--eval", _REPLAY, cwd=self._folder, text=calls)
        assert ran.returncode == 0, ran.stderr
        for (request, route, _), sent in zip(known, json.loads(ran.stdout), strict=True):
            query = {name: _text(value) for name, value in (sent.get("query") or {}).items()}
            own = Sent(sent["method"], unquote(sent["path"]), query, sent.get("body"))
            if (own.method, own.path, own.query, own.body or {}) != (
                request.method,
                request.path,
                request.query,
                request.body or {},
            ):
                yield f"{request}: the client's {route.function} sends {own!r}, and here it is {request!r}"


def _routes(folder: Path) -> Iterator[Route]:
    for path in sorted(folder.glob("*.js")):
        for function in _FUNCTION.finditer(path.read_text(encoding="utf-8")):
            name = _NAME.search(function[0])
            assert name, path
            whole = _WHOLE.search(function[0])
            words = re.sub(r"_(\w)", lambda letter: letter[1].upper(), name[1])
            for method, template in _PLACE.findall(function[0]):
                parts = _PARAMETER.split(template)
                # Every other part is a parameter's name.
                pattern = "".join(
                    f"(?P<{part}>[^/]+)" if odd % 2 else re.escape(part) for odd, part in enumerate(parts)
                )
                yield Route(
                    words, frozenset(re.findall(r"[A-Z]+", method)), re.compile(pattern), whole[1] if whole else ""
                )


def _arguments(request: Sent, route: Route) -> Json:
    """What the client's function is given for a request: its parts lie side by side."""
    found = route.pattern.fullmatch(request.path)
    assert found
    body = {route.whole: request.body} if route.whole else request.body or {}
    arguments: Json = {}
    for part in ({name: _typed(value) for name, value in (found.groupdict() | request.query).items()}, body):
        assert not arguments.keys() & part.keys(), f"{request} has one name in two places"
        arguments |= part
    return arguments


def _specified(given: Any) -> Any:
    if isinstance(given, list):
        return [_specified(item) for item in given]
    if isinstance(given, dict):
        return {name: _specified(value) for name, value in given.items() if name not in _LEFT_OUT}
    return given


def _typed(value: str) -> Any:
    """A value of a path or a query, which is text on its way, as the types want it."""
    if re.fullmatch(r"true|false|[0-9]+", value):
        return json.loads(value)
    return value.split(",") if re.fullmatch(r"[^,]+(,[^,]+)+", value) else value


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(value)
    return value if isinstance(value, str) else json.dumps(value)
