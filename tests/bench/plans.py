#!/usr/bin/python3
"""What every query looks at over 100,000 people and 5 million messages: the tests of tests/api/test_plans.py with --full.

usage: plans.py [PYTEST ARGUMENTS]

A farm is started and seeded for it, which takes some minutes.
"""
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

if "-h" in sys.argv or "--help" in sys.argv:
    print(__doc__)
    sys.exit()
os.chdir(ROOT)
os.execv(sys.executable, [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "--full", "tests/api/test_plans.py",
                          *sys.argv[1:]])
