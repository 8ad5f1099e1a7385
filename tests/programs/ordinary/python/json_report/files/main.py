import json
import sys
from collections import defaultdict
from statistics import mean, median

groups = defaultdict(list)
for order in json.load(sys.stdin)["orders"]:
    groups[order["city"]].append(sum(item["price"] * item.get("count", 1) for item in order["items"]))
report = {city: {"orders": len(sums), "mean": round(mean(sums), 2), "median": median(sums)} for city, sums in groups.items()}
print(json.dumps(report, indent=2, sort_keys=True, ensure_ascii=False))
