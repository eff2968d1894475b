"""One round: a chain, a plan of faults made from a seed, and what became of every batch."""
import os
import random
import shutil
import tempfile
import threading
import time

from . import accounting
from .faults import draw_end, make_plan
from .sites import SITES

PACE = 12
STALL_S = 180  # nothing more was accounted for in so long, on however busy a machine: what is left is lost


class Round:
    """The outcome: `account`, and `problems`, texts; a round is good when it has none of the latter."""

    def __init__(self, seed, plan=None, end=None, site="chain"):
        self.seed = seed
        self.site = SITES[site]
        self.end = end or self.site.end or draw_end(seed)
        self.plan = plan or make_plan(seed, self.site.steps, self.site.seconds, self.end, self.site.faults)
        self.account = accounting.Account()
        self.problems, self.history = [], []
        self.kills = self.exits = 0
        self.seconds = 0.0
        self.kept = None

    @property
    def good(self):
        return self.account.good and not self.problems

    @property
    def fault_names(self):
        return {step.name for step in self.plan}

    def report(self):
        """Why it failed, for people."""
        lines = [f"round of seed {self.seed} into {self.end} FAILED"]
        lines += [f"  lost: {device} seq {seq}" for device, seq in self.account.lost[:20]]
        lines += [f"  stored twice: {device} seq {seq}" for device, seq in self.account.duplicated[:20]]
        lines += [f"  {text}" for text in (*self.account.wrong[:20], *self.problems[:20])]
        lines += ["  what happened:"] + [f"    {at:7.3f} s  {text}" for at, text in self.history]
        lines += [f"  the folder of the run: {self.kept}"] if self.kept else []
        return "\n".join(lines)


def run_round(seed, keep_in, aborted=None, plan=None, end=None, site="chain"):
    """Never raises for what goes wrong in the round. Its folder stays in `keep_in` if it fails. `plan`, `end`: instead of the seed's."""
    outcome = Round(seed, plan, end, site)
    aborted = aborted or threading.Event()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="blepipe-faults-") as folder:
        try:
            with outcome.site.make(folder, seed, PACE, outcome.end) as chain:
                try:
                    _play(chain, outcome, aborted)
                except Exception as error:
                    outcome.problems.append(f"{type(error).__name__}: {error}")
                _sum_up(chain, outcome)
                if not outcome.good and not aborted.is_set():
                    _keep(chain, outcome, os.path.join(keep_in, f"seed-{seed}"))
        except Exception as error:
            outcome.problems.append(f"{type(error).__name__}: {error}")
    outcome.seconds = time.monotonic() - begun
    return outcome


def _play(chain, outcome, aborted):
    _apply(chain, outcome, aborted)
    if aborted.is_set():
        return
    for agent in chain.agents:
        agent.lift()
    for agent in chain.agents:
        if not _comes(chain, aborted, lambda left, agent=agent: agent.finished()) and not aborted.is_set():
            raise AssertionError(f"{agent.name} finds no room in its FIFO")
    chain.note("all faults are lifted, all batches are sent")
    if _comes(chain, aborted, lambda left: left == 0):
        chain.settle()


def _apply(chain, outcome, aborted):
    """Each fault has a thread: they overlap as they happen to."""
    begun = time.monotonic()
    effects = {fault.name: fault.effect for fault in outcome.site.faults}

    def do(step, number):
        try:
            rng = random.Random(f"{outcome.seed} {number}")
            with effects[step.name](chain, step.target, rng):
                chain.note(f"{step.name}: {step.target}" + (f" for {step.for_s} s" if step.for_s else ""))
                aborted.wait(step.for_s)
        except Exception as error:
            outcome.problems.append(f"unable to apply {step}: {type(error).__name__}: {error}")

    threads = []
    for number, step in enumerate(outcome.plan):
        aborted.wait(max(0, begun + step.at_s - time.monotonic()))
        threads.append(threading.Thread(target=do, args=(step, number), daemon=True))
        threads[-1].start()
    for thread in threads:
        thread.join()


def _comes(chain, aborted, condition):
    """Waits until condition(BATCHES NOT ACCOUNTED FOR), for as long as their number changes. False: it does not come."""
    least, since = None, time.monotonic()
    pause_s = 0.05
    while time.monotonic() - since < STALL_S and not aborted.wait(pause_s):
        looked = time.monotonic()
        chain.supervisor.check()
        left = accounting.unaccounted(chain.database, chain.agents)
        if condition(left):
            return True
        if left != least:
            least, since = left, time.monotonic()
        pause_s = max(0.05, 4 * (time.monotonic() - looked))  # it counts all that is stored, and takes that time from the chain
    return False


def _sum_up(chain, outcome):
    chain.supervisor.end()
    chain.end_agents()
    outcome.account = accounting.account(chain)
    outcome.history = sorted(chain.history)
    for service in chain.services.values():
        outcome.problems += service.problems
        outcome.kills += service.kills
        outcome.exits += service.exits


def _keep(chain, outcome, where):
    """A copy: the small disks of a round vanish with it."""
    shutil.rmtree(where, ignore_errors=True)
    for folder, name in ((chain.folder, "chain"), *chain.broker_folders()):
        shutil.copytree(folder, os.path.join(where, name), ignore=_not_worth_keeping)
    for service in chain.services.values():
        with open(os.path.join(where, "chain", f"{service.name}.log"), "a", encoding="utf-8") as log:
            log.write(service.tool.err + "\n--- at the end of the round\n")
    outcome.kept = where
    with open(os.path.join(where, "report"), "w", encoding="utf-8") as f:
        f.write(outcome.report() + "\n")


def _not_worth_keeping(folder, names):
    """FIFOs, and the files of PostgreSQL, of which the log says more."""
    return [name for name in names if not os.path.isfile(path := os.path.join(folder, name)) and
            not (os.path.isdir(path) and not os.path.exists(os.path.join(path, "PG_VERSION")))]
