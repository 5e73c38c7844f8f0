# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A job as AWX 24 starts it: the exported inventory as an executable script, survey answers as untrusted text."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import ansible_runner
import yaml

CHECKOUT = Path(__file__).resolve().parents[2]


class Untrusted(str):
    """A survey's answer: AWX writes each as ``!unsafe``."""

    __slots__ = ()


class Dumper(yaml.SafeDumper):
    """Writes extra variables as AWX does."""


Dumper.add_representer(Untrusted, lambda dumper, text: dumper.represent_scalar("!unsafe", str(text)))


def test_a_job_reads_the_exported_inventory_and_the_answers_of_a_survey(tmp_path: Path) -> None:
    command = [Path(sys.executable).with_name("ansible-inventory"), "--list", "--export", "-i", "inventories/staging"]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg")}
    exported = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=True).stdout
    script = tmp_path / "inventory" / "hosts"
    script.parent.mkdir()
    script.write_text(f"#!/usr/bin/env python3\nprint({json.dumps(json.loads(exported))!r})\n")
    script.chmod(0o700)
    (tmp_path / "env").mkdir()
    answers = {"elasticsearch_delete_snapshots": Untrusted("false"), "elasticsearch_nodes": Untrusted("5")}
    (tmp_path / "env" / "extravars").write_text(yaml.dump(answers, Dumper=Dumper))
    play = {
        "hosts": "managed",
        "gather_facts": False,
        "tasks": [
            {
                "ansible.builtin.assert": {
                    "that": [
                        "fleet_cluster == 'dataplatform-staging'",
                        "fleet_member.purpose == 'workload'",
                        "elasticsearch_delete_snapshots is false",
                        "elasticsearch_nodes + 1 == 6",
                    ]
                }
            }
        ],
    }
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    run = ansible_runner.run(
        private_data_dir=str(tmp_path),
        project_dir=str(CHECKOUT),
        playbook=str(tmp_path / "play.yml"),
        envvars={"ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"), "ANSIBLE_INVENTORY_UNPARSED_FAILED": "True"},
        quiet=True,
    )
    assert run.status == "successful", run.stdout.read()[-4000:]
    assert set(run.stats["ok"]) == {"staging"}
