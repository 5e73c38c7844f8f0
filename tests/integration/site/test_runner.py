"""site.yml as AWX starts it: through ansible-runner, with the inventories as sources and its environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ansible_runner
import pytest

from tests.integration.site.conftest import ROOT, Run

pytestmark = pytest.mark.integration


@pytest.mark.exhaustive
def test_ansible_runner_finds_the_fleet_converged(fleet: Run, local_cloud: Any, tmp_path: Path) -> None:
    run = ansible_runner.run(
        private_data_dir=str(tmp_path),
        project_dir=str(ROOT),
        playbook="site.yml",
        inventory=[str(ROOT / "inventories" / name) for name in ("controlplane", "staging", "local")],
        extravars={"eks_access_entries": {}},
        envvars={**local_cloud.env, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
        quiet=True,
    )
    assert run.status == "successful", run.stdout.read()[-4000:]
    assert run.rc == 0
    assert set(run.stats["ok"]) == {"controlplane", "staging"}
    assert run.stats["changed"] == {}
