# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.dataplatform.fleet.plugins.filter.cidr_overlaps import FilterModule, cidr_overlaps


def test_names_both_members() -> None:
    members = {
        "controlplane": {"vpc_cidr": "10.40.0.0/15"},
        "production": {"vpc_cidr": "10.41.0.0/16"},
        "staging": {"vpc_cidr": "10.42.0.0/16"},
    }
    assert cidr_overlaps(members) == ["controlplane (10.40.0.0/15) and production (10.41.0.0/16) overlap"]


def test_neighbours_do_not_overlap() -> None:
    assert cidr_overlaps({"one": "10.40.0.0/16", "two": "10.41.0.0/16"}) == []


@pytest.mark.parametrize("cidr", [None, "10.40.0.0/33", "10.40.0.1/16", "ten"])
def test_names_the_member_with_a_bad_network(cidr: str | None) -> None:
    with pytest.raises(AnsibleFilterError, match="vpc_cidr of one"):
        cidr_overlaps({"one": {"vpc_cidr": cidr}})


def test_is_a_filter() -> None:
    assert FilterModule().filters()["cidr_overlaps"] is cidr_overlaps
