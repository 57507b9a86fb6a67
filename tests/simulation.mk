# The simulation: the port, unchanged, compiled against tangle/simulation/ (found first on the include path) and with the
# system's calls renamed (-include). One thread of the operating system runs it, so ThreadSanitizer has nothing to see there.
SIM_DEPTH    := $(or $(DEPTH),0)
SIM_LEAST    := 100000
SIM_TANGLED  := $(patsubst tangle/%.c,%,$(wildcard tangle/pysync/*.c tangle/host/*.c tangle/simulation/*.c)) pythread/thread_handle
SIM_BOTH      = $(SIM_TANGLED:%=build/simulated.$(1)/%.o) build/simulated.$(1)/tests/scenarios.o
# What a state is made of: the globals of all but these, in two sections of their own (but for gcov, whose counters are globals, too).
# A thread-local is a global there, addresses stay where they are, and the code keeps its variables in memory, where a state can find them.
SIM_APART    := $(addprefix %/,$(addprefix simulation/,data.o explorer.o graph.o state.o threads.o trace.o) $(addprefix tests/,simulate.o support.o))
SIM_LINK     := -no-pie -Wl,-z,now
SIM_FLAGS    := -D_Thread_local= -fno-pie -fno-lto
SIM_RENAME   := --rename-section .data=simdata --rename-section .bss=simbss --rename-section .data.rel=simdata --rename-section .data.rel.local=simdata
sim-object    = $(CC) $(STRICT) $(filter-out -fsanitize=thread,$(flags-$(1))) $(SIM_FLAGS) $(PLAIN) $(if $(filter $(SIM_APART),$@),,$(if $(filter gil% ft%,$(1)),-O0)) -pthread \
  -I$(2)tangle/simulation -I$(2)tangle $(3) -MMD -MP -c -o $@ $< $(if $(filter $(SIM_APART),$@)$(findstring --coverage,$(flags-$(1))),,&& objcopy $(SIM_RENAME) $@)

# $(1) configuration, $(2) where its sources are
define simulation
build/simulated.$(1)/tests/%.o: $(2)tests/%.c build/flags.$(1)
	@mkdir -p $$(@D) && $$(call sim-object,$(1),$(2),-I$(2)tests)
build/simulated.$(1)/%.o: $(2)tangle/%.c build/flags.$(1)
	@mkdir -p $$(@D) && $$(call sim-object,$(1),$(2),$$(if $$(findstring /simulation/,$$<),,-include $(2)tangle/simulation/system.h))
# What a fork may cut: each plain access is a step, by the calls that -fsanitize=thread puts before it (simulation/plain.c).
build/simulated.$(1)/host/ceval.o build/simulated.$(1)/pythread/thread_handle.o: PLAIN := $(if $(findstring -fsanitize=address,$(flags-$(1))),,-fsanitize=thread)
build/simulate.$(1): $(call SIM_BOTH,$(1)) build/simulated.$(1)/tests/simulate.o
	@$$(CC) $$(filter-out -fsanitize=thread,$$(flags-$(1))) $(SIM_LINK) -pthread -o $$@ $$^ $$(LDFLAGS)
build/check_simulation.$(1): $(call SIM_BOTH,$(1)) build/simulated.$(1)/tests/check_simulation.o build/simulated.$(1)/tests/support.o
	@$$(CC) $$(filter-out -fsanitize=thread,$$(flags-$(1))) $(SIM_LINK) -pthread -o $$@ $$^ $$(LDFLAGS) $$(CHECK)
endef
$(foreach c,$(EVERY_CONFIG),$(eval $(call simulation,$(c),$(LINE))))
$(foreach c,$(filter cov-%,$(PLAIN_TREE)),$(eval $(call simulation,$(c),)))
-include $(wildcard build/simulated.*/*/*.d)

.PHONY: simulate replay museum mutants litmus traces played
traces: tangle  ## play the stories of the moving figures, and keep what the port did in book/traces/
	@$(if $(DRY),$(MAKE) -s build/traces.done,if echo '#include <stdio.h>' | $(CC) -E - >/dev/null 2>&1; then $(MAKE) -s build/traces.done; \
	  else echo "traces: no C compiler here: the moving figures play book/traces/ as it is"; fi)
played: tangle  # the same for the weaver, whom a port that does not compile keeps from nothing
	@$(if $(DRY),$(MAKE) -s traces,if $(MAKE) -s traces; then rm -f build/traces.older; \
	  else touch build/traces.older && echo "weave: the port does not compile (above): the moving figures play what it did before" >&2; fi)
simulate: tangle ## explore all orders of small scenarios (DEPTH=1: deeper; SCENARIO=name: that one; GRAPH=name: its graph as data, in build/graphs/)
	@$(MAKE) -s build/simulate.gil$(UPSTREAM) build/simulate.ft$(UPSTREAM)
	@$(if $(GRAPH),,$(if $(filter section-%,$(SCENARIO)),,build/simulate.gil$(UPSTREAM) --depth $(SIM_DEPTH) $(if $(SCENARIO),,--least $(SIM_LEAST)) $(SCENARIO)))
	@$(if $(GRAPH),,build/simulate.ft$(UPSTREAM) --depth $(SIM_DEPTH) $(if $(SCENARIO),,--least $(SIM_LEAST)) $(SCENARIO))
	@$(if $(GRAPH),mkdir -p build/graphs; for c in $(if $(filter section-%,$(GRAPH)),,gil$(UPSTREAM)) ft$(UPSTREAM); do \
	  build/simulate.$$c --graph build/graphs/$(GRAPH)-$$c.json $(GRAPH) && echo build/graphs/$(GRAPH)-$$c.json || exit; done)
replay: tangle  ## SCENARIO= SCHEDULE= CONFIG=ft: watch one schedule, step by step
	@$(MAKE) -s build/simulate.$(or $(CONFIG),gil)$(UPSTREAM)
	@build/simulate.$(or $(CONFIG),gil)$(UPSTREAM) --replay $(SCENARIO) $(SCHEDULE)
museum: tangle  ## put known bugs into copies of the port: the simulation must find each (TABLE=write: into the chapter)
	@$(PYTHON) tests/museum.py --cc "$(CC)" $(if $(UPSTREAM),--policy upstream) $(if $(TABLE),--write) $(BUG)
mutants: tangle ## change the port's code in one place after another: what does no test notice? (SAMPLE=200 SEED=1; CHAPTER=10; ONLY=word; AGAIN=1: what survived; else all)
	@$(PYTHON) tests/mutants.py --cc "$(CC)" $(if $(UPSTREAM),--policy upstream) $(SAMPLE:%=--sample %) $(SEED:%=--seed %) \
	  $(CHAPTER:%=--chapter %) $(if $(ONLY),--only '$(ONLY)') $(AGAIN:%=--again) $(patsubst -j%,--jobs %,$(filter-out -j,$(filter -j%,$(MAKEFLAGS))))
litmus: tangle  ## the memory orders of the ledgers, what they call needed, and each made weaker still, under herd7's model of C11
	@$(PYTHON) tests/litmus.py $(LITMUS)

# The moving figures: stories, played on the port, recorded. Never optimised, so that every compiler names the same functions.
flags-record := -O0 -g
$(eval $(call simulation,record,$(LINE)))
build/record_locks: $(filter-out %/parking_lot.o %/scenarios.o,$(call SIM_BOTH,record)) build/simulated.record/tests/record_locks.o
	@$(CC) $(flags-record) $(SIM_LINK) -pthread -o $@ $^ $(LDFLAGS)
build/traces.done: build/record_locks build/record_arena build/simulate.record book/weave/traces.py book/weave/lanes.py $(wildcard book/[0-9]*.md) $(wildcard book/traces/*.json)
	@$(PYTHON) book/weave/traces.py book/traces/arena.json build/record_arena
	@for story in mutex parking-lot; do $(PYTHON) book/weave/traces.py book/traces/$$story.json build/record_locks $$story || exit 1; done
	@$(PYTHON) book/weave/lanes.py build/simulate.record
	@touch $@
build/record_arena: build/record_arena.gil.o $(patsubst %,build/%.gil.o,$(filter-out arena/pyarena,$(PORT)))
	@$(CC) $(flags-gil) -pthread -o $@ $^ $(LDFLAGS)
