# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that renews a lock during a run, and releases it when all processes of the run have ended.

It is a separate program and imports nothing of the collection. It reads its settings, with credentials, from standard
input, writes a line to standard output when it is ready, and closes all three streams.

The processes of a run find the lock by files in the run's temporary directory, whose names begin with the lock's
`place`. The file STATE has the result of the last renewal. Each process that works under the lock holds a shared file
lock on the file USERS until it ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

READY = "ready\n"
POLL_SECONDS = 1.0
# A failed heartbeat is repeated before the next one is due.
RETRY_SECONDS = 2.0
# The interval of checks for processes that have been killed.
LEFT_SECONDS = 0.1
STATE = ".state"
USERS = ".users"
# The signal of a run that ends and waits for the release of its lock. Without it, the end of the run's process counts.
ENDS = signal.SIGUSR1
VARIABLE = "DATAPLATFORM_FLEET_LOCK"
"""The environment variable with the `place` of the lock that a process works under."""

Client = Any  # botocore makes its classes at run time


def main() -> int:
    """Keep the lock that standard input describes; the exit status is 0 after its release."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # this process has to release the lock after the run
    signal.signal(ENDS, end)
    settings = json.loads(sys.stdin.read())
    client = connect(settings["connection"])
    run = Process(settings["pid"], settings["started"])
    users = Users(settings["place"])
    note(settings)
    sys.stdout.write(READY)
    sys.stdout.flush()
    let_go_of_streams()
    held = True
    with contextlib.suppress(Ending):
        while not run.wait(settings["interval"]):
            held = held and beat(client, settings, run)
    signal.signal(ENDS, signal.SIG_IGN)
    # Remaining processes of the run could still change the cluster.
    while not users.gone():
        time.sleep(LEFT_SECONDS)
        if held and clock() - settings["renewed"] > settings["interval"]:
            held = beat(client, settings, run)
    # Later, another run takes over the stale lock.
    while held and clock() - settings["renewed"] < settings["ttl"]:
        if release(client, settings):
            return 0
        time.sleep(RETRY_SECONDS)
    return 1


class Ending(Exception):  # noqa: N818 - no error
    """The run has sent the signal ENDS."""


def end(number: int, _frame: object) -> None:
    """Stop waiting for the end of the run's process."""
    signal.signal(number, signal.SIG_IGN)
    raise Ending


def connect(connection: dict[str, Any]) -> Client:
    """Return a DynamoDB client."""
    import botocore.config  # noqa: PLC0415 - the functions below serve a process that needs no botocore
    import botocore.session  # noqa: PLC0415

    session = botocore.session.Session(profile=connection.get("profile"))
    return session.create_client(
        "dynamodb",
        region_name=connection.get("region"),
        endpoint_url=connection.get("endpoint_url"),
        aws_access_key_id=connection.get("access_key"),
        aws_secret_access_key=connection.get("secret_key"),
        aws_session_token=connection.get("session_token"),
        verify=connection.get("verify"),
        config=botocore.config.Config(connect_timeout=10, read_timeout=10, retries={"mode": "standard"}),
    )


def beat(client: Client, settings: dict[str, Any], run: Process) -> bool:
    """Renew the lock; False if this run no longer holds it."""
    while True:
        now = clock()
        try:
            answer = client.update_item(
                TableName=settings["table"],
                Key={"cluster": {"S": settings["cluster"]}},
                UpdateExpression="SET #beat = :now",
                ConditionExpression="#id = :id",
                ExpressionAttributeNames={"#beat": "heartbeat_at", "#id": "run_id"},
                ExpressionAttributeValues={
                    ":now": {"N": str(round(time.time() + settings["skew"]))},
                    ":id": {"S": settings["run_id"]},
                },
            )
        except Exception as error:
            if refused(error):
                note(settings, lost=True)
                return False
            note(settings, problem=str(error) or type(error).__name__)
        else:
            settings["skew"] = skew(answer)
            settings["renewed"] = now
            note(settings)
            return True
        if run.wait(RETRY_SECONDS):
            return True


def release(client: Client, settings: dict[str, Any]) -> bool:
    """Release the lock if this run holds it; False to try again."""
    try:
        client.delete_item(
            TableName=settings["table"],
            Key={"cluster": {"S": settings["cluster"]}},
            ConditionExpression="#id = :id",
            ExpressionAttributeNames={"#id": "run_id"},
            ExpressionAttributeValues={":id": {"S": settings["run_id"]}},
        )
    except Exception as error:
        return refused(error)
    return True


def skew(answer: dict[str, Any]) -> float:
    """Return by how many seconds the clock of AWS, which all runs use for locks, is ahead of this machine's."""
    date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    return parsedate_to_datetime(date).timestamp() - time.time() if date else 0.0


def refused(error: Exception) -> bool:
    """Whether the condition of a write was false or the table is deleted: this run does not hold the lock."""
    code = getattr(error, "response", {}).get("Error", {}).get("Code")
    return code in ("ConditionalCheckFailedException", "ResourceNotFoundException")


def note(settings: dict[str, Any], *, lost: bool = False, problem: str = "") -> None:
    """Write the state of the lock for the run. The run's temporary directory is deleted when the run has ended."""
    with contextlib.suppress(OSError):
        write(settings["place"] + STATE, {"renewed": settings["renewed"], "lost": lost, "problem": problem})


def write(file: str, content: dict[str, Any]) -> None:
    """Replace a file atomically: other processes read it."""
    part = Path(f"{file}-{os.getpid()}")
    part.write_text(json.dumps(content), encoding="utf-8")
    part.replace(file)


def clock() -> float:
    """Return seconds of a clock that includes suspend and is the same for all processes of the machine."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def let_go_of_streams() -> None:
    """Replace the standard streams by /dev/null, so that no terminal or pipe stays open."""
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    os.close(null)


def started(pid: int) -> str | None:
    """Return the start time of a process in a stable form; None if there is no such process.

    It distinguishes a process from a later process with the same id.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        pass
    else:
        # The name in parentheses can have any character. The state is the first field after it, the start the 20th.
        fields = stat.rpartition(")")[2].split()
        return None if fields[0] in ("Z", "X") else fields[19]
    if Path("/proc/self/stat").exists():
        return None
    answer = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)],
        env={**os.environ, "TZ": "UTC", "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
    )
    return answer.stdout.strip() or None


class Users:
    """The processes that work under a lock: they hold its file, or have its environment variable."""

    def __init__(self, place: str) -> None:
        self._variable = f"{VARIABLE}={place}".encode()
        self._file = Path(place + USERS).open("a+b")  # noqa: SIM115 - for as long as this process lives

    def gone(self) -> bool:
        """Kill them; return whether there were none."""
        left = [process for process in Path("/proc").glob("[0-9]*") if self._is_one(process)]
        for process in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(int(process.name), signal.SIGKILL)
        if left:
            return False
        try:
            # Without /proc, only the file lock shows them.
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        fcntl.flock(self._file, fcntl.LOCK_UN)
        return True

    def _is_one(self, process: Path) -> bool:
        with contextlib.suppress(OSError):
            if (process / "cmdline").read_bytes() == Path("/proc/self/cmdline").read_bytes():
                return False  # it keeps a lock, as this process does
            if self._variable in (process / "environ").read_bytes().split(b"\0"):
                return True
            own = os.fstat(self._file.fileno())
            for descriptor in (process / "fd").iterdir():
                with contextlib.suppress(OSError):
                    if os.path.samestat(own, descriptor.stat()):
                        return True
        return False


class Process:
    """A process that is not a child of this one."""

    def __init__(self, pid: int, start: str | None) -> None:
        self._pid = pid
        self._start = start
        self._handle: int | None = None
        if hasattr(os, "pidfd_open"):
            with contextlib.suppress(OSError):
                self._handle = os.pidfd_open(pid)

    def wait(self, seconds: float) -> bool:
        """Wait up to `seconds` for its end; return whether it has ended."""
        deadline = time.monotonic() + seconds
        while self._start is not None and started(self._pid) == self._start:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            if self._handle is None:
                time.sleep(min(POLL_SECONDS, left))
            else:
                select.select([self._handle], [], [], left)
        return True


if __name__ == "__main__":
    sys.exit(main())
