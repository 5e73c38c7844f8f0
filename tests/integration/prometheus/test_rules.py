# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rendered configuration and rules, checked with promtool."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import CHECKOUT, only, render_role

from localcloud.artifacts.programs import go_program

pytestmark = pytest.mark.integration
RULES = CHECKOUT / "roles" / "prometheus" / "files" / "rules"
HERE = Path(__file__).parent


def promtool(*arguments: str | Path) -> str:
    run = subprocess.run([go_program("promtool"), *arguments], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"prometheus_eks_control_plane": False, "prometheus_kubelet_verify": False, "prometheus_size": "large"},
        {"prometheus_scrape_configs": [{"job_name": "ours", "static_configs": [{"targets": ["a:1"]}]}]},
    ],
    ids=["default", "other", "with a site's job"],
)
def test_the_configuration_is_one(tmp_path: Path, options: dict[str, object]) -> None:
    objects = render_role("prometheus", **options)
    text = only(objects, "ConfigMap", "prometheus")["data"]["prometheus.yml"]
    path = tmp_path / "prometheus.yml"
    path.write_text(text)
    assert "SUCCESS" in promtool("check", "config", "--syntax-only", path)
    web = tmp_path / "web.yml"
    web.write_text(only(objects, "ConfigMap", "prometheus")["data"]["web.yml"].replace("/tls/", f"{tmp_path}/"))
    for name in ("tls.crt", "tls.key"):
        (tmp_path / name).write_text(only(objects, "Secret", "prometheus-tls")["stringData"][name])
    promtool("check", "web-config", web)


def test_all_rules_are_valid_and_unique() -> None:
    said = promtool("check", "rules", "--lint-fatal", *sorted(RULES.glob("*.yml")))
    assert said.count("SUCCESS") == len(list(RULES.glob("*.yml")))


def test_recorded_series_have_the_right_values(tmp_path: Path) -> None:
    shutil.copy(RULES / "recording.yml", tmp_path)
    shutil.copy(HERE / "recording_test.yml", tmp_path)
    assert "SUCCESS" in promtool("test", "rules", tmp_path / "recording_test.yml")
