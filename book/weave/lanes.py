"""Lanes: a recorded run of a few threads side by side, each step in the column of the thread that took it.

    python3 book/weave/lanes.py PROGRAM

plays, with the simulation PROGRAM, the schedule of every figure of the chapters that names one,

    ```{.lanes #fig-x src="x" scenario="park-two" schedule="A2-B4" caption="…" alt="…"}

and keeps what the port did in book/traces/lanes-x.json. A figure without a schedule is of an exhibit of the museum, which keeps
its trace itself (make museum TABLE=write). The chapter picks the steps that it tells: `B 12 | Its words.`
"""
import json
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
BOOK = HERE.parent
sys.path[:0] = [str(BOOK), str(HERE)]
import machine  # noqa: E402
import traces  # noqa: E402

FIGURE = re.compile(r"^```+ *\{\.lanes ([^\n]*)\}$", re.M)


def figures(texts):
    """The attributes of each lanes figure of these chapters."""
    return [dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', found)) for text in texts for found in FIGURE.findall(text)]


def kept(name):
    return BOOK / "traces" / f"lanes-{name}.json"


def told(trace):
    """A trace as it is kept: its steps, and its last line, the verdict."""
    steps = [{"step": number, **step} for number, step in sorted(traces.steps_of(trace).items())]
    verdict = [line for line in trace.splitlines() if line.strip() and not traces.LINE.match(line)][-1:]
    return "[\n" + ",\n".join(json.dumps(step, ensure_ascii=False) for step in [*steps, {"verdict": "".join(verdict).partition(": ")[2]}]) + "\n]\n"


def load(name):
    return json.loads(kept(name).read_text(encoding="utf-8")) if kept(name).is_file() else None


def acts(run):
    """Who did what at each step. Not the values: what a bug reads out of a dead frame is whatever lies there."""
    return [(step["step"], step["who"], step["did"].partition(",")[0], step["in"]) for step in run if "step" in step]


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print(__doc__.strip())
        return 0 if "--help" in sys.argv else 2
    for figure in figures(path.read_text(encoding="utf-8") for path in sorted(BOOK.glob("[0-9][0-9]-*.md"))):
        if "schedule" in figure:
            made = subprocess.run([sys.argv[1], "--replay", figure["scenario"], figure["schedule"]], capture_output=True, text=True)
            text = told(made.stdout)
            if made.returncode not in (0, 1) or '"who"' not in text:
                sys.exit(f"lanes: {figure['src']}: {figure['scenario']} {figure['schedule']} cannot be played: {(made.stderr or made.stdout).strip()[-300:]}")
            if '"in": "_' not in text:
                print(f"lanes: no names of functions (is addr2line there?): {figure['src']} stays as it is", file=sys.stderr)
            elif machine.write(kept(figure["src"]), text):
                print(f"lanes: {kept(figure['src']).relative_to(BOOK.parent)}")
    return 0


if __name__ == "__main__":
    sys.exit(machine.command("lanes", main))
