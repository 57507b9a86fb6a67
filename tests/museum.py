#!/usr/bin/env python3
"""The museum: put known bugs into copies of the port, and see the simulation find every one.

The exhibits stand in tangle/simulation/museum.bugs (made from book/14-museum.md). For each one a copy of the file is
changed under build/museum/, the simulation is built with it, its scenario must fail as the exhibit says, and the schedule
that is reported must fail in the same way when it is replayed. Unchanged, the port must pass all scenarios.
An exhibit is of both policies, or of the one that it names; its lines are looked for in what that policy compiles.

  museum.py             run every exhibit (or those that are named), compare with the table in the chapter
  museum.py --write     and write that table
  museum.py --policy upstream   the same for CPython's policy (the table is of ours)
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "book"), str(ROOT / "book/weave")]
import lanes  # noqa: E402
import machine  # noqa: E402

BUGS = ROOT / "tangle/simulation/museum.bugs"
CHAPTER = ROOT / "book/14-museum.md"
BUILD = ROOT / "build/museum"
BEGIN, END = "<!-- written by: make museum TABLE=write -->", "<!-- end of what make museum wrote -->"
KEYS = {"bug", "what", "file", "in", "scenario", "build", "says", "define", "policy"}
FT = "-DPy_GIL_DISABLED=1"
APART = ("data", "explorer", "graph", "state", "threads", "trace")      # of tangle/simulation/, and simulate: what is no part of a state
PLAIN_STEPS = ("tangle/host/ceval.c", "tangle/pythread/thread_handle.c")    # as in simulation.mk


def of_make(name):
    """What tests/simulation.mk says of a build, so that the museum builds as it does."""
    text = (ROOT / "tests/simulation.mk").read_text(encoding="utf-8")
    return re.search(rf"^{name} *:= *(.*)$", text, re.M).group(1).split()


class Broken(Exception):
    """What is wrong with an exhibit, or with the run of it."""


class Bug:
    def __init__(self, line):
        self.line, self.hunk = line, []
        self.bug = self.what = self.file = self.scenario = self.says = self.define = self.policy = ""
        self.build = "gil"

    def __str__(self):
        return self.bug


def exhibits(path=BUGS):
    bugs = []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if line[0] in " +-":
            bugs[-1].hunk.append((line[0], line[1:]))
            continue
        key, _, value = line.partition(":")
        if key not in KEYS or not value.strip():
            raise Broken(f"{path.relative_to(ROOT)}:{number}: neither a line of a difference nor one of {', '.join(sorted(KEYS))}")
        if key == "bug":
            bugs.append(Bug(number))
        setattr(bugs[-1], "function" if key == "in" else key, value.strip())
    for bug in bugs:
        if not (bug.file and bug.scenario and bug.hunk):
            raise Broken(f"{path.relative_to(ROOT)}:{bug.line}: {bug}: an exhibit needs a file, a function, a scenario and a difference")
    if len({b.bug for b in bugs}) != len(bugs):
        raise Broken("two exhibits have one name")
    return bugs


def plain(line):
    """A line of C without its comments and spacing, so that neither is part of a comparison."""
    return re.sub(r"\s+", "", re.sub(r"/\*.*?\*/|//.*", "", line))


def code_lines(text):
    """(line number, bare text) of the lines that hold code; comments over several lines are none."""
    blank = re.sub(r"/\*.*?\*/", lambda m: "\n" * m.group().count("\n"), text, flags=re.S)
    return [(i, plain(line)) for i, line in enumerate(blank.split("\n")) if plain(line)]


def definitions(lines, name):
    """First and last lines of the function's definitions (there may be one for each side of an #if)."""
    for i, line in enumerate(lines):
        if re.match(rf"{re.escape(name)}\(", line):
            opens = next((k for k in range(i, len(lines)) if lines[k] == "{"), None)
            semicolon = next((k for k in range(i, len(lines)) if lines[k].rstrip().endswith(";")), len(lines))
            if opens is not None and opens < semicolon:
                yield i, next(k for k in range(opens, len(lines)) if lines[k] == "}")


def hunks_of(bug):
    hunks = [[]]
    for sign, line in bug.hunk:
        if sign == " " and line.strip() == "...":
            hunks.append([])
        else:
            hunks[-1].append((sign, line))
    return hunks


def fit(hunks, code):
    """Every way in which the hunks fit these lines, in order: lists of the indexes at which they start."""
    ways = [[]]
    for hunk in hunks:
        old = [plain(t) for s, t in hunk if s != "+"]
        ways = [way + [k] for way in ways for k in range(way[-1] + 1 if way else 0, len(code)) if old and [t for _, t in code[k:k + len(old)]] == old]
    return ways


def compiled(lines, policy):
    """The lines, those emptied that the policy does not compile."""
    out, nest = [], []          # of each open #if: whether it asks for the policy, and whether what follows is compiled
    for line in lines:
        word = line.split()
        if line.startswith("#if"):
            asks = word[1:] == ["GF_UPSTREAM_POLICY"]
            nest.append([asks, not asks or (word[0] == "#ifdef") == (policy == "upstream")])
        elif line.startswith("#else") and nest[-1][0]:
            nest[-1][1] = not nest[-1][1]
        out.append(line if all(kept for _, kept in nest) else "")
        if line.startswith("#endif"):
            nest.pop()
    return out


def apply(bug, text, policy="ours"):
    lines, hunks = text.split("\n"), hunks_of(bug)
    policy = bug.policy or policy
    ranges = list(definitions(compiled(lines, policy), bug.function))
    if not ranges:
        raise Broken(f"{bug}: {bug.file} has no function {bug.function}: mend the exhibit")
    code = [[(i, t) for i, t in code_lines("\n".join(compiled(lines, policy))) if first <= i <= last] for first, last in ranges]
    ways = [(part, way) for part in code for way in fit(hunks, part)]
    if len(ways) != 1:
        raise Broken(f"{bug}: the lines to change are found {len(ways)} times in {bug.function} of {bug.file}: mend the exhibit")
    part, way = ways[0]
    drop, insert = set(), {}
    for k, hunk in zip(way, hunks):
        before = part[k][0]
        for sign, line in hunk:
            if sign == "+":
                insert.setdefault(before, []).append(line)
                continue
            if sign == "-":
                drop.add(part[k][0])
            before = part[k][0] + 1
            k += 1
    out = []
    for i, line in enumerate(lines):
        out += insert.get(i, [])
        if i not in drop:
            out.append(line)
    return "\n".join(out)


def run(command, **more):
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", **more)


class Builder:
    """Compiles the simulation; the objects of the unchanged port are shared by all exhibits of one kind."""

    def __init__(self, cc, flags, place):
        self.cc, self.flags, self.place = cc, flags, place
        self.sources = [str(p.relative_to(ROOT)) for folder in ("tangle/pysync", "tangle/host", "tangle/simulation")
                        for p in sorted((ROOT / folder).glob("*.c"))] + ["tangle/pythread/thread_handle.c", "tests/scenarios.c", "tests/simulate.c"]

    def compile(self, source, out, kind, first=None):
        """`first` is a tree that is looked at before the port's own."""
        path = first / source if first and (first / source).is_file() else pathlib.Path(source)
        system = source.startswith("tangle/") and "/simulation/" not in source
        apart = source in {"tests/simulate.c", *(f"tangle/simulation/{name}.c" for name in APART)}
        options = [*self.flags, *of_make("SIM_FLAGS"), "-O2" if apart else "-O0", *kind, *(["-include", "tangle/simulation/system.h"] if system else []),
                   *(["-fsanitize=thread"] if source in PLAIN_STEPS and "-fsanitize=address" not in " ".join(self.flags) else [])]
        trees = [f"-I{first}/tangle"] if first else []
        done = run([*self.cc, *options, *trees, "-Itangle/simulation", "-Itangle", "-Itests", "-pthread", "-c", "-o", str(out), str(path)])
        if done.returncode:
            raise Broken(f"{source} does not compile:\n{done.stdout}")
        if not apart:
            run(["objcopy", *of_make("SIM_RENAME"), str(out)], check=True)

    def base(self, kind):
        folder = self.place / ("port" + "".join(re.sub(r"[^A-Za-z0-9]+", "-", k) for k in kind))
        if folder.is_dir():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda s: self.compile(s, folder / (s.replace("/", "-") + ".o"), kind), self.sources))
        self.link(folder, folder, [])
        return folder

    def link(self, folder, base, changed):
        objects = {s: base / (s.replace("/", "-") + ".o") for s in self.sources}
        objects.update({s: folder / (s.replace("/", "-") + ".o") for s in changed})
        done = run([*self.cc, *self.flags, *of_make("SIM_LINK"), "-pthread", "-o", str(folder / "simulate"), *map(str, objects.values())])
        if done.returncode:
            raise Broken(f"the simulation does not link:\n{done.stdout}")


def kind_of(bug):
    return tuple(([FT] if bug.build == "ft" else []) + ([f"-D{bug.define}"] if bug.define else []))


def show(builder, bug, bases, policy):
    """Build the bug, find it, replay it. Returns what the table says of it."""
    folder = builder.place / bug.bug
    if folder.is_dir():
        shutil.rmtree(folder)
    path = pathlib.Path("tangle") / bug.file
    (folder / path).parent.mkdir(parents=True)
    if not (ROOT / path).is_file():
        raise Broken(f"{bug}: there is no {path}: mend the exhibit")
    (folder / path).write_text(apply(bug, (ROOT / path).read_text(encoding="utf-8"), policy), encoding="utf-8")
    changed = [str(path)] if path.suffix == ".c" else [s for s in builder.sources if not s.startswith("tangle/simulation")]
    for source in changed:
        builder.compile(source, folder / (source.replace("/", "-") + ".o"), kind_of(bug), folder)
    builder.link(folder, bases[kind_of(bug)], changed)
    done = run([str(folder / "simulate"), bug.scenario], timeout=600)
    found = re.search(rf"^FAILED {re.escape(bug.scenario)}: (.*)\n  schedule: (\S+)\n  preemptions: (\d+)", done.stdout, re.M)
    if done.returncode == 0 or not found:
        raise Broken(f"{bug}: NOT FOUND by {bug.scenario}\n{done.stdout}")
    why, schedule, preemptions = found.groups()
    if bug.says not in why:
        raise Broken(f"{bug}: found, but says: {why} (and not: {bug.says})")
    again = run([str(folder / "simulate"), "--replay", bug.scenario, schedule], timeout=60)
    (folder / "trace.txt").write_text(again.stdout, encoding="utf-8")
    if again.returncode != 1 or again.stdout.rstrip().split("\n")[-1] != f"{bug.scenario}: {why}":
        raise Broken(f"{bug}: the schedule {schedule} does not fail in the same way when it is replayed:\n{again.stdout[-600:]}")
    tried = re.search(rf"^{re.escape(bug.scenario)}\s+\S+\s+\d+\s+\d+\s+(\d+)", done.stdout, re.M).group(1)
    steps = len(re.findall(r"^ *\d+ ", again.stdout, re.M))
    why = re.sub(r"^\S*?/?[^\s/]+:\d+: ", "", why).replace("|", "\\|")
    return {"tried": int(tried), "preemptions": int(preemptions), "steps": steps, "why": why, "schedule": schedule}


def table(rows):
    text = ["| Exhibit | What is wrong | Found by | After | Pre-emptions | Steps | Verdict |", "|---|---|---|---:|---:|---:|---|"]
    for bug, row in rows:
        text.append(f"| {bug} | {bug.what} | `{bug.scenario}` | {row['tried']:,} | {row['preemptions']} | {row['steps']} | `{row['why']}` |")
    return "\n".join(text)


def main():
    arg = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arg.add_argument("names", nargs="*", help="only these exhibits")
    arg.add_argument("--write", action="store_true", help="write the table into the chapter")
    arg.add_argument("--cc", default=os.environ.get("CC", "cc"))
    arg.add_argument("--flags", default="-std=c11 -D_GNU_SOURCE -O1 -g")
    arg.add_argument("--policy", choices=("ours", "upstream"), default="ours")
    opt = arg.parse_args()
    every = [b for b in exhibits() if b.policy in ("", opt.policy)]
    bugs = [b for b in every if not opt.names or b.bug in opt.names]
    unknown = set(opt.names) - {b.bug for b in bugs}
    if unknown or not bugs:
        sys.exit(f"museum: no exhibit {', '.join(sorted(unknown))}")
    builder = Builder(opt.cc.split(), opt.flags.split() + ["-DGF_UPSTREAM_POLICY"] * (opt.policy == "upstream"),
                      BUILD if opt.policy == "ours" else BUILD / "upstream")
    bases, rows, broken = {}, [], []
    for kind in sorted({kind_of(b) for b in bugs}):
        bases[kind] = builder.base(kind)
        wanted = [] if not opt.names else sorted({b.scenario for b in bugs if kind_of(b) == kind})
        done = run([str(bases[kind] / "simulate"), *wanted], timeout=1200)
        print(f"the port unchanged {' '.join(kind) or '(GIL)'}: {done.stdout.rstrip().splitlines()[-1]}", flush=True)
        if done.returncode:
            broken.append(f"the port, unchanged, does not pass:\n{done.stdout}")
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = [(bug, pool.submit(show, builder, bug, bases, opt.policy)) for bug in bugs]
        for bug, job in jobs:
            try:
                row = job.result()
            except Broken as error:
                broken.append(str(error))
                print(f"{bug.bug:22} {str(error).splitlines()[0]}", flush=True)
                continue
            except subprocess.TimeoutExpired:
                broken.append(f"{bug}: {bug.scenario} takes too long")
                continue
            rows.append((bug, row))
            print(f"{bug.bug:22} {bug.scenario:16} after {row['tried']:7,}, {row['preemptions']} preemptions, {row['steps']:3} steps: {row['why']}", flush=True)
    if opt.policy == "ours":
        broken += [error for bug, _ in rows for error in record(bug, opt.write)]
    for error in broken:
        print(f"museum: {error}", file=sys.stderr)
    if not opt.names and not broken and opt.policy == "ours":
        hang(table(rows), [b.bug for b in bugs], opt.write, broken)
    print(f"museum, POLICY={opt.policy}: {len(rows)} of {len(bugs)} bugs found")
    return 1 if broken else 0


def record(bug, write):
    """The trace of an exhibit that a figure of the book shows in lanes: keep it, or see that it is the one that is kept."""
    text = lanes.told((BUILD / bug.bug / "trace.txt").read_text(encoding="utf-8"))
    if not any(figure["src"] == bug.bug for figure in lanes.figures(path.read_text(encoding="utf-8") for path in CHAPTER.parent.glob("[0-9]*.md"))):
        return
    if write:
        machine.write(lanes.kept(bug.bug), text)
    elif lanes.acts(lanes.load(bug.bug) or []) != lanes.acts(json.loads(text)):
        yield f"{lanes.kept(bug.bug).relative_to(ROOT)} shows another run: make museum TABLE=write, and see that the figure still tells it"


def hang(text, names, write, broken):
    """The table of the chapter: write it, or see that it names the same exhibits."""
    chapter = CHAPTER.read_text(encoding="utf-8")
    before, _, rest = chapter.partition(BEGIN)
    middle, _, after = rest.partition(END)
    if not rest or not after:
        broken.append(f"{CHAPTER.name} has no place for the table ({BEGIN})")
    elif write:
        machine.write(CHAPTER, f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")
    elif re.findall(r"^\| (\S+) \|", middle, re.M)[1:] != names:
        broken.append(f"the table in {CHAPTER.name} does not name these exhibits: make museum TABLE=write")
        print(f"museum: {broken[-1]}", file=sys.stderr)


if __name__ == "__main__":
    try:
        machine.command("museum", main)
    except Broken as error:
        sys.exit(f"museum: {error}")
