from __future__ import annotations

import yaml
from ansible_collections.dataplatform.fleet.plugins.inventory import eks

FRAGMENTS = {
    *("compose", "groups", "keyed_groups", "strict", "leading_separator", "use_extra_vars"),
    *("cache", "cache_plugin", "cache_timeout", "cache_connection", "cache_prefix"),
}


def test_the_examples_use_documented_options() -> None:
    documentation = yaml.safe_load(eks.DOCUMENTATION)
    examples = list(yaml.safe_load_all(eks.EXAMPLES))
    assert len(examples) == 3
    for example in examples:
        assert example["plugin"] == eks.InventoryModule.NAME == f"dataplatform.fleet.{documentation['name']}"
        assert set(example) <= set(documentation["options"]) | FRAGMENTS
