"""What is tried, one after the other, and what each trial must show to be right."""

import sys
import time
from collections import defaultdict

import keys
import load
import machine
import subjects
from machine import Wrong

PRODUCT = "d7-balance"
PRODUCT_QUIET = "d7-balance, log off"
BARE = "bare actix-web"
NGINX = "nginx"
NGINX_QUIET = "nginx, log off"

# How long the simulated D7 takes where a trial is about waiting for it.
DELAY_S = 0.3
TTL_S = 2
# How long a subject is loaded before it is measured.
WARM_UP_S = 1
# A refresh that is under way this much later than it could be is late.
LATE_S = 0.25


def step(text):
    print(text, file=sys.stderr, flush=True)


class Bench:
    """The subjects, and what was measured of them."""

    def __init__(self, options, cores, folder, executables):
        self.options = options
        self.cores = cores
        self.folder = folder
        self.executables = executables
        # Rounds by trial and subject, in the order in which they were run.
        self.rounds = defaultdict(lambda: defaultdict(list))
        self.idle, self.after, self.first = {}, {}, defaultdict(list)
        self.lost = {}
        self.refreshes, self.cold = [], []

    def product(self, upstream, keys_file, cores=None, **settings):
        return subjects.Product(
            self.executables["d7-balance"],
            cores or self.cores.server,
            self.folder,
            upstream,
            keys_file,
            **settings,
        )

    def bare(self):
        return subjects.Bare(self.executables["bare"], self.cores.server, self.folder, self.body)

    def upstream(self, body=subjects.BALANCE, delay_s=0):
        return subjects.Upstream(
            self.executables["upstream"], self.cores.load, body, round(delay_s * 1000)
        )

    def key_file(self, name, made, shown):
        """A key file, and a list of those of its keys that wrk presents."""
        file, shown_list = self.folder / f"{name}.toml", self.folder / f"{name}.txt"
        keys.write(file, made)
        keys.write_list(shown_list, shown)
        return file, shown_list

    # Set-up

    def start_subjects(self):
        step("starting the subjects, and asking each of them")
        self.keys = keys.made(1000, clients=64)
        self.keys_file, self.keys_list = self.key_file("keys", self.keys, self.keys)
        cores = self.cores.server
        product = self.product(self.upstream(), self.keys_file, name=PRODUCT)
        # Everyone answers the product's own bytes: a longer body is more work.
        self.body = product.first_answer(self.keys[0]).body
        quiet = self.product(self.upstream(), self.keys_file, name=PRODUCT_QUIET, log="off")
        bare = self.bare()
        answer = self.body.decode()
        nginx = subjects.Nginx(cores, self.folder, self.upstream(answer), self.keys)
        nginx_quiet = subjects.Nginx(
            cores, self.folder, self.upstream(answer), self.keys, name=NGINX_QUIET, logs=False
        )
        self.subjects = {one.name: one for one in (product, quiet, bare, nginx, nginx_quiet)}
        for subject in self.subjects.values():
            subject.first_answer(self.keys[0])
            self.idle[subject.name] = machine.memory(subject.pids())
        self.sizes = {name: one.ask(self.keys[0]).size for name, one in self.subjects.items()}
        self.check_subjects()

    def check_subjects(self):
        """Each subject does the whole job, and D7 was asked no more than once."""
        wrong = subjects.wrong_key()
        for name, subject in self.subjects.items():
            subject.check_alive()
            for key in (self.keys[0], self.keys[-1]):
                answer = subject.ask(key)
                if answer.status != 200:
                    raise Wrong(f"{name} answers {answer.status} to a good key")
                if self.comparable(name, answer.body) != self.comparable(name, self.body):
                    raise Wrong(f"{name} answers {answer.body!r}, and {PRODUCT} {self.body!r}")
            if name == BARE:
                continue
            for key in (wrong, None):
                answer = subject.ask(key)
                if answer.status != 401:
                    raise Wrong(f"{name} answers {answer.status} to a key that is none")
            asked = len(subject.upstream.arrivals)
            if asked != 1:
                raise Wrong(f"{name} has asked D7 {asked} times; once is enough for an hour")

    @staticmethod
    def comparable(name, body):
        """The body; that of the second d7-balance has another time of arrival."""
        if name != PRODUCT_QUIET:
            return body
        return b"".join(b"0" if 48 <= byte < 58 else bytes([byte]) for byte in body)

    # Load, in turns

    def in_turns(self, trial, loads):
        """Rounds of each load in turns, so that a slow minute is everyone's.

        `loads` has a name, a subject, a plan and the length of an answer.
        """
        seconds, rounds = self.options.seconds, self.options.rounds
        step(f"{trial}: {rounds} x {len(loads)} rounds of {seconds} s")
        if not self.options.smoke:
            for _, subject, plan, size in loads:
                load.run(self.cores, subject, plan, WARM_UP_S, size)
        for number in range(rounds):
            for name, subject, plan, size in loads:
                measured = load.run(self.cores, subject, plan, seconds, size)
                self.rounds[trial][name].append(measured)
                step(
                    f"  {number + 1} {name}: {measured.rate:.0f} req/s, {measured.cpu_per_hit:.3f} "
                    f"CPU s per 100 000 hits, others had {measured.foreign:.1%} of a core"
                )

    def all_subjects(self, plan):
        return [(name, one, plan, self.sizes[name]) for name, one in self.subjects.items()]

    def hits(self):
        self.in_turns("hits", self.all_subjects(load.Plan(self.keys_list)))
        for name, subject in self.subjects.items():
            self.after[name] = machine.memory(subject.pids())
        self.lost["hits"] = self.subjects[PRODUCT].lost_lines()

    def pipelined(self):
        before = self.subjects[PRODUCT].lost_lines()
        self.in_turns("pipelined", self.all_subjects(load.Plan(self.keys_list, depth=16)))
        self.lost["pipelined"] = self.subjects[PRODUCT].lost_lines() - before

    def unchanged(self):
        product = self.subjects[PRODUCT]
        etag = product.ask(self.keys[0]).headers["etag"]
        answer = product.ask(self.keys[0], etag)
        if answer.status != 304:
            raise Wrong(f"{PRODUCT} answers {answer.status} to its own etag")
        self.in_turns(
            "unchanged",
            [
                ("200", product, load.Plan(self.keys_list), self.sizes[PRODUCT]),
                ("304", product, load.Plan(self.keys_list, etag=etag), answer.size),
            ],
        )

    def connections(self):
        plan = load.Plan(self.keys_list, connections=500 if self.options.smoke else 5000)
        self.in_turns(
            "connections",
            [(name, self.subjects[name], plan, self.sizes[name]) for name in (PRODUCT, BARE)],
        )

    # One at a time

    def start(self):
        times = 1 if self.options.smoke else max(5, self.options.rounds)
        step(f"start: {times} x 3 starts to the first answer")
        answer = self.body.decode()
        kinds = {
            PRODUCT: (subjects.BALANCE, lambda d7: self.product(d7, self.keys_file)),
            BARE: (None, lambda _: self.bare()),
            NGINX: (
                answer,
                lambda d7: subjects.Nginx(self.cores.server, self.folder, d7, self.keys),
            ),
        }
        for _ in range(times):
            for name, (body, make) in kinds.items():
                upstream = self.upstream(body) if body else None
                subject = make(upstream)
                begun = subject.begun
                subject.first_answer(self.keys[0])
                self.first[name].append((time.monotonic() - begun) * 1000)
                subject.stop()
                if upstream:
                    upstream.stop()

    def refresh(self):
        seconds, repetitions = (5, 1) if self.options.smoke else (12, 3)
        step(f"refresh: {repetitions} x 2 rounds of {seconds} s, in which balances go stale")
        upstream = self.upstream(delay_s=DELAY_S)
        product = self.product(upstream, self.keys_file, cache_ttl=f"{TTL_S}s")
        product.first_answer(self.keys[0])
        plan = load.Plan(self.keys_list)
        for _ in range(repetitions):
            asked, waited = len(upstream.arrivals), product.waited()
            measured = load.run(self.cores, product, plan, seconds, self.sizes[PRODUCT])
            # The last line may still be on its way here.
            time.sleep(0.05)
            arrivals = upstream.arrivals[asked:]
            self.check_refreshes(arrivals, measured.seconds)
            self.refreshes.append((len(arrivals), measured.seconds))
            if product.waited() != waited:
                raise Wrong(f"{product.waited() - waited} requests waited for a refresh")
            self.rounds["refresh"][PRODUCT].append(measured)
            bare = load.run(self.cores, self.subjects[BARE], plan, seconds, self.sizes[BARE])
            self.rounds["refresh"][BARE].append(bare)
            step(
                f"  slowest: {measured.slowest:.1f} ms, bare {bare.slowest:.1f} ms; "
                f"others had {measured.foreign:.1%}, {bare.foreign:.1%} of a core"
            )
        product.stop()
        upstream.stop()

    def check_refreshes(self, arrivals, seconds):
        """One request to D7 per TTL, which begins when D7's answer has come."""
        # Where speed is not judged, others may have the machine meanwhile.
        late_s = 1.5 if self.options.smoke else LATE_S
        gaps = [(late - early) / 1000 for early, late in zip(arrivals, arrivals[1:])]
        # The stamps are whole milliseconds, rounded down.
        if any(gap < TTL_S - 0.001 or gap > TTL_S + DELAY_S + late_s for gap in gaps):
            told = ", ".join(f"{gap:.3f}" for gap in gaps)
            raise Wrong(f"D7 was asked in gaps of {told} s, where a balance is fresh for {TTL_S} s")
        least, most = seconds // (TTL_S + DELAY_S + late_s), seconds // TTL_S + 1
        if not least <= len(arrivals) <= most:
            raise Wrong(f"D7 was asked {len(arrivals)} times in {seconds:.1f} s: {least:.0f} to {most:.0f} are right")

    def cold_callers(self):
        times = 1 if self.options.smoke else max(5, self.options.rounds)
        callers = self.keys[:200]
        step(f"cold: {times} x {len(callers)} callers at once, where nothing is stored")
        for _ in range(times):
            upstream = self.upstream(delay_s=DELAY_S)
            product = self.product(upstream, self.keys_file)
            # It listens; without a key it asks D7 for nothing.
            product.first_answer(None, status=401)
            waited = load.at_once(product.port, callers, subjects.PATIENCE)
            asked = len(upstream.arrivals)
            if asked != 1:
                raise Wrong(f"{len(callers)} cold callers made {asked} requests to D7")
            self.cold.append(max(waited) * 1000)
            product.stop()
            upstream.stop()

    def scaling(self):
        """Twice the workers, a thousand times the keys, 64 times the clients."""
        self.scale(
            "workers",
            {"1": {}, "2": {"server_workers": "2", "cores": self.cores.two_servers}},
            depth=16,
        )
        ten = keys.made(10, clients=1)
        more = keys.made(10_000 - len(ten), clients=1)
        self.scale("keys", {"10": {"made": ten, "shown": ten}, "10 000": {"made": ten + more, "shown": ten}})
        one, many = keys.made(1000, clients=1), keys.made(1000, clients=64)
        self.scale(
            "clients",
            {"1": {"made": one, "shown": one[:64]}, "64": {"made": many, "shown": many[:64]}},
        )

    def scale(self, what, cases, depth=1):
        loads, running = [], []
        for name, settings in cases.items():
            made = settings.pop("made", self.keys)
            shown = settings.pop("shown", self.keys)
            file, shown_list = self.key_file(f"{what}-{name.replace(' ', '')}", made, shown)
            upstream = self.upstream()
            product = self.product(upstream, file, **settings)
            product.first_answer(shown[0])
            running += [product, upstream]
            size = product.ask(shown[0]).size
            loads.append((name, product, load.Plan(shown_list, depth=depth), size))
        self.in_turns(what, loads)
        for one in running:
            one.stop()


TRIALS = {
    "start": Bench.start,
    "hits": Bench.hits,
    "pipelined": Bench.pipelined,
    "unchanged": Bench.unchanged,
    "connections": Bench.connections,
    "refresh": Bench.refresh,
    "cold": Bench.cold_callers,
    "scaling": Bench.scaling,
}
