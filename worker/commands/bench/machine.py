"""What figures depend on besides what is measured: the machine, what else it does, the versions."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

_CHECKOUT = Path(__file__).parents[3]
_FLAGS = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "avx_vnni", "amx_bf16", "amx_int8")
_LIBRARIES = (
    "aiokafka",
    "confluent-kafka",
    "faust-streaming",
    "keras",
    "numpy",
    "onnxruntime",
    "openvino",
    "tensorflow-cpu",
    "tokenizers",
    "torch",
    "transformers",
)


class CpuUse(NamedTuple):
    """Seconds of CPU that passed, were used by anybody, and by this process with those that it started and ended."""

    whole: float
    busy: float
    own: float

    @classmethod
    def now(cls) -> "CpuUse | None":
        """See proc(5), /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal."""
        try:
            line = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0]
        except OSError:
            return None
        ticks = [int(number) / os.sysconf("SC_CLK_TCK") for number in line.split()[1:9]]
        return cls(sum(ticks), sum(ticks) - ticks[3] - ticks[4], sum(os.times()[:4]))


def machine_facts() -> dict[str, Any]:
    """What the figures depend on: processor, its vector instructions, cores, other load, versions."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    told = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    present = set(told.get("flags", "").split())
    return {
        "cpu": told.get("model name", platform.processor() or platform.machine()),
        "cpu_family": told.get("cpu family"),
        "cpu_model": told.get("model"),
        "cores": len(os.sched_getaffinity(0)),
        "flags": {flag: flag in present for flag in _FLAGS},
        "load_average": [round(value, 1) for value in os.getloadavg()],
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: found for name in _LIBRARIES if (found := _version(name))},
    }


def commit() -> str | None:
    """The commit that is measured, with ``-dirty`` where files were changed since; None outside a checkout."""
    if not (_CHECKOUT / ".git").exists():
        return None
    describe = ["git", "-C", str(_CHECKOUT), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(describe, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603 - no input
    except (OSError, subprocess.CalledProcessError):
        return None


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
