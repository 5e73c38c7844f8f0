# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.amazon.aws.plugins.doc_fragments import common, region
from ansible_collections.dataplatform.fleet.plugins.action.canary import argument_spec
from ansible_collections.dataplatform.fleet.plugins.doc_fragments import connection
from ansible_collections.dataplatform.fleet.plugins.modules import canary
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._verify.hops import Finding, Status
from ansible_collections.dataplatform.fleet.tests.unit.playbooks import ansible_playbook

CHECKOUT = Path(__file__).resolve().parents[4]


def test_the_options_are_the_documented_ones() -> None:
    documented = yaml.safe_load(canary.DOCUMENTATION)["options"]
    for fragment in (
        common.ModuleDocFragment.MODULES,
        region.ModuleDocFragment.MODULES,
        connection.ModuleDocFragment.DOCUMENTATION,
    ):
        documented |= yaml.safe_load(fragment)["options"]
    spec = argument_spec()
    assert {name: option["type"] for name, option in spec.items()} == {
        name: option["type"] for name, option in documented.items()
    }
    ours = [name for name in spec if "fallback" not in spec[name]]
    assert {name: spec[name].get("default") for name in ours} == {
        name: documented[name].get("default") for name in ours
    }
    assert [name for name in ours if spec[name].get("required")] == [
        name for name in ours if documented[name].get("required")
    ]


@pytest.mark.parametrize("name", ["email", "slack"])
def test_the_options_of_where_messages_are_looked_for_are_the_documented_ones(name: str) -> None:
    documented = yaml.safe_load(canary.DOCUMENTATION)["options"][name]["suboptions"]
    keys = ("type", "default", "required", "choices")
    assert {
        option: {key: sorted(value) if key == "choices" else value for key, value in settings.items() if key in keys}
        for option, settings in documented.items()
    } == {
        option: {key: sorted(value) if key == "choices" else value for key, value in settings.items() if key in keys}
        for option, settings in argument_spec()[name]["options"].items()
    }


def test_passwords_are_kept_out_of_the_output() -> None:
    spec = argument_spec()
    assert all(spec[name]["no_log"] for name in spec if name.endswith(("password", "secret_key", "session_token")))
    assert all(spec["controlplane"]["options"][name]["no_log"] for name in ("secret_key", "session_token"))
    assert spec["email"]["options"]["password"]["no_log"]
    assert spec["slack"]["options"]["token"]["no_log"]


def test_the_answer_is_the_documented_one() -> None:
    contains = yaml.safe_load(canary.RETURN)["hops"]["contains"]
    assert list(contains) == list(Finding("metric", "kafka", Status.SEEN).public())
    told = " ".join(contains["status"]["description"])
    assert all(f"V({status})" in told for status in Status)


def run(tmp_path: Path, *arguments: str, **options: Any) -> tuple[int, str]:
    """Run the module without a network; return the status and the output as one line."""
    options = {"kubeconfig": str(tmp_path / "none"), "member": "staging", "since": 0, "ca": "none", **options}
    task = {"dataplatform.fleet.canary": options, "register": "found"}
    shown = {"ansible.builtin.debug": {"msg": "{{ found.hops | map(attribute='status') | unique | to_json }}"}}
    play = [{"hosts": "localhost", "gather_facts": False, "tasks": [task, shown]}]
    (tmp_path / "play.yml").write_text(json.dumps(play))
    done = ansible_playbook(tmp_path / "play.yml", *arguments)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def test_check_mode_sends_no_requests(tmp_path: Path) -> None:
    status, output = run(tmp_path, "--check", run="one1")
    assert status == 0, output
    assert '["not_run"]' in output.replace("\\", "")
    status, output = run(tmp_path, run="one1")
    assert status != 0
    assert str(tmp_path / "none") in output


@pytest.mark.parametrize("name", ["a-b", "a b", 'a"} or vector(1)', ""])
def test_a_name_that_would_be_more_than_a_name_is_refused(tmp_path: Path, name: str) -> None:
    status, output = run(tmp_path, "--check", run=name)
    assert status != 0
    assert "a canary's name has letters and digits only" in output
