#!/usr/bin/env bash
# The generator's own tests (pytest).
/usr/bin/python3 -c 'import pytest' 2>/dev/null || exit 77
cd "$SOURCE" && APIGEN=$BUILD/bin/apigen PYTHONDONTWRITEBYTECODE=1 \
	exec /usr/bin/python3 -m pytest -q -p no:cacheprovider tests/unit/test_apigen.py
