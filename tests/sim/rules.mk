# The deterministic simulator.

SRC_sim := $(filter-out tests/sim/exhaustive%,$(wildcard tests/sim/*.c))

# The client library and the server in one program: of the library only what is called from outside
# stays visible, so that names inside the two cannot meet.
$(B)/sim-client.o: $(call objects,$(SRC_client) $(SRC_discovery))
	@mkdir -p $(@D)
	$(Q)ld -r -o $@ $^
	$(Q)objcopy -w --keep-global-symbol='synod_*' --keep-global-symbol='handle_*' \
		--keep-global-symbol=session_id --keep-global-symbol=resolver_open $@

$(B)/synod-sim: $(call objects,$(SRC_sim)) $(call objects,$(wildcard tests/support/disk_memory*.c)) $(B)/sim-client.o \
                $(call archives,$(SERVER_LAYERS))
	$(call say,LD   $@)
	$(Q)$(CC) $(REAL_LDFLAGS) -Wl,--wrap=namespace_apply -o $@ $(call group,$^) $(LIBS_client) $(LIBS_server) $(LIBS_shared)

# make sim                     1,000 seeds and the saved cases
# make sim SEED=17             one seed, with its trace
# make sim N=5000 FIRST=1      many;  TIME=60: as many as there is time for;  BEYOND=1: see README.md
.PHONY: sim
sim: $(B)/synod-sim ## simulate whole ensembles: SEED=..., N=... or TIME=...
ifneq ($(SEED),)
	$(Q)$(B)/synod-sim --seed $(SEED) --trace $(if $(BEYOND),--beyond)
else
	$(Q)for case in $(wildcard tests/sim/cases/*.case); do $(B)/synod-sim --case $$case || exit 1; done
	$(Q)$(B)/synod-sim $(if $(TIME),--time $(TIME),--seeds $(or $(N),1000)) $(if $(FIRST),--first $(FIRST)) $(if $(BEYOND),--beyond)
endif

# A thousand seeds are part of make check, fewer of make asan.  Threads are not simulated, so there is
# nothing in it for make tsan.
ifneq ($(filter release asan,$(FLAVOUR)),)
SCRIPT_TESTS += tests/sim/check.sh
RUN_ENV += SIM_SEEDS=$(or $(N),$(if $(filter asan,$(FLAVOUR)),60,1000))
suite-build: $(B)/synod-sim
endif
