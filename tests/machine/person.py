"""An ordinary user of this machine, with a checkout and a network of its own."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.stacks.harness import Finished
from tools import ROOT

NAME = "trellis-newcomer"
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"


class Person:
    """Types commands as an ordinary user: nothing in the environment but what a login sets."""

    def __init__(self, home: Path, uid: int, *, root: Path, variables: Mapping[str, str]) -> None:
        """home: the user's home folder. root: where the user's machine begins, "/" for this one.

        variables: what differs from a plain login.
        """
        self.home = home
        self.checkout = home / "checkout"
        self._uid = uid
        self._root = root
        self._variables = {
            "HOME": str(self._inside(home)),
            "USER": NAME,
            "PATH": SYSTEM_PATH,
            "LANG": "C.UTF-8",
            "TERM": "xterm",
            **variables,
        }
        self._entered: list[str] = []

    def _inside(self, path: Path) -> Path:
        return Path("/") / path.relative_to(self._root)

    def takes(self, checkout: Path) -> None:
        """Puts a copy of the files that git knows or would add into `checkout`, a path below this home."""
        self.checkout = checkout
        listing = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
        names = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True).stdout.decode().split("\0")
        for name in filter(None, names):
            if (ROOT / name).exists():
                target = checkout / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, target, follow_symlinks=False)
        subprocess.run(("chown", "-R", f"{self._uid}:{self._uid}", str(self.home)), check=True)

    def types(self, script: str, *, umask: int = 0o022, seconds: float = 900) -> Finished:
        """Runs a script of the shell in the checkout; a failure is a result."""
        shell = f'umask {umask:04o}; cd "$1" || exit; {script}'
        user = ("setpriv", f"--reuid={self._uid}", f"--regid={self._uid}", "--clear-groups")
        environment = ("env", "-i", *(f"{name}={value}" for name, value in self._variables.items()))
        where = str(self._inside(self.checkout))
        command = (*self._entered, "chroot", str(self._root), *user, *environment, "/bin/sh", "-c", shell, "sh", where)
        with tempfile.TemporaryFile("w+") as output:
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
            try:
                code = child.wait(seconds)
            except BaseException:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
                raise
            output.seek(0)
            return Finished(code, output.read())

    @contextlib.contextmanager
    def apart(self, *kinds: str, first: str) -> Iterator[None]:
        """Meanwhile the user's processes have namespaces of their own, in which the shell script `first` has run."""
        script = f"set -e; {first}; echo; exec sleep infinity"
        holder = subprocess.Popen(
            (*self._entered, "unshare", *kinds, "sh", "-c", script), stdout=subprocess.PIPE, start_new_session=True
        )
        before = self._entered
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"\n", "the namespaces could not be made"
            self._entered = ["nsenter", f"--target={holder.pid}", "--mount", "--net", "--"]
            yield
        finally:
            self._entered = before
            holder.kill()
            holder.wait()

    def alone_on_the_network(self) -> contextlib.AbstractContextManager[None]:
        """Meanwhile nothing but the loopback interface is there, with every port free."""
        return self.apart("--net", first=f"{sys.executable} -c '{_RAISE_LOOPBACK}'")


@contextlib.contextmanager
def ordinary_user(root: Path = Path("/"), **variables: str) -> Iterator[Person]:
    """A user made for this test; in the end its processes, its home and the user itself are gone.

    root: the root folder of another system, where the user lives in one. variables: what differs from a plain login.
    """
    inside = () if root == Path("/") else ("--root", str(root))
    _remove(inside)
    subprocess.run(("useradd", *inside, "--create-home", "--shell", "/bin/sh", NAME), check=True)
    passwd = (root / "etc" / "passwd").read_text()
    fields = next(line.split(":") for line in passwd.splitlines() if line.startswith(f"{NAME}:"))
    uid, home = int(fields[2]), root / fields[5].lstrip("/")
    person = Person(home, uid, root=root, variables=variables)
    try:
        yield person
    finally:
        for process in _processes(uid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        _remove(inside)


def _remove(inside: Sequence[str]) -> None:
    subprocess.run(("userdel", *inside, "--remove", "--force", NAME), check=False, capture_output=True)


def _processes(uid: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(FileNotFoundError):
                if entry.stat().st_uid == uid:
                    found.append(int(entry.name))
    return found


_RAISE_LOOPBACK = """
import fcntl, socket, struct
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
    SIOCSIFFLAGS, IFF_UP = 0x8914, 1
    fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
"""
