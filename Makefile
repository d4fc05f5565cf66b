# Synod: build, test, install.  `make help` prints every target.

VERSION   := 0.1.0
SOVERSION := 0
FLAVOUR   ?= release
BUILD     ?= build
B         := $(BUILD)/$(FLAVOUR)

PREFIX     ?= /usr/local
BINDIR     ?= $(PREFIX)/bin
SBINDIR    ?= $(PREFIX)/sbin
LIBDIR     ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR     ?= $(PREFIX)/share/man
SYSCONFDIR ?= /etc
DESTDIR    ?=

CC ?= cc
ifeq ($(origin CC),default)
CC := $(if $(shell command -v ccache 2>/dev/null),ccache )cc
endif

FLAVOUR_CFLAGS_release := -O2 -g
FLAVOUR_CFLAGS_asan    := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
FLAVOUR_CFLAGS_tsan    := -O1 -g -fsanitize=thread
FLAVOUR_CFLAGS_fuzz    := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
HARDENING_release      := -D_FORTIFY_SOURCE=2 -fstack-protector-strong

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
            -Wwrite-strings -Wundef -Wvla -Wformat=2
ifeq ($(WERROR),1)
WARNINGS += -Werror
endif

REAL_CPPFLAGS = -I. -D_GNU_SOURCE -DSYNOD_RELEASE='"$(VERSION)"' $(CPPFLAGS)
REAL_CFLAGS   = -std=c11 -fPIC -fvisibility=hidden -pthread $(WARNINGS) \
                $(FLAVOUR_CFLAGS_$(FLAVOUR)) $(HARDENING_$(FLAVOUR)) $(CFLAGS)
REAL_LDFLAGS  = -pthread $(FLAVOUR_CFLAGS_$(FLAVOUR)) $(LDFLAGS)

# Each dependency has one door; see tests/lint.sh.
LIBS_shared    := -lnng -lmsgpackc -lxxhash
LIBS_server    := -lsqlite3 -lsodium -lconfuse
LIBS_cli       := -lcjson

ifeq ($(V),1)
Q :=
else
Q := @
endif

SRC_shared    := $(wildcard shared/*.c)
SRC_paxos     := $(wildcard server/paxos/*.c)
SRC_namespace := $(wildcard server/namespace/*.c)
SRC_storage   := $(wildcard server/storage/*.c)
SRC_network   := $(wildcard server/network/*.c)
SRC_server    := $(filter-out server/main.c,$(wildcard server/*.c))
SRC_client    := $(wildcard client/*.c)
SRC_cli       := $(wildcard client/cli/*.c)
SRC_support   := $(wildcard tests/support/*.c)

LAYERS  := shared paxos namespace storage network server client cli support
objects  = $(patsubst %.c,$(B)/obj/%.o,$(1))
archive  = $(B)/lib/$(1).a

.PHONY: all
all: programs libraries

.PHONY: programs libraries
programs: $(B)/synodd $(B)/synod
libraries: $(B)/libsynod.a $(B)/libsynod.so $(B)/synod.pc

define layer
$(B)/lib/$(1).a: $$(call objects,$$(SRC_$(1)))
	@mkdir -p $$(@D)
	$$(Q)rm -f $$@ && ar rcs $$@ $$^
endef
$(foreach layer,$(LAYERS),$(eval $(call layer,$(layer))))

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(if $(Q),@echo "  CC   $<")
	$(Q)$(CC) $(REAL_CPPFLAGS) $(REAL_CFLAGS) -MMD -MP -c -o $@ $<

# schema.sql becomes a C string, so that the schema reads as SQL.
$(B)/gen/schema.sql.h: server/namespace/schema.sql
	@mkdir -p $(@D)
	$(Q)sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/"/' -e 's/$$/\\n"/' $< >$@
$(call objects,$(SRC_namespace)): $(B)/gen/schema.sql.h
$(call objects,$(SRC_namespace)): REAL_CPPFLAGS += -I$(B)/gen

SERVER_ARCHIVES := $(foreach l,server network storage namespace paxos shared,$(call archive,$(l)))

$(B)/synodd: $(B)/obj/server/main.o $(SERVER_ARCHIVES)
	$(if $(Q),@echo "  LD   $@")
	$(Q)$(CC) $(REAL_LDFLAGS) -o $@ $< -Wl,--start-group $(SERVER_ARCHIVES) -Wl,--end-group $(LIBS_server) $(LIBS_shared)

$(B)/synod: $(call archive,cli) $(B)/libsynod.a
	$(if $(Q),@echo "  LD   $@")
	$(Q)$(CC) $(REAL_LDFLAGS) -o $@ -Wl,--whole-archive $(call archive,cli) -Wl,--no-whole-archive $(B)/libsynod.a $(LIBS_cli) $(LIBS_shared)

$(B)/libsynod.a: $(call objects,$(SRC_client) $(SRC_shared))
	@mkdir -p $(@D)
	$(Q)rm -f $@ && ar rcs $@ $^

$(B)/libsynod.so: $(call objects,$(SRC_client) $(SRC_shared))
	$(if $(Q),@echo "  LD   $@")
	$(Q)$(CC) $(REAL_LDFLAGS) -shared -Wl,-soname,libsynod.so.$(SOVERSION) -o $@ $^ $(LIBS_shared)

$(B)/synod.pc: etc/synod.pc.in Makefile
	$(Q)sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' \
	    -e 's|@VERSION@|$(VERSION)|' $< >$@

# ---- tests ----
#
# tests/unit/LAYER/NAME.c is one program, linked with LAYER and what LAYER may include.

ARCHIVES_FOR_shared    := shared
ARCHIVES_FOR_paxos     := paxos shared
ARCHIVES_FOR_namespace := namespace storage paxos shared
ARCHIVES_FOR_storage   := storage paxos shared
ARCHIVES_FOR_network   := network storage paxos shared
ARCHIVES_FOR_server    := server network storage namespace paxos shared
ARCHIVES_FOR_client    := client shared

UNIT_TESTS := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/*/*.c))

define unit_test
$(B)/unit/$(1): $(B)/obj/tests/unit/$(1).o $(foreach l,$(ARCHIVES_FOR_$(patsubst %/,%,$(dir $(1)))) support,$(call archive,$(l)))
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(REAL_LDFLAGS) -o $$@ -Wl,--start-group $$^ -Wl,--end-group -lcmocka $$(LIBS_server) $$(LIBS_shared)
endef
$(foreach t,$(UNIT_TESTS),$(eval $(call unit_test,$(t))))

# make unit                    all unit tests
# make unit TESTS=paxos/ballot one of them
TESTS ?= $(UNIT_TESTS)
.PHONY: unit
unit: $(addprefix $(B)/unit/,$(TESTS))
	$(Q)for test in $(TESTS); do echo "== $$test"; $(B)/unit/$$test || exit 1; done

.PHONY: clean
clean:
	rm -rf $(BUILD)

-include $(shell find $(B) -name '*.d' 2>/dev/null)
