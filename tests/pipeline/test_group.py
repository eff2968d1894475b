"""Several backends that part one topic and write to one PostgreSQL: members of them are killed at random under load, and every batch is
stored once.

The seed of each run is printed; BLEPIPE_SEED repeats it.
"""
import contextlib
import pathlib
import signal
import tempfile
import unittest

from harness import (Broker, NatsCluster, Postgres, Tool, end_pipeline, flatten, make_batches, pipeline, positions, random_source,
                     wait_until)

RAW = "tfg/detections/raw"
CHUNK = 150  # batches of an agent before a kill, and after it
CONFIRMED = ("--confirm", "stored", "--confirm-timeout", "1")


class Backends(unittest.TestCase):
    WORDS = ()  # of each blesub

    @classmethod
    def setUpClass(cls):
        cls.server = Postgres(["fsync=off"])
        cls.addClassCleanup(cls.server.__exit__)
        cls.server.start()

    def setUp(self):
        self.random = random_source()
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.folder = pathlib.Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="blepipe-group-")))
        self.database = self.server.database(self._testMethodName[:60])
        self.members, self.senders, self.lines = {}, [], []
        self.addresses = self.start_broker()

    def start_broker(self):
        self.broker = self.stack.enter_context(Broker("max_inflight_messages 100\n"))
        return f"127.0.0.1:{self.broker.port}"

    def start(self, name, *words):
        """A member, or the same one again."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        pair = pipeline(self.stack, ["blesub", "--broker", self.addresses, *self.WORDS, *words],
                        ["bleingest", "--db", self.database.path], stdout=None, cwd=folder)
        self.members[name] = (pair, words)
        pair[0].wait_err("subscribed to")
        return pair

    def kill(self, name):
        pair, words = self.members.pop(name)
        self.random.choice(pair).signal(signal.SIGKILL)
        for tool in pair:
            if tool.running():
                tool.signal(signal.SIGCONT)
            tool.wait()
        return words

    def start_agents(self, count, *words):
        for number in range(count):
            sender = self.stack.enter_context(Tool("blesend", "--broker", self.addresses, "--spool", self.folder / f"spool-{number}", *words))
            self.senders.append(sender)

    def send(self, each):
        """So many batches more of each agent."""
        first = len(self.lines) // len(self.senders)
        for number, sender in enumerate(self.senders):
            lines = make_batches(each, f"pi-{number}", f"{number:016x}", first=first)
            self.lines += lines
            sender.write("".join(line + "\n" for line in lines))

    def send_and_see(self, stored, what="the others to go on"):
        """A chunk more, and so many more in the database."""
        before = self.database.count()
        self.send(CHUNK)
        wait_until(lambda: self.database.count() >= before + stored, what)

    def kill_at_random(self, names):
        """Each of these at a moment of chance; it comes back when the others have shown that they go on."""
        for name in names:
            self.send_and_see(self.random.randrange(len(self.senders) * CHUNK // 2), "some of it to be stored")
            words = self.kill(name)
            self.send_and_see(CHUNK // 2)
            self.start(name, *words)

    def end_agents(self):
        for sender in self.senders:
            sender.close_stdin()
        for sender in self.senders:
            self.assertEqual(sender.wait(), 0, sender.err)

    def check_all_is_stored_once(self):
        self.end_agents()
        self.database.wait_count(len(self.lines))
        for pair, _ in self.members.values():
            end_pipeline(pair)
        self.assertEqual(self.database.batches(), positions(self.lines))
        self.assertEqual(self.database.detections(), flatten(self.lines))
        self.assertEqual(self.database.gaps(), [])
        self.assertEqual(self.database.rows("SELECT sum(detections) FROM advertisers"), [(3 * len(self.lines),)])


class Group(Backends):
    WORDS = ("--share", "backends")
    NAMES = ("backend-1", "backend-2", "backend-3")

    def start_members(self, *words, sessions=True):
        for name in self.NAMES:
            self.start(name, *words, *(("--client-id", name) if sessions else ()))

    def some(self, kills):
        """Each of them once at least."""
        return [*self.random.sample(self.NAMES, len(self.NAMES)), *self.random.choices(self.NAMES, k=kills - len(self.NAMES))]

    def test_members_with_sessions_are_killed_and_come_back(self):
        self.start_members()
        self.start_agents(3)
        self.kill_at_random(self.some(6))
        self.check_all_is_stored_once()

    def test_by_mqtt_3_1_1_as_well_with_a_word_about_what_it_cannot_tell(self):
        self.start_members("--mqtt-version", "3.1.1")
        self.members["backend-1"][0][0].wait_err("does not say whether it has shared subscriptions")
        self.start_agents(2)
        self.kill_at_random(self.some(3))
        self.check_all_is_stored_once()

    def test_members_without_sessions_confirm_and_what_a_dead_one_had_goes_to_another(self):
        self.start_members("--confirm", sessions=False)
        self.start_agents(3, *CONFIRMED)
        self.kill_at_random(self.some(4))
        self.send(CHUNK)
        self.kill("backend-2")  # for ever
        self.check_all_is_stored_once()

    def test_what_waits_for_a_member_that_is_gone_for_ever_is_sent_again_and_stored_by_others(self):
        self.start_members("--confirm")
        self.start_agents(3, *CONFIRMED)
        self.send(CHUNK)
        self.kill("backend-2")
        self.send(CHUNK)
        self.end_agents()
        self.database.wait_count(len(self.lines))
        sub, _ = self.start("elsewhere", "--client-id", "backend-2")  # its session has them still
        wait_until(lambda: sub.stats()["out"] >= CHUNK, "what waits there")
        self.check_all_is_stored_once()

    def test_another_machine_takes_over_what_a_dead_member_had(self):
        self.start_members()
        self.members["backend-1"][0][1].signal(signal.SIGSTOP)
        self.start_agents(3)
        self.send(2 * CHUNK)
        self.end_agents()
        self.kill("backend-1")
        self.database.wait_count(len(self.lines) * 2 // 3)
        self.assertLess(self.database.count(), len(self.lines))
        self.start("elsewhere", "--client-id", "backend-1")
        self.check_all_is_stored_once()

    def test_while_no_member_is_left_the_senders_wait(self):
        self.start("one", "--confirm")
        self.start_agents(2, *CONFIRMED)
        self.send(CHUNK)
        self.database.wait_count(10)
        self.kill("one")
        self.send(CHUNK)
        self.senders[0].wait_err("nobody is subscribed")
        self.assertLess(self.database.count(), len(self.lines))
        self.start("one", "--confirm")
        self.check_all_is_stored_once()


class Shards(Backends):
    """A cluster whose MQTT knows no shared subscriptions; the load is parted by topics."""
    WORDS = ("--confirm", "--topic-device")
    PARTS = {"backend-1": "0-4", "backend-2": "5-9", "backend-3": "a-f"}

    def start_broker(self):
        self.cluster = self.stack.enter_context(NatsCluster())
        return self.cluster.addresses

    def begin(self):
        for name, shards in self.PARTS.items():
            self.start(name, "--client-id", name, "--shards", shards)
        self.cluster.wait_complete()
        self.start_agents(8, "--topic", RAW + "/{shard}/{device_id}", "--confirm", "stored", "--confirm-timeout", "3")

    def test_backends_and_a_node_are_killed(self):
        self.begin()
        self.kill_at_random(self.random.sample(sorted(self.PARTS), 2))
        node = self.random.choice(self.cluster.nodes)
        node.kill()
        self.send_and_see(CHUNK)
        node.start()
        self.check_all_is_stored_once()
        self.assertEqual(self.database.rows("SELECT DISTINCT sender FROM detection_log WHERE sender <> 'mqtt ' || device_id"), [])

    def test_another_takes_over_the_shards_of_one_that_is_gone_for_ever(self):
        self.begin()
        self.send(CHUNK)
        self.kill("backend-3")
        self.send(CHUNK)
        end_pipeline(self.members.pop("backend-1")[0])
        self.start("backend-1", "--client-id", "backend-1", "--shards", "0-4,a-f")
        self.check_all_is_stored_once()


if __name__ == "__main__":
    unittest.main()
