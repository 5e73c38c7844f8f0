# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleError, AnsibleUndefinedVariable
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, generate_ansible_template_vars, trust_as_template
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible.templates import SHARED, Templates

IMPORT = "{% import 'workloads.j2' as workloads %}\n"


def render(folder: Path, text: str) -> str:
    file = folder / "object.yaml.j2"
    file.write_text(text)
    return Templates(Templar(DataLoader()), {"who": "web"}, []).render(file, text)


def values(folder: Path, text: str) -> dict[str, Any]:
    """Return variables as a role's file would have them."""
    (folder / "variables.yml").write_text(text)
    found: dict[str, Any] = DataLoader().load_from_file(str(folder / "variables.yml"), trusted_as_template=True)
    return found


def as_ansible_does(file: Path, variables: dict[str, Any]) -> str:
    """Render with Ansible's classes only."""
    templar = Templar(DataLoader(), variables={**generate_ansible_template_vars(str(file), str(file)), **variables})
    templar = templar.copy_with_new_env(searchpath=[str(file.parent), str(SHARED)])
    text = trust_as_template(file.read_text())
    return str(templar.template(text, escape_backslashes=False, overrides={"lstrip_blocks": True}))


VARIABLES = r"""
name: web
greeting: "Hello {{ name }}"
both: "{{ {'name': name, 'text': greeting} }}"
list: ["{{ greeting }}", plain, {deep: "{{ both.text | upper }}"}]
escapes: "{{ 'tab:\\t, backslash:\\\\' }}"
lines: |
  {% for item in list %}
    {% if item %}
  item
    {% endif %}
  {% endfor %}
number: "{{ 3 * 4 }}"
left_out: "{{ absent | default(omit) }}"
files: "{{ lookup('ansible.builtin.template', 'part.j2', template_vars={'extra': 7}) }}"
search: "{{ lookup('ansible.builtin.vars', 'number') }}"
ansible_search_path: ["@FOLDER@"]
"""
TEXTS = [
    "{{ greeting }} {{ both | to_json }} {{ list | to_json }}",
    "{{ escapes }} {{ 'tab:\\t' }}",
    "  {% if number == 12 %}\n  a\n  {% endif %}\n{{ lines }}b",
    "{{ lines }}{{ number }}{{ number + 1 }}",
    "{{ [1, left_out] | length }}",
    "{{ files }} {{ search }} {{ files | length }}",
    "{{ template_path | basename }} {{ template_fullpath | basename }}",
    "#jinja2: variable_start_string: '[[', variable_end_string: ']]'\n[[ greeting ]] {{ greeting }}",
    "{% set other = list + [1] %}{{ other | length }} {{ list | length }}",
    "{% import 'workloads.j2' as workloads %}{{ workloads.service_account(name, 'apps') }}",
    "{% include 'part.j2' %}",
    "",
]


def test_the_result_is_ansibles(tmp_path: Path) -> None:
    """Also when all texts are rendered with the same variables, and compiled before."""
    variables = values(tmp_path, VARIABLES.replace("@FOLDER@", str(tmp_path)))
    (tmp_path / "part.j2").write_text("{{ name }} {{ extra | default('none') }} {{ both.name }}\n")
    templates = Templates(Templar(DataLoader()), variables, [str(tmp_path)])
    for index, one in enumerate([*TEXTS, *reversed(TEXTS)]):
        file = tmp_path / f"{index}.yaml.j2"
        file.write_text(one)
        assert templates.render(file, one) == as_ansible_does(file, variables), one


def test_a_variable_is_evaluated_once(tmp_path: Path) -> None:
    variables = values(
        tmp_path,
        """
        number: "{{ 999999999999 | random }}"
        above: "{{ number }}"
        inside: ["{{ number }}", "{{ above }}"]
        """,
    )
    templates = Templates(Templar(DataLoader()), variables, [])
    texts = [
        templates.render(path, "{{ inside | join(' ') }} {{ above }} {{ number }}") for path in [Path(__file__)] * 2
    ]
    assert len(set(" ".join(texts).split())) == 1
    other = Templates(Templar(DataLoader()), variables, []).render(Path(__file__), "{{ number }}")
    assert other not in texts[0]


def test_a_variable_that_cannot_be_evaluated_fails_each_template_that_uses_it(tmp_path: Path) -> None:
    variables = values(tmp_path, """{broken: "{{ absent }}", above: "{{ broken }}", name: web}""")
    templates = Templates(Templar(DataLoader()), variables, [])
    for _ in range(2):
        with pytest.raises(AnsibleUndefinedVariable, match="'absent' is undefined"):
            templates.render(Path(__file__), "{{ above }}")
        assert templates.render(Path(__file__), "{{ above | default(name) }}") == "web"


def test_one_text_is_compiled_for_each_setting(tmp_path: Path) -> None:
    """Backslashes of variables are escaped; settings control white space."""
    text = "  {% if true %}\n{{ 'a\\\\b' }}\n  {% endif %}\n"
    variables = {
        "plain": trust_as_template(text),
        "as_in_files": trust_as_template("#jinja2: lstrip_blocks: True\n" + text),
    }
    file = tmp_path / "file.yaml.j2"
    for one in (text, "{{ plain }}", "{{ as_in_files }}", "#jinja2: lstrip_blocks: False\n" + text):
        file.write_text(one)
        rendered = Templates(Templar(DataLoader()), variables, []).render(file, one)
        assert rendered == as_ansible_does(file, variables)


def test_a_template_imports_the_macros_of_the_collection(tmp_path: Path) -> None:
    text = render(tmp_path, IMPORT + "{{ workloads.service_account(who, 'apps') }}")
    assert yaml.safe_load(text) == {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "web", "namespace": "apps"},
        "automountServiceAccountToken": False,
    }


def test_a_file_beside_the_template_takes_precedence(tmp_path: Path) -> None:
    """Also after the collection's file of that name was compiled, and after another folder's."""
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "workloads.j2").write_text("{% macro restricted() %}" + name + "{% endmacro %}")
        assert render(tmp_path / name, IMPORT + "{{ workloads.restricted() }}") == name


def test_a_file_beside_the_template_takes_precedence_for_each_template_of_a_set(tmp_path: Path) -> None:
    templates = Templates(Templar(DataLoader()), {}, [])
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "workloads.j2").write_text("{% macro restricted() %}" + name + "{% endmacro %}")
        assert templates.render(tmp_path / name / "workloads.j2", IMPORT + "{{ workloads.restricted() }}") == name


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    for text in ("before", "after"):
        (tmp_path / "workloads.j2").write_text("{% macro restricted() %}" + text + "{% endmacro %}")
        assert render(tmp_path, IMPORT + "{{ workloads.restricted() }}") == text


def test_an_import_of_nothing_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(AnsibleError, match=r"absent\.j2"):
        render(tmp_path, "{% import 'absent.j2' as absent %}")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("user=1000", {"runAsNonRoot": True, "runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 1000}),
        ("user=101, group=none", {"runAsNonRoot": True, "runAsUser": 101, "fsGroup": 101}),
        ("user=0, fs_group=none", {"runAsUser": 0, "runAsGroup": 0}),
    ],
)
def test_a_pod_of_a_user(tmp_path: Path, arguments: str, expected: dict[str, object]) -> None:
    pod = yaml.safe_load(
        render(tmp_path, IMPORT + "{{ workloads.pod(who, 'platform', ['a'], {'spot': true}, [], " + arguments + ") }}")
    )
    assert pod == {
        "serviceAccountName": "web",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "priorityClassName": "platform",
        "imagePullSecrets": [{"name": "a"}],
        "nodeSelector": {"spot": "true"},
        "securityContext": expected | {"seccompProfile": {"type": "RuntimeDefault"}},
    }
