"""Load: rounds of wrk, and two hundred callers at once."""

import selectors
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import machine
import subjects
from machine import Wrong

SCRIPT = Path(__file__).with_name("load.lua")


@dataclass(frozen=True)
class Plan:
    """What wrk does."""

    keys_list: Path
    connections: int = 64
    depth: int = 1
    etag: str | None = None


@dataclass(frozen=True)
class Round:
    """What one run of wrk has shown. Latencies are in milliseconds."""

    requests: int
    seconds: float
    cpu: float
    p50: float
    p99: float
    p999: float
    slowest: float
    foreign: float
    stolen: float

    @property
    def rate(self):
        return self.requests / self.seconds

    @property
    def cpu_per_hit(self):
        """CPU seconds for 100 000 hits."""
        return self.cpu / self.requests * 100_000


def run(cores, subject, plan, seconds, size):
    """A round; `size` is the length of the answer that each request gets."""
    subject.check_alive()
    subject.empty_log()
    pids = subject.pids()
    watches = watch(cores, subject)
    cpu = machine.cpu_seconds(pids)
    out = wrk(cores, subject.port, plan, seconds)
    cpu = machine.cpu_seconds(pids) - cpu
    parts = [one.end() for one in watches]
    subject.check_alive()
    fields = next((line.split()[1:] for line in out.splitlines() if line.startswith("RESULT ")), None)
    if fields is None:
        raise Wrong(f"wrk has told nothing of {subject.name}: {out}")
    requests, micros, read, p50, p99, p999, slowest, *errors = map(int, fields)
    if any(errors):
        names = ("answers of 400 and above", "connect errors", "read errors", "write errors", "timeouts")
        told = ", ".join(f"{count} {name}" for count, name in zip(errors, names) if count)
        raise Wrong(f"{subject.name} under load of {plan.connections} connections: {told}")
    if not requests:
        raise Wrong(f"{subject.name} has answered nothing under load")
    # An age or what is left of a limit has now more digits, now fewer; a 200 in
    # place of a 304 or another body would be another length altogether. What was
    # under way at the end has been read in part.
    most = plan.connections * plan.depth * size
    if abs(read - requests * size) > 0.04 * requests * size + most:
        raise Wrong(
            f"{subject.name} under load: {read / requests:.1f} bytes an answer, where one alone has {size}"
        )
    return Round(
        requests,
        micros / 1e6,
        cpu,
        p50 / 1000,
        p99 / 1000,
        p999 / 1000,
        slowest / 1000,
        foreign=max(foreign for foreign, _ in parts),
        stolen=max(stolen for _, stolen in parts),
    )


def watch(cores, subject):
    """Looks at the servers' core and at the load's; as one where they share one."""

    def pids(kind):
        return {pid for one in subjects.started() if isinstance(one, kind) for pid in one.pids()}

    servers, upstreams = pids(subjects.Subject), pids(subjects.Upstream)
    ours = servers | upstreams
    if subject.cores & cores.load:
        return [machine.Watch(subject.cores | cores.load, ours, ours, script=True)]
    return [
        machine.Watch(subject.cores, servers, ours, script=False),
        machine.Watch(cores.load, upstreams, ours, script=True),
    ]


def wrk(cores, port, plan, seconds):
    argv = ["wrk", "--threads", "1", "--connections", str(plan.connections), "--duration", f"{seconds}s"]
    # Far longer than anything here takes: what wrk calls a timeout is an error.
    argv += ["--timeout", "10s", "--script", str(SCRIPT), f"http://127.0.0.1:{port}/balance"]
    argv += ["--", str(plan.keys_list), str(plan.depth), *([plan.etag] if plan.etag else [])]
    with machine.on(cores.load):
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        out, _ = process.communicate(timeout=seconds + 30)
    except subprocess.TimeoutExpired as error:
        raise Wrong("wrk does not come to its end") from error
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if process.returncode:
        raise Wrong(f"wrk has ended with {process.returncode}: {out}")
    return out


def at_once(port, callers, patience):
    """All of the callers ask in the same moment, on connections that stand already.

    Returns how long each of them waited, in seconds.
    """
    streams = [socket.create_connection(("127.0.0.1", port)) for _ in callers]
    # A connection stands as soon as the kernel has it: the server may not have
    # taken it yet, and what that costs is no part of an answer.
    time.sleep(0.2)
    try:
        with selectors.DefaultSelector() as selector:
            requests = [subjects.request(port, key) for key in callers]
            for stream in streams:
                stream.setblocking(False)
                selector.register(stream, selectors.EVENT_READ, bytearray())
            sent = {}
            for stream, request in zip(streams, requests):
                sent[stream] = time.monotonic()
                stream.send(request)
            deadline = time.monotonic() + patience
            waited = []
            while len(waited) < len(streams):
                ready = selector.select(max(0, deadline - time.monotonic()))
                now = time.monotonic()
                if now > deadline:
                    raise Wrong(f"{len(streams) - len(waited)} of {len(streams)} cold callers got no answer")
                for key, _ in ready:
                    stream, raw = key.fileobj, key.data
                    read = stream.recv(65536)
                    raw += read
                    if subjects.is_whole(bytes(raw)):
                        status = subjects.Answer(bytes(raw)).status
                        if status != 200:
                            raise Wrong(f"a cold caller got {status}")
                        waited.append(now - sent[stream])
                        selector.unregister(stream)
                    elif not read:
                        raise Wrong("a cold caller's connection was closed")
            return waited
    finally:
        for stream in streams:
            stream.close()
