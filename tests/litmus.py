#!/usr/bin/env python3
"""Ask herd7, under the model of C11, whether each order of the port is strong enough, and whether less would do.

The ledgers of memory orders in the chapters say of each operation its order, the order that it needs at least, and with which
others it pairs (upstream-refs/orders.py reads them). Of each pair a test is made: one thread writes and goes through the first
operation, another through the second and reads; what was written must be read. What has a shape of its own stands in tests/litmus/*.litmus:
its tags say which operations are the port's. Each test runs with the orders of the ledger and with those that it calls
needed: the outcome must never come up. Then each needed order is taken away, one a twin: the outcome must come up.

herd7 is taken from the PATH, else from Debian's package herdtools7 in its suite unstable, unpacked under build/ with the C library that
it needs, through this machine's own apt configuration; the system is not touched.
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path += [str(ROOT / "upstream-refs"), str(ROOT / "book")]
import chapters  # noqa: E402
import fetch  # noqa: E402
import machine  # noqa: E402
import orders  # noqa: E402

PLACE = ROOT / "build/herd"
MEMORY_ORDER = re.compile(r"memory_order_\w+")
# How a test draws an operation that changes the word `x` from 0 to 1, and one that sees the 1: then r0 is 1.
RELEASES = {"store": "atomic_store_explicit(x, 1, memory_order_seq_cst);",
            "exchange": "int r9 = atomic_exchange_explicit(x, 1, memory_order_seq_cst);",
            "compare_exchange": "int r9 = atomic_compare_exchange_strong_explicit(x, zero, 1, memory_order_seq_cst, memory_order_seq_cst);",
            "add": "int r9 = atomic_fetch_add_explicit(x, 1, memory_order_seq_cst);"}
ACQUIRES = {"load": "int r0 = atomic_load_explicit(x, memory_order_seq_cst);",
            "exchange": "int r0 = atomic_exchange_explicit(x, 2, memory_order_seq_cst);",
            "compare_exchange": "int r0 = atomic_compare_exchange_strong_explicit(x, one, 2, memory_order_seq_cst, memory_order_seq_cst);",
            "add": "int r0 = atomic_fetch_add_explicit(x, 1, memory_order_seq_cst);"}
FAILS = ("int r8 = atomic_compare_exchange_strong_explicit(x, zero, 2, memory_order_seq_cst, memory_order_seq_cst);", "1:r8=0")
PAIR = """C {name}
{{ x=0; data=0; zero=0; one=1; }}
P0 (atomic_int* x, atomic_int* data, int* zero) {{
    atomic_store_explicit(data, 1, memory_order_relaxed);
    {writer} /* [{writer_tag}] */
}}
P1 (atomic_int* x, atomic_int* data, int* zero, int* one) {{
    {reader} /* [{reader_tag}] */
    int r1 = atomic_load_explicit(data, memory_order_relaxed);
}}
exists ({seen} /\\ 1:r1=0)
"""


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
    machine.write(file, text)
    ran = subprocess.run([*command, "-model", "rc11.cat", str(file)], capture_output=True, text=True)
    found = re.search(r"^Observation \S+ (\w+)", ran.stdout, re.MULTILINE)
    if not found:
        return f"herd7 does not take {file.relative_to(ROOT)}: {(ran.stderr or ran.stdout).strip()[:300]}"
    return found.group(1)


def pair_tests(rows):
    """(name, text, what is taken away) of a test for each pair of the ledgers, drawn with each operation that its rows name."""
    for writer, reader in orders.pairs(rows):
        for first in [operation for operation in writer.operations if operation in RELEASES]:
            for second, seen in [FAILS] if reader.fails else [(ACQUIRES[operation], "1:r0=1") for operation in reader.operations if operation in ACQUIRES]:
                name = f"{writer.tag}-{reader.tag}" + (f"-{first}" if len(writer.operations) > 1 else "")
                yield name, PAIR.format(name=name, writer=RELEASES[first], writer_tag=writer.tag, reader=second, reader_tag=reader.tag, seen=seen), \
                    [(writer, "release"), (reader, "acquire")]


def own_tests(rows):
    """The same of the tests in tests/litmus/: there, all that each of their operations needs is taken away in turn."""
    for file in orders.litmus_files():
        text = file.read_text(encoding="utf-8")
        yield file.stem, text, [(rows[tag], lost) for tag in tags_of(text) for lost in sorted(orders.GIVES[rows[tag].needed])]


def tags_of(text):
    return sorted({tag for *_, tags in orders.uses(text, orders.C11, orders.of_c11)[0] for tag in tags})


def with_orders(text, chosen):
    """The test with each tagged operation in the order that is chosen for its tag; without comments, which herd7 does not read."""
    code, _ = orders.blanked(text)
    lines = code.split("\n")
    found, _ = orders.uses(text, orders.C11, orders.of_c11)
    for first, last, _, _, tags in found:
        order = next((chosen[tag] for tag in tags if tag in chosen), None)
        if order is not None:
            named = iter([order, {"release": "relaxed", "acquire, release": "acquire"}.get(order, order)])    # the second: where an exchange fails
            for number in range(first - 1, last):
                lines[number] = MEMORY_ORDER.sub(lambda _: f"memory_order_{next(named).replace('acquire, release', 'acq_rel')}", lines[number])
    return "\n".join(line for line in lines if "thread_fence(memory_order_relaxed)" not in line)


def cases(text, taken, rows):
    """(what, the test, what herd7 must say): as the ledgers have it, as little as they say is needed, and each of that taken away."""
    tags = tags_of(text)
    yield "as the ledger has it", with_orders(text, {tag: rows[tag].order for tag in tags}), "Never"
    yield "as little as it needs", with_orders(text, {tag: rows[tag].needed for tag in tags}), "Never"
    for row, lost in taken:
        left = ", ".join(sorted(orders.GIVES[row.needed] - {lost})) or "relaxed"
        yield f"{row.tag} without {lost}", with_orders(text, {tag: rows[tag].order for tag in tags} | {row.tag: left}), "Sometimes"


def main():
    arg = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arg.add_argument("--if-possible", action="store_true", help="where herd7 cannot be had, say so and do not fail")
    opt = arg.parse_args()
    book = chapters.load()
    rows, findings = orders.ledgers(book)
    findings += orders.litmus_findings(rows)
    if findings:
        sys.exit("\n".join(findings) + f"\nlitmus: {len(findings)} things to mend before a test says anything")
    command = herd()
    if command is None:
        print("litmus: herd7 is not on this machine and could not be had from Debian's unstable; nothing was tested", file=sys.stderr)
        return 0 if opt.if_possible else 1
    tests = [*pair_tests(rows), *own_tests(rows)]
    passed = failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = [(name, what, wanted, pool.submit(observe, command, f"{name}.{number}", test))
                for name, text, taken in tests for number, (what, test, wanted) in enumerate(cases(text, taken, rows))]
        for name, what, wanted, job in jobs:
            good = job.result() == wanted
            passed, failed = passed + good, failed + (not good)
            print(f"{'ok  ' if good else 'FAIL'} {name:22} {what:24} {job.result()}{'' if good else f', should be {wanted}'}")
    print(f"litmus: {len(tests)} tests, {passed} verdicts as the ledgers say, {failed} not")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    try:
        machine.command("litmus", main)
    except chapters.Trap as trap:
        sys.exit("\n".join(f"{path}:{line}: {message}" for path, line, message in trap.findings))
