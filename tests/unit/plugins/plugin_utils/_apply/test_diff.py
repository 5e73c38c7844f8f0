# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import hashlib
import importlib

from ansible_collections.dataplatform.fleet.plugins.module_utils import _redaction
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply import diff
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.objects import Key


def test_the_servers_bookkeeping_is_left_out() -> None:
    obj = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "a",
            "uid": "1",
            "resourceVersion": "2",
            "generation": 3,
            "managedFields": [{}],
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"},
        },
        "status": {"x": 1},
    }
    assert diff.clean(obj) == {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}


def test_the_diff_of_a_secret_shows_only_that_it_changed() -> None:
    def secret(value: str) -> dict[str, object]:
        return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "data": {"k": value}}

    entry = diff.entry(Key("", "Secret", "n", "a"), secret("eA=="), secret("eQ=="))
    assert entry["before"]["data"]["k"] != entry["after"]["data"]["k"]
    assert entry["before"]["data"]["k"] == diff.redacted("eA==")
    assert "eA==" not in str(entry)
    assert entry["before_header"] == "Secret n/a"


def test_messages_are_scrubbed_of_every_form_of_a_secret() -> None:
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "data": {"k": "aHVudGVyMjI="}}
    secrets = diff.secret_values([body])
    assert diff.scrub("bad: hunter22 (aHVudGVyMjI=)", secrets) == "bad: <redacted> (<redacted>)"


def test_the_diff_of_a_secret_does_not_allow_guesses() -> None:
    """Eight digits of an unkeyed hash are enough to find a password in a list of millions."""
    value = b"winter2026"
    shown = diff.redacted(value.decode())
    assert shown == diff.redacted(base64.b64encode(value).decode()) != diff.redacted("winter2027")
    plain = [
        hashlib.new(name, text).hexdigest() for name in ("md5", "sha1", "sha256") for text in (value, b'"winter2026"')
    ]
    assert not [digest for digest in plain if digest[:8] in shown]
    assert shown != f"<redacted {importlib.reload(_redaction).mark(value)}>"
