# The simulation: the port, unchanged, compiled against tangle/simulation/ (found first on the include path) and with the
# system's calls renamed (-include). One thread of the operating system runs it, so ThreadSanitizer has nothing to see there.
SIM_DEPTH    := $(or $(DEPTH),0)
SIM_LEAST    := 100000
SIM_TANGLED  := $(patsubst tangle/%.c,%,$(wildcard tangle/pysync/*.c tangle/host/*.c tangle/simulation/*.c))
SIM_BOTH      = $(SIM_TANGLED:%=build/simulated.$(1)/%.o) build/simulated.$(1)/tests/scenarios.o

# $(1) configuration, $(2) where its sources are
define simulation
build/simulated.$(1)/tests/%.o: $(2)tests/%.c
	@mkdir -p $$(@D) && $$(CC) $$(STRICT) $$(filter-out -fsanitize=thread,$$(flags-$(1))) -pthread -I$(2)tangle/simulation -I$(2)tangle -I$(2)tests -MMD -c -o $$@ $$<
build/simulated.$(1)/%.o: $(2)tangle/%.c
	@mkdir -p $$(@D) && $$(CC) $$(STRICT) $$(filter-out -fsanitize=thread,$$(flags-$(1))) -pthread -I$(2)tangle/simulation -I$(2)tangle \
	  -include $(2)tangle/simulation/system.h -MMD -c -o $$@ $$<
build/simulate.$(1): $(call SIM_BOTH,$(1)) build/simulated.$(1)/tests/simulate.o
	@$$(CC) $$(filter-out -fsanitize=thread,$$(flags-$(1))) -pthread -o $$@ $$^ $$(LDFLAGS)
build/check_simulation.$(1): $(call SIM_BOTH,$(1)) build/simulated.$(1)/tests/check_simulation.o build/simulated.$(1)/tests/support.o
	@$$(CC) $$(filter-out -fsanitize=thread,$$(flags-$(1))) -pthread -o $$@ $$^ $$(LDFLAGS) $$(CHECK)
endef
$(foreach c,$(CONFIGS) $(MORE_CONFIGS),$(eval $(call simulation,$(c),$(LINE))))
$(foreach c,cov-gil cov-ft,$(eval $(call simulation,$(c),)))
-include $(wildcard build/simulated.*/*/*.d)
