# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compiled templates, each text compiled once.

Ansible compiles a template at each use, in a worker process that ends with its task. Here a process keeps what it has
compiled, and a run compiles the templates of its inventory before it starts workers. The templates of this collection's
own files are also shared between the workers of a run, and kept for later runs. Templates from elsewhere, for example
from inventories, can contain secrets and are never written to a file.

Jinja's own cache of bytecode serves templates that a loader reads, and Ansible passes the texts of templates.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import marshal
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType
from typing import Any, Final

from ansible._internal._datatag._tags import Origin, TrustedAsTemplate
from ansible._internal._templating._engine import TemplateEngine, TemplateOptions
from ansible._internal._templating._jinja_bits import (
    _TEMPLATE_OVERRIDE_FIELD_NAMES,
    AnsibleEnvironment,
    _TemplateCompileContext,
    is_possibly_template,
)
from jinja2 import nodes
from jinja2.utils import _PassArg

from . import cache, run

_COLLECTION: Final = Path(__file__).resolve().parents[3]
_OWN_FILES: Final = tuple(f"{_COLLECTION / name}{os.sep}" for name in ("playbooks", "plugins", "roles", "templates"))
_LARGEST: Final = 32 * 2**20
"""Bytes. The file starts empty again when it would exceed them."""

_Plugins = tuple[tuple[str, str, str | None], ...]
"""Filters and tests of a template: "filters" or "tests", name, and the first argument that Jinja passes to it."""

_ansibles_compile: Final[Callable[..., Any]] = AnsibleEnvironment.compile
_compiled: dict[bytes, CodeType] = {}
_kept: dict[bytes, bytes] = {}
"""By key: the marshalled code of earlier runs."""


def install() -> None:
    """Compile each template once in this process, and in the processes that are forked from it."""
    AnsibleEnvironment.compile = _compile


def load() -> None:
    """Read the code that earlier runs compiled.

    Jinja's code depends on whether a filter or test takes the context as its first argument. Where that has changed,
    the code is left out.
    """
    environment = AnsibleEnvironment()
    calls: dict[tuple[str, str], str | None] = {}

    def is_current(kind: str, name: str, argument: str | None) -> bool:
        if (kind, name) not in calls:
            calls[kind, name] = _argument(environment, kind, name)
        return calls[kind, name] == argument

    for key, (code, plugins) in _entries().items():
        # A plugin that cannot be loaded is reported by the task that uses it.
        with contextlib.suppress(Exception):
            if all(is_current(*plugin) for plugin in plugins):
                _kept[key] = code


def compile_values(values: object) -> None:
    """Compile the templates in *values*, in memory: the processes that are forked from this one find them compiled."""
    engine = TemplateEngine()
    for text in _templates(values):
        # The task that uses a template with an error reports it.
        with contextlib.suppress(Exception):
            engine._compile_template(text, TemplateOptions.DEFAULT)


def _templates(values: object) -> Iterator[str]:
    if isinstance(values, str):
        if TrustedAsTemplate.is_tagged_on(values) and is_possibly_template(values):
            yield values
    elif isinstance(values, dict | list):
        for value in values.values() if isinstance(values, dict) else values:
            yield from _templates(value)


def save() -> None:
    """Write what this run compiled, beside what earlier runs did."""
    new = {bytes.fromhex(path.stem): _unmarshalled(path) for path in _of_this_run().glob("*.code")}
    if not new:
        return
    content = marshal.dumps(_entries() | new)
    cache.write(_file(), content if len(content) <= _LARGEST else marshal.dumps(new))


def _file() -> Path:
    versions = (sys.version, *(importlib.metadata.version(name) for name in ("ansible-core", "jinja2")))
    return cache.folder("templates") / hashlib.blake2b(repr(versions).encode(), digest_size=8).hexdigest()


def _of_this_run() -> Path:
    return run.directory() / "compiled_templates"


def _compile(
    self: AnsibleEnvironment,
    source: Any,  # noqa: ANN401 - Jinja's
    name: str | None = None,
    filename: str | None = None,
    *given: Any,  # noqa: ANN401
    **more: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    if given or more or not isinstance(source, str) or self._debuggable_template_source:
        return _ansibles_compile(self, source, name, filename, *given, **more)
    context = _TemplateCompileContext.current(optional=True)
    settings = [getattr(self, field) for field in _TEMPLATE_OVERRIDE_FIELD_NAMES]
    given_to_jinja = (str(source), name, filename, bool(context and context.escape_backslashes), settings)
    key = hashlib.blake2b(repr((*given_to_jinja, sorted(self.extensions))).encode(), digest_size=16).digest()
    if (code := _compiled.get(key)) is None:
        code = _compiled[key] = _read(key) or _new(self, source, name, filename, key)
    return code


def _read(key: bytes) -> CodeType | None:
    if code := _kept.get(key):
        return marshal.loads(code)  # type: ignore[no-any-return]  # noqa: S302 - from the user's own file
    entry = _unmarshalled(_of_this_run() / f"{key.hex()}.code")
    return marshal.loads(entry[0]) if entry else None  # noqa: S302 - from the run's own file


def _new(environment: AnsibleEnvironment, source: str, name: str | None, filename: str | None, key: bytes) -> CodeType:
    code: CodeType = _ansibles_compile(environment, source, name, filename)
    origin = filename or getattr(Origin.get_tag(source), "path", None)
    if origin and os.path.realpath(origin).startswith(_OWN_FILES):
        used = environment._parse(str(source), name, filename).find_all((nodes.Filter, nodes.Test))
        plugins = {("filters" if isinstance(each, nodes.Filter) else "tests", each.name) for each in used}
        called = tuple((kind, each, _argument(environment, kind, each)) for kind, each in sorted(plugins))
        cache.write(_of_this_run() / f"{key.hex()}.code", marshal.dumps((marshal.dumps(code), called)))
    return code


def _argument(environment: AnsibleEnvironment, kind: str, name: str) -> str | None:
    argument = _PassArg.from_obj(getattr(environment, kind).get(name))
    return argument.name if argument else None


def _entries() -> dict[bytes, tuple[bytes, _Plugins]]:
    file = _file()
    return (_unmarshalled(file) if cache.is_own(file.parent) else None) or {}


def _unmarshalled(file: Path) -> Any:  # noqa: ANN401 - what was written
    """Return the content of a file, or None. Only this user can have written it: marshal must not read other input."""
    try:
        return marshal.loads(file.read_bytes())  # noqa: S302
    except (OSError, EOFError, ValueError, TypeError):
        return None
