"""Rounds of random seeds, one after the other, for as long as wanted; at the end a table. scripts/soak builds and runs it."""
import argparse
import collections
import concurrent.futures
import datetime
import random
import signal
import sys
import threading
import time

from harness.mounts import private_mounts

from .ends import ENDS
from .round import run_round
from .sites import SITES


def _options():
    parser = argparse.ArgumentParser(prog="soak", description="Run the whole chain under random faults, round after round.")
    parser.add_argument("--minutes", type=float, default=60, help="begin no further round after so long (default: 60)")
    parser.add_argument("--rounds", type=int, default=0, help="end after so many rounds (default: 0, any number)")
    parser.add_argument("--seed", type=int, help="of the first round; the next rounds have the next numbers (default: random)")
    parser.add_argument("--end", choices=sorted(ENDS), help="where the rounds end (default: as the seed of each says)")
    parser.add_argument("--cluster", action="store_const", const="cluster", default="chain", dest="site",
                        help="three brokers, five backends and PostgreSQL with a standby, instead of one chain")
    parser.add_argument("--jobs", type=int, default=2, help="rounds at the same time (default: 2)")
    parser.add_argument("--keep", default="build/faults/soak", help="where the folders of failed rounds go (default: %(default)s)")
    return parser.parse_args()


class Totals:
    def __init__(self, faults):
        self.begun, self.faults = time.monotonic(), faults
        self.rounds = self.failed = 0
        self.sums = collections.Counter()
        self.times, self.lost, self.duplicated = collections.Counter(), collections.Counter(), collections.Counter()

    def add(self, outcome):
        account = outcome.account
        self.rounds += 1
        self.failed += not outcome.good
        self.sums.update(sent=account.sent, stored=account.stored, gapped=account.gapped, torn=account.torn,
                         repeated=account.repeated, lost=len(account.lost), duplicated=len(account.duplicated),
                         kills=outcome.kills, exits=outcome.exits)
        self.times.update(step.name for step in outcome.plan)
        for name in outcome.fault_names:
            self.lost[name] += len(account.lost)
            self.duplicated[name] += len(account.duplicated)

    def table(self):
        lines = ["| fault | times | lost | duplicated |", "|---|---|---|---|"]
        lines += [f"| {fault.name} | {self.times[fault.name]} | {self.lost[fault.name]} | {self.duplicated[fault.name]} |"
                  for fault in self.faults]
        s = self.sums
        lines += ["", "A loss stands in the row of each fault of its round.", "",
                  f"{(time.monotonic() - self.begun) / 60:.1f} minutes, {self.rounds} rounds, {self.failed} failed; "
                  f"{sum(self.times.values())} faults, {s['kills']} processes killed, {s['exits']} ended by themselves",
                  f"{s['sent']} batches sent: {s['stored']} stored, {s['gapped']} named by gaps, {s['lost']} lost, "
                  f"{s['duplicated']} duplicated; {s['repeated']} harmless repetitions, {s['torn']} torn lines set aside"]
        return "\n".join(lines)


def _line(number, outcome):
    account = outcome.account
    return (f"round {number} seed {outcome.seed}: {account.sent} batches into {outcome.end}, {account.stored} stored, {account.gapped} in gaps, "
            f"{len(account.lost)} lost, {len(account.duplicated)} duplicated; {len(outcome.plan)} faults, "
            f"{outcome.kills} kills, {outcome.seconds:.1f} s: {'ok' if outcome.good else 'FAILED'}")


def _run(options, totals, aborted):
    seed = random.SystemRandom().randrange(1 << 31) if options.seed is None else options.seed
    end = time.monotonic() + options.minutes * 60
    running, begun = set(), 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        while True:
            while (len(running) < options.jobs and not aborted.is_set() and time.monotonic() < end
                   and (begun < options.rounds or options.rounds == 0)):
                running.add(pool.submit(run_round, seed + begun, options.keep, aborted, end=options.end, site=options.site))
                begun += 1
            if not running:
                return
            done, running = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
            for outcome in (future.result() for future in done):
                if aborted.is_set():
                    continue
                totals.add(outcome)
                print(_line(totals.rounds, outcome), flush=True)
                if not outcome.good:
                    print(outcome.report(), flush=True)


def main():
    options = _options()
    private_mounts()
    aborted = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: aborted.set())
    totals = Totals(SITES[options.site].faults)
    print(f"soak begun {datetime.datetime.now():%Y-%m-%d %H:%M}: " + " ".join(sys.argv[1:]), flush=True)
    _run(options, totals, aborted)
    print("\n" + totals.table())
    return 1 if totals.failed or totals.rounds == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
