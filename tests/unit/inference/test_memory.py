"""The heaps of a process with many threads."""

import os
import platform
import subprocess
import sys

import pytest

_COUNT_HEAPS = """
import ctypes, threading
from worker.inference.memory import share_one_heap
from worker.settings import heaps_are_set

libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
libc.malloc_info.argtypes = [ctypes.c_int, ctypes.c_void_p]
libc.fclose.argtypes = [ctypes.c_void_p]
if not heaps_are_set():
    share_one_heap()
all_hold_memory = threading.Barrier(8)

def allocate():
    libc.malloc(ctypes.c_size_t(10_000))
    all_hold_memory.wait()

threads = [threading.Thread(target=allocate) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
file = libc.fopen(b"/dev/stdout", b"w")
libc.malloc_info(0, file)
libc.fclose(file)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has several heaps and can be told")
@pytest.mark.parametrize(("told", "heaps"), [({}, 1), ({"MALLOC_ARENA_MAX": "2"}, 2)], ids=["ours", "the user's"])
def test_threads_share_as_many_heaps_as_they_shall(told: dict[str, str], heaps: int) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "MALLOC_ARENA_MAX"} | told

    done = subprocess.run(
        [sys.executable, "-c", _COUNT_HEAPS], env=environment, capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout.count("<heap nr=") == heaps
