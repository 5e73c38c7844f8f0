# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Assumptions about kinds without an API server."""

from __future__ import annotations

from pathlib import Path

import yaml
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.preview import Assumed

CHECKOUT = Path(__file__).resolve().parents[5]
OPENSHIFT = CHECKOUT / "tests" / "integration" / "existing" / "crds.yaml"
# OpenShift's kinds that the roles render.
RENDERED = {"SecurityContextConstraints", "Route"}


def test_kinds_of_openshift_have_the_scope_that_openshift_declares() -> None:
    declared = {
        (crd["spec"]["group"], crd["spec"]["names"]["kind"]): crd["spec"]["scope"] == "Namespaced"
        for crd in yaml.safe_load(OPENSHIFT.read_text())
        if crd["spec"]["names"]["kind"] in RENDERED
    }
    assert len(declared) == len(RENDERED)
    assert declared == {pair: Assumed([]).find(pair[0], "v1", pair[1]).namespaced for pair in declared}
