# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Templates of Kubernetes objects, as the action plugins `apply` and `render` and the tests render them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import CodeType
from typing import Any, Final

import jinja2
from ansible.template import Templar, generate_ansible_template_vars, trust_as_template
from jinja2.bccache import Bucket

SHARED: Final = Path(__file__).parents[3] / "templates"
"""Macros that every role's templates may import."""


class _Compiled(jinja2.BytecodeCache):
    """Keeps what was imported compiled for the process: each template is rendered in an environment of its own."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._kept.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        if bucket.code is not None:
            self._kept[bucket.key, bucket.checksum] = bucket.code


_COMPILED: Final = _Compiled()


def render_text(templar: Templar, file: Path, text: str, variables: Mapping[str, Any], places: Iterable[str]) -> str:
    """Return what a template's text renders to, as ansible.builtin.template does with ``lstrip_blocks``.

    Imports and includes are searched beside *file*, in *places* and their ``templates`` folders, and last in the
    collection's own ``templates``.
    """
    folders = [folder for place in (*places, str(file.parent)) for folder in (str(Path(place) / "templates"), place)]
    templar = templar.copy_with_new_env(
        searchpath=[*folders, str(SHARED)],
        available_variables={**generate_ansible_template_vars(str(file), str(file)), **variables},
    )
    templar._engine.environment.bytecode_cache = _COMPILED  # the public attribute warns
    rendered = templar.template(
        trust_as_template(text), escape_backslashes=False, overrides={"trim_blocks": True, "lstrip_blocks": True}
    )
    return "" if rendered is None else str(rendered)
