"""Claims of the book, chapter 21: each is held against what a run of the graft has found (tests/graft/graft.py)."""
import build
import regress


ADAPTER = {"host_pyhash_state", "host_threads", "host_thread_is_attached", "host_stacksize", "host_set_stacksize",
           "host_thread_info", "host_forget_thread_info", "host_head_lock", "host_head_unlock", "PyThread_ParseTimeoutArg"}


def test_the_adapter(run):
    made = {name for source, names in run["ours"].items() if source in ("graft/accessors.c", "graft/threads.c") for name in names}
    assert made == ADAPTER, made ^ ADAPTER                          # interpreter_of is theirs alone
    assert run["ours"]["graft/timeouts.c"] == ["graft_check_timeout"], run["ours"]
    assert run["ours"]["graft/blake2.c"] == ["PyInit__blake2"], run["ours"]    # digest, blake2b, blake2s: static
    baseline, graft = run["adapter"]["baseline"], run["adapter"]["graft"]
    assert len(baseline) >= 20 and set(baseline) == set(graft)
    differ = {what: (baseline[what], graft[what]) for what in baseline if baseline[what] != graft[what]}
    assert not differ, differ


def test_names_fit(run):
    assert list(run["symbols"]) == list(build.OBJECTS)
    assert all(row["exports"] for row in run["symbols"].values())
    assert not run["unexplained"], "\n".join(run["unexplained"])


def test_layouts_fit(run):
    port, cpython = run["inside"]["port"], run["inside"]["cpython"]
    assert len(port) > 60 and list(port) == list(cpython)
    assert port == cpython, {what: (port[what], cpython[what]) for what in port if port[what] != cpython[what]}


def test_ours_run(run):
    inside, six = run["inside"], sorted(build.OBJECTS)
    assert sorted(inside["marks"]) == sorted(run["marks"].values()), inside["marks"]
    assert inside["baseline marks"] == []
    for variant, ours in build.VARIANTS.items():
        linked = run["members"][variant]
        assert linked == [name for name in six if name not in ours], f"{variant}: of the archive's six, {linked} are linked"
    for name, row in run["symbols"].items():
        assert row["exports"] and run["inside"]["elsewhere"][name] == [], f"{name}: {run['inside']['elsewhere'][name]}"


LOCKS = {"test_lock_basic", "test_lock_two_threads", "test_lock_counter", "test_lock_counter_slow", "test_lock_once",
         "test_lock_rwlock", "test_lock_recursive"}
SECTIONS = {"test_critical_sections" + rest for rest in ("", "_nest", "_suspend", "_threads", "_gc", "_stw")}


def test_c_tests(run):
    assert set(run["c_tests"]) == set(build.VARIANTS)
    for variant, cases in run["c_tests"].items():
        assert LOCKS | SECTIONS <= set(cases), f"{variant}: not run: {(LOCKS | SECTIONS) - set(cases)}"
        assert set(cases.values()) == {"passed"}, f"{variant}: {run['c_reasons']}"


def test_nothing_fails_that_passes(run):
    least = 5000 if run["everything"] else 700                      # a list that has shrunk proves less
    passed = sum(outcome == "passed" for row in run["files"].values() for outcome in row["graft"].values())
    assert passed > least, f"only {passed} tests passed grafted"
    assert set(build_list(run)) <= {name.split(".")[0] for name in run["files"]} | set(run["missing"])
    lasting = {name: row["lasting"] for name, row in run["files"].items() if row["lasting"]}
    assert not lasting, lasting


def build_list(run):
    return {name.split(".")[0] for name in (regress.ALL if run["everything"] else regress.FIRST)}


def test_seeded_bugs(run):
    assert {bug["object"] for bug in run["seeded"]} == set(build.OBJECTS), "a bug for each object"
    blind = [f"{bug['bug']}: {bug['test']} did not notice" for bug in run["seeded"] if not bug["found"]]
    assert not blind, blind


def keeps(run, name):
    """The graft's figure keeps to the baseline's, and the baseline's is one: its waiters were not starved."""
    row = run["promises"][name]
    assert 0 < row["baseline"] < 100, f"{name}: the baseline does not keep it either: {row}"
    assert row["kept"], f"{name}: {row}"


def test_waits_with_a_limit_end_in_time(run):
    keeps(run, "in time")


def test_a_loop_lets_another_in(run):
    keeps(run, "wait")


def test_a_poller_lets_another_in(run):
    keeps(run, "poller")


def test_a_low_priority_is_let_in(run):
    keeps(run, "priority")
