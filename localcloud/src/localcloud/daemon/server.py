# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemon: serves ministack on loopback, with real control planes for EKS clusters."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from localcloud.artifacts.binaries import Binaries
from localcloud.aws.call_log import App, CallLog, Message, Receive, Scope, Send
from localcloud.aws.settings import EmulatorSettings
from localcloud.daemon.clusters import Clusters
from localcloud.daemon.state import Daemon, StateDir, record
from localcloud.host.files import Book
from localcloud.host.loopback import HOST
from localcloud.host.processes import ProcessRecord, identity, resident_bytes
from localcloud.model import (
    ACCOUNT,
    ADMIN_ACCESS_KEY,
    ADMIN_USER,
    NODES,
    REAL_NODES,
    REGION,
    ROOT_ACCESS_KEY,
    SECRET_KEY,
    SIMULATED_NODES,
    LocalCloudError,
)

LOG = logging.getLogger("localcloud")
GUARD_INTERVAL = 3.0
VOLATILE = {"status", "issues"}
# Prefix, after the time, of log lines that are shown to the user.
OWN_ERROR = " localcloud ERROR "
STATUS_PATH = "/_localcloud/status"
REPAIR_PATH = "/_localcloud/repair"
ADMIN_POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def configure(state: StateDir, port: int) -> None:
    """Set the environment variables that ministack reads on import."""
    scratch = state.scratch
    scratch.mkdir(parents=True, exist_ok=True)
    os.environ |= {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": HOST,
        "MINISTACK_HOST": HOST,
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "MINISTACK_REGION": REGION,
        "AUTH": "true",
        "AWS_ACCESS_KEY_ID": ROOT_ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "PERSIST_STATE": "0",
        "STATE_DIR": str(scratch / "ministack"),
        "S3_DATA_DIR": str(scratch / "s3"),
        "TMPDIR": str(scratch),
        "LOG_LEVEL": os.environ.get("LOG_LEVEL", "WARNING"),
    }
    # This process must not use the user's AWS settings.
    for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        os.environ.pop(name, None)


def create_administrator() -> None:
    """Give the account an IAM user with fixed keys and every permission."""
    from localcloud.aws import ministack  # noqa: PLC0415 - after configure()

    ministack.set_account(ACCOUNT)
    ministack.create_user({"UserName": [ADMIN_USER]})
    ministack.put_user_policy(
        {
            "UserName": [ADMIN_USER],
            "PolicyName": ["administrator"],
            "PolicyDocument": [json.dumps(ADMIN_POLICY)],
        }
    )
    ministack.access_keys[ADMIN_ACCESS_KEY] = {
        "UserName": ADMIN_USER,
        "AccessKeyId": ADMIN_ACCESS_KEY,
        "Status": "Active",
        "SecretAccessKey": SECRET_KEY,
        "CreateDate": "2026-01-01T00:00:00Z",
    }


def principal_of(access_key: str) -> tuple[str, str]:
    """Return account and principal ARN of an access key that the emulator knows."""
    from localcloud.aws import ministack  # noqa: PLC0415 - after configure()

    root = access_key.isdigit() and len(access_key) == 12
    account = ministack.account_of(access_key) or (access_key if root else ACCOUNT)
    return account, ministack.principal_arn(access_key, account)


class OwnPages:
    """ASGI middleware for requests to the local cloud's endpoints: GET or POST of fixed paths."""

    def __init__(self, app: App, pages: Mapping[tuple[str, str], Callable[[], Any]]) -> None:
        self._app = app
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        page = self._pages.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if page is not None:
            body = json.dumps(await asyncio.to_thread(page)).encode()
            headers = [(b"content-type", b"application/json")]
            start: Message = {"type": "http.response.start", "status": 200, "headers": headers}
            await send(start)
            await send({"type": "http.response.body", "body": body})
            return
        await self._app(scope, receive, send)


class Cloud:
    """The components of the daemon."""

    def __init__(
        self,
        state: StateDir,
        port: int,
        owner: int | None = None,
        *,
        nodes: str = SIMULATED_NODES,
        control_planes: bool = True,
    ) -> None:
        self._state = state
        self._owner = ProcessRecord("owner", owner, identity(owner) or "") if owner else None
        url = f"http://{HOST}:{port}"
        self._daemon = Daemon(
            pid=os.getpid(), identity=identity(os.getpid()) or "", port=port, endpoint_url=url, nodes=nodes
        )
        self._book = Book(state.file, lambda: record(self._daemon, self._lasting()))
        self.clusters: Clusters | None = None
        if control_planes:
            real = nodes == REAL_NODES
            self.clusters = Clusters(state, Binaries(), self._book.write, endpoint_url=url, real_nodes=real)
        self._port = port
        self._calls: CallLog | None = None

    def app(self) -> App:
        """Build the ASGI application, from the innermost middleware."""
        from localcloud.aws import ministack  # noqa: PLC0415 - after configure()
        from localcloud.aws.asgi import install  # noqa: PLC0415
        from localcloud.aws.eks.access import Policies  # noqa: PLC0415

        try:
            settings = EmulatorSettings.from_env(clusters=self.clusters)
        except ValueError as error:
            raise LocalCloudError(str(error)) from None
        if self.clusters is not None:
            self.clusters.policies = Policies()
        create_administrator()
        self._calls = CallLog(install(ministack.application, settings), self._state.aws_calls, principal_of)
        return OwnPages(self._calls, {("GET", STATUS_PATH): self.status, ("POST", REPAIR_PATH): self.repair})

    def status(self) -> dict[str, Any]:
        """Return the state of the daemon, its clusters and their resource usage."""
        clusters = self.clusters.summary() if self.clusters else {}
        records = self.clusters.supervisor.records() if self.clusters else []
        machines = self.clusters.machines if self.clusters else None
        for identifier, cluster in clusters.items():
            cluster["nodes"] = self.clusters.nodes(identifier) if self.clusters else []
        pids = {"daemon": os.getpid()} | {record.name: record.pid for record in records}
        return {
            "endpoint_url": self._daemon.endpoint_url,
            "pid": os.getpid(),
            "state_dir": str(self._state.root),
            "account": ACCOUNT,
            "region": REGION,
            "clusters": clusters,
            "volumes": machines.obstacle if machines else "",
            "memory_bytes": {name: resident_bytes(pid) for name, pid in pids.items()},
            "requests": dict(self._calls.counts) if self._calls else {},
        }

    def repair(self) -> list[str]:
        """Delete resources whose creation failed, and restart stopped control planes. Return a line for each."""
        from localcloud.aws import repair  # noqa: PLC0415 - after configure()

        keys = [cluster.key for cluster in self.clusters.all()] if self.clusters else []
        scopes = [(ACCOUNT, REGION), *((key.account, key.region) for key in keys)]
        said = repair.remove_failed(scopes, self.clusters)
        said += self.clusters.revive() if self.clusters else []
        for line in said:
            LOG.info("%s", line)
        return said

    def _lasting(self) -> dict[str, dict[str, Any]]:
        """Return the part of the clusters' state that the state file records; the daemon returns the variable part."""
        clusters = self.clusters.summary() if self.clusters else {}
        return {
            key: {name: value for name, value in item.items() if name not in VOLATILE} for key, item in clusters.items()
        }

    async def _guard(self, stopped: asyncio.Event) -> None:
        """Stop when the owner has ended, or the record of this daemon is gone, because no command could stop it."""
        while not stopped.is_set():
            await asyncio.sleep(GUARD_INTERVAL)
            self._book.catch_up()
            try:
                recorded = self._state.read()
            except OSError as error:
                LOG.warning("%s could not be read: %s", self._state.file, error)
                continue
            if recorded is None or recorded.pid != os.getpid():
                LOG.warning("%s is gone: stopping", self._state.file)
                stopped.set()
            elif self._owner is not None and identity(self._owner.pid) != self._owner.identity:
                LOG.warning("The owner process has ended: stopping")
                stopped.set()

    async def serve(self) -> None:
        """Serve until a signal is received."""
        from hypercorn.asyncio import serve  # noqa: PLC0415
        from hypercorn.config import Config  # noqa: PLC0415

        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopped.set)
        config = Config()
        config.bind = [f"{HOST}:{self._port}"]
        config.keep_alive_timeout = 75
        config.graceful_timeout = 1
        config.loglevel = "WARNING"
        app: Any = self.app()
        # The commands find this daemon with it.
        self._state.write(self._daemon)
        guard = asyncio.create_task(self._guard(stopped))
        try:
            await serve(app, config, shutdown_trigger=stopped.wait)
        finally:
            guard.cancel()
            if self.clusters is not None:
                await asyncio.to_thread(self.clusters.stop)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="localcloud.daemon.server")
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--nodes", choices=NODES, default=SIMULATED_NODES)
    parser.add_argument(
        "--api-only", action="store_true", help="clusters are ACTIVE immediately and have no API server"
    )
    parser.add_argument("--owner", type=int, help="id of the process with which the daemon stops")
    options = parser.parse_args(arguments)
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s", stream=sys.stdout
    )
    logging.getLogger("localcloud").setLevel(logging.INFO)
    state = StateDir(options.state_dir)
    configure(state, options.port)
    cloud = Cloud(state, options.port, options.owner, nodes=options.nodes, control_planes=not options.api_only)
    with contextlib.suppress(KeyboardInterrupt):
        try:
            asyncio.run(cloud.serve())
        except (LocalCloudError, OSError) as error:
            LOG.error("%s", error)
            return 1
    # Threads of ministack would keep the interpreter running.
    logging.shutdown()
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
