#!/usr/bin/env python3
"""Ask herd7, under the model of C11, whether each order of the port that is weaker than sequential consistency is strong enough.

Each tests/litmus/*.litmus holds one shape of the port and an outcome that must never be. Its first lines name, one a line,
what to weaken: (* weaken TAG: old => new *). Every weakened twin must show the outcome, or the test could not have noticed.

herd7 is taken from the PATH, else from Debian's package herdtools7 in its suite unstable, unpacked under build/ with the C library that
it needs, through this machine's own apt configuration; the system is not touched.
"""
import argparse
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "upstream-refs"))
import fetch  # noqa: E402

PLACE = ROOT / "build/herd"
TWIN = re.compile(r"^\(\* weaken (.+?): (.+?) => (.*?) *\*\)$", re.MULTILINE)


def herd():
    """The command that runs herd7, or None."""
    if shutil.which("herd7"):
        return ["herd7"]
    root = fetch.packages(PLACE, "unstable", ["herdtools7", "libc6"], "litmus")
    loader = root and next(root.glob("usr/lib/*/ld-linux-*.so.2"), None)
    if loader is None:
        return None
    return [str(loader), "--library-path", str(loader.parent), str(root / "usr/bin/herd7"), "-set-libdir", str(root / "usr/share/herdtools7/herd")]


def observe(command, name, text):
    """Never, Sometimes or Always, as herd7 says."""
    file = PLACE / f"{name}.litmus"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    ran = subprocess.run([*command, "-model", "rc11.cat", str(file)], capture_output=True, text=True)
    found = re.search(r"^Observation \S+ (\w+)", ran.stdout, re.MULTILINE)
    if not found:
        sys.exit(f"litmus: herd7 does not take {name}: {(ran.stderr or ran.stdout).strip()[:300]}")
    return found.group(1)


def main():
    arg = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arg.add_argument("--if-possible", action="store_true", help="where herd7 cannot be had, say so and do not fail")
    opt = arg.parse_args()
    command = herd()
    if command is None:
        print("litmus: herd7 is not on this machine and could not be had from Debian's unstable; nothing was tested", file=sys.stderr)
        return 0 if opt.if_possible else 1
    passed = failed = 0
    for path in sorted((ROOT / "tests/litmus").glob("*.litmus")):
        text = path.read_text(encoding="utf-8")
        twins = TWIN.findall(text)
        body = "C" + text.split("\nC", 1)[1]
        cases = [("as it is", body, "Never")]
        for tag, old, new in twins:
            if old not in body:
                sys.exit(f"{path.relative_to(ROOT)}: weaken {tag}: {old!r} does not stand in the test")
            cases.append((f"weakened: {tag}", body.replace(old, new), "Sometimes"))
        if len(cases) == 1:
            sys.exit(f"{path.relative_to(ROOT)}: nothing is weakened: a test that cannot fail")
        for what, case, wanted in cases:
            seen = observe(command, path.stem, case)
            good = seen == wanted
            passed, failed = passed + good, failed + (not good)
            print(f"{'ok  ' if good else 'FAIL'} {path.stem:10} {what:34} {seen}{'' if good else f', should be {wanted}'}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("litmus: interrupted")
