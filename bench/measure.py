"""What the measurements share: programs that are run and weighed, sides that are compared in turn, and the table and the plot of it.

A measurement is an executable bench-NAME in this folder whose standard output is Markdown. Without arguments it measures
build/release; an argument names another build folder. scripts/bench runs it, gives it the variables

    BENCH_ROUNDS    how often each side runs (5)
    BENCH_PLOTS     a folder for NAME-….svg; without it nothing is plotted
    BENCH_DIR       a folder for spools and databases, on the disk that shall be measured; by default the system's for temporary files

and puts what it prints into results.md.
"""
import contextlib
import os
import pathlib
import re
import select
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from typing import NamedTuple

TOP = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 and not sys.argv[1].startswith("-") else TOP / "build" / "release").resolve()
TOOLS, HELPERS = BUILD / "tools", BUILD / "bench"
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
NAME = pathlib.Path(sys.argv[0]).name.removeprefix("bench-")
os.environ["BLEPIPE_SOURCE"], os.environ["BLEPIPE_BIN"] = str(TOP), str(TOOLS)
sys.path.insert(0, str(TOP / "tests"))


class Cost(NamedTuple):
    """Of one run: seconds by the clock, seconds of processor time, and peak resident set in MiB."""
    seconds: float
    cpu: float
    rss: float

    def beside(self, *others):
        """With what ran at the same time."""
        return Cost(self.seconds, self.cpu + sum(o.cpu for o in others), self.rss + sum(o.rss for o in others))


class Sample(NamedTuple):
    """A rate, and what it cost."""
    rate: float
    cpu: float
    rss: float


class Process:
    """A running program. Its peak memory is asked for every 10 ms: what the kernel tells at the end includes ours from before the
    program began."""

    def __init__(self, *argv, **options):
        self.began = time.monotonic()
        self.tool = subprocess.Popen([str(word) for word in argv], **options)
        self.cost = None
        self._peak = 0.0
        self._end = os.pidfd_open(self.tool.pid)
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def _watch(self):
        poll = select.poll()
        poll.register(self._end, select.POLLIN)
        while True:
            with contextlib.suppress(OSError, AttributeError):
                text = pathlib.Path(f"/proc/{self.tool.pid}/status").read_text(encoding="ascii", errors="replace")
                self._peak = max(self._peak, int(re.search(r"VmHWM:\s+(\d+)", text).group(1)) / 1024)
            if poll.poll(10):
                self._seconds = time.monotonic() - self.began
                return

    def wait(self, allowed=(0,)):
        """Its Cost. Ends the measurement when it fails."""
        if self.cost:
            return self.cost
        self._watcher.join()
        _, status, usage = os.wait4(self.tool.pid, 0)
        os.close(self._end)
        self.tool.returncode = os.waitstatus_to_exitcode(status)
        self.cost = Cost(self._seconds, usage.ru_utime + usage.ru_stime, self._peak)
        if self.tool.returncode not in allowed:
            sys.exit(f"{NAME}: {self.tool.args[0]} ended with {self.tool.returncode}")
        return self.cost

    def stop(self, allowed=(0, -15)):
        self.tool.terminate()
        return self.wait(allowed)


def run(*argv, allowed=(0,), **options):
    """One program from start to end."""
    return Process(*argv, **options).wait(allowed)


def need(*paths):
    for path in paths:
        if not path.exists():
            sys.exit(f"{NAME}: {path} is absent: run scripts/bench {NAME}, which builds it")


def build_channel():
    """The fake of the kernel's monitor channel, where the harness looks for it: a release build has no tests."""
    library = BUILD / "tests" / "monitor_channel.so"
    library.parent.mkdir(exist_ok=True)
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, TOP / "tests/fakes/monitor_channel.c"], check=True)


def folder():
    return tempfile.TemporaryDirectory(prefix="blepipe-bench-", dir=os.environ.get("BENCH_DIR"))


def number(value):
    """Three digits that count, thousands apart."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}".replace(",", " ")


def table(head, rows):
    print("\n| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print(flush=True)


class Bar(NamedTuple):
    """This side is to reach `least` times the rate of the side `of`: its median, or every round with `each`."""
    of: str
    least: float
    each: bool = False


def judge(samples, side, bar):
    """The ratio of medians, the lowest and highest of a round, and whether the bar is met."""
    ratio = statistics.median(s.rate for s in samples[side]) / statistics.median(s.rate for s in samples[bar.of])
    rounds = [a.rate / b.rate for a, b in zip(samples[side], samples[bar.of])]
    return ratio, min(rounds), max(rounds), (min(rounds) if bar.each else ratio) >= bar.least


def compare(title, unit, sides, bars=None, rounds=None):
    """Runs the sides in turn and prints them. sides: {name: function that returns a Sample}; bars: {name: Bar}. Returns the samples."""
    samples = {side: [] for side in sides}
    for _ in range(rounds or ROUNDS):
        for side, measure in sides.items():
            samples[side].append(measure())
    tell(title, unit, samples, bars or {})
    return samples


def tell(title, unit, samples, bars):
    rows = []
    for side, found in samples.items():
        rates = [s.rate for s in found]
        row = [side, number(statistics.median(rates)), f"{number(min(rates))} to {number(max(rates))}", "", ""]
        if bar := bars.get(side):
            ratio, low, high, met = judge(samples, side, bar)
            row[3] = f"{number(ratio)} ({number(low)} to {number(high)})"
            row[4] = f"{bar.least:g} of {bar.of}{', each round' if bar.each else ''}: {'met' if met else '**missed**'}"
        row += [f"{statistics.median(s.cpu for s in found):.2f}", f"{statistics.median(s.rss for s in found):.1f}"]
        rows.append(row)
    count = len(next(iter(samples.values())))
    print(f"{title}: medians of {count} rounds, the sides in turn.")
    table(["side", unit, "rounds", "ratio (of rounds)", "bar", "CPU, s", "peak RSS, MiB"], rows)
    plot_bars(title, unit, samples)


def gnuplot(name, script, data):
    """NAME-name.svg, and the line that shows it. `data`: lines for $data."""
    where = os.environ.get("BENCH_PLOTS")
    if not where:
        return
    file = f"{NAME}-{name}.svg"
    words = "\n".join(data)
    head = f"set terminal svg size 720,{{height}} font 'sans-serif,12' background 'white'\nset output '{where}/{file}'\n$data << END\n{words}\nEND\n"
    subprocess.run(["gnuplot"], input=head.replace("{height}", str(140 + 40 * len(data))) + script, text=True, check=True)
    print(f"![{name}](plots/{file})\n", flush=True)


def plot_bars(title, unit, samples):
    """A bar for each side, its median, with a whisker over the rounds."""
    data = []
    for place, (side, found) in enumerate(samples.items()):
        rates = sorted(s.rate for s in found)
        quoted = side.replace('"', "").replace("`", "").replace("_", "\\\\_")
        data.append(f'{-place} {statistics.median(rates)} {rates[0]} {rates[-1]} "{quoted}"')
    gnuplot(re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:40], f"""
        set xlabel "{unit}"
        set xrange [0:*]
        set yrange [-{len(data) - 0.4}:0.6]
        set style fill solid 0.6
        set format x "%.0s%c"
        unset key
        set grid xtics
        plot $data using (0):1:(0):2:($1-0.3):($1+0.3):ytic(5) with boxxyerror lc rgb "#4477aa", \\
             $data using 2:1:3:4 with xerrorbars lc rgb "#222222" pt 0
        """, data)
