# The exhaustive search of small scopes, and the planted bugs.

SRC_exhaustive := $(wildcard tests/sim/exhaustive*.c)

$(B)/synod-exhaustive: $(call objects,$(SRC_exhaustive) tests/support/planted.c) $(call archives,paxos shared)
	$(call say,LD   $@)
	$(Q)$(CC) $(REAL_LDFLAGS) -o $@ $(call group,$^) $(LIBS_shared)

# make sim-exhaustive              2 to 4 minutes
# make sim-exhaustive LEVEL=quick  a few seconds;  LEVEL=night: as much as there is time for
.PHONY: sim-exhaustive
sim-exhaustive: $(B)/synod-exhaustive ## every order of events in small scopes of the core (LEVEL=quick|night)
	$(Q)$(B)/synod-exhaustive --level $(or $(LEVEL),default)
