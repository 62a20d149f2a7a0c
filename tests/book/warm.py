"""Kernels for notebooks, forked from a process that has imported what others wrote: four seconds less each.

A notebook still runs in a fresh state. Its kernel is a process of its own, and the one that it is forked from
imports packages and calls nothing of them; of Lemmata it knows nothing, which is asked before each fork.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
from functools import cache
from importlib.metadata import EntryPoint
from typing import Any, NoReturn

from jupyter_client.provisioning import KernelProvisionerFactory, LocalProvisioner

OURS = "lemmata"
THEIRS = (
    "ipykernel.ipkernel", "ipykernel.kernelapp", "ipykernel.zmqshell", "IPython.core.completer",
    "matplotlib.axes", "matplotlib.backends.backend_agg", "matplotlib.backends.backend_svg",
    "matplotlib.figure", "mpmath", "flint", "numpy", "scipy.linalg", "scipy.special", "scipy.stats",
    "sklearn.datasets", "sklearn.linear_model", "sympy", "torch", "torch._dynamo",
)  # fmt: skip
# pyplot is not among them: it asks for the shell of its kernel when it is imported


# ------------------------------------------------------------------- in the process that is forked


def serve(requests: socket.socket) -> None:
    """Fork a kernel for each request, until nobody is there to ask."""
    # a kernel ends with this process, and draws into its page: both are read when its modules are imported
    os.environ["JPY_PARENT_PID"] = str(os.getpid())
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
    for name in THEIRS:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # whoever has ended is forgotten
    while (message := socket.recv_fds(requests, 1 << 20, 2))[0]:
        text, fds, *_ = message
        fresh()
        if os.fork() == 0:
            requests.close()
            become(fds, **json.loads(text))
        for fd in fds:
            os.close(fd)


def fresh() -> None:
    """A fork of this process knows nothing of ours, and misses no thread."""
    assert OURS not in sys.modules, f"{OURS} was imported before a notebook asked for it"
    assert len(os.listdir("/proc/self/task")) == 1, "a fork would lack the threads that run here"


def become(fds: list[int], argv: list[str], env: dict[str, str], cwd: str | None) -> NoReturn:
    """A kernel, as ``python -m ipykernel_launcher`` makes one, which holds ``alive`` open."""
    alive, errors = fds
    os.set_inheritable(alive, False)
    os.setsid()  # it is interrupted with what it starts, and nobody else is
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(env, JPY_PARENT_PID=str(os.getppid()))
    os.chdir(cwd or ".")
    os.dup2(errors, 2)
    os.write(alive, b"%d " % os.getpid())
    sys.argv = argv
    from ipykernel.kernelapp import launch_new_instance

    launch_new_instance()
    sys.exit()


# ------------------------------------------------------------------- in the process of the tests


class Warm:
    """The process that is forked, and the way to it; it ends with ours."""

    def __init__(self) -> None:
        self.requests, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with there:
            command = [sys.executable, "-P", __file__, str(there.fileno())]
            subprocess.Popen(command, pass_fds=[there.fileno()], stdin=subprocess.DEVNULL)

    def fork(self, **wish: Any) -> Kernel:
        alive, there = os.pipe()
        errors = wish.pop("stderr") or sys.__stderr__
        socket.send_fds(self.requests, [json.dumps(wish).encode()], [there, errors.fileno()])
        os.close(there)
        return Kernel(alive)


class Kernel:
    """What Jupyter asks of a process, of one that is not our child: its end is that of a pipe."""

    stdin = stdout = stderr = returncode = None

    def __init__(self, alive: int) -> None:
        self.alive = alive
        self.pid = int(os.read(alive, 20) or 0)
        if not self.pid:
            raise RuntimeError("no kernel was forked")

    def poll(self) -> int | None:
        ended = self.returncode is not None or select.select([self.alive], [], [], 0)[0]
        return self.end() if ended else None

    def wait(self) -> int:
        if self.returncode is None:
            select.select([self.alive], [], [])
        return self.end()

    def end(self) -> int:
        if self.returncode is None:
            self.returncode = 0
            os.close(self.alive)
        return 0

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


class Forked(LocalProvisioner):
    """How Jupyter starts a kernel here."""

    async def launch_kernel(self, cmd: list[str], **how: Any) -> Any:
        wish = {"argv": cmd[cmd.index("ipykernel_launcher") :], "env": how["env"], "cwd": how.get("cwd")}
        self.process = warm().fork(**wish, stderr=how.get("stderr"))
        self.pid = self.pgid = self.process.pid
        self.cwd = wish["cwd"]
        return self.connection_info


@cache
def warm() -> Warm:
    """One for all notebooks of a worker, begun with the first."""
    return Warm()


def install() -> None:
    """From now on kernels of this process are forked, where that is safe."""
    if sys.platform == "linux":
        factory = KernelProvisionerFactory.instance()
        factory.provisioners["forked"] = EntryPoint("forked", "warm:Forked", factory.GROUP_NAME)
        factory.default_provisioner_name = "forked"


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
