# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An interpreter that has a module's libraries loaded, and forks itself for each module.

The connection plugin `warm` starts this file as a program of its own, in the interpreter that the modules are for, once
in a run of Ansible: it is not Ansible's process and has nothing of the controller in it. A module that it forks finds
what a new interpreter would have found, only earlier.

What is loaded comes out of the module's own payload: the `module_utils` in it, and what those import. They are laid in
one directory for all modules of the run, whose payloads come from one controller. A module in whose payload a file
differs from the one that is there already is run without any of it.

A module is asked for by two lengths of 4 bytes, which the file descriptors of its standard output and error come with,
then JSON (`environment`, `directory`, `umask`) and the module's source. `STARTED` answers, and at the module's end its
exit status as 4 bytes, signed. A caller that hangs up ends its module.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import gc
import hashlib
import importlib
import io
import json
import os
import py_compile
import selectors
import shutil
import signal
import socket
import struct
import sys
import tempfile
import time
import types
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

STARTED = b"+"
LENGTHS = struct.Struct("!II")
STATUS = struct.Struct("!i")
DESCRIPTORS = 2
LIBRARIES = ("ansible/module_utils/", "/plugins/module_utils/")
CHECK_SECONDS = 1.0
"""How often it looks whether the run that it serves has taken the address away."""


class Job(NamedTuple):
    """A module to run."""

    source: bytes
    environment: dict[str, str]
    directory: str
    umask: int
    loaded: bool
    """Whether the libraries that are loaded are the module's own."""


class Libraries:
    """The files of the payloads that came so far, and what is loaded of them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._fitting: dict[str, bool] = {}

    def load(self, source: bytes) -> bool:
        """Load what a module's payload brings; returns whether all of it agrees with what is loaded."""
        payload = payload_of(source)
        if payload is None:
            return False
        key = hashlib.sha256(payload).hexdigest()
        if key not in self._fitting:
            self._fitting[key] = self._add(base64.b64decode(payload))
        return self._fitting[key]

    def _add(self, payload: bytes) -> bool:
        with zipfile.ZipFile(io.BytesIO(payload)) as archive:
            files = {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
        new = {}
        for name, content in files.items():
            path = self.directory / name
            if not path.resolve().is_relative_to(self.directory):
                return False
            if not path.exists():
                new[path] = content
            elif path.read_bytes() != content:
                return False
        for path, content in new.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            if path.suffix == ".py":
                # Compiled here for all, wherever the environment asks interpreters to leave no such files behind.
                py_compile.compile(str(path), quiet=2)
        importlib.invalidate_caches()
        for name in files:
            if name.endswith(".py") and any(library in name for library in LIBRARIES):
                # What cannot be imported here cannot be imported by the module either, and that says so.
                with contextlib.suppress(Exception, SystemExit):
                    importlib.import_module(name.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
        # A collection that writes to each object would copy the memory that forks share.
        gc.collect()
        gc.freeze()
        return True


def payload_of(source: bytes) -> bytes | None:
    """The zip file, in base64, that a wrapped module carries; None if it is none of Ansible's wrapped modules."""
    start = source.rfind(b"\n    _ansiballz_main(")
    if start < 0:
        return None
    try:
        (call,) = ast.parse(source[start:].strip()).body
    except (SyntaxError, ValueError):
        return None
    if not isinstance(call, ast.Expr) or not isinstance(call.value, ast.Call):
        return None
    for keyword in call.value.keywords:
        if (
            keyword.arg == "zip_data"
            and isinstance(keyword.value, ast.Constant)
            and isinstance(keyword.value.value, str)
        ):
            return keyword.value.value.encode()
    return None


class Server:
    """Takes modules until the run that it serves is over."""

    def __init__(self, listener: socket.socket, run: int, address: Path, libraries: Libraries) -> None:
        self._listener, self._address, self._libraries = listener, address, libraries
        self._callers: dict[int, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ)
        self._run = os.pidfd_open(run)
        self._selector.register(self._run, selectors.EVENT_READ)
        self._ended, ended = socket.socketpair()
        for end in (self._ended, ended):
            end.setblocking(False)
        self._wakeup = ended
        self._selector.register(self._ended, selectors.EVENT_READ)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(ended.fileno(), warn_on_full_buffer=False)

    def next_job(self) -> Job | None:
        """Returns a module in the process that is to run it, and None in the server's own when the run is over."""
        while self._address.exists():
            for key, _ in self._selector.select(CHECK_SECONDS):
                if key.fileobj == self._run:
                    self._address.unlink(missing_ok=True)
                elif key.fileobj is self._listener:
                    caller, _ = self._listener.accept()
                    if job := self._take(caller):
                        return job
                elif key.fileobj is self._ended:
                    with contextlib.suppress(BlockingIOError):
                        self._ended.recv(4096)
                elif key.data in self._callers:
                    # Nothing is said after a job but good-bye.
                    self._forget(key.data)
                    _kill(key.data)
            self._reap()
        for process in list(self._callers):
            _kill(process)
        return None

    def _take(self, caller: socket.socket) -> Job | None:
        outputs: list[int] = []
        try:
            head, outputs, _, _ = socket.recv_fds(caller, LENGTHS.size, DESCRIPTORS)
            about, length = LENGTHS.unpack(head)
            settings = json.loads(_receive(caller, about))
            source = _receive(caller, length)
            job = Job(source=source, loaded=self._libraries.load(source), **settings)
            standard_output, standard_error = outputs
            process = os.fork()
            if process == 0:
                self._become_the_job(caller, standard_output, standard_error)
                return job
            self._callers[process] = caller
            self._selector.register(caller, selectors.EVENT_READ, process)
            caller.sendall(STARTED)
        except (OSError, ValueError, struct.error, EOFError):
            # The caller finds out, and runs its module in a new interpreter.
            if caller not in self._callers.values():
                caller.close()
        finally:
            for descriptor in outputs:
                os.close(descriptor)
        return None

    def _become_the_job(self, caller: socket.socket, standard_output: int, standard_error: int) -> None:
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.setpgid(0, 0)
            for open_one in (caller, self._listener, self._ended, self._wakeup, *self._callers.values()):
                open_one.close()
            os.close(self._run)
            self._selector.close()
            os.dup2(standard_output, 1)
            os.dup2(standard_error, 2)
        except OSError:
            # There may be one server only.
            os._exit(1)

    def _reap(self) -> None:
        while True:
            try:
                process, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if process == 0:
                return
            if caller := self._forget(process):
                with contextlib.suppress(OSError):
                    caller.sendall(STATUS.pack(os.waitstatus_to_exitcode(status)))
                caller.close()

    def _forget(self, process: int) -> socket.socket | None:
        if caller := self._callers.pop(process, None):
            self._selector.unregister(caller)
        return caller


def _receive(caller: socket.socket, size: int) -> bytes:
    parts = []
    while size:
        part = caller.recv(min(size, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _kill(process: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process, signal.SIGTERM)


def prepare(job: Job, directory: Path) -> types.CodeType:
    """Make this process look to a module like an interpreter that has just been started for it."""
    os.environ.clear()
    os.environ.update(job.environment)
    os.umask(job.umask)
    with contextlib.suppress(OSError):
        os.chdir(job.directory)
    tempfile.tempdir = None
    time.tzset()
    if not job.loaded:
        sys.path.remove(str(directory))
        for name in [one for one in sys.modules if one.partition(".")[0] in ("ansible", "ansible_collections")]:
            del sys.modules[name]
    sys.argv[:] = [""]
    main = types.ModuleType("__main__")
    sys.modules["__main__"] = main
    return compile(job.source, "<stdin>", "exec")


def main() -> None:
    """Serve the run whose process, address file and listening socket are named by the arguments."""
    run, address, listening = int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    scratch = Path(address.read_text())
    directory = scratch / "lib"
    directory.mkdir()
    directory = directory.resolve()
    sys.path.insert(0, str(directory))
    job = Server(socket.socket(fileno=listening), run, address, Libraries(directory)).next_job()
    if job is None:
        shutil.rmtree(scratch, ignore_errors=True)
        return
    code = prepare(job, directory)
    namespace: dict[str, Any] = vars(sys.modules["__main__"])
    del job
    exec(code, namespace)  # noqa: S102  # the module, as the connection plugin has got it from Ansible


if __name__ == "__main__":
    main()
