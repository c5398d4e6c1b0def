import platform

from training.memory import keep_freed_memory


def test_glibc_can_be_told_to_keep_what_is_freed() -> None:
    assert keep_freed_memory() == (platform.libc_ver()[0] == "glibc")
