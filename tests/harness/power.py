"""Power cuts, simulated: from the journal of what a tool did to its files, the states that a disk may be in after a cut.

What is simulated and what is not is in tests/faults/power/README.md.
"""
import copy
import os
import pathlib
import struct
from collections import namedtuple

from .process import preload

_HEADER = struct.Struct("<IIQqQQQ")
Record = namedtuple("Record", "kind names inode offset size time_ns data")


def recorded(folder, journal):
    """The environment that makes a tool keep a journal of what it does to the files of `folder`, an absolute path."""
    return preload("power_recorder", POWER_FOLDER=str(folder), POWER_JOURNAL=str(journal))


def read_journal(path):
    """All records that were written whole."""
    text = pathlib.Path(path).read_bytes() if os.path.exists(path) else b""
    records, at = [], 0
    while at + _HEADER.size <= len(text):
        kind, name_size, inode, offset, size, time_ns, data_size = _HEADER.unpack_from(text, at)
        end = at + _HEADER.size + name_size + data_size
        if end > len(text):
            break
        names = text[at + _HEADER.size:end - data_size].decode().split("\0")
        records.append(Record(chr(kind), names, inode, offset, size, time_ns, text[end - data_size:end]))
        at = end
    return records


class _File:
    def __init__(self, content=b""):
        self.synced, self.pending, self.mapped = bytearray(content), [], False

    def state(self, lives, sector, chance=None):
        """What is on the disk when of each pending piece of at most `sector` bytes lives() says whether it got there."""
        content, end = bytearray(self.synced), 0
        for record in self.pending:
            if record.kind == "T":
                if lives():
                    _resize(content, record.size)
                continue
            at, last = record.offset, record.offset + record.size
            end = max(end, last)
            while at < last:
                piece = min(last, (at // sector + 1) * sector) - at
                if lives():
                    _resize(content, max(len(content), at + piece))
                    content[at:at + piece] = record.data[at - record.offset:at - record.offset + piece]
                at += piece
        if chance and lives() and end > len(content):
            _resize(content, end)  # the new length got there, what belongs in it did not
        if chance and self.mapped:
            content[:] = chance.randbytes(len(content))
        return bytes(content)


def _resize(content, size):
    if size < len(content):
        del content[size:]
    else:
        content.extend(bytes(size - len(content)))


class Disk:
    """A folder's files: what is synced, and what is only pending. `syncs` False: a disk to which no sync means anything."""

    def __init__(self, folder, syncs=True):
        self._syncs = syncs
        self._files, self._names, self._pending = {}, {}, []
        for path in pathlib.Path(folder).iterdir():
            self._files[path.stat().st_ino] = self._names[path.name] = _File(path.read_bytes())

    def replay(self, records):
        for record in records:
            self._replay(record)
        return self

    def _replay(self, record):
        if record.kind == "C":
            self._files[record.inode] = _File()
        file = self._files.get(record.inode)
        if record.kind in "CRU":
            self._pending.append((record, file))
        elif record.kind in "WT":
            file.pending.append(record)
        elif record.kind == "M":
            file.mapped = True
        elif record.kind == "S" and self._syncs:
            file.synced = bytearray(file.state(lambda: True, 1 << 30))
            file.pending.clear()
        elif record.kind == "D" and self._syncs:
            self._names = self._named(lambda: True)
            self._pending.clear()

    def _named(self, lives):
        names = dict(self._names)
        for record, file in self._pending:
            if not lives():
                continue
            if record.kind == "R" and names.get(record.names[0]) is file:
                del names[record.names[0]]
            if record.kind == "U":
                names.pop(record.names[0], None)
            else:
                names[record.names[-1]] = file
        return names

    def differs(self, folder):
        """Why this is not what stands in the folder of a process that ended without a power cut; empty: it is."""
        real = {path.name: path.read_bytes() for path in pathlib.Path(folder).iterdir()}
        names = self._named(lambda: True)
        # Killed right after it made a file it had no time to note that.
        if {name for name, content in real.items() if content or name in names} != names.keys():
            return f"{sorted(real)} are there, {sorted(names)} should be"
        return " ".join(name for name, file in names.items()
                        if not file.mapped and file.state(lambda: True, 1 << 30) != real[name])

    def after_cut(self, folder, chance):
        """Writes one of the states that the disk may be in to `folder`, which must be empty."""
        shares = (0, 0, 0.1, 0.5, 0.9, 1)  # of what is pending, how much gets there
        of_data, of_names, sector = chance.choice(shares), chance.choice(shares), chance.choice((512, 4096))
        for name, file in self._named(lambda: chance.random() < of_names).items():
            content = file.state(lambda: chance.random() < of_data, sector, chance)
            (pathlib.Path(folder) / name).write_bytes(content)
        return f"{of_data} of the pending pieces of {sector} bytes and {of_names} of the pending names survive"


class Life:
    """What a process did until the power failed: `records` of it, bytes of input consumed, and the time of the cut."""

    def __init__(self, records, chance):
        consumed = [number for number, record in enumerate(records, 1) if record.kind == "X"]
        # Half of the cuts where they hurt most: right after something was consumed.
        if consumed and chance.random() < 0.5:
            self.cut = chance.choice(consumed)
        else:
            self.cut = chance.randint(0, len(records))
        self.records = records[:self.cut]
        self.consumed = sum(record.size for record in self.records if record.kind == "X")
        self.time_ns = self.records[-1].time_ns if self.records else 0


def _perhaps_done(records):
    """Killed at its last record, a process has done all, nothing or some pages of what that says."""
    yield records
    if not records:
        return
    *others, last = records
    yield others
    if last.kind == "W":
        for end in range((last.offset // 4096 + 1) * 4096, last.offset + last.size, 4096):
            size = end - last.offset
            yield [*others, last._replace(size=size, data=last.data[:size])]


def cut_power(before, folder, journal, chance):
    """A process that began on the disk `before` and has ended: the power failed at some moment of its life.

    Makes `folder` what it may be then. Returns the Life and, for people, what happened.
    """
    records = read_journal(journal)
    if all(copy.deepcopy(before).replay(done).differs(folder) for done in _perhaps_done(records)):
        raise AssertionError(f"the journal is not what was done: {copy.deepcopy(before).replay(records).differs(folder)}")
    life = Life(records, chance)
    for path in pathlib.Path(folder).iterdir():
        path.unlink()
    story = before.replay(life.records).after_cut(folder, chance)
    return life, f"cut after {life.cut} of {len(records)} records: {story}"
