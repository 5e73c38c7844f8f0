# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Templates of Kubernetes objects for the action plugins `apply` and `render` and for tests."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from ansible._internal._datatag._tags import Origin
from ansible._internal._templating._engine import TemplateEngine, TemplateOptions
from ansible._internal._templating._jinja_bits import AnsibleEnvironment
from ansible._internal._templating._lazy_containers import _AnsibleLazyTemplateMixin
from ansible._internal._templating._utils import TemplateContext
from ansible.template import Templar, generate_ansible_template_vars, trust_as_template

from . import compiled

SHARED: Final = Path(__file__).parents[3] / "templates"
"""Macros for the templates of every role."""

compiled.install()


class _Engine(TemplateEngine):  # type: ignore[misc]
    def __init__(self, *given: Any, **options: Any) -> None:  # noqa: ANN401 - Ansible's are untyped
        super().__init__(*given, **options)
        self._environment: AnsibleEnvironment | None = None
        self._folders: list[str] = []

    def search(self, folders: list[str]) -> None:
        """Return a loader for imports of templates from these folders."""
        if self._environment is None or folders != self._folders:
            self._folders = folders
            # It keeps what was imported by its name.
            self._environment = AnsibleEnvironment(ansible_basedir=self.basedir)
            self._environment.loader.searchpath = folders


class Templates:
    """Renders templates as ansible.builtin.template does with ``lstrip_blocks``, all with the same variables.

    A variable is evaluated at its first use and keeps its value. Ansible evaluates a variable again in each template,
    and again in each variable that refers to it, so that the work multiplies with each level. So variables do not see
    what a lookup of a template that refers to them is given in ``template_vars``; the template itself does.

    Imports and includes are searched beside a template, in *places* and their ``templates`` folders, and last in the
    collection's own ``templates``.
    """

    def __init__(self, templar: Templar, variables: Mapping[str, Any], places: Iterable[str]) -> None:
        self._places = tuple(places)
        self._templar = templar.copy_with_new_env()
        engine = self._templar._engine = _Engine(self._templar._engine._loader)
        with TemplateContext(template_value=None, templar=engine, options=TemplateOptions.DEFAULT):
            self._variables = _AnsibleLazyTemplateMixin._try_create(dict(variables))

    def render(self, file: Path, text: str) -> str:
        """Render *text*, the template in *file*."""
        places = (*self._places, str(file.parent))
        folders = [folder for place in places for folder in (str(Path(place) / "templates"), place)]
        engine = self._templar._engine
        engine.search([*folders, str(SHARED)])
        own = generate_ansible_template_vars(str(file), str(file))
        variables = engine.available_variables = ChainMap({}, self._variables, own)
        # The lookup `template` copies all variables, to add its own.
        variables.__deepcopy__ = lambda _: variables.new_child()  # type: ignore[attr-defined]
        rendered = self._templar.template(
            trust_as_template(Origin(path=str(file)).tag(text)),
            escape_backslashes=False,
            overrides={"trim_blocks": True, "lstrip_blocks": True},
        )
        return "" if rendered is None else str(rendered)
