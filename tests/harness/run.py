"""Runs one file of unittest tests. Fails when the file has no tests or skips one: nothing is skipped in silence."""
import importlib.util
import sys
import unittest

path = sys.argv[1]
spec = importlib.util.spec_from_file_location("tests_under_run", path)
module = importlib.util.module_from_spec(spec)
sys.modules["tests_under_run"] = module
spec.loader.exec_module(module)
suite = unittest.defaultTestLoader.loadTestsFromModule(module)
if len(sys.argv) > 2:
    suite = unittest.defaultTestLoader.loadTestsFromNames(sys.argv[2:], module)
result = unittest.TextTestRunner(verbosity=2).run(suite)
if result.testsRun == 0:
    sys.exit(f"{path}: no tests")
if result.skipped:
    sys.exit(f"{path}: {len(result.skipped)} tests skipped")
sys.exit(0 if result.wasSuccessful() else 1)
