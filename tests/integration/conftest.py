"""An AWS API without control planes, for tests that need no Kubernetes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from ansible_collections.dataplatform.fleet.tests.integration.roles.running import RunRole, role_runner

CHECKOUT = Path(__file__).resolve().parents[2]
REGION = "eu-central-1"


@dataclass(frozen=True)
class Emulator:
    """A running AWS API with its clients."""

    endpoint_url: str

    @property
    def env(self) -> dict[str, str]:
        """Return the environment for a command that uses only this API."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "ANSIBLE_"))}
        return {
            **kept,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"),
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGION,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self, service: str, region: str = REGION, account: str = "test") -> Any:
        """A boto3 client; a twelve-digit ``account`` is used as that account."""
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=self.endpoint_url,
            aws_access_key_id=account,
            aws_secret_access_key="test",
        )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    port = free_port()
    state = tmp_path_factory.mktemp("emulator")
    env = {
        **os.environ,
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "0",
        "TMPDIR": str(state),
        "DOCKER_HOST": f"unix://{state}/no-docker.sock",
    }
    log = (state / "log").open("w")
    server = subprocess.Popen([sys.executable, "-m", "ministack"], env=env, stdout=log, stderr=log, cwd=state)
    try:
        wait_until_healthy(f"http://127.0.0.1:{port}/_ministack/health", server, state / "log")
        yield Emulator(f"http://127.0.0.1:{port}")
    finally:
        server.terminate()
        server.wait(30)
        log.close()


def wait_until_healthy(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - our own URL
                return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"the emulator did not start: {log.read_text()[-2000:]}")


@pytest.fixture
def run_role(tmp_path: Path) -> RunRole:
    """``run_role(cloud, "vpc", "--check", variables={...})``: a role on its own against an AWS API."""
    return role_runner(tmp_path)
