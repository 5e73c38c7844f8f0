from __future__ import annotations

from types import ModuleType

import pytest
import yaml
from ansible_collections.dataplatform.fleet.plugins.inventory import eks, kubeconfig

FRAGMENTS = {
    *("compose", "groups", "keyed_groups", "strict", "leading_separator", "use_extra_vars"),
    *("cache", "cache_plugin", "cache_timeout", "cache_connection", "cache_prefix"),
}


@pytest.mark.parametrize("plugin", [eks, kubeconfig])
def test_the_examples_use_documented_options(plugin: ModuleType) -> None:
    documentation = yaml.safe_load(plugin.DOCUMENTATION)
    examples = list(yaml.safe_load_all(plugin.EXAMPLES))
    assert len(examples) == 3
    for example in examples:
        assert example["plugin"] == plugin.InventoryModule.NAME == f"dataplatform.fleet.{documentation['name']}"
        assert set(example) <= set(documentation["options"]) | FRAGMENTS
