# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.action import apply
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.errors import ApplyError
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.options import argument_spec

ARGS: dict[str, Any] = {
    **{name: option.get("default") for name, option in argument_spec().items()},
    "name": "web",
    "namespace": "n",
}


def test_options_become_settings() -> None:
    given = {
        **ARGS,
        "cluster": "staging",
        "prune_limit": 1.0,
        "ignore_fields": [{"kind": "Deployment", "name": None, "namespace": None, "fields": ["spec.replicas"]}],
    }
    settings = apply._settings(given, check=True)
    assert (settings.name, settings.namespace, settings.cluster) == ("web", "n", "staging")
    assert (settings.check, settings.wait, settings.force, settings.prune, settings.prune_limit) == (
        True,
        True,
        True,
        True,
        1.0,
    )
    (ignore,) = settings.ignore
    assert (ignore.kind, ignore.name, list(ignore.paths)) == ("Deployment", "", [("f:spec", "f:replicas")])


def test_a_wrong_field_path_is_named() -> None:
    with pytest.raises(ApplyError, match=r"'spec\[0\]' is not a field path"):
        apply._settings({**ARGS, "ignore_fields": [{"fields": ["spec[0]"]}]}, check=False)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("name", "ingress_nginx", "name 'ingress_nginx' may have lowercase letters, digits and dashes only"),
        ("namespace", "Web", "namespace 'Web' may have"),
        ("prune_limit", 50.0, "prune_limit is a share between 0 and 1, not 50"),
    ],
)
def test_wrong_values_are_named_before_anything_is_done(option: str, value: Any, message: str) -> None:
    with pytest.raises(ApplyError, match=message):
        apply._settings({**ARGS, option: value}, check=False)
