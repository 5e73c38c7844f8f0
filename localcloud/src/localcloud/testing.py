# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A local cloud for tests."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from localcloud.cli import down, up
from localcloud.daemon.state import Daemon, StateDir, environment
from localcloud.host.loopback import free_port
from localcloud.model import ADMIN_ACCESS_KEY, SECRET_KEY


@dataclass(frozen=True)
class LocalCloud:
    """A running local cloud."""

    state: StateDir
    daemon: Daemon

    @classmethod
    @contextlib.contextmanager
    def running(cls, directory: Path, *, nodes: str | None = None) -> Iterator[LocalCloud]:
        """Run a local cloud with its own state directory and port."""
        state = StateDir(directory)
        try:
            yield cls(state, up(state, free_port(), owner=os.getpid(), nodes=nodes))
        finally:
            down(state)

    @property
    def endpoint_url(self) -> str:
        return self.daemon.endpoint_url

    @property
    def state_dir(self) -> Path:
        return self.state.root

    @property
    def env(self) -> dict[str, str]:
        """Return the complete environment for a subprocess."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return {
            **kept,
            **environment(self.daemon),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "LOCALCLOUD_STATE": str(self.state.root),
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def session(self, access_key: str = ADMIN_ACCESS_KEY, region: str | None = None) -> boto3.Session:
        """Return a boto3 session; an access key that is a 12-digit account number is the root user of that account."""
        return boto3.Session(
            aws_access_key_id=access_key,
            aws_secret_access_key=SECRET_KEY,
            region_name=region or self.daemon.region,
        )

    def client(self, service: str, region: str | None = None, access_key: str = ADMIN_ACCESS_KEY) -> Any:  # noqa: ANN401
        """Return a boto3 client of the local cloud."""
        return self.session(access_key, region).client(service, endpoint_url=self.endpoint_url)  # type: ignore[call-overload]

    def aws_calls(self) -> list[dict[str, Any]]:
        """Return the mutating AWS calls so far."""
        if not self.state.aws_calls.exists():
            return []
        return [json.loads(line) for line in self.state.aws_calls.read_text().splitlines()]


def eventually[T](
    look: Callable[[], T],
    seconds: float = 120.0,
    *,
    what: str = "",
    every: float = 0.3,
    retry_on: type[Exception] | tuple[type[Exception], ...] = OSError,
    log: Path | None = None,
) -> T:
    """Wait until ``look`` returns a true value, and return that value.

    The pauses increase from 0.02 to ``every`` seconds. Exceptions of ``retry_on`` are retried.

    :raises AssertionError: the timeout has expired; with the last value and the end of ``log``
    """
    end = time.monotonic() + seconds
    pause = min(0.02, every)
    while True:
        try:
            found = look()
            if found:
                return found
            seen = repr(found)
        except retry_on as error:
            seen = repr(error)
        if time.monotonic() > end:
            break
        time.sleep(pause)
        pause = min(pause * 1.5, every)
    message = f"did not happen in {seconds:g} s: {what or look}; last seen: {seen[:1000]}"
    if log is not None and log.exists():
        message += f"\n{log.name}:\n{log.read_text(errors='replace')[-4000:]}"
    raise AssertionError(message)
