"""The roles `vpc` and `eks`, unchanged, against `terraform plan` of the same resources, and the start of modules.

The first needs Terraform and its AWS provider (a provider mirror may be named in TF_PLUGIN_DIR); without them it is
left out. Both sides talk to the same local cloud in turn, so that they meet the same API at the same speed.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from localcloud.testing import LocalCloud
from tests.benchmarks.rows import row

ROOT = Path(__file__).parents[2]
CONFIGURATION = Path(__file__).parent / "terraform" / "main.tf"
ROUNDS = 3
TASKS = 20


def rows() -> list[dict[str, Any]]:
    """Rows of one local cloud."""
    with tempfile.TemporaryDirectory() as scratch, LocalCloud.running(Path(scratch) / "cloud") as cloud:
        return [connections(Path(scratch), cloud), *roles(Path(scratch), cloud)]


def compared(work: str, peer: str, ours_s: list[float], peer_s: list[float]) -> dict[str, Any]:
    """A row of medians that has no target."""
    mine, theirs = statistics.median(ours_s), statistics.median(peer_s)
    return row(work, peer, ours_s=round(mine, 3), peer_s=round(theirs, 3), ratio=round(theirs / mine, 2))


def connections(scratch: Path, cloud: LocalCloud) -> dict[str, Any]:
    """A play of small AWS tasks through the connection `warm` and through `local`, its start included."""
    task = {"amazon.aws.aws_caller_info": {}, "loop": list(range(TASKS))}
    playbook = scratch / "tasks.yml"
    playbook.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": [task]}]))
    variables = "ansible_python_interpreter={{ ansible_playbook_python }} ansible_connection="
    command = ["ansible-playbook", str(playbook), "-i", "bench,", "-e"]
    environment = {**cloud.env, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    ours_s, peer_s = [], []
    for _ in range(ROUNDS):
        ours_s.append(timed([*command, f"{variables}dataplatform.fleet.warm"], ROOT, environment))
        peer_s.append(timed([*command, f"{variables}local"], ROOT, environment))
    return compared(f"a play of {TASKS} small tasks of amazon.aws", "connection local", ours_s, peer_s)


def roles(scratch: Path, cloud: LocalCloud) -> list[dict[str, Any]]:
    """The roles against Terraform; nothing where there is no Terraform to compare with."""
    ours = ["ansible-playbook", "playbooks/clusters.yml", "--tags", "vpc,eks"]
    ours += ["-i", "inventories/staging", "-i", "inventories/local"]
    workspace = scratch / "terraform"
    if not (plan := prepare_terraform(workspace, cloud)):
        print("no Terraform with the AWS provider here: not compared", file=sys.stderr)
        return []
    environment = {**cloud.env, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    timed(ours, ROOT, environment)

    before = len(cloud.aws_calls())
    ours_s, peer_s = [], []
    for _ in range(ROUNDS):
        ours_s.append(timed(ours, ROOT, environment))
        peer_s.append(timed(plan, workspace, cloud.env))
    # The lock's own bookkeeping is DynamoDB; anything else means that the run was not unchanged.
    changed = [call for call in cloud.aws_calls()[before:] if call["service"] != "dynamodb"]
    if changed:
        raise RuntimeError(f"the measured runs were to change nothing, but called {changed[0]}")
    return [compared("VPC and EKS cluster unchanged", "terraform plan", ours_s, peer_s)]


def prepare_terraform(workspace: Path, cloud: LocalCloud) -> list[str] | None:
    """Apply the peer's configuration once; returns the `terraform plan` to time, None where it cannot run."""
    terraform = shutil.which("terraform")
    if not terraform:
        return None
    workspace.mkdir()
    shutil.copy(CONFIGURATION, workspace)
    init = [terraform, "init", "-input=false", "-no-color"]
    if mirror := os.environ.get("TF_PLUGIN_DIR"):
        init.append(f"-plugin-dir={mirror}")
    if subprocess.run(init, cwd=workspace, env=cloud.env, capture_output=True, check=False).returncode:
        return None
    inputs = [f"-var=endpoint={cloud.endpoint_url}", f"-var=region={cloud.daemon.region}", "-input=false", "-no-color"]
    timed([terraform, "apply", "-auto-approve", *inputs], workspace, cloud.env)
    return [terraform, "plan", "-detailed-exitcode", *inputs]


def timed(command: list[str], directory: Path, environment: dict[str, str]) -> float:
    """Wall seconds of a command that has to succeed."""
    start = time.monotonic()
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:2])} failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return time.monotonic() - start
