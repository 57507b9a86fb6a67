# How the port and its suites are compiled, in each configuration; and on other machines.
# What a configuration was compiled with: when it changes, so does this file, and everything is compiled again.
build/flags.%: always
	@mkdir -p $(@D) && { printf '%s\n' '$(subst ','\'',$(CC) $(STRICT) $(flags-$*) $(LDFLAGS))'; $(CC) --version; } >$@.$$$$ 2>&1; \
	  if cmp -s $@.$$$$ $@; then rm $@.$$$$; else mv $@.$$$$ $@; fi
.PHONY: always

# $(1) configuration, $(2) where its sources are. link-SUITE: what the linker is told for that suite alone.
define configuration
build/%.$(1).o: $(2)tangle/%.c build/flags.$(1)
	@mkdir -p $$(@D) && $$(CC) $$(STRICT) $$(flags-$(1)) $$(FAT) -pthread -I$(2)tangle -MMD -MP -c -o $$@ $$<
build/%.$(1).o: $(2)tests/%.c build/flags.$(1)
	@mkdir -p $$(@D) && $$(CC) $$(STRICT) $$(flags-$(1)) $$(FAT) -pthread -I$(2)tangle -I$(2)tests -MMD -MP -c -o $$@ $$<
build/%.$(1): build/%.$(1).o build/support.$(1).o $$(PORT:%=build/%.$(1).o)
	@$$(CC) $$(flags-$(1)) -pthread -o $$@ $$^ $$(LDFLAGS) $$(link-$$*) $$(CHECK)
endef
# An object that link-time optimisation made also holds the usual code: a suite that wraps calls is linked from that.
FAT = $(if $(findstring -flto,$(CFLAGS)),-ffat-lto-objects)
$(foreach c,$(EVERY_CONFIG),$(eval $(call configuration,$(c),$(LINE))))
$(foreach c,$(PLAIN_TREE),$(eval $(call configuration,$(c),)))

.PHONY: elsewhere
elsewhere:      ## the README's commands on Debian 13; the suites by clang, with other flags, for 64-bit ARM (STEP=: of these)
	@$(PYTHON) tests/elsewhere.py $(STEP)
