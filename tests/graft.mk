# The graft: the port inside a real CPython 3.14 (SUITE=: Debian's suite that it is taken from).
.PHONY: graft graft-test graft-bench
graft: tangle   ## build/graft/python: CPython 3.14 whose locks, threads, arena and hash secret are the port's
	@$(PYTHON) tests/graft/graft.py build
graft-test: tangle ## CPython's own tests on it and on the baseline (ALL=1: the whole list)
	@$(PYTHON) tests/graft/graft.py test $(if $(ALL),--all)
graft-bench: tangle ## the two side by side: locks, start-up, import, compile, threads, hashes
	@$(PYTHON) tests/graft/graft.py bench
