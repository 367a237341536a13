#!/usr/bin/env bash
# The functions and the files of sql/ (pytest), in a cluster of their own.
/usr/bin/python3 -c 'import pytest, psycopg2' 2>/dev/null && [ -x /usr/lib/postgresql/15/bin/initdb ] || exit 77
cd "$SOURCE" && PYTHONDONTWRITEBYTECODE=1 exec /usr/bin/python3 -m pytest -q -p no:cacheprovider tests/unit/test_sql*.py
