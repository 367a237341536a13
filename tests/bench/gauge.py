"""What the processes of a farm hold and use, by service.

    sizes = memory(farm)                    # proportional set size, MB
    before = cpu(farm); ...; cpu(farm) - before     # Counter of seconds of processor time
"""
import collections
import contextlib
import os
import pathlib
import re

TICKS = os.sysconf("SC_CLK_TCK")


def family(farm, pid):
    """The process and all below it."""
    found, waiting = [], [pid]
    while waiting:
        pid = waiting.pop()
        with contextlib.suppress(OSError):
            waiting += farm.children(pid)
            found.append(pid)
    return found


def parent(pid):
    return int(re.search(r"^PPid:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text(), re.M)[1])


def memory(farm):
    """Proportional set size in MB of everything but PostgreSQL and Redis; supervision is runit."""
    sizes = collections.Counter()
    supervisors = {parent(farm.pid(service)) for service in farm.services}
    supervisors |= {parent(pid) for pid in supervisors}
    pids = [(pid, "supervision") for pid in supervisors]
    pids += [(pid, service) for service in set(farm.services) - {"postgres", "redis"}
             for pid in family(farm, farm.pid(service))]
    for pid, service in pids:
        pss = re.search(r"^Pss:\s+(\d+)", pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)[1]
        sizes[service] += int(pss) / 1024
    return sizes


def cpu(farm):
    """Seconds of processor time each service has used, with that of its children which have ended."""
    used = collections.Counter()
    for service in farm.services:
        for pid in family(farm, farm.pid(service)):
            with contextlib.suppress(OSError):
                stat = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                used[service] += sum(map(int, stat[11:15])) / TICKS
    return used
