"""What `systemctl status` shows of each tool: where it stands, in words, and not only where it stood at its start."""
import os
import signal
import sqlite3
import unittest

from harness import Broker, FolderTest, HttpServer, Notify, Tool, free_port, make_batches
from harness.bluez import HCI0, LiveTest


def text_of(lines):
    return "".join(line + "\n" for line in lines)


class Status(FolderTest):
    def setUp(self):
        super().setUp()
        self.notify = self.enterContext(Notify())

    def start(self, name, *words, **options):
        return self.enterContext(Tool(name, *words, env=self.notify.env, cwd=self.folder, **options))

    def test_bleingest_tells_what_it_stored_and_what_it_waits_for(self):
        tool = self.start("bleingest", "--db", "b.db")
        tool.write(text_of(make_batches(2)) + "nonsense\n")
        self.notify.until("STATUS=storing into b.db; 2 batches stored, 1 lines set aside")
        lock = sqlite3.connect(self.folder / "b.db", isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")
        tool.write(text_of(make_batches(1, first=2)))
        self.assertIn("the input waits too, nothing is lost", self.notify.until("STATUS=waiting: ")[-1])
        lock.execute("ROLLBACK")
        lock.close()
        self.notify.until("STATUS=storing into b.db; 3 batches stored")  # and not "waiting" for ever

    def test_blesend_tells_what_waits_and_for_how_long(self):
        port = free_port()
        tool = self.start("blesend", "--mode", "http", "--url", f"http://127.0.0.1:{port}")
        tool.write(text_of(make_batches(2)))
        self.assertRegex(self.notify.until("; 0 delivered, 2 wait, the oldest for ")[-1], r"^STATUS=.*, next try in [0-9]+ s; ")
        with HttpServer() as server:
            there = self.start("blesend", "--mode", "http", "--url", server.url)
            there.write(text_of(make_batches(2)))
            self.notify.until(f"STATUS=connected to {server.url}; 2 delivered, none waits")

    def test_blesub_tells_what_it_handed_on_and_that_the_reader_stalls(self):
        with Broker() as broker:
            reading, writing = os.pipe()
            tool = self.start("blesub", "--broker", "127.0.0.1", "--port", broker.port, stdout=writing)
            os.close(writing)
            self.notify.until("STATUS=subscribed to ")
            with Tool("blesend", "--mode", "mqtt", "--broker", "127.0.0.1", "--port", broker.port) as sender:
                sender.write(text_of(make_batches(1)))
                sender.close_stdin()
                self.assertEqual(sender.wait(), 0, sender.err)
            self.notify.until("; 0 batches handed on; 1 wait for the reader, for ")
            os.read(reading, 100_000)
            self.notify.until(f"at 127.0.0.1:{broker.port}; 1 batches handed on")
            broker.stop()
            self.notify.until("next try in ")
            tool.signal(signal.SIGTERM)
            self.assertEqual(tool.wait(), 0, tool.err)
            os.close(reading)

    def test_blerecv_tells_what_it_took_and_that_the_reader_stalls(self):
        reading, writing = os.pipe()
        tool = self.start("blerecv", "--port", "0", stdout=writing)
        os.close(writing)
        tool.wait_err("listening on ")
        url = tool.err.split("listening on ", 1)[1].split()[0]
        sender = self.enterContext(Tool("blesend", "--mode", "http", "--url", url))
        sender.write(text_of(make_batches(1)))
        self.notify.until(f"STATUS=listening on {url}; 0 batches taken; 1 wait for the reader, for ")
        os.read(reading, 100_000)
        self.assertEqual(self.notify.until("1 batches taken")[-1], f"STATUS=listening on {url}; 1 batches taken")
        os.close(reading)

    def test_blews_tells_of_its_clients(self):
        tool = self.start("blews", "--port", "0")
        tool.write(text_of(make_batches(2)))
        self.notify.until("; 0 clients, 2 events")


class Radio(LiveTest):
    def test_blescan_tells_which_adapters_scan(self):
        notify = self.enterContext(Notify())
        fake = self.fake()
        tool = self.scan("--each", env=notify.env)
        notify.until("READY=1")
        self.hear(fake, tool, ManufacturerData={"65535": "01"})
        notify.until(f"STATUS=scanning hci0 ({HCI0}); 1 lines written")
        fake.do("remove", path="/org/bluez/hci0")
        notify.until("STATUS=waiting for an adapter that scans; 1 lines written")
        tool.signal(signal.SIGTERM)
        self.assertEqual(tool.wait(), 0, tool.err)


if __name__ == "__main__":
    unittest.main()
