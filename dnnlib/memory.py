"""Main memory: what is in use, and what is free."""

import os
import re
import sys

CGROUPS = (  # of containers, versions 2 and 1: folder, limit, usage, and how much of it is file cache
    ('/sys/fs/cgroup', 'memory.max', 'memory.current', 'inactive_file'),
    ('/sys/fs/cgroup/memory', 'memory.limit_in_bytes', 'memory.usage_in_bytes', 'total_inactive_file'))


def host_memory_gb():
    """Main memory in use by this process, GiB; its peak where only that is known, 0 where nothing is."""
    try:
        with open('/proc/self/statm') as f:
            return int(f.read().split()[1]) * os.sysconf('SC_PAGE_SIZE') / 2 ** 30
    except OSError:
        pass
    try:
        import resource
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2 ** 30 if sys.platform == 'darwin' else 2 ** 20)
    except ImportError:
        return 0.0


def free_host_memory():
    """Main memory still available to this process without swapping, bytes; None where it is unknown.

    Respects the limits of the container and the process; file caches that the system can drop count as free.
    """
    try:
        with open('/proc/meminfo') as f:
            free = int(re.search(r'MemAvailable:\s+([0-9]+) kB', f.read()).group(1)) * 1024
    except (OSError, AttributeError):
        return None
    for folder, *names, files in CGROUPS:
        try:
            limit, used, stat = [_read(os.path.join(folder, name)) for name in names + ['memory.stat']]
            dropped = re.search('^%s ([0-9]+)$' % files, stat, re.MULTILINE)
            free = min(free, int(limit) - int(used) + int(dropped.group(1)))
        except (OSError, ValueError, AttributeError):  # no such version of cgroups, or no limit ("max")
            pass
    try:
        import resource
        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit != resource.RLIM_INFINITY:
            free = min(free, limit - int(_read('/proc/self/statm').split()[0]) * resource.getpagesize())
    except (ImportError, OSError):
        pass
    return max(free, 0)


def _read(path):
    with open(path) as f:
        return f.read()


def limit_host_memory(num_bytes=None):
    """Makes allocations beyond the free main memory fail, before the system kills a process.

    Args:
        num_bytes: How much more this process may allocate; None = nine tenths of what is free, to leave some.
    """
    if num_bytes is None:
        free = free_host_memory()
        num_bytes = None if free is None else int(0.9 * free)
    try:
        import resource
        with open('/proc/self/statm') as f:
            held = int(f.read().split()[0]) * os.sysconf('SC_PAGE_SIZE')
    except (ImportError, OSError):
        return
    if num_bytes is not None:
        resource.setrlimit(resource.RLIMIT_AS, (held + num_bytes, resource.getrlimit(resource.RLIMIT_AS)[1]))
