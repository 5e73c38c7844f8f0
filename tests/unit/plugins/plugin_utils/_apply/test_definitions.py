# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CustomResourceDefinitions in a set, read before the server has them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.schema import crd_types, status_apart

VERSION = {"name": "v1", "served": True, "storage": True}


@pytest.mark.parametrize("spec", ["text", None, {}, {"versions": None}, {"versions": "v1"}, {"versions": ["v1", {}]}])
def test_invalid_values_are_sent_to_the_server(spec: Any) -> None:
    assert crd_types({"spec": spec}) == {}
    assert status_apart({"spec": spec}, "v1") is False


@pytest.mark.parametrize(("more", "expected"), [({}, False), ({"subresources": {"status": {}}}, True)])
def test_a_status_is_separate_if_it_is_a_subresource(more: dict[str, Any], expected: bool) -> None:
    crd = {"spec": {"versions": [VERSION | more]}}
    assert list(crd_types(crd)) == ["v1"]
    assert status_apart(crd, "v1") is expected
