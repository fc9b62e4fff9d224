"""The programs under load, and the simulated D7 that they ask."""

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import keys
import machine
from machine import Wrong

# D7's answer, as its documentation has it.
BALANCE = '{"balance": 99.9999999}'
TOKEN = "a-token-that-nobody-accepts"
# A first answer takes longer than that only where something is broken.
PATIENCE = 10

_started = []


def free_ports(count):
    """Ports that nobody listens on: a race, but one that is lost loudly."""
    with contextlib.ExitStack() as stack:
        # All at once: one that is free again may be had twice.
        listeners = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [listener.getsockname()[1] for listener in listeners]


class Program:
    """A program that was started here, and is ended here."""

    def __init__(self, name, argv, cores, env=None, stdin=None, stdout=None, log=None):
        self.name = name
        self.cores = cores
        self.log = log
        with contextlib.ExitStack() as stack:
            # Opened for appending: a log that is emptied goes on at its start.
            err = stack.enter_context(open(log, "ab")) if log else None
            stack.enter_context(machine.on(cores))
            self.begun = time.monotonic()
            self.process = subprocess.Popen(argv, env=env, stdin=stdin, stdout=stdout, stderr=err)
            _started.append(self)

    def pids(self):
        return machine.family(self.process.pid)

    def check_alive(self):
        if self.process.poll() is not None:
            tail = self.log.read_text(errors="replace")[-2000:].strip() if self.log else ""
            raise Wrong(f"{self.name} has ended with {self.process.returncode}: {tail}")

    def stop(self):
        if self in _started:
            _started.remove(self)
        if self.process.poll() is None:
            family = self.pids()
            self.process.terminate()
            try:
                self.process.wait(3)
            except subprocess.TimeoutExpired:
                # Workers outlive one that is killed.
                for pid in family:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                self.process.wait()
        for end in (self.process.stdin, self.process.stdout):
            if end:
                end.close()


def started():
    """What runs now."""
    return list(_started)


def stop_all():
    while _started:
        _started[-1].stop()


class Upstream(Program):
    """The simulated D7."""

    def __init__(self, executable, cores, body=BALANCE, delay_ms=0):
        argv = [executable, body, str(delay_ms)]
        super().__init__("the simulated D7", argv, cores, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.port = int(self.process.stdout.readline())
        self.arrivals = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        # It is closed under this thread's hands when the program is stopped.
        with contextlib.suppress(ValueError, OSError):
            for line in self.process.stdout:
                self.arrivals.append(int(line))


class Subject(Program):
    """A server of `GET /balance`."""

    upstream = None
    # Where it writes a line a request, if not to its standard error.
    access_log = None

    def empty_log(self):
        """Between rounds, so that the disk does not fill."""
        for path in {self.log, self.access_log} - {None}:
            os.truncate(path, 0)

    def ask(self, key=None, etag=None):
        return ask(self.port, key, etag)

    def first_answer(self, key, status=200):
        """Connects until it answers so, and the answer."""
        deadline = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(OSError):
                answer = self.ask(key)
                if answer.status == status:
                    return answer
            self.check_alive()
            if time.monotonic() > deadline:
                raise Wrong(f"{self.name} gives no first answer")
            time.sleep(0.0002)


class Product(Subject):
    def __init__(self, executable, cores, folder, upstream, keys_file, name="d7-balance", **settings):
        self.port, self.admin_port = free_ports(2)
        self.upstream = upstream
        # The environment of whoever runs this may hold settings of theirs.
        env = {name: value for name, value in os.environ.items() if not name.startswith("D7B_")}
        env |= {
            "D7B_TOKEN": TOKEN,
            "D7B_BASE_URL": f"http://127.0.0.1:{upstream.port}",
            "D7B_KEYS_FILE": str(keys_file),
            "D7B_SERVER_ADDR": f"127.0.0.1:{self.port}",
            "D7B_ADMIN_ADDR": f"127.0.0.1:{self.admin_port}",
            "D7B_SERVER_WORKERS": "1",
            "D7B_CACHE_TTL": "1h",
            # The most that is allowed: it is counted, and never reached.
            "D7B_RATE_LIMIT": "1000000/s",
            "D7B_LOG_FORMAT": "json",
        }
        env |= {f"D7B_{name.upper()}": value for name, value in settings.items()}
        log = folder / f"log-{self.port}"
        super().__init__(name, [executable, "serve"], cores, env=env, log=log)

    def lost_lines(self):
        """The log lines that were lost."""
        return self.figure("d7b_log_lines_dropped_total ")

    def waited(self):
        """How many answers waited for D7."""
        parts = ("stored", "collapsed", "fallback")
        return sum(self.figure(f'd7b_answers_total{{cache="{part}"}} ') for part in parts)

    def figure(self, series):
        for line in ask(self.admin_port, path="/metrics").body.decode().splitlines():
            if line.startswith(series):
                return int(line.removeprefix(series))
        raise Wrong(f"{self.name} has no figure {series}")


class Bare(Subject):
    def __init__(self, executable, cores, folder, body):
        [self.port] = free_ports(1)
        log = folder / f"log-{self.port}"
        super().__init__("bare actix-web", [executable, str(self.port), body.decode()], cores, log=log)


class Nginx(Subject):
    def __init__(self, cores, folder, upstream, all_keys, name="nginx", logs=True):
        [self.port] = free_ports(1)
        self.upstream = upstream
        prefix = folder / f"nginx-{self.port}"
        prefix.mkdir()
        keys.write_map(prefix / "keys.map", all_keys)
        if logs:
            self.access_log = prefix / "access.log"
        filled = {
            "FOLDER": prefix,
            "PORT": self.port,
            "UPSTREAM": upstream.port,
            "TOKEN": TOKEN,
            # The worker of a root's nginx is `nobody`, who may not look in here.
            "USER": "user root;" if os.geteuid() == 0 else "",
            "LOG": f"{self.access_log} json buffer=64k flush=1s" if logs else "off",
        }
        text = Path(__file__).with_name("nginx.conf").read_text()
        for place, value in filled.items():
            text = text.replace(f"@{place}@", str(value))
        (prefix / "nginx.conf").write_text(text)
        argv = ["nginx", "-e", "stderr", "-p", str(prefix), "-c", str(prefix / "nginx.conf")]
        # Debian has it where only root looks.
        env = os.environ | {"PATH": f"{os.environ.get('PATH', '')}:/usr/sbin"}
        super().__init__(name, argv, cores, env=env, log=folder / f"log-{self.port}")


class Answer:
    def __init__(self, raw):
        head, _, self.body = raw.partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        self.status = int(status.split()[1])
        self.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        self.size = len(raw)


def request(port, key=None, etag=None, path="/balance"):
    lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}"]
    if key:
        lines.append(f"Authorization: Bearer {key.text}")
    if etag:
        lines.append(f"If-None-Match: {etag}")
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode()


def is_whole(raw):
    """Whether an answer has come to its end."""
    head, end, body = raw.partition(b"\r\n\r\n")
    if not end:
        return False
    answer = Answer(raw)
    if answer.headers.get("transfer-encoding") == "chunked":
        return body.endswith(b"0\r\n\r\n")
    return len(body) >= int(answer.headers.get("content-length", 0)) or answer.status == 304


def ask(port, key=None, etag=None, path="/balance"):
    """One request on a connection of its own, byte by byte."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as stream:
        stream.sendall(request(port, key, etag, path))
        raw = b""
        while not is_whole(raw):
            read = stream.recv(65536)
            if not read:
                raise ConnectionError("the answer breaks off")
            raw += read
    return Answer(raw)


def wrong_key():
    """One of the right shape, which nobody has."""
    return keys.Key("nobody")
