# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.action import check_alarms
from ansible_collections.dataplatform.fleet.plugins.action.check_alarms import refused_by_promtool
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._alarms.model import AlarmError
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._alarms.site import site
from ansible_collections.dataplatform.fleet.tests.unit.playbooks import ansible_playbook

CHECKOUT = Path(__file__).resolve().parents[4]
FAKE = """#!/bin/sh
cp "$3" "{folder}/given.json"
echo "$@" >"{folder}/called"
echo "  FAILED:" >&2
echo "$3: 3:1: group \\"alarms\\", rule 1, \\"X\\": could not parse expression" >&2
exit {code}
"""


def promtool(folder: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    program = folder / "promtool"
    program.write_text(FAKE.format(folder=folder, code=code), encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


def test_promtool_is_given_the_alarms_as_a_cluster_has_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    promtool(tmp_path, monkeypatch, 0)
    overrides = {"NodeCpuHigh": {"clusters": {"staging": {"threshold": 42}}}, "NodeClockSkew": {"enabled": False}}
    assert refused_by_promtool(site(overrides, []), "staging") is None
    assert (tmp_path / "called").read_text().startswith("check rules ")
    (group,) = json.loads((tmp_path / "given.json").read_text())["groups"]
    rules = {rule["alert"]: rule for rule in group["rules"]}
    assert rules["NodeCpuHigh"]["expr"].endswith("> 42")
    assert "NodeClockSkew" not in rules
    # Also what Grafana evaluates, but for Lucene.
    assert "KafkaBrokersMissing" in rules
    assert "FieldsIgnored" not in rules


def test_an_error_of_promtool_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    promtool(tmp_path, monkeypatch, 1)
    assert refused_by_promtool(site({}, []), "staging") == (
        '3:1: group "alarms", rule 1, "X": could not parse expression'
    )


def test_without_promtool_nothing_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert refused_by_promtool(site({}, []), "staging") is None


def test_a_promtool_that_does_not_answer_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    promtool(tmp_path, monkeypatch, 0)
    (tmp_path / "promtool").write_text("#!/bin/sh\nexec sleep 60\n", encoding="utf-8")
    monkeypatch.setattr(check_alarms, "_TIMEOUT", 0.1)
    with pytest.raises(AlarmError, match=r"^promtool has not answered within 0.1 seconds: .*/promtool check rules\.$"):
        refused_by_promtool(site({}, []), "staging")


def test_a_promtool_that_does_not_start_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    promtool(tmp_path, monkeypatch, 0)
    (tmp_path / "promtool").write_bytes(b"\0")
    with pytest.raises(AlarmError, match=r"^promtool cannot be run: .*Exec format error"):
        refused_by_promtool(site({}, []), "staging")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ({}, 1, "failed=0"),  # promtool is not asked about the collection's own
        ({"overrides": {"AverageCpuHigh": {"threshold": "85"}}}, 0, "failed=0"),
        ({"overrides": {"AverageCpuHigh": {"threshold": "85"}}}, 1, "promtool refuses what alarms_overrides and"),
        (
            {"overrides": {"AverageCpuHihg": {}}},
            0,
            "the unknown alarm AverageCpuHihg: did you mean AverageCpuHigh? It is set in the variables of",
        ),
        ({"extra": "ours.yml"}, 0, "failed=0"),
        ({"extra": "theirs.yml"}, 0, "which is not there"),
    ],
)
def test_in_a_play(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: dict[str, Any], code: int, said: str
) -> None:
    promtool(tmp_path, monkeypatch, code)
    done = play(tmp_path, arguments)
    assert said in " ".join((done.stdout + done.stderr).split())
    assert (done.returncode == 0) is (said == "failed=0")


def test_check_mode_reports_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    promtool(tmp_path, monkeypatch, 1)
    overrides = {"overrides": {"AverageCpuHigh": {"threshold": 85}}}
    run, check = (play(tmp_path, overrides, *options) for options in ((), ("--check",)))
    assert "promtool refuses" in check.stdout
    assert (check.returncode, check.stdout) == (run.returncode, run.stdout)


def play(tmp_path: Path, arguments: dict[str, Any], *options: str) -> subprocess.CompletedProcess[str]:
    """Run the action on one host, with the files that the cases of test_in_a_play name beside its inventory."""
    (tmp_path / "hosts.yml").write_text("all: {hosts: {localhost: {ansible_connection: local}}}\n", encoding="utf-8")
    ours = [{"name": "Ours", "severity": "info", "component": "x", "query": "up", "summary": "s", "description": "d"}]
    (tmp_path / "ours.yml").write_text(json.dumps(ours), encoding="utf-8")
    task = {"dataplatform.fleet.check_alarms": {"cluster": "staging", "members": ["staging"], **arguments}}
    (tmp_path / "play.yml").write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [task]}]))
    return ansible_playbook("-i", tmp_path / "hosts.yml", tmp_path / "play.yml", *options)
