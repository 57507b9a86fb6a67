"""The moving figures: recorded runs of the port, and how their steps are drawn.

    python3 book/weave/traces.py OUT.json PROGRAM [ARGUMENT …]

runs a recorder (tests/record_*.c, told in chapter 3 and appendix C) and keeps the steps that a reader can see. The weaver
calls frames() for the pictures: one SVG a step, all of the same parts in the same order, so that a script in the page can
move the parts of one picture from step to step.
"""
import html
import json
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import machine  # noqa: E402

PRINT_STYLE = ("<style>text{font-family:'Charis SIL';font-size:12px;fill:#23201c}.code{font-family:'JetBrains Mono'}.tiny{font-size:10px;fill:#68625a}"
               ".mid{text-anchor:middle}.end{text-anchor:end}.off{display:none}rect,ellipse,path{fill:#fff;stroke:#23201c;stroke-width:.8}"
               ".hot>rect,.hot>ellipse{fill:#f6dcc8}.cold>rect,.cold>ellipse{fill:#dce7f2}.used>rect,.used>ellipse{fill:#efe3c6}"
               ".note>rect,.note>ellipse{fill:#f3f1ea}.place>*{fill:none;stroke:#a19b91;stroke-dasharray:3 2}.acts>ellipse{stroke-width:2.2}</style>")


# Recording -----------------------------------------------------------------------------------------------------

LINE = re.compile(r"^ *(\d+) (.{9})(.{7}) (.{10}) (.{11}) (.{20}) ?(\w*)")
VERBS = {"exchanges": "exchange", "reads": "read", "writes": "write", "takes": "wait on", "touches": "work in the", "wakes from": "wake from", "posts": "post to", "clock": "read the clock"}


def steps_of(text):
    """{number: who took the step, what it was, and where} of a trace."""
    trace = {}
    for line in text.splitlines():
        found = LINE.match(line)
        if found:
            number, who, struck, verb, thing, values, where = (part.strip() for part in found.groups())
            did = {"TIMEOUT": "the time is over", "EINTR": "a signal", "LEAP": "read the clock: 2 ms have passed"}.get(struck) or VERBS.get(verb, verb)
            did += f" {thing}" if verb != "clock" and not struck else ""
            if thing == "a bucket":
                did = "lock the bucket" if values == "0 -> 1" else "unlock the bucket"
            elif values:
                bits = [f"{int(v):02b}" if thing == "mutex" else v for v in values.split(" -> ")]
                did += ", " + (" → ".join(bits) if len(bits) > 1 else f"still {bits[0]}")
            trace[int(number)] = {"who": who, "did": did, "in": where}
    return trace


def read_recording(text):
    """The steps of a recorder's output. Where a trace follows, each step is told who took it, what it was, and where."""
    trace = steps_of(text)
    return [dict(trace.get(step.get("step"), {}), **step) for step in map(json.loads, (line for line in text.splitlines() if line.startswith("{")))]


def visible(step):
    """What the figure shows of a step, falling asleep and the clock aside."""
    return (step["byte"], step["holder"], step["queue"], [told for _, told in step["threads"]],
            [state == "woken" for state, _ in step["threads"]], [state in ("asleep", "woken") for state, _ in step["threads"]])


def worth_showing(steps):
    """The steps after which the picture has changed. What the same thread does next and is only its own falling asleep, its
    end or the time of day goes with the step before."""
    out, before = [dict(steps[0], who="", did="", **{"in": ""})], steps[0]
    for step in steps[1:]:
        was, now = visible(before), visible(step)
        own = {ord(step["who"]) - 65}
        changed = {i for i, (a, b) in enumerate(zip(before["threads"], step["threads"])) if a != b}
        tail = was[:3] == now[:3] and changed <= own and all(
            step["threads"][i][0] == "done" or any(entry[0] == step["who"] for entry in step["queue"]) for i in changed)
        if was == now or tail and step["who"] == out[-1]["who"]:
            if step["who"] == out[-1]["who"] or not out[-1]["who"]:
                out[-1].update({key: step[key] for key in ("clock", "byte", "holder", "queue", "threads")})
        else:
            out.append(dict(step))
        before = step
    return out


def record(out, command):
    made = subprocess.run(command, capture_output=True, text=True)
    steps = read_recording(made.stdout)
    if made.returncode or not steps:
        raise SystemExit(f"traces: {' '.join(command)} recorded nothing: {(made.stderr or made.stdout).strip().splitlines()[-1:]}")
    if "threads" in steps[0]:
        if not steps[0].get("in") and not any(step.get("in") for step in steps):
            print(f"traces: no names of functions (is addr2line there?): {out} stays as it is", file=sys.stderr)
            return
        steps = worth_showing(steps)
    text = "[\n" + ",\n".join(json.dumps(step, ensure_ascii=False) for step in steps) + "\n]\n"
    if machine.write(out, text):
        print(f"traces: {out}")


# Drawing -------------------------------------------------------------------------------------------------------

def text(x, y, words, kind=""):
    return f'<text x="{x:g}" y="{y:g}"' + (f' class="{kind}"' if kind else "") + f">{html.escape(str(words))}</text>"


def rect(x, y, width, height):
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="2"/>'


def part(kind, x, y, *inside):
    """A piece of the picture that a script may move, recolour or rewrite."""
    return f'<g class="{kind}" transform="translate({x:g},{y:g})">{"".join(inside)}</g>'


def lock_frame(step):
    """A byte and its holder when there is one; a bucket's queue; the threads."""
    with_byte, threads = step["mutex"], step["threads"]
    left, parts = (138 if with_byte else 14), []
    if with_byte:
        parts += [text(40, 20, "byte", "tiny mid")]
        for i, bit in enumerate((2, 1)):
            on = bool(step["byte"] & bit)
            parts.append(part("bit " + ("free", "hot" if bit == 2 else "used")[on], 16 + 24 * i, 28, rect(0, 0, 24, 32), text(12, 21, int(on), "code mid")))
        parts += [text(28, 73, "P", "tiny mid"), text(52, 73, "L", "tiny mid"),
                  part("place", 100, 44, '<ellipse rx="17" ry="17"/>'), text(100, 76, "holds", "tiny mid")]
    parts += [part("place", left, 24, rect(0, 0, 306 - left, 42)), text(left + 2, 18, "queue of the bucket", "tiny"),
              part("clock", 306, 18, text(0, 0, f'{step["clock"]} ms', "tiny end code"))]
    queue = {entry.split()[0]: (i, entry.split()[1]) for i, entry in enumerate(step["queue"])}
    free_now = step["byte"] & 1 and not step["holder"]
    for i, (state, told) in enumerate(threads):
        name, seat = chr(65 + i), 30 + i * (300 / len(threads))
        x, y, says = seat, 100, told or ("" if state == "runs" else state)
        handed = with_byte and free_now and state in ("asleep", "woken") and name not in queue
        place = ""
        if name in queue:
            x, y, place = left + 22 + 40 * queue[name][0], 45, queue[name][1] if not with_byte else ""
        elif step["holder"] == name or handed:
            x, y = 100, 44
        elif state == "asleep":
            says = "taken out"
        says = f"{says}, owner" if handed else f"told: {told}" if "," in told or told == "nobody" else says
        says = f"{name}: {says}" if says and (x, y) != (seat, 100) else says
        kind = {"asleep": "cold", "woken": "note", "done": "free"}.get(state, "used" if step["holder"] == name else "free")
        acts = " acts" if name == step["who"] else ""
        parts += [part(f"chip {kind}{acts}", x, y, '<ellipse rx="13" ry="13"/>', text(0, 4, name, "mid"), text(16, 4, place, "tiny code")),
                  part("says", seat - 13, 127, text(0, 0, says, "tiny"))]
    return 320, 134, parts


def arena_frame(step):
    """The blocks, as far as they are given out; the piece that was just drawn; where the arena serves from."""
    blocks, before, scale, parts = step["blocks"], step["before"], 176 / 9008, []
    parts += [part("call", 12, 18, text(0, 0, step["call"], "code")), part("objects", 306, 18, text(0, 0, f'objects: {step["objects"]}', "tiny end"))]
    for i in range(step["most"]):
        y = 30 + 24 * i
        given, size = blocks[i] if i < len(blocks) else (0, 8192)
        kind = "off" if i >= len(blocks) else "free" if i == len(blocks) - 1 else "cold"
        was = before[i][0] if i < len(before) else 0
        parts += [part(f"block {kind}", 60, y, rect(0, 0, size * scale, 16)),
                  part(f"given {'off' if kind == 'off' else 'used'}", 60, y, rect(0, 0, max(given * scale, .01), 16)),
                  part(f"piece {'hot' if given > was else 'off'}", 60 + was * scale, y, rect(0, 0, max((given - was) * scale, 1.6), 16)),
                  part(f"count {'off' if kind == 'off' else ''}", 300, y + 12, text(0, 0, f"{given} of {size}", "tiny end"))]
    row = max(len(blocks) - 1, 0)
    parts += [part("head" if blocks else "head off", 12, 42, text(0, 0, "head", "tiny")),
              part("cur" if blocks else "cur off", 54, 42 + 24 * row, text(0, 0, "cur", "tiny end"))]
    return 320, 36 + 24 * step["most"], parts


def frames(steps):
    """For each step of a trace: what the chapter's line must begin with, the picture, and the line of the trace."""
    most = max(len(step.get("blocks", [])) for step in steps)
    mutex = any(step.get("byte") for step in steps)
    out = []
    for i, step in enumerate(steps):
        if "blocks" in step:
            width, height, parts = arena_frame(dict(step, most=most, before=steps[i - 1]["blocks"] if i else []))
            key, how, where = step["call"], "", ""
        else:
            width, height, parts = lock_frame(dict(step, mutex=mutex))
            queue = " ".join(entry.replace(" mutex", "").replace(" ", "") for entry in step["queue"])
            key = " ".join(filter(None, [step["who"] or "-", f'{step["byte"]:02b}' if mutex else "", queue]))
            how, where = step["did"], step["in"]
        out.append({"key": key, "how": how, "where": where, "width": width, "height": height, "svg": "".join(parts)})
    return out


def load(path):
    return frames(json.loads(path.read_text(encoding="utf-8")))


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] in ("-h", "--help"):
        print(__doc__.strip())
        sys.exit(0 if "--help" in sys.argv else 2)
    machine.command("traces", lambda: record(pathlib.Path(sys.argv[1]), sys.argv[2:]))
