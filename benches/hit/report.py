"""What was measured, in words and tables, and the targets."""

from dataclasses import dataclass
from statistics import median

from trials import BARE, NGINX, NGINX_QUIET, PRODUCT, PRODUCT_QUIET

# More than that of a round, and a row is marked.
FOREIGN = 0.03
STOLEN = 0.01

TITLES = {
    "hits": "64 connections",
    "pipelined": "64 connections, 16 requests in a write",
    "unchanged": "200 and 304",
    "connections": "5 000 connections",
    "refresh": "refreshes under load",
    "workers": "1 and 2 workers",
    "keys": "10 and 10 000 keys",
    "clients": "1 and 64 clients",
}


@dataclass(frozen=True)
class Target:
    """What is promised, what came out, and whether that is the promise kept."""

    promise: str
    found: str
    is_met: bool

    def line(self):
        return f"- {'met' if self.is_met else 'MISSED'}: {self.promise}: {self.found}"


def number(value, digits=0):
    return f"{value:,.{digits}f}".replace(",", " ")


def spread(values, digits=0):
    """Median and range."""
    values = list(values)
    if not values:
        return "–"
    shown = [number(value, digits) for value in (median(values), min(values), max(values))]
    return f"{shown[0]} ({shown[1]}–{shown[2]})" if len(values) > 1 else shown[0]


def is_disturbed(measured):
    return measured.foreign > FOREIGN or measured.stolen > STOLEN


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


class Report:
    def __init__(self, bench, machine):
        self.bench = bench
        self.machine = machine
        self.targets = []

    def text(self):
        self.judge()
        parts = [self.head(), *self.tables(), self.more()]
        if not self.bench.options.smoke:
            parts.append(self.disturbances())
            parts.append("\n".join(["Targets:", "", *(target.line() for target in self.targets)]))
        return "\n\n".join(part for part in parts if part)

    def is_missed(self):
        return not all(target.is_met for target in self.targets)

    def head(self):
        options = self.bench.options
        text = (
            f"{self.machine}. The servers had one core; the load and the simulated D7 had another. "
            f"{options.rounds} rounds of {options.seconds:g} s each, in turns: median (smallest–largest)."
        )
        if options.smoke:
            text += " A trial of the benchmark itself, short and built without optimization: it says nothing about speed."
        return text

    def title(self, trial):
        few = trial == "connections" and self.bench.options.smoke
        return "500 connections" if few else TITLES[trial]

    # Tables

    def name(self, trial, subject):
        disturbed = any(map(is_disturbed, self.bench.rounds[trial][subject]))
        # A tick of the clock is 3 % of the shortest rounds.
        return f"{subject} *" if disturbed and not self.bench.options.smoke else subject

    def tables(self):
        bench = self.bench
        if "hits" in bench.rounds:
            head = ["64 connections", "req/s", "CPU s per 100 000 hits", "p50 ms", "p99 ms", "p99.9 ms"]
            head += ["RSS idle MiB", "RSS after MiB", "first answer ms"]
            yield table(head, [self.row(name) for name in bench.rounds["hits"]])
        for trial in ("pipelined", "unchanged", "connections", "workers", "keys", "clients"):
            if trial not in bench.rounds:
                continue
            rows = [
                [
                    self.name(trial, name),
                    spread(one.rate for one in rounds),
                    spread((one.cpu_per_hit for one in rounds), 3),
                ]
                for name, rounds in bench.rounds[trial].items()
            ]
            yield table([self.title(trial), "req/s", "CPU s per 100 000 hits"], rows)

    def row(self, name):
        bench, rounds = self.bench, self.bench.rounds["hits"][name]
        return [
            self.name("hits", name),
            spread(one.rate for one in rounds),
            spread((one.cpu_per_hit for one in rounds), 3),
            spread((one.p50 for one in rounds), 2),
            spread((one.p99 for one in rounds), 2),
            spread((one.p999 for one in rounds), 2),
            number(bench.idle[name], 1),
            number(bench.after[name], 1),
            spread(bench.first.get(name, ()), 1),
        ]

    # Words

    def more(self):
        bench, lines = self.bench, []
        for trial, lost in bench.lost.items():
            asked = sum(one.requests for one in bench.rounds[trial][PRODUCT])
            lines.append(
                f"- {self.title(trial)}: {number(asked)} requests of {PRODUCT} were counted; "
                f"{number(lost)} log lines were lost, those of the warm-up included."
            )
        if "hits" in bench.rounds:
            ratio = self.ratio("hits", PRODUCT_QUIET, NGINX_QUIET, "cpu_per_hit")
            lines.append(f"- CPU per hit / nginx, both with the log off: {ratio:.2f}.")
        if "workers" in bench.rounds:
            ratio = self.ratio("workers", "2", "1", "rate")
            text = f"- Two workers answer {ratio:.2f} times as many requests as one."
            if bench.cores.are_shared:
                text += (
                    " With two cores the second worker shares its own with the load: "
                    "this says little about a machine that has more."
                )
            lines.append(text)
        for asked, seconds in bench.refreshes:
            lines.append(f"- Refreshes under load: D7 was asked {asked} times in {seconds:.1f} s.")
        if bench.cold:
            lines.append(f"- 200 cold callers asked D7 once; the slowest waited {spread(bench.cold, 1)} ms.")
        if "hits" not in bench.rounds:
            for name, values in bench.first.items():
                lines.append(f"- From the start to the first answer, {name}: {spread(values, 1)} ms.")
        return "\n".join(lines)

    def disturbances(self):
        """Whether the figures are the subjects', or others had a part in them."""
        if not self.bench.rounds:
            return "Nobody watched whether others took the CPU: only rounds of load are watched."
        lines = []
        for trial, subjects in self.bench.rounds.items():
            rounds = [one for rounds in subjects.values() for one in rounds]
            foreign = [one.foreign for one in rounds if one.foreign > FOREIGN]
            stolen = [one.stolen for one in rounds if one.stolen > STOLEN]
            for shares, who in ((foreign, "another process"), (stolen, "the hypervisor")):
                if shares:
                    lines.append(
                        f"- {self.title(trial)}: {who} took the CPU in {len(shares)} of {len(rounds)} rounds: "
                        f"{median(shares):.0%} of it in their median, {max(shares):.0%} at most."
                    )
        if not lines:
            return (
                f"Nobody else took more than {FOREIGN:.0%} of a core in any round of load, nor the hypervisor "
                f"more than {STOLEN:.0%}; starts and cold callers were not watched."
            )
        told = "Rows marked with * were disturbed; judge them by another run, on a machine that is left alone:"
        return "\n".join([told, "", *lines])

    # Targets

    def ratio(self, trial, one, other, figure):
        """The median of the rounds' ratios: neighbours in time are compared."""
        rounds = self.bench.rounds[trial]
        pairs = zip(rounds[one], rounds[other])
        return median(getattr(a, figure) / getattr(b, figure) for a, b in pairs)

    def promise(self, text, found, is_met):
        self.targets.append(Target(text, found, is_met))

    def at_most(self, text, limit, value, digits=2, unit=""):
        self.promise(f"{text}, at most {limit:.{digits}f}{unit}", f"{value:.{digits}f}{unit}", value <= limit)

    def judge(self):
        bench = self.bench
        for trial, judge in (
            ("hits", self.judge_hits),
            ("pipelined", self.judge_pipelined),
            ("unchanged", self.judge_unchanged),
            ("connections", self.judge_connections),
            ("refresh", self.judge_refresh),
        ):
            if trial in bench.rounds:
                judge()
        if PRODUCT in bench.first:
            self.at_most("start to first answer", 50, median(bench.first[PRODUCT]), 1, " ms")
        if bench.cold:
            text = f"slowest of 200 cold callers in {len(bench.cold)} times"
            self.at_most(f"{text} where D7 takes 300 ms", 330, max(bench.cold), 1, " ms")
        for trial, (one, other) in {"keys": ("10 000", "10"), "clients": ("64", "1")}.items():
            if trial in bench.rounds:
                moved = self.ratio(trial, one, other, "cpu_per_hit") - 1
                text = f"CPU per hit, {other} to {one} {trial}, moves by less than 5 %"
                self.promise(text, f"{moved:+.1%}", abs(moved) < 0.05)

    def judge_hits(self):
        for other, limit in ((BARE, 1.25), (NGINX, 0.90)):
            self.at_most(f"CPU per hit / {other}", limit, self.ratio("hits", PRODUCT, other, "cpu_per_hit"))
        self.at_most(f"p99 / {BARE}", 1.5, self.ratio("hits", PRODUCT, BARE, "p99"))
        self.at_most("RSS after the load of 64 connections", 16, self.bench.after[PRODUCT], 1, " MiB")

    def judge_pipelined(self):
        ratio = self.ratio("pipelined", PRODUCT, BARE, "cpu_per_hit")
        self.at_most(f"CPU per pipelined hit / {BARE}", 2.5, ratio)

    def judge_unchanged(self):
        ratio = self.ratio("unchanged", "304", "200", "cpu_per_hit")
        text = "CPU per 304 / 200, at most 1.00, of which 0.02 may be noise"
        self.promise(text, f"{ratio:.2f}", ratio <= 1.02)

    def judge_connections(self):
        ratio = self.ratio("connections", PRODUCT, BARE, "rate")
        self.promise(f"req/s with 5 000 connections / {BARE}, at least 0.80", f"{ratio:.2f}", ratio >= 0.8)

    def judge_refresh(self):
        rounds = self.bench.rounds["refresh"]
        ours, bare = ([one.slowest for one in rounds[name]] for name in (PRODUCT, BARE))
        limit = max(15, 3 * median(bare))
        text = f"slowest answer over refreshes, at most 15 ms or 3 x that of {BARE} ({spread(bare, 1)} ms)"
        self.promise(text, f"{spread(ours, 1)} ms", median(ours) <= limit)
