"""The report of the bench: medians, ratios, verdicts on the goals, tables and plots, all of them out of the raw measurements."""
import csv
import io
import math
import re
import shutil
import statistics
import subprocess

import machine

FOREIGN = 0.10          # the share of others from which on a measurement is repeated
HIGHER = ("crowd", "timed")     # works, or how their names begin, of which more is better; of all others less is
UNITS = {"crowd": "M/s", "alternate": "µs", "pass": "µs", "wait": "ms", "start": "ns", "timed": "%", "latency": "ms", "poller": "ms", "due": "ms"}
DUE = {"poller": "attached poller", "due-equal": "one processor, equal priority", "due-idle": "one processor, `SCHED_IDLE`", "due-fifo": "one processor, lower `SCHED_FIFO`"}
BASE = "cpython-gil"    # what ratios are against
PORTS = ("port-gil", "port-ft")
RIVALS = ("cpython-gil", "cpython-ft", "parking-lot")
SHORT = {"cpython-gil": "CPython GIL", "cpython-ft": "CPython FT", "parking-lot": "parking_lot", "port-gil": "port GIL", "port-ft": "port FT",
         "upstream-gil": "up. GIL", "upstream-ft": "up. FT"}
COLOURS = {"port-ft": "#c65d21", "port-gil": "#a8842c", "cpython-ft": "#3d7fc4", "cpython-gil": "#2f9485", "parking-lot": "#8a6bd1", "pthread": "#8c8c8c"}


# ---- the arithmetic

def load(path):
    """{(work, threads, section, gap): {peer: [row, …]}}, in the order in which they were measured."""
    cells = {}
    with open(path, encoding="utf-8") as file:
        for number, row in enumerate(csv.DictReader(file), 2):
            try:
                float(row["value"])
                key = (row["work"], *(int(row[name]) for name in ("threads", "section", "gap")))
            except (KeyError, TypeError, ValueError):
                raise SystemExit(f"{path}:{number}: not a measurement; remove the line, or the file, and measure again") from None
            cells.setdefault(key, {}).setdefault(row["peer"], []).append(row)
    return cells


class Figure:
    """What all rounds say of one peer in one cell. Rounds with foreign load count only where there are no others, and then it says so."""

    def __init__(self, rows):
        clean = [row for row in rows if row["clean"] == "1"]
        values = [float(row["value"]) for row in clean or rows]
        self.median, self.low, self.high = statistics.median(values), min(values), max(values)
        self.rounds, self.clean = len(values), bool(clean)
        shares = [int(row["least"]) / int(row["most"]) for row in clean or rows if row["most"] not in ("", "0")]
        self.fairness = statistics.median(shares) if shares else None
        longest = [float(row["longest"]) for row in clean or rows if row.get("longest")]
        self.longest = max(longest, default=None)


def ratio(work, ours, theirs):
    """How many times as fast ours is as theirs: above 1 is better, whatever the unit. NaN when one of them is missing or nothing."""
    if not ours or not theirs or not ours.median or not theirs.median:
        return math.nan
    return ours.median / theirs.median if work.startswith(HIGHER) else theirs.median / ours.median


def unit(work):
    return UNITS.get(work.split("-")[0], "ns")


def mean_ratio(ratios):
    """The geometric mean, which does not care which of the two one divides by."""
    ratios = [r for r in ratios if not math.isnan(r)]
    return math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios else math.nan


# ---- the goals

# What is asked of the free-threaded build alone. The other one hands over and does not spin, as CPython's: its goal is to keep up with that.
NOT_OF_THE_GIL = ("Crowds: at least the best", "256 threads", "Alternation", "Longest wait of 8 threads")


def against(peers, port):
    """How many times as fast the port is, in one cell of the crowds, as the best of its rivals and as CPython's build of the same kind."""
    rivals = [ratio("crowd", peers[port], peers[rival]) for rival in RIVALS if rival in peers]
    return min(rivals, default=math.nan), ratio("crowd", peers[port], peers.get(port.replace("port", "cpython")))


def goals(cells, names):
    """{goal: {port: (figure, met)}}; a port is not there where it was not measured, and None where the goal does not ask it."""
    crowds = {key: peers for key, peers in cells.items() if key[0] == "crowd"}
    waits = {key: peers for key, peers in cells.items() if key[0] == "wait"}
    found = {}

    def say(goal, port, value, met):
        found.setdefault(goal, {})
        if value is not None:
            found[goal][port] = (value, met)

    def limit(goal, port, value, highest, form):
        say(goal, port, None if math.isnan(value) else form.format(value), value <= highest)

    def median(work, peer, *where):
        one = cells.get((work, *(where or (1, 0, 0))), {}).get(peer)
        return one.median if one else math.nan

    def worst_cell(ratios, worse, bound, form):
        """Of {cell: how many times}, the worst one in words, and how many lie beyond the bound."""
        if not ratios:
            return None, False
        where = worse(ratios, key=ratios.get)
        beyond = sum(r < bound if worse is min else r > bound for r in ratios.values())
        return f"{form} {ratios[where]:.2f} × ({where[1]}: {where[2]}/{where[3]}), beyond in {beyond} of {len(ratios)}", not beyond

    def each(work, twin_of):
        """{cell of the work: how many times as good as CPython's build of the same kind}"""
        found = {key: ratio(work, peers.get(twin_of), peers.get(twin_of.replace("port", "cpython"))) for key, peers in cells.items() if key[0].startswith(work)}
        return {key: r for key, r in found.items() if not math.isnan(r)}

    for port in PORTS:
        twin = port.replace("port", "cpython")
        limit("Alone: at most 1.05 × the limit", port, median("uncontended", port) / median("uncontended", "bare"), 1.05, "{:.2f} ×")
        best = [r for r in (against(peers, port)[0] for peers in crowds.values() if port in peers) if not math.isnan(r)]
        won = sum(r >= 1 for r in best)
        say("Crowds: at least the best of CPython's two builds and parking_lot in 80 % of the cells", port, f"in {won} of {len(best)}" if best else None, won >= 0.8 * len(best))
        say("Crowds: nowhere below 0.95 × CPython's build of the same kind", port, *worst_cell(each("crowd", port), min, 0.95, "least"))
        most = [ratio("crowd", peers[port], peers["parking-lot"]) for key, peers in crowds.items() if key[1] == 256 and port in peers and "parking-lot" in peers]
        say("256 threads: at least 0.9 × parking_lot", port, f"least {min(most):.2f} ×, mean {mean_ratio(most):.2f} ×" if most else None, bool(most) and min(most) >= 0.9)
        limit("Alternation: at most 0.4 µs", port, median("alternate", port, 2, 0, 0), 0.4, "{:.2f} µs")
        limit("Longest wait of 8 threads: at most 2 ms", port, median("wait", port, 8, 1000, 0), 2, "{:.2f} ms")
        longer = {key: 1 / r for key, r in each("wait", port).items() if key in waits and key[1] <= 64}
        say("Longest wait of up to 64 threads: at most 2 × CPython's build of the same kind", port, *worst_cell(longer, max, 2, "most"))
        share = {key: peers[port].median / peers[twin].median for key, peers in cells.items() if key[0] == "timed" and port in peers and twin in peers and peers[twin].median}
        say("Waits with a time limit: at least 0.95 × CPython's share in time", port, f"least {min(share.values()):.2f} ×" if share else None, bool(share) and min(share.values()) >= 0.95)
        late = each("latency", port)
        say("A wait beside a loop: at most 1.25 × CPython's", port, f"{1 / min(late.values()):.2f} ×" if late else None, bool(late) and 1 / min(late.values()) <= 1.25)
        due = {DUE[key[0]]: peers[port].median - peers[twin].median for key, peers in cells.items() if key[0] in DUE and port in peers and twin in peers}
        say("A waiter that is due: at most 1 ms later than CPython's", port, f"{max(due.values()):+.2f} ms ({max(due, key=due.get)})" if due else None, bool(due) and max(due.values()) <= 1)
        limit("1,000 waiters at one other address: at most 0.1 µs", port, median("bucket-same", port), 100, "{:.0f} ns")
        limit("1,000 waiters at 1,000 other addresses: at most 0.1 µs", port, median("bucket-other", port), 100, "{:.0f} ns")
        limit("Arena, warm: at most 0.55 × CPython's", port, median("arena-warm", port) / median("arena-warm", BASE), 0.55, "{:.2f} ×")
        limit("Start and join: at most 1.05 × raw pthreads", port, median("start", port) / median("start", "raw-thread"), 1.05, "{:.2f} ×")
    for goal in found:
        if goal.startswith(NOT_OF_THE_GIL):
            found[goal]["port-gil"] = None
    return found


def goal_table(verdicts):
    def cell(at, port):
        if port in at and at[port] is None:
            return "–"
        return f"{at[port][0]}: {'met' if at[port][1] else '**not met**'}" if port in at else "not measured"
    return table(["goal", *(SHORT[port] for port in PORTS)], [[goal, *(cell(at, port) for port in PORTS)] for goal, at in verdicts.items()], text=True)


def missed(cells, names):
    """What was missed, goal by goal; of the crowds the cells, and whether the spreads overlap."""
    verdicts = goals(cells, names)
    lines = [f"- {goal} ({SHORT[port]}): {at[port][0]}." + (" The cells: " + ", ".join(below(cells, goal, port)) + "." if goal.startswith("Crowds") else "")
             for goal, at in verdicts.items() for port in PORTS if at.get(port) and not at[port][1]]
    given = sum(1 for at in verdicts.values() for verdict in at.values() if verdict)
    return f"Of {given} goals {len(lines)} were missed." + ("" if not lines else " A cell in brackets is one in which the spreads of the two overlap.") + "\n\n" + "\n".join(lines) + "\n"


def below(cells, goal, port):
    """The cells of the crowds that are below a goal."""
    rivals, least = (RIVALS, 1) if "the best" in goal else ((port.replace("port", "cpython"),), 0.95)
    found = []
    for key, at in sorted(cells.items()):
        if key[0] == "crowd" or (key[0].startswith("crowd") and least < 1):
            best = max((at[rival] for rival in rivals if rival in at), key=lambda f: f.median, default=None)
            if port in at and best and at[port].median < least * best.median:
                text = f"{key[1]}: {key[2]}/{key[3]} {at[port].median / best.median:.2f} ×"
                found.append(f"({text})" if at[port].high >= best.low else text)
    return found


# ---- the ports beside CPython in a few figures

BESIDE = (("crowd", "work done"), ("wait", "the longest wait"))


def beside_cpython(cells):
    """{(port, what): {threads: how many times CPython's build of the same kind, the mean of all cells}}; of work more is better, of waits less."""
    found = {}
    for port in PORTS:
        twin = port.replace("port", "cpython")
        for work, what in BESIDE:
            for n in sorted({key[1] for key in cells if key[0] == work}):
                mean = mean_ratio([ratio("crowd", at.get(port), at.get(twin)) for key, at in cells.items() if key[:2] == (work, n)])
                if not math.isnan(mean):
                    found.setdefault((port, what), {})[n] = mean
    return found


def found(cells, pictures):
    """The same as a table, under its picture: what a chapter can begin with."""
    rows = beside_cpython(cells)
    sizes = sorted({n for row in rows.values() for n in row})
    if not sizes:
        return "No crowd was measured.\n"
    drawn = [f"![{caption}]({name})" for name, caption in pictures.get("found", [])]
    lines = [[f"{SHORT[port].removeprefix('port ')}: {what}", *(f"{row[n]:.2f}" if n in row else "–" for n in sizes)] for (port, what), row in rows.items()]
    return "\n\n".join([*drawn, table(["the port, times CPython; threads:", *map(str, sizes)], lines)])


# ---- the tables

def show(value):
    """Three digits that count."""
    if value is None or math.isnan(value):
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:.{max(0, 2 - int(math.floor(math.log10(value))))}f}" if value > 0.001 else "0"


def table(head, rows, text=False):
    align = ["---"] + ["---" if text else "--:"] * (len(head) - 1)
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, align, *rows]) + "\n"


def one_work(cells, key, names):
    """A table of one cell, the best first: median, least and most, how many times as fast as CPython."""
    peers = cells.get(key, {})
    scale, shown = (1e-3, "µs") if key[0] == "start" else (1, unit(key[0]))
    rows = [[names[peer], show(f.median * scale) + ("" if f.clean else " *"), f"{show(f.low * scale)} … {show(f.high * scale)}", show(ratio(key[0], f, peers.get(BASE)))]
            for peer, f in sorted(peers.items(), key=lambda item: item[1].median)]
    return table(["peer", shown, "least … most", "× CPython"], rows) if rows else ""


def crowd_means(cells, names):
    sizes = sorted({key[1] for key in cells if key[0] == "crowd"})
    peers = list(dict.fromkeys(peer for key, peers in cells.items() if key[0] == "crowd" for peer in peers))
    rows = []
    for peer in peers:
        means = [mean_ratio([ratio("crowd", at[peer], at.get(BASE)) for key, at in cells.items() if key[0] == "crowd" and key[1] == n and peer in at]) for n in sizes]
        fair = [at[peer].fairness for key, at in cells.items() if key[0] == "crowd" and key[1] == 8 and peer in at and at[peer].fairness is not None]
        rows.append((mean_ratio(means), [names[peer], *map(show, means), show(statistics.median(fair) if fair else None)]))
    rows.sort(key=lambda row: -row[0] if not math.isnan(row[0]) else 0)
    return table(["threads", *map(str, sizes), "least / most, 8 threads"], [row for _, row in rows])


def crowd_verdicts(cells):
    """Every cell of the crowds, and where it stands to the goals: what is below is bold."""
    def mark(value, least):
        return f"**{show(value)}**" if value < least else show(value)
    rows = []
    for key, at in sorted(cells.items()):
        if key[0] == "crowd" and any(port in at for port in PORTS):
            rows.append([f"{key[1]}: {key[2]}/{key[3]}"])
            for port in PORTS:
                best, twin = against(at, port) if port in at else (math.nan, math.nan)
                rows[-1] += [mark(best, 1 if port == "port-ft" else 0), mark(twin, 0.95)]
    return table(["threads: section/gap, ns", *(f"{SHORT[port]}{what}" for port in PORTS for what in (" / best", " / CPython"))], rows)


def wait_cells(cells):
    """The longest wait in every cell of the crowds, beside CPython's; bold is what is beyond the goal."""
    rows = []
    for key, at in sorted(cells.items()):
        if key[0] == "wait":
            rows.append([f"{key[1]}: {key[2]}/{key[3]}"])
            for port in PORTS:
                twin = port.replace("port", "cpython")
                times = 1 / ratio("wait", at.get(port), at.get(twin))
                shown = [show(at[peer].median) if peer in at else "–" for peer in (twin, port)] + [f"{times:.2f}" if not math.isnan(times) else "–"]
                rows[-1] += [*shown[:2], f"**{shown[2]}**" if times > 2 and key[1] <= 64 else shown[2]]
            rows[-1].append(show(at["parking-lot"].median) if "parking-lot" in at else "–")
    head = [f"{SHORT[port.replace('port', 'cpython')]} | {SHORT[port]} | ×" for port in PORTS]
    return table(["threads: section/gap, ns", *" | ".join(head).split(" | "), SHORT["parking-lot"]], rows)


def beside(cells, names, columns, show_one):
    """A table of some cells side by side, one row for each peer that has one of them. columns: {title: cell}."""
    present = {title: cells[key] for title, key in columns.items() if key in cells}
    peers = [peer for peer in names if any(peer in at for at in present.values())]
    return table(["peer", *present], [[names[peer], *(show_one(at[peer]) if peer in at else "–" for at in present.values())] for peer in peers])


def promises(cells, names, refused):
    """What a lock promises a waiter: shares in time, the wait beside a loop, waiters that are due."""
    keys = sorted(key for key in cells if key[0] == "timed")
    parts = []
    if keys:
        columns = {f"held {key[2] / 1e6:g} ms, limit {key[3] / 1e6:g} ms": key for key in keys}
        parts += ["**Waits with a time limit**: of the calls beside a thread that holds the lock again and again, how many in a hundred got it in time.",
                  beside(cells, names, columns, lambda f: show(f.median))]
    late = ("latency", 2, 2000000, 0)
    if late in cells:
        parts += ["**A wait beside a loop**: the lock is held for 2 ms, again and again; the median of the other thread's waits, and the longest of all rounds, in ms.",
                  table(["peer", "median", "longest"], [[names[peer], show(f.median), show(f.longest)] for peer, f in sorted(cells[late].items(), key=lambda one: one[1].median)])]
    due = {title: (work, 1, 0, 0) for work, title in DUE.items()}
    if any(key in cells for key in due.values()):
        def one(f):
            return f"> {math.floor(f.median / 1e3)} s" if f.median >= 1000 else show(f.median)
        parts += ["**A waiter that is due**: from the holder's unlock until the waiter has the lock, which the holder takes again and again; in ms."
                  + (f" Not measured, since this machine does not allow it: {', '.join(DUE[work] for work in refused)}." if refused else ""), beside(cells, names, due, one)]
    return parts


def more_crowds(cells, names):
    """Several locks, and turns that are counted out, of 8 threads."""
    columns = {"1 lock": ("crowd", 8, 50, 100), "2 locks": ("crowd-2-locks", 8, 50, 100), "4 locks": ("crowd-4-locks", 8, 50, 100),
               "10,000 turns, 50/100": ("crowd-10000-turns", 8, 50, 100), "10,000 turns, 1000/100": ("crowd-10000-turns", 8, 1000, 100)}
    if not any(key in cells for key in list(columns.values())[1:]):
        return []
    return ["**Several locks, and a number of turns**: 8 threads, sections of 50 ns and gaps of 100, that share one, two or four locks; and with 10,000 turns for each thread, "
            "timed until the last is through. Millions of acquisitions a second.", beside(cells, names, columns, lambda f: show(f.median))]


def policy_gains(cells):
    """What the policy alone gains: the same port with and without it, how many times as fast."""
    rows = []
    whole = [(f"crowd of {n}, mean of all cells", [key for key in cells if key[0] == "crowd" and key[1] == n]) for n in sorted({key[1] for key in cells if key[0] == "crowd"})]
    for title, keys in [("alone", [("uncontended", 1, 0, 0)]), *whole] + [(title, [key]) for title, key in (
            ("alternation", ("alternate", 2, 0, 0)), ("longest wait of 8 threads", ("wait", 8, 1000, 0)), ("passing the turn asleep", ("pass", 2, 0, 0)),
            ("1,000 waiters at one other address", ("bucket-same", 1, 0, 0)), ("1,000 waiters at 1,000 other addresses", ("bucket-other", 1, 0, 0)),
            ("1,000 waiters, the last one found", ("bucket-hit", 1, 0, 0)), ("arena, warm", ("arena-warm", 1, 0, 0)), ("arena, cold", ("arena-cold", 1, 0, 0)))]:
        gains = [mean_ratio([ratio(key[0], cells.get(key, {}).get(port), cells.get(key, {}).get(port.replace("port", "upstream"))) for key in keys]) for port in PORTS]
        if not all(map(math.isnan, gains)):
            rows.append([title, *map(show, gains)])
    return table(["× the port with upstream's policy", *(SHORT[port] for port in PORTS)], rows) if rows else ""


def crowd_cells(cells, names):
    columns = [peer for peer in (*RIVALS, *PORTS, "upstream-gil", "upstream-ft") if any(peer in at for key, at in cells.items() if key[0] == "crowd")]
    rows = []
    for key, at in sorted(cells.items()):
        if key[0] == "crowd":
            best = max(at, key=lambda peer: at[peer].median)
            rows.append([f"{key[1]}: {key[2]}/{key[3]}", *(f"{show(at[c].median)}{'' if at[c].clean else ' *'}" if c in at else "–" for c in columns),
                         f"{show(at[best].median)} {SHORT.get(best, names[best])}"])
    return table(["threads: section/gap, ns", *(SHORT[c] for c in columns), "best"], rows)


def write(raw, facts, place):
    """bench.md, bench-found.md, bench-missed.md, bench.csv and the plots."""
    cells = {key: {peer: Figure(rows) for peer, rows in peers.items()} for key, peers in load(raw).items()}
    names = facts["titles"]
    rows = io.StringIO(newline="")
    out = csv.writer(rows)
    out.writerow(["work", "threads", "section_ns", "gap_ns", "peer", "unit", "median", "least", "most", "rounds", "clean", "fairness", "times_cpython"])
    for key, peers in cells.items():
        for peer, f in peers.items():
            out.writerow([*key, peer, unit(key[0]), f"{f.median:.6g}", f"{f.low:.6g}", f"{f.high:.6g}", f.rounds, int(f.clean),
                          "" if f.fairness is None else f"{f.fairness:.4f}", f"{ratio(key[0], f, peers.get(BASE)):.4f}"])
    machine.write(place / "bench.csv", rows.getvalue())
    pictures = plots(cells, names, place)
    machine.write(place / "bench.md", text(cells, names, facts, pictures))
    machine.write(place / "bench-missed.md", missed(cells, names))
    machine.write(place / "bench-found.md", found(cells, pictures))


def text(cells, names, facts, pictures):
    m = facts["machine"]
    rounds = max(f.rounds for peers in cells.values() for f in peers.values())
    unclean = sum(not f.clean for peers in cells.values() for f in peers.values())
    parts = [f"Measured on {facts['at']}: {m['processor']}, {m['cores']} cores{m['virtual']}, {m['kernel']}, {m['compiler']}; "
             f"{rounds} rounds, every peer once in each, in an order drawn anew." + (" A quick run: fewer cells, fewer rounds." if facts["quick"] else "")
             + (f" A star marks {unclean} figures of which every round had foreign load." if unclean else "")]
    if facts["missing"]:
        parts.append("Not to be had here: " + "; ".join(f"{names[name]} ({why})" for name, why in facts["missing"].items()) + ".")
    verdicts = goals(cells, names)
    given = [verdict[1] for at in verdicts.values() for verdict in at.values() if verdict]
    parts += [f"**The goals**: {sum(given)} of {len(given)} met. They are asked of the port's build with the GIL and of the free-threaded one (FT), four of "
              "them of the latter alone.", goal_table(verdicts)]
    gains = policy_gains(cells)
    if gains:
        parts += ["**What the policies alone gain**: how many times as fast the port is as the same port built with `POLICY=upstream` (above 1 is a gain; GIL and FT are "
                  "the builds with the GIL and free-threaded).", gains]
    parts += ["**Alone**: lock and unlock, nobody else there.", one_work(cells, ("uncontended", 1, 0, 0), names)]
    def drawn(work):
        return [f"![{caption}]({name})" for name, caption in pictures.get(work, [])]
    parts += drawn("crowd")
    if any(key[0] == "crowd" for key in cells):
        parts += ["**Crowds**: how many times as fast as CPython's GIL build, as the geometric mean over all sections and gaps; and, with 8 threads, how often the "
                  "unluckiest thread got the lock compared with the luckiest (median of the cells; 1 is fair).", crowd_means(cells, names),
                  "**Crowds and the goals, cell by cell**: how many times as fast as the best of CPython's two builds and parking_lot, and as CPython's build of the "
                  "same kind. Bold is what is below the goal: 1 and 0.95.", crowd_verdicts(cells),
                  "**Crowds, cell by cell**: millions of acquisitions a second; *up.* is the port with upstream's policy, *best* the best of all peers.", crowd_cells(cells, names)]
    parts += more_crowds(cells, names)
    if any(key[0] == "wait" for key in cells):
        parts += ["**The longest wait, cell by cell**: in ms, the median of the rounds' longest; × is how many times as long as CPython's. Bold is what is beyond the goal: 2, with up to "
                  "64 threads.", wait_cells(cells)]
    parts += promises(cells, names, facts["refused"])
    for title, key in (("**Alternation**: one turn of two threads", ("alternate", 2, 0, 0)),
                       ("**The longest wait**: 8 threads, sections of 1 µs, no gap; the worst of each round", ("wait", 8, 1000, 0)),
                       ("**Passing the turn asleep**: one sleep and one wake-up, to the other core", ("pass", 2, 0, 0)),
                       ("**A full bucket, one address**: an unpark that finds nobody, among 1,000 waiters at one other address", ("bucket-same", 1, 0, 0)),
                       ("**A full bucket, a thousand addresses**: the same among 1,000 waiters at as many addresses", ("bucket-other", 1, 0, 0)),
                       ("**A full bucket, the last one in it**: until the last who came is found", ("bucket-hit", 1, 0, 0)),
                       ("**Arena, warm**: one node", ("arena-warm", 1, 0, 0)), ("**Arena, cold**: one node, page faults included", ("arena-cold", 1, 0, 0)),
                       ("**A thread**: start and join", ("start", 1, 0, 0)), ("**24 random bytes**", ("urandom", 1, 0, 0)),
                       ("**A hash of 8 bytes**", ("hash-8", 1, 0, 0)), ("**of 64 bytes**", ("hash-64", 1, 0, 0)), ("**of 4,096 bytes**", ("hash-4096", 1, 0, 0))):
        if key in cells:
            parts += [title + ".", *drawn(key[0]), one_work(cells, key, names)]
    parts += ["**The peers** and what they are.", table(["peer", "version"], [[names[peer], version or "this book's"] for peer, version in facts["peers"].items()], text=True)]
    return "\n\n".join(part.rstrip("\n") for part in parts if part) + "\n"


# ---- the plots

BARS = {("alternate", 2, 0, 0): "One turn of two threads; medians, with the least and the most of the rounds.",
        ("arena-warm", 1, 0, 0): "One node drawn from a warm arena, its share of the arena's end included; medians, with the least and the most of the rounds."}


def gnuplot(script, path, height):
    """A plot as SVG, whose black is the colour of the text around it, so that it can be read in light and in dark."""
    svg = subprocess.run(["gnuplot"], input=f'set terminal svg size 760,{height} font "sans-serif,13" linewidth 1.4\n' + script, text=True, check=True, stdout=subprocess.PIPE).stdout
    svg = re.sub(r"<title>Gnuplot</title>\s*<desc>.*?</desc>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"\b(?:black|rgb\( *0, *0, *0\))", "currentColor", svg).replace('fill="#ffffff"', 'fill="none"')
    machine.write(path, svg)


def plain(text):
    """Text in which gnuplot sees no markup."""
    return text.replace("_", r"\\_")


def crowd_plot(cells, names, place):
    crowds = {key: peers for key, peers in cells.items() if key[0] == "crowd"}
    sizes = sorted({key[1] for key in crowds})
    if len(sizes) < 2:
        return []
    gaps = sorted({key[3] for key in crowds})
    gap, sections = gaps[len(gaps) // 2], sorted({key[2] for key in crowds})
    peers = [peer for peer in COLOURS if any(peer in at for at in crowds.values())]
    script = [f"set multiplot layout 1,{len(sections)}", "unset key", "set logscale x 2", "set border 3", "set xtics nomirror", "set ytics nomirror",
              f"set xtics ({', '.join(str(n) for n in sizes)})", f"set xrange [{sizes[0] * 0.85}:{sizes[-1] * 1.2}]", "set yrange [0:*]", "set lmargin 5", "set tmargin 5.5", "set bmargin 3.5", 'set xlabel "threads"']
    for i, peer in enumerate(peers):        # the legend, in rows of three above all panels
        x, y = 0.06 + 0.32 * (i % 3), 0.96 - 0.07 * (i // 3)
        script.append(f'set label "{plain(names[peer])}" at screen {x},{y} point pt 7 ps 0.7 lc rgb "{COLOURS[peer]}" offset 1,-0.25')
    for i, section in enumerate(sections):
        script.append("unset label" if i == 1 else "")
        script.append(f'set title "sections of {section} ns"')
        lines = []
        for peer in peers:
            script.append(f"$d{i}_{peer.replace('-', '_')} << E\n" + "\n".join(
                f"{n} {crowds[key][peer].median}" for n in sizes if (key := ("crowd", n, section, gap)) in crowds and peer in crowds[key]) + "\nE")
            lines.append(f'$d{i}_{peer.replace("-", "_")} using 1:2 with linespoints pt 7 ps 0.5 lc rgb "{COLOURS[peer]}"')
        script.append("plot " + ", ".join(lines))
    gnuplot("\n".join(script) + "\nunset multiplot\n", place / "bench-crowd.svg", 330)
    return [("bench-crowd.svg", f"Millions of acquisitions a second as threads grow in number, with gaps of {gap} ns; medians.")]


def found_plot(cells, place):
    """The ports beside CPython: a line for the work of each build and one for its longest waits, as threads grow in number."""
    rows = beside_cpython(cells)
    sizes = sorted({n for row in rows.values() for n in row})
    if len(sizes) < 2:
        return []
    script = ["set key outside right center Left reverse", "set logscale xy 2", "set border 3", "set xtics nomirror", "set ytics nomirror (0.25, 0.5, 1, 2, 4)",
              f"set xtics ({', '.join(map(str, sizes))})", f"set xrange [{sizes[0] * 0.85}:{sizes[-1] * 1.2}]", "set yrange [*<0.4:2.6<*]", 'set xlabel "threads"',
              'set ylabel "times CPython"', "set arrow from graph 0, first 1 to graph 1, first 1 nohead lw 0.5 lc rgb 'black'"]
    lines = []
    for (port, what), row in rows.items():
        block = f"$d_{port.replace('-', '_')}_{what.split()[-1]}"
        script.append(f"{block} << E\n" + "\n".join(f"{n} {value}" for n, value in row.items()) + "\nE")
        lines.append(f'{block} using 1:2 with linespoints pt {7 if what == BESIDE[0][1] else 6} ps 0.6 dt {1 if what == BESIDE[0][1] else 2} '
                     f'lc rgb "{COLOURS[port]}" title "{SHORT[port].removeprefix("port ")}: {what}"')
    gnuplot("\n".join(script) + "\nplot " + ", ".join(lines) + "\n", place / "bench-found.svg", 260)
    return [("bench-found.svg", "The port beside CPython's build of the same kind, as threads grow in number: work done, of which more is better, and the longest wait, of which less is.")]


def bars(figures, names, unit, path):
    """One bar for each peer, the best above, with the least and the most of the rounds."""
    order = sorted(figures, key=lambda peer: -figures[peer].median)
    labels = ", ".join(f'"{plain(names[peer])}" {i}' for i, peer in enumerate(order))
    data = "\n".join(f"{f.median} {i} {f.low} {f.high} {int(COLOURS.get(peer, '#9a9a9a')[1:], 16)}" for i, peer in enumerate(order) for f in [figures[peer]])
    gnuplot(f"""set border 1
unset key
set ytics ({labels}) scale 0
set xtics nomirror
set xlabel "{unit}"
set xrange [0:*]
set yrange [-0.6:{len(order) - 0.4}]
set style fill solid
$d << E
{data}
E
plot $d using 1:2:(0):1:($2-0.32):($2+0.32):5 with boxxyerror lc rgb variable, $d using 3:2:($4-$3):(0) with vectors nohead lc black
""", path, 70 + 24 * len(order))


def plots(cells, names, place):
    """{work: [(file, caption)]}; without gnuplot there are none, and the tables say the same."""
    for old in place.glob("bench-*.svg"):
        old.unlink()
    if shutil.which("gnuplot") is None:
        return {}
    pictures = {"crowd": crowd_plot(cells, names, place), "found": found_plot(cells, place)}
    for key, caption in BARS.items():
        if len(cells.get(key, {})) > 1:
            bars(cells[key], names, unit(key[0]), place / f"bench-{key[0]}.svg")
            pictures[key[0]] = [(f"bench-{key[0]}.svg", caption)]
    return pictures
