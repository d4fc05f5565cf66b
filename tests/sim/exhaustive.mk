# The exhaustive search of small scopes, and the planted bugs.

SRC_exhaustive := $(wildcard tests/sim/exhaustive*.c)

$(B)/synod-exhaustive: $(call objects,$(SRC_exhaustive) tests/support/planted.c) $(call archives,paxos shared)
	$(call say,LD   $@)
	$(Q)$(CC) $(REAL_LDFLAGS) -o $@ $(call group,$^) $(LIBS_shared)

# make sim-exhaustive              2 to 4 minutes
# make sim-exhaustive LEVEL=quick  a few seconds;  LEVEL=night TIME=600: as far as it comes
.PHONY: sim-exhaustive
sim-exhaustive: $(B)/synod-exhaustive ## every order of events in small scopes of the core (LEVEL=quick|night)
	+$(Q)$(B)/synod-exhaustive --level $(or $(LEVEL),default) $(if $(TIME),--seconds $(TIME))

# The quick scopes are part of make check.
ifeq ($(FLAVOUR),release)
SUITE += synod-exhaustive
suite-build: $(B)/synod-exhaustive
endif

# make sim-planted                     plant each bug of shared/planted.def in turn: all must be caught
# make sim-planted BUGS="ADOPT_OWN"    some of them;  N=3000: seeds that the simulator has for each
FLAVOUR_CFLAGS_planted := -O2 -g -DSYNOD_PLANTED
.PHONY: sim-planted sim-planted-run
sim-planted: ## prove that the judges catch the bugs in shared/planted.def
	+$(Q)$(MAKE) FLAVOUR=planted sim-planted-run
sim-planted-run: $(B)/synod-exhaustive $(B)/synod-sim $(addprefix $(B)/unit/,$(UNIT_TESTS))
	+$(Q)B=$(B) SEEDS=$(or $(N),3000) tests/sim/planted.sh $(BUGS)
