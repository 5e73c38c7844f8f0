# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An interpreter that has a module's libraries loaded, and forks itself for each module.

The connection plugin `warm` starts this file as a program of its own, in the interpreter that the modules are for, once
in a run of Ansible: it is not Ansible's process and has nothing of the controller in it. A module that it forks finds
what a new interpreter would have found, only earlier.

What is loaded comes out of the module's own payload: the `module_utils` in it, and what those import. They are laid in
one directory for all modules of the run, whose payloads come from one controller. A module in whose payload a file
differs from the one that is there already, or warns when it is loaded, is run without any of it. When a library has
been installed since the start, no module is taken any more.

A module is asked for by two lengths of 4 bytes, which the file descriptors of its standard output and error come with,
then JSON (`environment`, `directory`, `umask`) and the module's source. The module's process answers `STARTED` right
before it begins, and the server its exit status as 4 bytes, signed, at its end. Without `STARTED` nothing has been run.
A caller that hangs up ends its module.
"""

from __future__ import annotations

import ast
import atexit
import base64
import contextlib
import ctypes
import errno
import fcntl
import functools
import gc
import hashlib
import importlib
import io
import json
import os
import py_compile
import re
import selectors
import shutil
import signal
import socket
import struct
import sys
import tempfile
import threading
import time
import types
import zipfile
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

STARTED = b"+"
MODULE = b"\n    _ansiballz_main("
"""What every Python module has that Ansible has wrapped."""
LENGTHS = struct.Struct("!II")
STATUS = struct.Struct("!i")
DESCRIPTORS = 2
LIBRARIES = ("ansible/module_utils/", "/plugins/module_utils/")
CHECK_SECONDS = 1.0
"""How often it looks whether the run that it serves has taken the address away."""
MESSAGE_SECONDS = 10.0
"""How long a caller may take for its message: others wait meanwhile."""
END_SECONDS = 5.0
"""How long a module may take to end when it is told to."""
LOCK = "DATAPLATFORM_FLEET_LOCK"
"""The environment variable of a module that works under a lock; see module_utils/_lock/heartbeat.py."""
PR_SET_PDEATHSIG = 1
"""See prctl(2)."""
WARNINGS = "ansible.module_utils.common.warnings"
CLIENT = re.compile(rb"""\bclient\(\s*["']([a-z0-9-]+)["']""")
"""How a module makes a client of an AWS service."""


LIBC = ctypes.CDLL(None)


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
        self._installed = self._times()

    def _times(self) -> dict[str, int]:
        """When something was last installed into each directory of libraries."""
        times = {}
        for name in sys.path:
            with contextlib.suppress(OSError):
                if name != str(self.directory):
                    times[name] = Path(name).stat().st_mtime_ns
        return times

    def stale(self) -> bool:
        """Whether a new interpreter could find other libraries than these."""
        return self._times() != self._installed

    def load(self, source: bytes) -> bool:
        """Load what a module's payload brings; returns whether all of it agrees with what is loaded."""
        payload = payload_of(source)
        if payload is None:
            return False
        key = hashlib.sha256(payload).hexdigest()
        if key not in self._fitting:
            try:
                self._fitting[key] = self._add(base64.b64decode(payload))
            except Exception:
                # A payload that this cannot read is the module's own affair.
                self._fitting[key] = False
        return self._fitting[key]

    def _add(self, payload: bytes) -> bool:
        with zipfile.ZipFile(io.BytesIO(payload)) as archive:
            files = {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
        new = {}
        for name, content in files.items():
            path = self.directory / name
            if not path.resolve().is_relative_to(self.directory) or _other_form(path).exists():
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
        before = set(sys.modules)
        for name in files:
            if name.endswith(".py") and any(library in name for library in LIBRARIES):
                # What cannot be imported here cannot be imported by the module either, and that says so.
                with contextlib.suppress(Exception, SystemExit):
                    importlib.import_module(name.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
        # Or each fork would print it again.
        sys.stdout.flush()
        sys.stderr.flush()
        if _warned():
            # Or it would be in the result of each module from now on, and not only of those that import it.
            for name in set(sys.modules) - before:
                _unload(name)
            return False
        for service in {each.decode() for content in new.values() for each in CLIENT.findall(content)}:
            load_model(service)
        # A collection that writes to each object would copy the memory that forks share.
        gc.collect()
        gc.freeze()
        return True


@functools.cache
def load_model(service: str) -> None:
    """Parse the description of an AWS service once for the processes that are forked from this one.

    It takes longer than all else that a client of botocore needs.
    """
    # A task or module that needs the service, or botocore, says that it cannot be loaded.
    with contextlib.suppress(Exception):
        session: Any = importlib.import_module("botocore.session")
        if not hasattr(session.create_loader, "cache_info"):
            # Each session has its own loader, and each loader parses again.
            session.create_loader = functools.cache(session.create_loader)
        session.Session().create_client(
            service,
            region_name="us-east-1",
            aws_access_key_id="none",
            aws_secret_access_key="none",  # noqa: S106
        )


def _other_form(path: Path) -> Path:
    """The package of a module's name, or the module of a package's."""
    return path.parent.with_suffix(".py") if path.name == "__init__.py" else path.with_suffix("") / "__init__.py"


def _warned() -> bool:
    """Whether what has been loaded has left warnings for a module's result; takes them away."""
    kept = [getattr(sys.modules.get(WARNINGS), name, None) for name in ("_global_warnings", "_global_deprecations")]
    found = any(kept)
    for one in kept:
        if one:
            one.clear()
    return found


def _unload(name: str) -> None:
    if name.partition(".")[0] in ("ansible", "ansible_collections"):
        sys.modules.pop(name, None)
        parent, _, own = name.rpartition(".")
        with contextlib.suppress(AttributeError):
            delattr(sys.modules.get(parent), own)


def payload_of(source: bytes) -> bytes | None:
    """The zip file, in base64, that a wrapped module carries; None if it is none of Ansible's wrapped modules."""
    start = source.rfind(MODULE)
    if start < 0:
        return None
    try:
        (call,) = ast.parse(source[start:].strip()).body
    except (SyntaxError, ValueError):
        return None
    if not isinstance(call, ast.Expr) or not isinstance(call.value, ast.Call):
        return None
    arguments = {keyword.arg: keyword.value for keyword in call.value.keywords}
    extensions, payload = arguments.get("extensions"), arguments.get("zip_data")
    if isinstance(extensions, ast.Dict) and extensions.keys:
        # A debugger's, or those of a measurement of coverage, which are after the payload's own files.
        return None
    if isinstance(payload, ast.Constant) and isinstance(payload.value, str):
        return payload.value.encode()
    return None


class Server:
    """Takes modules until the run that it serves is over."""

    def __init__(self, listener: socket.socket, run: int, address: Path, libraries: Libraries) -> None:
        """`run` is a file descriptor of the process that is served."""
        self._listener, self._address, self._libraries = listener, address, libraries
        self._callers: dict[int, socket.socket] = {}
        self._ending: dict[int, float] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ)
        self._run = run
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
                    self._end(key.data)
            self._reap()
        for process in list(self._callers):
            self._end(process)
        while self._ending:
            time.sleep(0.1)
            self._reap()
        return None

    def _end(self, process: int) -> None:
        """Ask a module to end; its caller is gone."""
        if caller := self._forget(process):
            caller.close()
        self._ending[process] = time.monotonic() + END_SECONDS
        _signal(process, signal.SIGTERM)

    def _take(self, caller: socket.socket) -> Job | None:
        outputs: list[int] = []
        process = -1
        try:
            caller.settimeout(MESSAGE_SECONDS)
            head, outputs, _, _ = socket.recv_fds(caller, LENGTHS.size, DESCRIPTORS)
            about, length = LENGTHS.unpack(head)
            settings = json.loads(_receive(caller, about))
            source = _receive(caller, length)
            if self._libraries.stale():
                raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
            job = Job(source=source, loaded=self._libraries.load(source), **settings)
            standard_output, standard_error = outputs
            server = os.getpid()
            process = os.fork()
            if process == 0:
                self._become_the_job(job, caller, standard_output, standard_error, server)
                return job
            # Here too: it may have to end before it has got so far.
            with contextlib.suppress(OSError):
                os.setpgid(process, process)
            self._callers[process] = caller
            self._selector.register(caller, selectors.EVENT_READ, process)
        except Exception:
            # The caller finds out, and runs its module in a new interpreter.
            caller.close()
        finally:
            if process != 0:
                for descriptor in outputs:
                    os.close(descriptor)
        return None

    def _become_the_job(
        self, job: Job, caller: socket.socket, standard_output: int, standard_error: int, server: int
    ) -> None:
        try:
            # It ends with the server, and the server with the run.
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != server:
                os._exit(1)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.setpgid(0, 0)
            os.umask(job.umask)
            os.chdir(job.directory)
            for open_one in (self._listener, self._ended, self._wakeup, *self._callers.values()):
                open_one.close()
            os.close(self._run)
            self._selector.close()
            nothing, end = os.pipe()
            os.close(end)
            for descriptor, place in ((nothing, 0), (standard_output, 1), (standard_error, 2)):
                os.dup2(descriptor, place)
                os.close(descriptor)
            caller.sendall(STARTED)
            caller.close()
        except BaseException:
            # There may be one server only.
            os._exit(1)

    def _reap(self) -> None:
        while True:
            try:
                process, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                self._ending.clear()
                return
            if process == 0:
                break
            self._ending.pop(process, None)
            if caller := self._forget(process):
                with contextlib.suppress(OSError):
                    code = os.waitstatus_to_exitcode(status)
                    # As the shell tells it that `local` has between.
                    caller.sendall(STATUS.pack(code if code >= 0 else 128 - code))
                caller.close()
        for process, due in self._ending.items():
            if time.monotonic() > due:
                _signal(process, signal.SIGKILL)

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


def _signal(process: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process, number)


def prepare(job: Job, directory: Path) -> types.CodeType:
    """Make this process look to a module like an interpreter that has just been started for it."""
    os.environ.clear()
    os.environ.update(job.environment)
    _hold_lock(job.environment.get(LOCK))
    if "PWD" in os.environ:
        os.environ["PWD"] = job.directory
    tempfile.tempdir = None
    time.tzset()
    if not job.loaded:
        sys.path.remove(str(directory))
        for name in list(sys.modules):
            _unload(name)
    sys.argv[:] = [""]
    main = types.ModuleType("__main__")
    sys.modules["__main__"] = main
    return compile(job.source, "<stdin>", "exec")


def _hold_lock(place: str | None) -> None:
    """Be known to the process that keeps the lock, as processes are that were started with the variable."""
    if place:
        with contextlib.suppress(OSError):
            fcntl.flock(os.open(f"{place}.users", os.O_RDONLY), fcntl.LOCK_SH | fcntl.LOCK_NB)


def execute(code: types.CodeType, namespace: dict[str, Any]) -> NoReturn:
    """Run a module and end its process as an interpreter ends, but without freeing what is loaded.

    To free the memory object by object takes longer than most modules do, and copies what the processes share.
    """
    status = 0
    try:
        exec(code, namespace)  # noqa: S102  # the module, as the connection plugin has got it from Ansible
    except KeyboardInterrupt:
        raise
    except SystemExit as end:
        if isinstance(end.code, int):
            status = end.code
        elif end.code is not None:
            print(end.code, file=sys.stderr)
            status = 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        # A module can have closed it.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(status & 0xFF)


def main() -> None:
    """Serve the run that the arguments name: a descriptor of its process, the file of the address, the socket."""
    os.chdir("/")
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
    del job
    execute(code, vars(sys.modules["__main__"]))


if __name__ == "__main__":
    main()
