"""What a run has shown: Markdown for the book, and the claims of its chapter held against the run."""
import datetime
import inspect
import json
import os
import pathlib
import platform
import re
import sys

import regress
from packages import ROOT, say
import machine

REPORTS = ROOT / "build/reports"
RESULTS = ROOT / "build/results/results.json"


def setting(made, root):
    """What dates a report: when, which CPython, whose compiler, on what machine."""
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    model = re.search(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    return (f"{now}. CPython {root.versions['libpython3.14-dev']} of {'Debian ' if root.apart else ''}{root.suite}; the port compiled by "
            f"{made['compiler']}. {model.group(1).strip() if model else platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}.")


def write(run):
    """graft-objects.md, graft-promises.md, graft-bugs.md; of the whole list graft.md, of the short one a sentence in graft-short.md."""
    pages = {"graft-objects.md": objects(run), "graft-promises.md": promises(run), "graft-bugs.md": bugs(run)}
    pages |= {"graft.md": tests(run)} if run["everything"] else {"graft-short.md": sentence(run)}
    for name, text in pages.items():
        machine.write(REPORTS / name, text + "\n")


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "|".join("---:" if h[0] == ">" else "---" for h in head).replace(">", "") + "|"]
    lines[0] = lines[0].replace(">", "")
    return "\n".join(lines + ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows])


def objects(run):
    rows = []
    for name, row in run["symbols"].items():
        only = [len(row[f"{what} only of {whose}"]) for what in ("exports", "imports") for whose in ("CPython's", "ours")]
        rows.append([f"`{name}`", row["exports"], row["imports"], *only, "linked" if name in run["members"]["graft"] else "not linked"])
    head = ["Object", ">Exports", ">Imports", ">Exports we lack", ">more than CPython's", ">Imports we lack", ">more than CPython's ", "CPython's own"]
    marks = "\n".join(f"    {mark[:-48]}…" for mark in run["inside"]["marks"])
    layouts = len(run["inside"]["port"])
    return (f"{run['setting']}\n\n{table(head, rows)}\n\nFound in the memory of the running interpreter:\n\n```text\n{marks}\n```\n\n"
            f"{layouts} sizes, places and numbers were compared between the port's headers and CPython's; "
            f"{sum(run['inside']['cpython'].get(k) != v for k, v in run['inside']['port'].items())} differ.")


def groups(files):
    """Files of one folder of tests together, in the order of the run."""
    found = {}
    for name, row in files.items():
        found.setdefault(name.split(".")[0], []).append(row)
    return found


def totals(rows, side):
    return [sum(column) for column in zip(*(regress.counts(row[side]) for row in rows))]


def verdict(run):
    """How the two sides compare, in a sentence."""
    lasting = sum(len(row["lasting"]) for row in run["files"].values())
    return (f"{lasting or 'Nothing'} fail{'' if lasting > 1 else 's'} grafted that passes on the baseline.")


def sentence(run):
    run_, passed, skipped, failed = totals(run["files"].values(), "graft")
    return (f"The short list: {run['setting']} {len(run['files'])} files; grafted, {run_:,} tests ran: {passed:,} passed, {skipped:,} were skipped, "
            f"{failed:,} failed. {verdict(run)}")


def tests(run):
    c_rows = [[variant, *regress.counts(cases)] for variant, cases in run["c_tests"].items()]
    rows = []
    for name, members in groups(run["files"]).items():
        label = f"`{name}`" + (f" ({len(members)} files)" if len(members) > 1 else "")
        rows.append([label, *totals(members, "baseline"), *totals(members, "graft")])
    rows.append([f"**all {len(run['files'])} files**", *totals(run["files"].values(), "baseline"), *totals(run["files"].values(), "graft")])
    numbers = [">run", ">passed", ">skipped", ">failed"]
    head = ["Tests", *(f">{n[1:]}" for n in numbers), *(f">grafted: {n[1:]}" for n in numbers)]
    text = [f"{run['setting']} {verdict(run)}",
            table(["C tests of `_testinternalcapi`", *numbers], [[f"`{v}`" if v not in ("baseline", "graft") else v, *r] for v, *r in c_rows]),
            table(head, rows), *notes(run)]
    if run["missing"]:
        text.append("Not in this suite's package: " + ", ".join(f"`{n}`" for n in run["missing"]) + ".")
    return "\n\n".join(text)


def notes(run):
    """What the totals do not show: cases that failed on both sides, and those that did not do the same each time."""
    out = []
    both = sorted(c if c != regress.WHOLE else name for name, row in run["files"].items()
                  for c, o in row["baseline"].items() if o == "failed" and row["graft"].get(c) == "failed")
    if both:
        out.append("Failed on both sides, for reasons of the machine: " + ", ".join(f"`{c.removeprefix('test.')}`" for c in both) + ".")
    for key, text in (("passing", "Failed grafted and passed when repeated"), ("unsteady", "Failed grafted twice, and on the baseline when that was repeated")):
        cases = sorted(c for row in run["files"].values() for c in row[key])
        if cases:
            out.append(f"{text}: " + ", ".join(f"`{c.removeprefix('test.')}`" for c in cases) + ".")
    for name, row in run["files"].items():
        for case, outcome in row["lasting"].items():
            out.append(f"**Passes on the baseline, grafted {outcome}**: `{case}` of `{name}`. {row['why']}")
    return out


def promises(run):
    rows = [[row["what"], row["form"].format(row["baseline"]), row["form"].format(row["graft"]), "yes" if row["kept"] else "**no**"] for row in run["promises"].values()]
    rounds = max(row["rounds"] for row in run["promises"].values())
    return f"{run['setting']} Medians of {rounds} rounds.\n\n" + table(["What", ">Baseline", ">Graft", "Kept"], rows)


def bugs(run):
    rows = [[b["bug"], b["what"], f"`{b['object']}`", f"`{b['test']}`" if b["test"] != "symbols" else "the comparison of symbols",
             f"`` {b['found'][0]} ``" + (f" and {len(b['found']) - 1} more" if len(b["found"]) > 1 else "") if b["found"] else "**not noticed**"]
            for b in run["seeded"]]
    return run["setting"] + "\n\n" + table(["Bug", "What is wrong", "In", "Test", "What it says"], rows)


def claims(run):
    """Hold the chapter's claims against the run; 1 when one does not hold. The marks go where the book looks for them."""
    import claims as chapter
    outcome = {}
    for name, check in inspect.getmembers(chapter, inspect.isfunction):
        if name.startswith("test_"):
            try:
                check(run)
                outcome[name] = "success"
            except Exception as error:      # a claim that cannot be asked does not hold
                outcome[name] = "failure"
                print(f"graft: {name}: {type(error).__name__}: {error}", file=sys.stderr)
    try:
        kept = json.loads(RESULTS.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        kept = {"configs": {}}
    kept["at"] = kept.get("at") or datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    kept["configs"]["graft"] = outcome
    machine.write(RESULTS, json.dumps(kept, indent=1))
    failed = list(outcome.values()).count("failure")
    for reason in run["c_reasons"]:
        say(reason)
    run_, passed, skipped, bad = totals(run["files"].values(), "graft")
    say(f"{len(run['files'])} files, {run_} tests grafted: {passed} passed, {skipped} skipped, {bad} failed. {verdict(run)}")
    say(f"{len(outcome) - failed} of {len(outcome)} claims hold; {run['seconds']} s")
    return 1 if failed or not outcome else 0
