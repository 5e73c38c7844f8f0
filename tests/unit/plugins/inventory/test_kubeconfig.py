# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import yaml
from ansible.errors import AnsibleParserError
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.inventory import BaseInventoryPlugin
from ansible.plugins.loader import inventory_loader
from ansible_collections.dataplatform.fleet.plugins.inventory import eks, kubeconfig
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._kubeconfig_inventory import fetch

CHECKOUT = Path(__file__).parents[4]


def test_options_of_one_meaning_are_those_of_the_plugin_eks() -> None:
    mine, theirs = (yaml.safe_load(each.DOCUMENTATION)["options"] for each in (kubeconfig, eks))
    for name in ("query", "on_error", "workers", "names", "hostnames"):
        same = {key: (mine[name].get(key), theirs[name].get(key)) for key in ("type", "elements", "choices")}
        assert all(one == other for one, other in same.values()), name


def test_a_missing_library_is_reported_as_by_ansible(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setattr(fetch, "MISSING", ImportError("No module named 'openshift'"))
    plugin: BaseInventoryPlugin = inventory_loader.get("dataplatform.fleet.kubeconfig")
    path = f"{tmp_path}/kubeconfig.yml"
    with pytest.raises(AnsibleParserError, match=r"Failed to import the required Python library \(openshift\)"):
        plugin.parse(InventoryData(), DataLoader(), path)


def test_a_run_without_a_source_does_not_import_the_kubernetes_client(tmp_path: Path) -> None:
    (tmp_path / "kubernetes.py").write_text(f"open({str(tmp_path / 'imported')!r}, 'w')", encoding="utf-8")
    (tmp_path / "hosts.yml").write_text("all: {hosts: {h: {}}}", encoding="utf-8")
    (tmp_path / "play.yml").write_text("- {hosts: h, gather_facts: false, tasks: [{ping: {}}]}", encoding="utf-8")
    command = ["ansible-playbook", "-i", tmp_path / "hosts.yml", tmp_path / "play.yml", "--list-hosts"]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"), "PYTHONPATH": str(tmp_path)}
    subprocess.run(command, env=environment, check=True, capture_output=True)
    assert not (tmp_path / "imported").exists()
