# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action `x509_certificates` in plays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._pki.certificates import belongs, load
from ansible_collections.dataplatform.fleet.tests.unit.playbooks import ansible_playbook

ROOT = {
    "certificates": [{"name": "root", "common_name": "acme root", "path_length": 1, "not_after": "20360101000000Z"}],
    "self_signed": True,
}
SERVERS = {
    "certificates": [
        {"name": name, "dns_names": [f"{name}.example.com"], "not_after": "20350101000000Z"} for name in ("a", "b")
    ],
    "issuer_certificate": "{{ root.certificates.root.certificate }}",
    "issuer_private_key": "{{ root.certificates.root.private_key }}",
}


def results(folder: Path, *tasks: dict[str, Any], options: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "tasks": [
            {"dataplatform.fleet.x509_certificates": task, "register": "root" if not number else "made"}
            for number, task in enumerate(tasks)
        ],
    }
    (folder / "play.yml").write_text(json.dumps([play]), encoding="utf-8")
    run = ansible_playbook(
        "-i", "localhost,", folder / "play.yml", *options, ANSIBLE_STDOUT_CALLBACK="ansible.posix.json"
    )
    report, _ = json.JSONDecoder().raw_decode(run.stdout[run.stdout.index("{\n") :])
    return [task["hosts"]["localhost"] for task in report["plays"][0]["tasks"]]


def test_a_root_signs_two_certificates(tmp_path: Path) -> None:
    root, made = results(tmp_path, ROOT, SERVERS)
    issuer = load(root["certificates"]["root"]["certificate"])
    assert issuer is not None
    assert list(made["certificates"]) == ["a", "b"]
    for name, one in made["certificates"].items():
        certificate = load(one["certificate"])
        assert certificate is not None
        assert certificate.names == {f"{name}.example.com"}
        assert certificate.issuer_key_id == issuer.key_id
        assert belongs(one["private_key"], certificate)


def test_check_mode_creates_nothing(tmp_path: Path) -> None:
    (root,) = results(tmp_path, ROOT, options=("--check",))
    assert (root["changed"], root["certificates"]) == (True, {})


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"self_signed": False}, "self_signed is False but all of the following are missing"),
        ({"certificates": [{"name": "root"}]}, "missing required arguments: not_after"),
        (
            {"certificates": [{"name": "root", "not_after": "tomorrow"}]},
            "Could not create the certificate root: time data 'tomorrow'",
        ),
    ],
)
def test_wrong_arguments_are_refused(tmp_path: Path, changed: dict[str, Any], words: str) -> None:
    (refused,) = results(tmp_path, ROOT | changed)
    assert refused["failed"]
    assert words in refused["msg"]
