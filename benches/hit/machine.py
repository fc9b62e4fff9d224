"""The machine: which core does what, and who else took time on it."""

import contextlib
import os
import platform
import re
import resource
import time
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


class Wrong(Exception):
    """Something is missing, or a check of correctness failed."""


class Cores:
    """The servers have one core, and what asks and answers them another."""

    def __init__(self):
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) < 2:
            raise Wrong("this needs two cores: one for the servers, one for the load")
        # The first core often has the machine's interrupts as well.
        self.load = {cores[0]}
        self.server = {cores[1]}
        # Two workers share the load's core where there is no third.
        self.two_servers = {cores[1], cores[2] if len(cores) > 2 else cores[0]}

    def take(self):
        """This script and what it starts stay on the load's core from now on."""
        os.sched_setaffinity(0, self.load)

    @property
    def are_shared(self):
        return bool(self.two_servers & self.load)


@contextlib.contextmanager
def on(cores):
    """Children that are started in here run on these cores, with all their threads."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def raise_file_limit():
    """5 000 connections are more files than a process usually may open."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 6000:
        raise Wrong(f"5 000 connections need 6 000 open files (ulimit -Hn); {hard} are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def described():
    """The machine in a line, without a name."""
    text = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", text)
    kind = "A virtual machine" if re.search(r"^flags.*\bhypervisor\b", text, re.M) else "A machine"
    cores = os.cpu_count()
    return (
        f"{kind} with {cores} core{'s' * (cores != 1)} ({model[1] if model else platform.machine()}), "
        f"Linux {platform.release()}"
    )


def times(pid):
    """A process's user and system time, in ticks.

    It has those of its children that have ended, and that are no more themselves:
    nginx, for one, ends its loader of the cache after a minute.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0, 0
    # The name of the program stands in brackets and may hold anything.
    user, system, ended_user, ended_system = map(int, text.rpartition(")")[2].split()[11:15])
    return user + ended_user, system + ended_system


def cpu_seconds(pids):
    """The time that processes had on a core, all threads and the kernel's part."""
    return sum(sum(times(pid)) for pid in pids) / TICK


def memory(pids):
    """What processes hold of the memory, in MiB."""
    texts = (Path(f"/proc/{pid}/status").read_text() for pid in pids)
    return sum(int(re.search(r"VmRSS:\s+(\d+) kB", text)[1]) for text in texts) / 1024


def family(pid):
    """A process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


class Ticks:
    """What the kernel knows of cores, of our processes on them, and of all others."""

    def __init__(self, cores, ours, script):
        self.at = time.monotonic()
        self.user = self.idle = self.stolen = 0
        for line in Path("/proc/stat").read_text().splitlines():
            name, *fields = line.split()
            if name.startswith("cpu") and name[3:].isdigit() and int(name[3:]) in cores:
                user, nice, _, idle, waiting, _, _, stolen, *_ = map(int, fields)
                self.user += user + nice
                self.idle += idle + waiting
                self.stolen += stolen
        self.our_user, self.our_system = (sum(part) for part in zip((0, 0), *map(times, ours)))
        if script:
            # The script, and those of its children that have ended: wrk, above all.
            for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
                used = resource.getrusage(who)
                self.our_user += used.ru_utime * TICK
                self.our_system += used.ru_stime * TICK


def others_ticks(ours):
    """What all other processes had, wherever."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*"):
        pid = int(path.name)
        if pid != os.getpid() and pid not in ours:
            ticks += sum(times(pid))
    return ticks


class Watch:
    """Tells how much of a round others took on our cores.

    What a core was busy with and we were not is the most that it can be. Part of
    that is nobody's: on a virtual machine, to fall idle and to wake up costs
    several hundredths of a core under load. So it is others' only as far as there
    are others: processes that can be seen, or, where they belong to another
    container, more user time on the core than we had.
    """

    def __init__(self, cores, ours, all_ours, script):
        self.cores = cores
        self.ours = ours
        self.all_ours = all_ours
        self.script = script
        self.others = others_ticks(all_ours)
        self.before = Ticks(cores, ours, script)

    def end(self):
        """The parts of the time that others and the hypervisor took."""
        before, now = self.before, Ticks(self.cores, self.ours, self.script)
        wall = (now.at - before.at) * len(self.cores) * TICK
        stolen = now.stolen - before.stolen
        our_user = now.our_user - before.our_user
        ours = our_user + now.our_system - before.our_system
        most = wall - (now.idle - before.idle) - stolen - ours
        seen = others_ticks(self.all_ours) - self.others
        unseen = now.user - before.user - our_user
        return max(0.0, min(most, max(seen, unseen)) / wall), max(0.0, stolen / wall)
