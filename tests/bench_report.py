"""The report of the bench: medians, ratios, goals, tables and plots out of the raw measurements."""
import csv
import statistics

FOREIGN = 0.10          # the share of others from which on a measurement is repeated
HIGHER = {"crowd"}      # works of which more is better; of all others less is
UNITS = {"uncontended": "ns", "crowd": "M/s", "alternate": "µs", "wait": "ms", "pass": "µs"}
BASE = "cpython-gil"


def load(path):
    """{(work, threads, section, gap): {peer: [row, …]}}, in the order in which they were measured."""
    cells = {}
    with open(path, encoding="utf-8") as file:
        for row in csv.DictReader(file):
            key = (row["work"], *(int(row[name]) for name in ("threads", "section", "gap")))
            cells.setdefault(key, {}).setdefault(row["peer"], []).append(row)
    return cells


def summary(rows):
    """(median, minimum, maximum, how many, whether clean) of one peer in one cell. Rounds with foreign load count only where there is no other."""
    clean = [row for row in rows if row["clean"] == "1"]
    values = [float(row["value"]) for row in clean or rows]
    return statistics.median(values), min(values), max(values), len(values), bool(clean)


def ratio(work, ours, theirs):
    """How many times as fast ours is as theirs; more than 1 is better, whatever the unit."""
    if not ours or not theirs:
        return float("nan")
    return ours / theirs if work in HIGHER else theirs / ours


def write(raw, facts, place):
    cells = {key: {peer: summary(rows) for peer, rows in peers.items()} for key, peers in load(raw).items()}
    lines = [f"Measured on {facts['at']}."]
    for key, peers in cells.items():
        lines.append(f"\n{key}")
        for peer, (median, low, high, n, clean) in sorted(peers.items(), key=lambda item: item[1][0]):
            base = peers.get(BASE)
            lines.append(f"    {peer:14} {median:10.4g} {UNITS.get(key[0], 'ns'):4} {low:10.4g} … {high:10.4g}  n={n}{'' if clean else ' *'}  "
                         f"{ratio(key[0], median, base and base[0]):6.2f}")
    (place / "bench.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
