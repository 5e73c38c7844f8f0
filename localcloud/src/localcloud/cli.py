# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``localcloud up|down|status|env|logs|binaries|images``."""

from __future__ import annotations

import argparse
import errno
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any

from localcloud.artifacts import images
from localcloud.artifacts.binaries import NODE_PROGRAMS, PROGRAMS, Binaries
from localcloud.daemon.server import OWN_ERROR, REPAIR_PATH, STATUS_PATH
from localcloud.daemon.state import Daemon, StateDir, environment
from localcloud.host.loopback import fetch, free_port, port_is_free, ready_timeout, reserve
from localcloud.host.processes import ProcessRecord, end, tail
from localcloud.model import NODES, REAL_NODES, SIMULATED_NODES, LocalCloudError
from localcloud.nodes import requirements

DEFAULT_PORT = 4566
PATIENCE = 60.0
"""Seconds to wait for the response of a daemon."""


def say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def up(state: StateDir, port: int | None = None, owner: int | None = None, *, nodes: str | None = None) -> Daemon:
    """Start the daemon and wait until it responds; in a running daemon, delete the resources whose creation failed.

    ``nodes`` is ``simulated``, the default, or ``real``. With ``owner``, the daemon stops when the process with that id
    has ended.
    """
    state.prepare()
    with state.locked():
        daemon = state.read()
        if daemon and _responds(daemon):
            if port and port != daemon.port:
                raise LocalCloudError(f"The local cloud of {state.root} already runs on port {daemon.port}")
            if nodes and nodes != daemon.nodes:
                raise LocalCloudError(
                    f"The local cloud of {state.root} already runs, with {daemon.nodes} nodes: stop it first"
                )
            say(f"The local cloud is running at {daemon.endpoint_url}")
            _repair(daemon)
            return daemon
        if ended := state.clean():
            say(f"Cleaned up after a crashed run: ended {ended} processes")
        state.forget_logs()
        if nodes == REAL_NODES:
            requirements.check(state.root)
            if obstacle := requirements.volumes(state.root):
                say(requirements.FOLDERS.format(obstacle))
        chosen = _port(port)
        binaries = Binaries()
        for name in (*PROGRAMS, *(NODE_PROGRAMS if nodes == REAL_NODES else ())):
            binaries.resolve(name)
        return _start(state, chosen, owner, nodes or SIMULATED_NODES)


def down(state: StateDir) -> None:
    """Stop the daemon and its processes, also those of a crashed daemon."""
    if not state.root.exists():
        say("The local cloud is not running")
        return
    with state.locked():
        daemon = state.read()
        if daemon and daemon.alive:
            end(ProcessRecord("daemon", daemon.pid, daemon.identity), grace=30.0)
        left = state.clean()
        say("The local cloud is stopped" if daemon or left else "The local cloud is not running")


def status(state: StateDir) -> dict[str, Any] | None:
    """Return the daemon's status; None if it does not run."""
    daemon = state.read()
    if not daemon or not daemon.alive:
        return None
    try:
        content: dict[str, Any] = json.loads(fetch(f"{daemon.endpoint_url}{STATUS_PATH}", timeout=60))
    except (OSError, ValueError, HTTPException) as error:
        if not daemon.alive:
            return None
        raise LocalCloudError(f"The local cloud at {daemon.endpoint_url} does not answer: {error}") from None
    return content


def _responds(daemon: Daemon) -> bool:
    """Whether a daemon runs and responds, which can be slow on a busy machine."""
    deadline = time.monotonic() + PATIENCE
    while daemon.alive:
        if _answers(daemon):
            return True
        if time.monotonic() > deadline:
            say(f"The local cloud at {daemon.endpoint_url} has not responded for {PATIENCE:.0f} s and is restarted")
            return False
        time.sleep(0.2)
    return False


def _answers(daemon: Daemon) -> bool:
    try:
        fetch(f"{daemon.endpoint_url}/_ministack/health")
    except (OSError, HTTPException):
        return False
    return True


def _repair(daemon: Daemon) -> None:
    """Delete FAILED clusters and node groups, which would remain FAILED otherwise."""
    try:
        said = json.loads(fetch(f"{daemon.endpoint_url}{REPAIR_PATH}", b"", timeout=120))
    except (OSError, ValueError, HTTPException) as error:
        say(f"The local cloud could not delete failed resources: {error}")
        return
    for line in said:
        say(line)


def _port(wanted: int | None) -> int:
    if wanted:
        if not port_is_free(wanted):
            raise LocalCloudError(f"Port {wanted} is in use: name another with --port, or none to take a free one")
        return wanted
    if reserve(DEFAULT_PORT):
        return DEFAULT_PORT
    port = free_port()
    say(f"Port {DEFAULT_PORT} is in use; taking {port}")
    return port


def _start(state: StateDir, port: int, owner: int | None, nodes: str) -> Daemon:
    started = time.monotonic()
    command = [
        sys.executable,
        "-m",
        "localcloud.daemon.server",
        f"--state-dir={state.root}",
        f"--port={port}",
        f"--nodes={nodes}",
    ]
    if owner:
        command.append(f"--owner={owner}")
    with state.server_log.open("ab") as log:
        child = subprocess.Popen(
            command,
            cwd=Path(__file__).parents[1],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        while True:
            daemon = state.read()
            if daemon and daemon.pid == child.pid and _answers(daemon):
                say(f"The local cloud is ready at {daemon.endpoint_url} ({time.monotonic() - started:.0f} s)")
                return daemon
            if child.poll() is not None:
                raise LocalCloudError(_reason(state))
            if time.monotonic() - started > ready_timeout():
                raise LocalCloudError(
                    f"The local cloud was not ready after {ready_timeout():.0f} s; see {state.server_log}"
                )
            time.sleep(0.1)
    except BaseException:
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
            child.wait(30)
        state.clean()
        raise


def _reason(state: StateDir) -> str:
    """Return why the daemon ended: its message, or the end of its log."""
    log = tail(state.server_log)
    _, found, message = log.rpartition(OWN_ERROR)
    return message if found else f"The local cloud did not start; the end of {state.server_log}:\n{log}"


def _print_status(content: dict[str, Any]) -> None:
    print(f"AWS endpoint   {content['endpoint_url']}   account {content['account']}, {content['region']}")
    print(f"State          {content['state_dir']}")
    for cluster in content["clusters"].values():
        nodes = cluster["nodes"]
        ready = sum(node["ready"] for node in nodes)
        simulated = sum(node["simulated"] for node in nodes)
        kind = " (simulated)" if simulated == len(nodes) and nodes else f" ({simulated} simulated)" if nodes else ""
        print(
            f"Cluster        {cluster['name']}   {cluster['region']}   {cluster['status']}   "
            f"Kubernetes {cluster['version']}   {ready}/{len(nodes)} nodes ready{kind}   {cluster['endpoint']}"
        )
        for issue in cluster["issues"]:
            print(f"               {issue.splitlines()[0]}")
    if not content["clusters"]:
        print("Clusters       none")
    if content["volumes"]:
        print(f"Volumes        directories without a size limit: {content['volumes']}")
    total = sum(content["memory_bytes"].values())
    print(f"Memory         {total >> 20} MB in {len(content['memory_bytes'])} processes")


def _environment(state: StateDir) -> str:
    daemon = state.read()
    if not daemon or not daemon.alive:
        raise LocalCloudError("The local cloud is not running: start it with localcloud up (make up does so, too)")
    # A token of other credentials would make the credentials below invalid.
    lines = ["unset AWS_PROFILE AWS_SESSION_TOKEN AWS_SECURITY_TOKEN"]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in environment(daemon).items()]
    return "\n".join(lines)


def _logs(state: StateDir, lines: int) -> None:
    for path in [state.server_log, state.aws_calls, *sorted(state.clusters.glob("*/*.log"))]:
        if path.exists():
            print(f"==> {path}")
            print(tail(path, lines))


def _images(references: Sequence[str], build: bool) -> None:
    known = images.available()
    for reference in references or known:
        path = images.archive(reference) if build else images.cached(reference)
        recipe = known.get(reference)
        lacking = f" (without {', '.join(recipe.lacks)})" if recipe and recipe.lacks else ""
        print(f"{reference} {path or 'not made yet'}{lacking}", flush=True)
    if not references:
        for name, reason in images.UNAVAILABLE.items():
            print(f"{name} cannot be made: {reason}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="localcloud", description="An emulated AWS account with real Kubernetes API servers on this machine"
    )
    parser.add_argument("--state-dir", type=Path, help="default: $LOCALCLOUD_STATE, else .localcloud in the checkout")
    commands = parser.add_subparsers(dest="command", required=True)
    helps = {
        "up": "start the local cloud and wait until it is ready",
        "down": "stop the local cloud and its processes",
        "status": "show the endpoint, the clusters and their memory usage",
        "env": "print the shell variables for AWS clients",
        "logs": "print the end of every log",
        "binaries": "find, download or build the programs of the Kubernetes control plane",
        "images": "list or build the container images for real nodes",
    }
    for name, text in helps.items():
        command = commands.add_parser(name, help=text)
        command.add_argument("--state-dir", type=Path, default=argparse.SUPPRESS)
        if name == "up":
            command.add_argument("--port", type=int, help=f"default: {DEFAULT_PORT}, or a free one")
            command.add_argument(
                "--nodes",
                choices=NODES,
                help="real: each cluster has a node that runs pods; requires Linux and root (default: simulated)",
            )
        if name == "status":
            command.add_argument("--json", action="store_true")
        if name == "logs":
            command.add_argument("--lines", type=int, default=20)
        if name == "images":
            command.add_argument("--build", action="store_true", help="build the images that are not in the cache")
            command.add_argument("references", metavar="REFERENCE", nargs="*", help="default: all")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    state = StateDir(options.state_dir) if options.state_dir else StateDir.default()
    try:
        return _run(options, state)
    except LocalCloudError as error:
        say(f"localcloud: {error}")
    except OSError as error:
        full = " (the disk is full)" if error.errno == errno.ENOSPC else ""
        say(f"localcloud: {error.filename or state.root}: {error.strerror}{full}")
    except KeyboardInterrupt:
        say("localcloud: interrupted")
        return 130
    return 1


def _run(options: argparse.Namespace, state: StateDir) -> int:
    if options.command == "up":
        up(state, options.port, nodes=options.nodes)
    elif options.command == "down":
        down(state)
    elif options.command == "env":
        print(_environment(state))
    elif options.command == "logs":
        _logs(state, options.lines)
    elif options.command == "binaries":
        binaries = Binaries()
        for name in PROGRAMS:
            print(f"{name} {binaries.version(name)} {binaries.resolve(name)}", flush=True)
    elif options.command == "images":
        _images(options.references, options.build)
    elif options.command == "status":
        content = status(state)
        if options.json:
            print(json.dumps(content or {"endpoint_url": None, "clusters": {}}, indent=2))
        elif content:
            _print_status(content)
        else:
            print("The local cloud is not running")
        return 0 if content else 3
    return 0


if __name__ == "__main__":
    os._exit(main())
