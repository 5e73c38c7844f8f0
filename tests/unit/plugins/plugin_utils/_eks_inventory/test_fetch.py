# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import botocore.session
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._eks_inventory.fetch import _pages
from botocore.stub import Stubber


def test_all_pages_are_read() -> None:
    client = botocore.session.Session().create_client(
        "eks", region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    with Stubber(client) as stub:
        stub.add_response("list_addons", {"addons": ["a", "b"], "nextToken": "more"}, {"clusterName": "c"})
        stub.add_response("list_addons", {"addons": ["c"]}, {"clusterName": "c", "nextToken": "more"})
        assert _pages(client, "list_addons", "addons", clusterName="c") == ["a", "b", "c"]
        stub.assert_no_pending_responses()
