"""Runs in an interpreter of the graft: what a Python program sees of the functions that the adapter answers for, as JSON."""
import _interpchannels
import json
import os
import subprocess
import sys
import threading

seen = {"sys.thread_info": repr(sys.thread_info), "its type": repr(type(sys.thread_info)), "its fields": sys.thread_info.n_fields}

# The one module that has timeouts taken apart by PyThread_ParseTimeoutArg, and waits by acquire_lock_timed_with_retries.
channel = _interpchannels.create(1, 0)
for timeout in (None, 0, 0.0, 1, 1e-9, 0.001, -1e-9, -1, 9e9, 9223372036.9, 1e300, float("nan"), float("inf"), "1", b"", [], True, 2**70):
    for blocking in (True, False):
        if blocking and timeout in (None, 1, True, 9e9):
            continue                        # nobody receives: it would wait as long as that
        try:
            done = repr(_interpchannels.send(channel, b"x", blocking=blocking, timeout=timeout))
        except Exception as error:
            done = f"{type(error).__name__}: {error}"
        seen[f"send, blocking={blocking}, timeout={timeout!r}"] = done

for size in (0, 1, 32767, 32768, 100000, 1 << 20, 1 << 60, -1):
    try:
        seen[f"threading.stack_size({size})"] = [threading.stack_size(size), threading.stack_size()]
    except Exception as error:
        seen[f"threading.stack_size({size})"] = f"{type(error).__name__}: {error}"
threading.stack_size(0)

for seed in ("0", "1", "42", "4294967295", "-0", " 7", "x"):
    run = subprocess.run([sys.executable, "-c", "print(hash('x'), hash(b'abc'))"], env={**os.environ, "PYTHONHASHSEED": seed},
                         capture_output=True, text=True)
    seen[f"PYTHONHASHSEED={seed!r}"] = [run.stdout, run.stderr, run.returncode]

seen["os.urandom(0)"] = repr(os.urandom(0))
try:
    os.urandom(-1)
except ValueError as error:
    seen["os.urandom(-1)"] = str(error)
print(json.dumps(seen))
