"""Memory of torch on Linux."""

from worker.inference.memory import tell_malloc

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4  # malloc.h of glibc


def keep_freed_memory() -> bool:
    """Let glibc keep freed tensors for the next ones; returns whether it can be told.

    By default it takes each large tensor from the kernel (mmap) and gives it back (munmap), so that every step of
    training touches fresh pages: 28,000 page faults a step of a MiniLM, 170 with these settings; how much of the time
    that is depends on cores and lengths. See mallopt(3): no mmap for allocations, never trim the heap, grow it by
    256 MB.
    """
    return tell_malloc((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, -1), (_M_TOP_PAD, 256 << 20))
