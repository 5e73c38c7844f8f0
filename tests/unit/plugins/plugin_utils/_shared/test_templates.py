# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._shared.templates import render_text

IMPORT = "{% import 'workloads.j2' as workloads %}\n"


def render(folder: Path, text: str) -> str:
    file = folder / "object.yaml.j2"
    file.write_text(text)
    return render_text(Templar(DataLoader()), file, text, {"who": "web"}, [])


def test_a_template_imports_the_macros_of_the_collection(tmp_path: Path) -> None:
    text = render(tmp_path, IMPORT + "{{ workloads.service_account(who, 'apps') }}")
    assert yaml.safe_load(text) == {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "web", "namespace": "apps"},
        "automountServiceAccountToken": False,
    }


def test_a_file_beside_the_template_comes_first(tmp_path: Path) -> None:
    """Also after the collection's file of that name was compiled, and after another folder's."""
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "workloads.j2").write_text("{% macro restricted() %}" + name + "{% endmacro %}")
        assert render(tmp_path / name, IMPORT + "{{ workloads.restricted() }}") == name


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
