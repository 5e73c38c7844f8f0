# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import yaml
from ansible_collections.amazon.aws.plugins.doc_fragments import common, region
from ansible_collections.dataplatform.fleet.plugins.doc_fragments import connection
from ansible_collections.dataplatform.fleet.plugins.module_utils._apply.options import cluster_options
from ansible_collections.dataplatform.fleet.plugins.module_utils._status.components import Component
from ansible_collections.dataplatform.fleet.plugins.modules import component_info


def test_the_options_are_the_documented_ones() -> None:
    documented = yaml.safe_load(component_info.DOCUMENTATION)["options"]
    for fragment in (
        common.ModuleDocFragment.MODULES,
        region.ModuleDocFragment.MODULES,
        connection.ModuleDocFragment.DOCUMENTATION,
    ):
        documented |= yaml.safe_load(fragment)["options"]
    assert {name: option["type"] for name, option in cluster_options().items()} == {
        name: option["type"] for name, option in documented.items()
    }


def test_the_answer_is_the_documented_one() -> None:
    contains = yaml.safe_load(component_info.RETURN)["components"]["contains"]
    assert list(contains) == [
        "applyset", "namespace", "name", "kind", "desired", "ready", "version", "images", "simulated",
    ]  # fmt: skip
    assert set(Component("a", "b", "c", "Deployment", 1, 1, "v", [], True).public()) == set(contains)
