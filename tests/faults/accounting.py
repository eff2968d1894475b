"""Every batch of a round: stored once with all its detections, or named by a gap or a reject record. Anything else is found here."""
import collections
import json

from harness import flatten

from .thief import DEVICE as THIEF, of_thief


class Account:
    """What became of the batches; `lost` and `duplicated` name them as (device_id, seq)."""

    def __init__(self):
        self.sent = self.stored = self.gapped = self.rejected = self.torn = self.repeated = 0
        self.forged = 0  # lines of a thief that were set aside
        self.lost, self.duplicated, self.wrong = [], [], []

    @property
    def good(self):
        return not (self.lost or self.duplicated or self.wrong)


def named_by_gaps(database, agent):
    """The seqs that a gap names with a reason. "missing" is none: nobody has owned up to that loss."""
    rows = database.rows("SELECT from_seq, to_seq FROM gaps JOIN runs ON runs.id = gaps.run JOIN devices ON devices.id = runs.device "
                         f"WHERE runs.run_id = '{agent.run_id}' AND device_id = 'pi-{agent.name}' AND gaps.reason <> 'missing'")
    return {seq for first, last in rows for seq in range(first, min(last + 1, agent.sent))}


def unaccounted(database, agents):
    """How many batches are neither stored nor named by a gap: cheap, while the chain drains."""
    stored = dict(database.rows("SELECT run_id, count(DISTINCT seq) FROM batches JOIN runs ON runs.id = batches.run "
                                f"JOIN devices ON devices.id = runs.device WHERE device_id <> '{THIEF}' GROUP BY run_id"))
    return sum(agent.sent - stored.get(agent.run_id, 0) - len(named_by_gaps(database, agent)) for agent in agents)


def account(chain):
    """The verdict at the end of a round, when nothing runs any more."""
    result = Account()
    rejects = _Rejects(chain)
    stored, detections = collections.Counter(chain.database.batches()), collections.Counter(chain.database.detections())
    honest = collections.Counter({one: copies for one, copies in detections.items() if one[0] != THIEF})
    expected = {}
    for agent in chain.agents:
        expected.update(_account_agent(result, chain.database, agent, stored, rejects))
    result.wrong += [f"stored, but never sent: {batch}" for batch in stored.keys() - expected.keys()
                     if batch[0] != THIEF]
    _compare_detections(result, [expected[batch] for batch in stored if batch in expected], honest)
    _compare_advertisers(result, chain.database, detections)
    _judge_rejects(result, rejects, chain)
    result.forged = rejects.forged
    result.repeated = _repeated(chain)
    return result


def _account_agent(result, database, agent, stored, rejects):
    """The lines that were sent, by the name of their batch."""
    gaps = named_by_gaps(database, agent)
    lines = {}
    for seq, line in enumerate(agent.lines[:agent.sent]):
        batch = (f"pi-{agent.name}", agent.run_id, seq)
        lines[batch] = line
        copies = stored[batch]
        if seq in agent.poisoned:
            if copies or seq not in gaps or line not in rejects.whole:
                result.wrong.append(f"{batch} is larger than the broker takes: stored {copies} times, gap {seq in gaps}, "
                                    f"set aside {line in rejects.whole}")
            result.gapped += 1
            continue
        result.stored += copies > 0
        result.gapped += seq in gaps
        result.rejected += line in rejects.whole
        if copies > 1:
            result.duplicated.append((batch[0], seq))
        elif copies + (seq in gaps) == 0 and line not in rejects.whole:
            result.lost.append((batch[0], seq))
        elif copies and seq in gaps:
            result.wrong.append(f"{batch} is stored, and a gap says that it is not")
    result.sent += agent.sent
    dropped = gaps - agent.poisoned
    if agent.spool_max is None and dropped:
        result.wrong.append(f"{agent.name} has dropped {len(dropped)} batches from a spool with room for all")
    return lines


def _compare_detections(result, lines, found):
    expected = collections.Counter(flatten(lines))
    for one in (found - expected):
        known = one in expected
        (result.duplicated if known else result.wrong).append((one[0], one[2]) if known else f"stored, but never sent: {one}")
    result.wrong += [f"its batch is stored, it is not: {one}" for one in expected - found]


def _compare_advertisers(result, database, detections):
    counted = collections.Counter()
    for one, copies in detections.items():
        counted[one[3]] += copies
    if dict(database.rows("SELECT device_hash, detections FROM advertisers")) != dict(counted):
        result.wrong.append("the advertisers' sums are not those of the detections")


class _Rejects:
    """The reject files of all tools: whole batches, and all else."""

    def __init__(self, chain):
        sent = {line for agent in chain.agents for line in agent.lines[:agent.sent]}
        poison = {agent.lines[seq] for agent in chain.agents for seq in agent.poisoned}
        records = [json.loads(text) | {"file": path.name} for path in sorted(chain.folder.glob("*.rejected.ndjson"))
                   for text in path.read_text(encoding="utf-8").splitlines()]
        self.whole = {record["line"] for record in records if record.get("line") in sent}
        honest = [record for record in records if not of_thief(record.get("line", record.get("line_hex")))]
        self.forged = len(records) - len(honest)
        self.records = [record for record in honest if record.get("line") not in poison]
        self.pieces = [record for record in self.records if self._is_piece(record.get("line", ""), sent)]

    @staticmethod
    def _is_piece(text, sent):
        """Of a line, or of one behind which its receiver began to say who sent it."""
        head, behind, _ = text.partition(',"sender"')
        return any(line.startswith(text) and line != text or behind and head + "}" == line for line in sent)


def _judge_rejects(result, rejects, chain):
    """No fault damages a line, so no record is excused but the beginning of one that a dying writer left in a FIFO."""
    deaths = sum(service.kills + service.exits for service in chain.of_kind("blesub", "blerecv"))
    result.torn = len(rejects.pieces)
    if result.torn > deaths:
        result.wrong.append(f"{result.torn} torn lines of {deaths} writers that died")
    result.wrong += [f"rejected: {record}" for record in rejects.records if record not in rejects.pieces]


def _repeated(chain):
    """Harmless deliveries of what was stored already, as far as each bleingest could still tell."""
    count = 0
    for said in (text for service in chain.of_kind("bleingest") for text in service.counters):
        told = [json.loads(line[line.index("{"):]) for line in said.split("\n") if '"tool"' in line and "{" in line]
        if told:
            count += max(0, told[-1]["in"] - told[-1]["out"] - told[-1]["rejected"] - told[-1]["torn"])
    return count
