"""A real Prometheus scrapes the tools as examples/prometheus.yml says; the alerts and the dashboard ask it for what there is."""
import json
import re
import unittest

from harness import Broker, FolderTest, Tool, make_batches, pipeline, source_path, wait_until
from harness.bluez import FakeBluez, HCI0, SystemBus
from harness.prometheus import NodeExporter, Prometheus

CONFIG, RULES, DASHBOARD = (source_path("examples", name) for name in ("prometheus.yml", "prometheus-alerts.yml", "grafana-dashboard.json"))
NOT_OURS = {"up", "node_textfile_mtime_seconds"}
_NAME = re.compile(r"\b(?:blepipe_[a-z_]+|node_[a-z_]+|up)\b")


def dashboard():
    with open(DASHBOARD, encoding="utf-8") as file:
        return json.load(file)


def rule_expressions():
    with open(RULES, encoding="utf-8") as file:
        text = file.read()
    return [re.sub(r"\s+", " ", found).strip() for found in re.findall(r"^ +expr: (?:>-\n)?((?:.|\n)*?)\n +(?:for|labels):", text, re.M)]


def panel_expressions():
    return [(panel["title"], target["expr"].replace("$__rate_interval", "1m")) for panel in dashboard()["panels"] for target in panel["targets"]]


class Dashboard(unittest.TestCase):
    def test_grafana_can_import_it(self):
        board = dashboard()
        panels = board["panels"]
        self.assertGreater(board["schemaVersion"], 30)
        self.assertEqual([(v["name"], v["type"], v["query"]) for v in board["templating"]["list"]], [("datasource", "datasource", "prometheus")])
        self.assertNotIn("id", board)  # Grafana gives it one
        ids = [panel["id"] for panel in panels]
        self.assertEqual(len(set(ids)), len(ids))
        titles = [panel["title"] for panel in panels]
        self.assertEqual(len(set(titles)), len(titles))
        for panel in panels:
            for part in (panel, *panel["targets"]):
                self.assertEqual(part["datasource"], {"type": "prometheus", "uid": "${datasource}"}, panel["title"])
            references = [target["refId"] for target in panel["targets"]]
            self.assertEqual(len(set(references)), len(references))
            self.assertTrue(panel["description"] and panel["targets"], panel["title"])

    def test_panels_stand_beside_each_other(self):
        taken = {}
        for panel in dashboard()["panels"]:
            place = panel["gridPos"]
            self.assertLessEqual(place["x"] + place["w"], 24, panel["title"])
            for x in range(place["x"], place["x"] + place["w"]):
                for y in range(place["y"], place["y"] + place["h"]):
                    self.assertNotIn((x, y), taken, f"{panel['title']} overlaps {taken.get((x, y))}")
                    taken[x, y] = panel["title"]
        width, height = (max(spot[i] for spot in taken) + 1 for i in (0, 1))
        self.assertEqual(len(taken), width * height, "there are holes")


class Watching(FolderTest):
    """Every command with its metrics: blerecv and blews go on serving theirs, the others have left their files."""

    def start(self, name, *words, **options):
        return self.enterContext(Tool(name, *words, cwd=self.folder, **options))

    def with_file(self, name, *words, file=None, **options):
        (self.folder / "metrics").mkdir(exist_ok=True)
        return self.start(name, "--metrics", self.folder / "metrics" / f"blepipe-{file or name}.prom", *words, **options)

    def ended(self, tool):
        if tool.running() and tool.stdin and not tool.stdin.closed:
            tool.close_stdin()
        self.assertEqual(tool.wait(), 0, tool.err)

    def servers(self):
        """Two that have taken batches: where they take them, and where they are scraped."""
        listen = ["--port", "0", "--metrics-listen", "127.0.0.1:0"]
        servers = pipeline(self, ["blerecv", *listen], ["blews", *listen], cwd=self.folder)
        for server in servers:
            server.wait_err("listening on ")
        taking = servers[0].err.split("listening on ", 1)[1].split()[0]
        return taking, [server.err.split("metrics at http://", 1)[1].split("/metrics", 1)[0] for server in servers]

    def enter_context(self, context):  # pipeline() wants a stack
        return self.enterContext(context)

    def leave_files(self, taking):
        lines = make_batches(5) + make_batches(1, first=9)  # three are missing
        text = "".join(line + "\n" for line in lines)
        broker = self.enterContext(Broker())
        subscriber = self.with_file("blesub", "--broker", "127.0.0.1", "--port", broker.port, "--count", len(lines))
        subscriber.wait_err("subscribed")
        for way, words in (("http", ["--url", taking]), ("mqtt", ["--broker", "127.0.0.1", "--port", broker.port])):
            sender = self.with_file("blesend", "--mode", way, *words, file=f"blesend-{way}")
            sender.write(text)
            self.ended(sender)
        subscriber.lines()
        self.ended(subscriber)
        store = self.with_file("bleingest", "--retain", "36500")
        store.write(text)
        self.ended(store)
        self.scan()

    def scan(self):
        bus = self.enterContext(SystemBus())
        fake = self.enterContext(FakeBluez(bus))
        fake.do("adapter", name="hci0", address=HCI0, powered=True)
        fake.do("own")
        scan = self.with_file("blescan", "--device-id", "pi-radio", "--window", "0.2", "--interval", "0", "--count", "1", "--deny", "name:x", env=bus.env)
        scan.lines()
        self.ended(scan)

    def scraped(self):
        taking, addresses = self.servers()
        self.leave_files(taking)
        node = self.enterContext(NodeExporter(self.folder / "metrics"))
        with open(CONFIG, encoding="utf-8") as file:
            config = file.read()
        for old, new in (("127.0.0.1:8001", addresses[0]), ("127.0.0.1:8766", addresses[1]), ("127.0.0.1:9100", node.address),
                         ("scrape_interval: 15s", "scrape_interval: 1s")):
            self.assertIn(old, config)
            config = config.replace(old, new)
        prometheus = self.enterContext(Prometheus(config, RULES))
        wait_until(lambda: len(prometheus.query("count_over_time(up[1m]) >= 3 and up == 1")) == 3, "three scrapes of three targets")
        return prometheus

    def test_what_the_alerts_and_the_dashboard_ask_for_is_there(self):
        prometheus = self.scraped()
        exported = {name for name in prometheus.get("label/__name__/values") if name.startswith("blepipe_")}
        for title, expression in panel_expressions():
            with self.subTest(panel=title):
                self.assertLessEqual(set(_NAME.findall(expression)), exported | NOT_OURS)
                self.assertTrue(prometheus.query(expression.removesuffix(" > 0")), expression)
                prometheus.query(expression)
        expressions = rule_expressions()
        self.assertEqual(len(expressions), 13)
        for expression in expressions:
            with self.subTest(rule=expression):
                self.assertTrue(_NAME.findall(expression))
                self.assertLessEqual(set(_NAME.findall(expression)), exported | NOT_OURS)
                prometheus.query(expression)
        with self.subTest("the instances are told apart"):
            self.assertEqual({labels["exported_instance"] for labels, _ in prometheus.query('blepipe_out_total{tool="blesend"} == 6')},
                             {"blepipe-blesend-http", "blepipe-blesend-mqtt"})
            self.assertEqual([value for _, value in prometheus.query('blepipe_out_total{tool="blerecv"}')], [6])
        with self.subTest("each metric is explained"):
            with open(source_path("man", "blepipe.7"), encoding="utf-8") as page:
                self.assertEqual(exported - set(re.findall(r"blepipe_[a-z_]+", page.read())), set())
        with self.subTest("Prometheus takes the rules"):
            rules = wait_until(lambda: [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]], "the rules")
            self.assertEqual({rule["health"] for rule in rules} - {"ok", "unknown"}, set())


if __name__ == "__main__":
    unittest.main()
