# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
import yaml
from ansible.errors import AnsibleParserError
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.inventory import BaseInventoryPlugin
from ansible.plugins.loader import inventory_loader
from ansible_collections.dataplatform.fleet.plugins.inventory import eks, kubeconfig


def test_options_of_one_meaning_are_those_of_the_plugin_eks() -> None:
    mine, theirs = (yaml.safe_load(each.DOCUMENTATION)["options"] for each in (kubeconfig, eks))
    for name in ("query", "on_error", "workers", "names", "hostnames"):
        same = {key: (mine[name].get(key), theirs[name].get(key)) for key in ("type", "elements", "choices")}
        assert all(one == other for one, other in same.values()), name


def test_a_missing_library_is_reported_as_by_ansible(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setattr(kubeconfig, "MISSING", ImportError("No module named 'openshift'"))
    plugin: BaseInventoryPlugin = inventory_loader.get("dataplatform.fleet.kubeconfig")
    path = f"{tmp_path}/kubeconfig.yml"
    with pytest.raises(AnsibleParserError, match=r"Failed to import the required Python library \(openshift\)"):
        plugin.parse(InventoryData(), DataLoader(), path)
