"""What bash offers after a tab."""
import os
import subprocess
import unittest

from harness import source_path, tool_path


def offered(*words):
    """For a command line whose last word is being typed."""
    line = " ".join(f"'{word}'" for word in words)
    script = f"source '{source_path('completions', 'blepipe.bash')}'; COMP_WORDS=({line}) COMP_CWORD={len(words) - 1}; " \
             f"_blepipe {words[0]}; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    path = f"{os.path.dirname(tool_path('blescan'))}:{os.environ['PATH']}"
    run = subprocess.run(["bash", "-c", script], env={**os.environ, "PATH": path}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                         check=True)
    return run.stdout.split()


class Completion(unittest.TestCase):
    def test_options(self):
        self.assertEqual(offered("blesend", "--spool-"), ["--spool-max", "--spool-max-bytes"])
        self.assertEqual(offered("blesub", "--ho"), ["--host"])
        self.assertEqual(offered("blescan", "--versi"), ["--version"])

    def test_every_command_has_them(self):
        for tool in ("blescan", "blesend", "blesub", "blerecv", "bleingest", "bleexport", "blequery", "blews", "bletop"):
            self.assertEqual(offered(tool, "--run-f"), ["--run-for"], tool)

    def test_values(self):
        self.assertEqual(offered("blesend", "--mode", ""), ["mqtt", "http"])
        self.assertEqual(offered("blesend", "--mqtt-version", "a"), ["auto"])
        self.assertEqual(offered("blescan", "--source", "m"), ["monitor"])

    def test_words(self):
        self.assertEqual(offered("blequery", "pre"), ["presence"])
        self.assertEqual(offered("blequery", "--format", "c"), ["csv"])
        self.assertEqual(offered("blescan", "pre"), [])

    def test_nothing_where_a_file_is_wanted(self):
        self.assertEqual(offered("blesend", "--spool", "x"), [])
