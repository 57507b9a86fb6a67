# The bench: one program in which CPython's objects, the port's and other makes stand side by side. Each Python-like peer is
# linked into one object that shows nothing but its face, since all of them define the same names. tests/bench.py, which fetches
# what is to be fetched, says which peers there are (BENCH_PEERS) and where CPython's objects lie.
BENCH_PEERS   ?= port-gil port-ft pthread adaptive sem futex bare
BENCH_CPYTHON := build/bench/cpython
BENCH_CRATES  := build/bench/crates
BENCH_LLVM    := $(lastword $(sort $(patsubst %/include/llvm,%,$(wildcard /usr/lib/llvm-*/include/llvm))))
BENCH_WARN    := -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror
BENCH_FT_FLAGS = -std=gnu11 -D_GNU_SOURCE -w -DNDEBUG -DPy_BUILD_CORE $(FT) -Ibuild/bench/cpython-ft -Ibuild/upstream/cpython-3.13.5/Include \
  -Ibuild/upstream/cpython-3.13.5/Include/internal
BENCH_GIL_FLAGS = -std=gnu11 -D_GNU_SOURCE -w -DPy_BUILD_CORE $(foreach d,root/usr/include root/usr/include/python3.14 root/usr/include/python3.14/internal,-I$(BENCH_CPYTHON)/$(d))
BENCH_HOST    := $(filter host/%,$(PORT)) pythread/thread
bench_face     = -DBENCH_PEER=bench_$(subst -,_,$(1)) -DBENCH_NAME='"$(1)"'

bench_merge    = @$(LD) -r -o $@.all $^ && objcopy --keep-global-symbol=bench_$(subst -,_,$(patsubst build/bench/peer-%.o,%,$@)) $@.all $@ && rm $@.all

# A peer that was not linked before: the program is as old as its list of peers.
build/bench/peers: always
	@mkdir -p $(@D) && { echo $(BENCH_PEERS) | cmp -s - $@ || echo $(BENCH_PEERS) > $@; }
build/bench/bench: build/bench/peers $(patsubst %,build/bench/%.o,bench clock crowd due load $(BENCH_PEERS:%=peer-%)) $(if $(filter parking-lot rust-std,$(BENCH_PEERS)),build/bench/librust.a)
	@$(CXX) -no-pie -o $@ $(filter-out build/bench/peers,$^) -pthread $(if $(filter abseil,$(BENCH_PEERS)),$(shell pkg-config --libs absl_synchronization)) \
	  $(if $(filter nsync,$(BENCH_PEERS)),-lnsync) $(if $(filter apr,$(BENCH_PEERS)),-lapr-1) \
	  $(if $(filter llvm,$(BENCH_PEERS)),-L$(BENCH_LLVM)/lib -lLLVM-$(BENCH_LLVM:/usr/lib/llvm-%=%)) -lm -ldl

build/bench/%.o: $(LINE)tangle/bench/%.c
	@mkdir -p $(@D) && $(CC) $(BENCH_WARN) $(CFLAGS) -pthread -I$(LINE)tangle -MMD -MP -c -o $@ $<
build/bench/peer-pthread.o build/bench/peer-adaptive.o: build/bench/peer-%.o: $(LINE)tangle/bench/pthread_lock.c
	@$(CC) $(BENCH_WARN) $(CFLAGS) -pthread -I$(LINE)tangle $(call bench_face,$*) -DBENCH_KIND=PTHREAD_MUTEX_$(if $(filter adaptive,$*),ADAPTIVE_NP,DEFAULT) -MMD -MP -c -o $@ $<
build/bench/peer-sem.o: build/bench/sem_lock.o ; @cp $< $@
build/bench/peer-futex.o: build/bench/futex_lock.o ; @cp $< $@
$(foreach p,bare nsync raw-thread bump malloc obstack apr,$(eval build/bench/peer-$(p).o: build/bench/$(subst -,_,$(p)).o ; @cp $$< $$@))
build/bench/apr.o: CFLAGS += $(if $(filter apr,$(BENCH_PEERS)),$(shell apr-1-config --cppflags --includes))
build/bench/peer-abseil.o build/bench/peer-pmr.o build/bench/peer-llvm.o: build/bench/peer-%.o: $(LINE)tangle/bench/%.cc
	@$(CXX) -std=c++17 $(CFLAGS) -I$(LINE)tangle $(if $(filter llvm,$*),-I$(BENCH_LLVM)/include) -MMD -MP -c -o $@ $<
build/bench/peer-parking-lot.o build/bench/peer-rust-std.o: build/bench/peer-%.o: $(LINE)tangle/bench/rust_lock.c
	@$(CC) $(BENCH_WARN) $(CFLAGS) -I$(LINE)tangle $(call bench_face,$*) -DBENCH_RUST=$(subst -,_,$*) $(if $(filter parking-lot,$*),-DBENCH_TIMED) -MMD -MP -c -o $@ $<

# The port, and CPython's objects with the port's host in place of an interpreter.
# $(1) peer, $(2) its build configuration
define bench_port
build/bench/face-$(1).o: $(LINE)tangle/bench/python.c
	@mkdir -p $$(@D) && $$(CC) $$(BENCH_WARN) $$(flags-$(2)) -pthread -I$(LINE)tangle $$(call bench_face,$(1)) -MMD -MP -c -o $$@ $$<
build/bench/peer-$(1).o: build/bench/face-$(1).o $$(PORT:%=build/%.$(2).o)
	$$(bench_merge)
endef
$(eval $(call bench_port,port-gil,gil))
$(eval $(call bench_port,port-ft,ft))
$(eval $(call bench_port,upstream-gil,gil-upstream))
$(eval $(call bench_port,upstream-ft,ft-upstream))
build/bench/face-cpython-gil.o: $(LINE)tangle/bench/python.c
	@$(CC) $(BENCH_GIL_FLAGS) $(CFLAGS) -I$(LINE)tangle $(call bench_face,cpython-gil) -DBENCH_CPYTHON -MMD -MP -c -o $@ $<
build/bench/face-cpython-ft.o: $(LINE)tangle/bench/python.c
	@$(CC) $(BENCH_FT_FLAGS) $(CFLAGS) -I$(LINE)tangle $(call bench_face,cpython-ft) -DBENCH_CPYTHON -DBENCH_LOCKS_ONLY -MMD -MP -c -o $@ $<
build/bench/cpython-ft/%.o: build/upstream/cpython-3.13.5/Python/%.c
	@$(CC) $(BENCH_FT_FLAGS) $(CFLAGS) -c -o $@ $<
build/bench/peer-cpython-gil.o: $(patsubst %,$(BENCH_CPYTHON)/%.o,lock parking_lot pyarena thread bootstrap_hash pyhash) $(filter-out build/pythread/%,$(BENCH_HOST:%=build/%.gil.o)) build/bench/strangers.o
build/bench/peer-cpython-ft.o: $(patsubst %,build/bench/cpython-ft/%.o,lock parking_lot) $(BENCH_HOST:%=build/%.ft.o) build/pysync/critical_section.ft.o build/bench/strangers.o
build/bench/peer-cpython-%.o: build/bench/face-cpython-%.o
	$(bench_merge)

# Rust's two locks in one static library: the crates, then the face. The flags of libc are what its build script finds for this rustc.
build/bench/librust.a: tangle/bench/rust.rs
	@sh tests/crates.sh $(BENCH_CRATES) $@ $<
-include $(wildcard build/bench/*.d)

.PHONY: bench
bench: tangle   ## what it costs beside CPython and other makes, measured (QUICK=1; WORK=, PEER=, CROWD=: parts; KEEP=1: for the book)
	@$(PYTHON) tests/bench.py $(if $(QUICK),--quick) $(WORK:%=--work %) $(PEER:%=--peer %) $(CROWD:%=--crowd %) $(if $(KEEP),--keep)
