#!/usr/bin/env python3
"""Records what apache-otava finds in the histories of gatequality.

    go run ./bench/gatequality -histories | python3 bench/gatequality/recorded_otava.py > bench/gatequality/otava.json
"""

import importlib.metadata
import json
import sys

from otava.analysis import compute_change_points

points = {}
for line in sys.stdin:
    history = json.loads(line)
    found, _ = compute_change_points(history["values"])
    points.setdefault(history["kind"], []).append([int(p.index) for p in found])
json.dump({"version": importlib.metadata.version("apache-otava"), "points": points}, sys.stdout, separators=(",", ":"))
print()
