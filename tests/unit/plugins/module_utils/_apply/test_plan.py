# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.dataplatform.fleet.plugins.module_utils._apply import plan
from ansible_collections.dataplatform.fleet.plugins.module_utils._apply.applyset import PART_OF
from ansible_collections.dataplatform.fleet.plugins.module_utils._apply.objects import Json

MARKS = {
    "meta.helm.sh/release-name": "Helm release x",
    "argocd.argoproj.io/tracking-id": "Argo CD application x",
    "kustomize.toolkit.fluxcd.io/name": "Flux kustomization x",
    "helm.toolkit.fluxcd.io/name": "Flux Helm release x",
}


@pytest.mark.parametrize("place", ["labels", "annotations"])
@pytest.mark.parametrize(("mark", "owner"), MARKS.items())
def test_the_mark_of_another_tool_counts_where_no_set_says_more(mark: str, owner: str, place: str) -> None:
    def marked(**labels: str) -> Json:
        return {"metadata": {"labels": labels, "annotations": {}} | {place: {mark: "x"} | labels}}

    assert plan.owner_of(marked(), "us") == owner
    ours = marked()
    ours["metadata"]["labels"] = ours["metadata"]["labels"] | {PART_OF: "us"}
    assert plan.owner_of(ours, "us") == ""
    assert plan.owner_of(ours, "others") == "ApplySet us"
