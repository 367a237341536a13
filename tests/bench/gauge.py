"""What the processes of a farm, and the peers beside it, hold and use.

    gauge = Gauge(farm, {"go": peer.process.pid})
    before = gauge.cpu(); ...; gauge.cpu() - before     # Counter of seconds of processor time, by service
    memory(farm)                                        # proportional set size, MB, by service
    workers(farm, "whatsapp-messages")                  # of each of its workers, MB
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


def pss(pid):
    """Proportional set size in MB."""
    return int(re.search(r"^Pss:\s+(\d+)", pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)[1]) / 1024


def memory(farm):
    """Proportional set size in MB of everything but PostgreSQL and Redis; supervision is runit."""
    sizes = collections.Counter()
    supervisors = {parent(farm.pid(service)) for service in farm.services}
    supervisors |= {parent(pid) for pid in supervisors}
    pids = [(pid, "supervision") for pid in supervisors]
    pids += [(pid, service) for service in set(farm.services) - {"postgres", "redis"}
             for pid in family(farm, farm.pid(service))]
    for pid, service in pids:
        sizes[service] += pss(pid)
    return sizes


def workers(farm, app):
    """Proportional set size in MB of each worker of an app."""
    sizes = []
    for pid in farm.children(farm.pid(app)):
        with contextlib.suppress(OSError):
            sizes.append(pss(pid))
    return sizes


class Gauge:
    """Processor time of the farm's services and of other processes, by name."""

    def __init__(self, farm, others=None):
        self.farm, self.others = farm, others or {}

    def cpu(self):
        """Seconds each has used, with that of its children which have ended."""
        used = collections.Counter()
        roots = {**{service: self.farm.pid(service) for service in self.farm.services}, **self.others}
        for service, root in roots.items():
            for pid in family(self.farm, root):
                with contextlib.suppress(OSError):
                    stat = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                    used[service] += sum(map(int, stat[11:15])) / TICKS
        return used
