# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import yaml
from ansible_collections.amazon.aws.plugins.doc_fragments import common, region
from ansible_collections.dataplatform.fleet.plugins.doc_fragments import connection
from ansible_collections.dataplatform.fleet.plugins.modules import component_info
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.options import cluster_options
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._status.components import Component
from ansible_collections.dataplatform.fleet.tests.unit.playbooks import ansible_playbook

CHECKOUT = Path(__file__).resolve().parents[4]


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


def test_check_mode_reports_the_same_and_only_reads(tmp_path: Path) -> None:
    asked: list[str] = []

    class Cluster(BaseHTTPRequestHandler):
        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline()
            self.close_connection = True
            if self.raw_requestline and self.parse_request():
                asked.append(self.command)
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b'{"items": []}')

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Cluster) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        named = [{"name": "a", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}]
        context = [{"name": "a", "context": {"cluster": "a", "user": "a"}}]
        config = {"clusters": named, "contexts": context, "users": [{"name": "a", "user": {}}], "current-context": "a"}
        (tmp_path / "kubeconfig").write_text(json.dumps(config))
        tasks = [
            {
                "dataplatform.fleet.component_info": {"kubeconfig": str(tmp_path / "kubeconfig")},
                "register": name,
                "check_mode": check,
            }
            for name, check in (("run", False), ("checked", True))
        ]
        told = {"ansible.builtin.assert": {"that": ["run == checked", "run.exists", "run is not changed"]}}
        play = [{"hosts": "localhost", "gather_facts": False, "tasks": [*tasks, told]}]
        (tmp_path / "play.yml").write_text(json.dumps(play))
        done = ansible_playbook(tmp_path / "play.yml", NO_PROXY="127.0.0.1")
        server.shutdown()
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(asked) == {"GET"}


def test_the_answer_is_the_documented_one() -> None:
    contains = yaml.safe_load(component_info.RETURN)["components"]["contains"]
    assert list(contains) == [
        "applyset", "namespace", "name", "kind", "desired", "ready", "version", "images", "simulated",
    ]  # fmt: skip
    assert set(Component("a", "b", "c", "Deployment", 1, 1, "v", [], True).public()) == set(contains)
