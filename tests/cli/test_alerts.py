"""The alerts of examples/: promtool reads them, and each fires when it should and not before."""
import json
import re
import unittest

from harness import FolderTest, source_path
from harness.metrics import promtool

RULES = source_path("examples", "prometheus-alerts.yml")
PI = '{job="node",instance="pi:9100",exported_instance="blesend",tool="blesend"}'
BACKEND = '{job="node",instance="server:9100",exported_instance="bleingest",tool="bleingest"}'
DEVICE = BACKEND.replace("}", ',device_id="pi-1"}')


def series(name, labels, values):
    return {"series": name + labels, "values": values}


def of(labels, tool):
    return labels.replace('tool="blesend"', f'tool="{tool}"').replace('tool="bleingest"', f'tool="{tool}"')


def missing(values, reason="missing"):
    return series("blepipe_missing_batches_total", BACKEND.replace("}", f',reason="{reason}"}}'), values)


HEARD, WINDOW = "blepipe_device_last_received_timestamp_seconds", "blepipe_device_newest_window_timestamp_seconds"
# Minutes until it is looked; series (a value each minute; the time begins with 0 s) with which it fires; with which it does not.
CASES = {
    "BlepipePiSilent": [
        (60, [series(HEARD, DEVICE, "0+60x30 1800x40")], [series(HEARD, DEVICE, "0+60x120")]),
        # bleingest was started anew meanwhile, and knows nothing of it.
        (120, [series(HEARD, DEVICE, "0+60x30 _x100")], [series(HEARD, DEVICE, "0+60x110 _x10")]),
        (60, [series(HEARD, DEVICE, "0x61"), series(HEARD, DEVICE.replace("pi-1", "pi-2"), "0+60x61")], []),
    ],
    "BlepipePiBehind": [
        (120, [series(HEARD, DEVICE, "0+60x120"), series(WINDOW, DEVICE, "0x120")],
         [series(HEARD, DEVICE, "0+60x120"), series(WINDOW, DEVICE, "0+60x120")]),
        (120, [series(HEARD, DEVICE, "0+60x120"), series(WINDOW, DEVICE, "0x120")], [series(HEARD, DEVICE, "0x120"), series(WINDOW, DEVICE, "0x120")]),
    ],
    "BlepipeQueueGrows": [
        (40, [series("blepipe_queued", PI, "0+2x40"), series("blepipe_oldest_seconds", PI, "0+60x40")],
         [series("blepipe_queued", PI, "0+2x40"), series("blepipe_oldest_seconds", PI, "30x40")]),  # it is busy
        (40, [series("blepipe_queued", PI, "0+2x40"), series("blepipe_oldest_seconds", PI, "0+60x40")],
         [series("blepipe_queued", PI, "400-2x40"), series("blepipe_oldest_seconds", PI, "2000+0x40")]),  # it works off
    ],
    "BlepipeSpoolNearlyFull": [
        (20, [series("blepipe_queued", PI, "81x20"), series("blepipe_capacity", PI, "100x20")],
         [series("blepipe_queued", PI, "80x20"), series("blepipe_capacity", PI, "100x20")]),
    ],
    "BlepipeDropped": [(60, [series("blepipe_dropped_total", PI, "0x30 5x30")], [series("blepipe_dropped_total", PI, "5x60")]),
                       (60, [series("blepipe_dropped_total", of(PI, "blescan"), "0x30 5x30")], [series("blepipe_dropped_total", of(PI, "blews"), "0x30 5x30")])],
    "BlepipeGaps": [(60, [missing("0x30 3x30"), missing("0x60", "rejected")], [missing("3x60")])],
    "BlepipeRejected": [(60, [series("blepipe_rejected_total", BACKEND, "0x30 1x30")], [series("blepipe_rejected_total", of(PI, "blescan"), "0x30 1x30")])],
    "BlepipeConflicts": [(60, [series("blepipe_conflicts_total", BACKEND, "0x30 1x30")], [series("blepipe_conflicts_total", BACKEND, "0x60")])],
    "BlepipeClockUnsynced": [
        (40, [series("blepipe_device_clock_synchronised", DEVICE, "0x40")], [series("blepipe_device_clock_synchronised", DEVICE, "0x20 1x20")]),
        (40, [series("blepipe_clock_synchronised", of(PI, "blescan"), "0x40")], [series("blepipe_clock_synchronised", of(PI, "blescan"), "1x40")]),
    ],
    "BlepipeRadioSilent": [(30, [series("blepipe_radio_silence_seconds", of(PI, "blescan"), "0+60x30")], [series("blepipe_radio_silence_seconds", of(PI, "blescan"), "3x30")])],
    "BlepipeDisconnected": [(20, [series("blepipe_connected", PI, "1 0x20")], [series("blepipe_connected", PI, "0x5 1 0x5 1x20")])],
    "BlepipeToolGone": [
        (20, [series("up", '{job="blepipe",instance="server:8001"}', "1 0x20")], [series("up", '{job="blepipe",instance="server:8001"}', "1x20"), series("up", '{job="other",instance="x"}', "0x20")]),
        (20, [series("node_textfile_mtime_seconds", '{job="node",instance="pi:9100",file="/var/lib/node/blepipe-blesend.prom"}', "0+60x10 600x20")],
         [series("node_textfile_mtime_seconds", '{job="node",instance="pi:9100",file="/var/lib/node/blepipe-blesend.prom"}', "0+60x30"),
          series("node_textfile_mtime_seconds", '{job="node",instance="pi:9100",file="/var/lib/node/apt.prom"}', "0x30")]),
    ],
    "BlepipeRestarts": [(60, [series("blepipe_start_timestamp_seconds", PI, "0+300x60")], [series("blepipe_start_timestamp_seconds", PI, "0x30 1800x30")])],
}


class Alerts(FolderTest):
    def test_promtool_finds_no_fault(self):
        self.assertIn("13 rules found", promtool("check", "rules", RULES))
        promtool("check", "config", source_path("examples", "prometheus.yml"))

    def test_each_has_words_for_people_and_a_case_here(self):
        with open(RULES, encoding="utf-8") as file:
            rules = re.split(r"^ {6}- alert: ", file.read(), flags=re.M)[1:]
        self.assertEqual({rule.split("\n", 1)[0] for rule in rules}, set(CASES))
        for rule in rules:
            self.assertRegex(rule, r"\n +severity: (info|warning|critical)\n")
            self.assertRegex(rule, r"\n +summary: .+\n +description: .+\n")
            self.assertLessEqual(set(re.findall(r"\$labels\.(\w+)", rule)), {"instance", "tool", "device_id", "reason", "file"})

    def test_each_fires_when_it_should_and_only_then(self):
        tests = []
        for name, cases in CASES.items():
            for minutes, fires, is_quiet in cases:
                for input_series, count in ((fires, 1), (is_quiet, 0)):
                    samples = [{"labels": "{}", "value": count}] if count else []
                    expression = f'count(ALERTS{{alertname="{name}",alertstate="firing"}})'
                    tests.append({"interval": "1m", "input_series": input_series, "name": f"{name} {count}",
                                  "promql_expr_test": [{"expr": expression, "eval_time": f"{minutes}m", "exp_samples": samples}]})
        path = self.file("tests.yml", json.dumps({"rule_files": [RULES], "evaluation_interval": "1m", "tests": tests}))
        self.assertIn("SUCCESS", promtool("test", "rules", path))


if __name__ == "__main__":
    unittest.main()
