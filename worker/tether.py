"""Run a command that cannot outlive the process that started it.

As a script (``python tether.py PARENT_PID COMMAND...``) it asks the kernel for SIGKILL at its parent's death
(prctl(2), PR_SET_PDEATHSIG) and then becomes the command; it imports nothing of this project, so that takes 30 ms.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def start(
    command: Sequence[str], log_file: Path, *, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start ``command`` in a session of its own, so that a Ctrl-C reaches only us; its output is added to ``log_file``.

    On systems other than Linux the command runs untethered. ``environment`` is the whole environment; default: ours.

    Raises:
        OSError: the log file or the command cannot be opened.
    """
    whole = [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command]
    with log_file.open("ab") as log:
        return subprocess.Popen(  # noqa: S603 - the command is the project's own
            whole if sys.platform == "linux" else list(command),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=environment,
        )


def end(process: subprocess.Popen[bytes], grace_s: float) -> int:
    """Ask the process to stop (SIGTERM), insist (SIGKILL) after ``grace_s``, and return its exit code."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(grace_s)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


def last_lines(log_file: Path, count: int = 15) -> str:
    """The end of a log file, for an error message."""
    if not log_file.exists():
        return "(no output)"
    return "\n".join(log_file.read_text(encoding="utf-8", errors="replace").splitlines()[-count:]) or "(no output)"


def _become(parent_pid: int, command: list[str]) -> None:
    import ctypes  # noqa: PLC0415 - only the script needs it

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        raise SystemExit("the parent ended before its child began")
    os.execvp(command[0], command)  # noqa: S606 - no shell is the point


if __name__ == "__main__":
    _become(int(sys.argv[1]), sys.argv[2:])
