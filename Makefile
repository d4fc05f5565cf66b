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
DATADIR    ?= $(PREFIX)/share
MANDIR     ?= $(DATADIR)/man
UNITDIR    ?= $(PREFIX)/lib/systemd/system
SYSCONFDIR ?= /etc
DESTDIR    ?=

# As many jobs as processors unless the command line says otherwise, each one's output in one piece.
ifeq ($(MAKELEVEL),0)
ifeq ($(filter -j%,$(MAKEFLAGS)),)
MAKEFLAGS += -j$(shell nproc 2>/dev/null || echo 2)
endif
MAKEFLAGS += --output-sync=target
endif
MAKEFLAGS += --no-print-directory

CC ?= cc
ifneq ($(filter default undefined,$(origin CC)),)
CC := $(if $(shell command -v ccache 2>/dev/null),ccache )$(if $(filter fuzz,$(FLAVOUR)),clang,cc)
endif

SANITIZE_ADDRESS       := -fsanitize=address,undefined -fno-sanitize-recover=undefined
FLAVOUR_CFLAGS_release := -O2 -g
FLAVOUR_CFLAGS_asan    := -O1 -g $(SANITIZE_ADDRESS) -fno-omit-frame-pointer
FLAVOUR_CFLAGS_tsan    := -O1 -g -fsanitize=thread
FLAVOUR_CFLAGS_fuzz    := -O1 -g -fsanitize=fuzzer-no-link $(SANITIZE_ADDRESS)
HARDENING_release      := -D_FORTIFY_SOURCE=2 -fstack-protector-strong
HARDENING_LD_release   := -Wl,-z,relro,-z,now

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
            -Wwrite-strings -Wundef -Wvla -Wformat=2
ifeq ($(WERROR),1)
WARNINGS += -Werror
endif

# The prefix map keeps the build's directory out of the programs, so that they can be reproduced.
REAL_CPPFLAGS = -I. -D_GNU_SOURCE -DSYNOD_RELEASE='"$(VERSION)"' $(CPPFLAGS)
REAL_CFLAGS   = -std=c11 -fPIC -fvisibility=hidden -pthread -ffile-prefix-map=$(CURDIR)=. $(WARNINGS) \
                $(FLAVOUR_CFLAGS_$(FLAVOUR)) $(HARDENING_$(FLAVOUR)) $(CFLAGS)
REAL_LDFLAGS  = -pthread $(FLAVOUR_CFLAGS_$(FLAVOUR)) $(HARDENING_LD_$(FLAVOUR)) $(LDFLAGS)

# Each dependency has one door; see tests/lint.sh.
LIBS_shared := -lnng -lmsgpackc -lxxhash
LIBS_server := -lsqlite3 -lsodium -lconfuse
LIBS_client := -lcjson

ifeq ($(V),1)
Q :=
else
Q := @
endif
say = $(if $(Q),@echo "  $(1)")

SRC_shared    := $(wildcard shared/*.c)
SRC_paxos     := $(wildcard server/paxos/*.c)
SRC_namespace := $(wildcard server/namespace/*.c)
SRC_storage   := $(wildcard server/storage/*.c)
SRC_network   := $(wildcard server/network/*.c)
SRC_server    := $(filter-out server/main.c,$(wildcard server/*.c))
SRC_client    := $(wildcard client/*.c)
SRC_discovery := $(wildcard client/discovery/*.c)
SRC_cli       := $(filter-out client/cli/main.c,$(wildcard client/cli/*.c))
SRC_fakes     := $(wildcard tests/support/fake_*.c)
SRC_support   := $(filter-out $(SRC_fakes),$(wildcard tests/support/*.c))

LAYERS  := shared paxos namespace storage network server client discovery cli fakes support
objects  = $(patsubst %.c,$(B)/obj/%.o,$(1))
archive  = $(B)/lib/$(1).a
archives = $(foreach layer,$(1),$(call archive,$(layer)))
group    = -Wl,--start-group $(1) -Wl,--end-group

SERVER_LAYERS := server network storage namespace paxos shared

.PHONY: all
all: programs libraries ## build synodd, synod and libsynod into build/release

.PHONY: programs libraries
programs: $(B)/synodd $(B)/synod ## only the two programs
PUBLIC_HEADERS := client/synod.h client/discovery.h
libraries: $(B)/libsynod.a $(B)/libsynod.so $(B)/synod.pc $(PUBLIC_HEADERS:client/%=$(B)/include/synod/%) ## only the library

# ---- dependencies ----
#
# PACKAGE=WHAT IT BRINGS: a header, or "!" and a program, or "@" and a file.  Looked up without
# starting a process, so that it costs nothing when all is there.  DEPS=no skips the look.

NEEDS_build := gcc=!cc libc6-dev=stdio.h libnng-dev=nng/nng.h libmsgpack-dev=msgpack.h \
               libxxhash-dev=xxhash.h libsqlite3-dev=sqlite3.h libsodium-dev=sodium.h \
               libconfuse-dev=confuse.h libcjson-dev=cjson/cJSON.h
NEEDS_test  := libcmocka-dev=cmocka.h iproute2=!ip
NEEDS_fuzz  := clang=!clang \
               libclang-rt-14-dev=@/usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a
NEEDS_pc    := pkg-config=!pkg-config
NEEDS_lint  := clang-format=!clang-format shellcheck=!shellcheck mandoc=!mandoc
NEEDS_cppcheck := cppcheck=!cppcheck

HEADER_DIRS := $(wildcard /usr/include /usr/include/*-linux-gnu /usr/local/include)
lookup  = $(wildcard $(if $(filter !%,$(1)),$(addsuffix /$(1:!%=%),$(subst :, ,$(PATH))),\
          $(if $(filter @%,$(1)),$(1:@%=%),$(addsuffix /$(1),$(HEADER_DIRS)))))
missing = $(strip $(foreach need,$(NEEDS_$(1)),\
          $(if $(call lookup,$(word 2,$(subst =, ,$(need)))),,$(word 1,$(subst =, ,$(need))))))

# One rule per group, each after the one before it: two apt-get cannot run at once.
define dependency_rule
.PHONY: deps-$(1)
deps-$(1): $(2)
ifneq ($(DEPS),no)
ifneq ($$(call missing,$(1)),)
	+@tests/install-packages.sh $$(call missing,$(1))
endif
endif
	@:
endef
$(eval $(call dependency_rule,build,))
$(eval $(call dependency_rule,test,deps-build))
$(eval $(call dependency_rule,pc,deps-test))
$(eval $(call dependency_rule,fuzz,deps-pc))
$(eval $(call dependency_rule,lint,deps-fuzz))
$(eval $(call dependency_rule,cppcheck,deps-lint))

.PHONY: deps
deps: deps-test ## install the Debian packages needed to build and test (as root)

# ---- objects, programs, libraries ----

# A source that is gone must also leave its archive: each remembers what it was made of.
define layer_rule
$(B)/lib/$(1).a: $$(call objects,$$(SRC_$(1))) | deps-build
	@mkdir -p $$(@D)
	$$(Q)rm -f $$@ && ar rcsD $$@ $$(filter %.o,$$^) && echo $$(SRC_$(1)) >$$(@D)/$(1).list
ifneq ($$(strip $$(file <$(B)/lib/$(1).list)),$$(strip $$(SRC_$(1))))
$(B)/lib/$(1).a: always
endif
endef
$(foreach layer,$(LAYERS),$(eval $(call layer_rule,$(layer))))

$(B)/obj/%.o: %.c | deps-build
	@mkdir -p $(@D)
	$(call say,CC   $<)
	$(Q)$(CC) $(REAL_CPPFLAGS) $(REAL_CFLAGS) -MMD -MP -c -o $@ $<

# schema.sql becomes a C string, so that the schema reads as SQL.
$(B)/gen/schema.sql.h: server/namespace/schema.sql
	@mkdir -p $(@D)
	$(Q)sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/"/' -e 's/$$/\\n"/' $< >$@
$(call objects,$(SRC_namespace)): $(B)/gen/schema.sql.h
$(call objects,$(SRC_namespace)): REAL_CPPFLAGS += -I$(B)/gen

$(B)/synodd: $(B)/obj/server/main.o $(call archives,$(SERVER_LAYERS))
	$(call say,LD   $@)
	$(Q)$(CC) $(REAL_LDFLAGS) -o $@ $(call group,$^) $(LIBS_server) $(LIBS_shared)

$(B)/synod: $(B)/obj/client/cli/main.o $(call archives,cli discovery client shared)
	$(call say,LD   $@)
	$(Q)$(CC) $(REAL_LDFLAGS) -o $@ $(call group,$^) $(LIBS_client) $(LIBS_shared)

# One object in which only what the public headers declare is visible: our internal names cannot meet those of
# the program that links it.
$(B)/libsynod.a: $(call objects,$(SRC_client) $(SRC_discovery) $(SRC_shared))
	$(call say,AR   $@)
	@mkdir -p $(B)/obj
	$(Q)ld -r -o $(B)/obj/libsynod.o $^
	$(Q)objcopy --localize-hidden $(B)/obj/libsynod.o
	$(Q)rm -f $@ && ar rcsD $@ $(B)/obj/libsynod.o

$(B)/libsynod.so: $(B)/libsynod.so.$(SOVERSION)
	$(Q)ln -sf $(<F) $@
$(B)/libsynod.so.$(SOVERSION): $(call objects,$(SRC_client) $(SRC_discovery) $(SRC_shared))
	$(call say,LD   $@)
	$(Q)$(CC) $(REAL_LDFLAGS) -shared -Wl,-soname,$(@F) -o $@ $^ $(LIBS_client) $(LIBS_shared)

$(B)/include/synod/%.h: client/%.h
	@mkdir -p $(@D)
	$(Q)cp $< $@

# Written anew each time, because the directories can change from one call to the next.
.PHONY: always
$(B)/synod.pc: etc/synod.pc.in always
	@mkdir -p $(@D)
	$(Q)sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' \
	    -e 's|@VERSION@|$(VERSION)|' $< >$@

# The examples see what an application sees: the public headers and the library.
EXAMPLES := $(patsubst examples/%.c,$(B)/examples/%,$(wildcard examples/*.c))
$(B)/examples/%: examples/%.c $(B)/libsynod.a $(PUBLIC_HEADERS:client/%=$(B)/include/synod/%)
	@mkdir -p $(@D)
	$(call say,LD   $@)
	$(Q)$(CC) -I$(B)/include $(REAL_CFLAGS) $(REAL_LDFLAGS) -o $@ $< $(B)/libsynod.a $(LIBS_client) $(LIBS_shared)

.PHONY: examples
examples: $(EXAMPLES) ## build the example programs

# ---- tests ----
#
# tests/unit/LAYER/NAME.c is one program, linked with LAYER and what LAYER may include, and with
# tests/support; its fake_*.c are a world of their own, for the client and for whole members.

ARCHIVES_FOR_shared    := shared
ARCHIVES_FOR_paxos     := paxos shared
ARCHIVES_FOR_namespace := namespace storage paxos shared
ARCHIVES_FOR_storage   := storage paxos shared
ARCHIVES_FOR_network   := network storage paxos shared
ARCHIVES_FOR_server    := $(SERVER_LAYERS) fakes
ARCHIVES_FOR_client    := client shared fakes
ARCHIVES_FOR_discovery := discovery client shared fakes
ARCHIVES_FOR_cli       := cli discovery client shared

LIBS_test := -lcmocka $(LIBS_client) $(LIBS_server) $(LIBS_shared)

UNIT_TESTS   := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/*/*.c))
STORIES      := $(wildcard tests/scenario/*.story)
SCENARIO     := $(if $(wildcard tests/scenario/*.c),$(B)/scenario)
FUZZ_TARGETS := $(patsubst tests/fuzz/%.c,%,$(filter-out tests/fuzz/replay.c,$(wildcard tests/fuzz/*.c)))
SYSTEM_TESTS := $(patsubst tests/system/%.c,%,$(wildcard tests/system/*.c))
# Scripts are run where the programs are the user's: sanitizers would only slow them down.
SCRIPT_TESTS := $(if $(filter release,$(FLAVOUR)),$(wildcard tests/system/*.sh))

$(call objects,$(wildcard tests/*/*.c tests/unit/*/*.c)): | deps-test

define unit_rule
$(B)/unit/$(1): $(B)/obj/tests/unit/$(1).o $(call archives,$(ARCHIVES_FOR_$(patsubst %/,%,$(dir $(1)))) support)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(REAL_LDFLAGS) -o $$@ $$(call group,$$^) $$(LIBS_test)
endef
$(foreach test,$(UNIT_TESTS),$(eval $(call unit_rule,$(test))))

$(B)/scenario: $(call objects,$(wildcard tests/scenario/*.c)) $(call archives,paxos shared support)
	$(Q)$(CC) $(REAL_LDFLAGS) -o $@ $(call group,$^) $(LIBS_test)

$(B)/system/%: $(B)/obj/tests/system/%.o $(call archives,discovery client shared support)
	@mkdir -p $(@D)
	$(Q)$(CC) $(REAL_LDFLAGS) -o $@ $(call group,$^) $(LIBS_test)

# A fuzz target replays its saved inputs; in the flavour "fuzz" libFuzzer drives it.
FUZZ_DRIVER := $(if $(filter fuzz,$(FLAVOUR)),,$(B)/obj/tests/fuzz/replay.o)
$(B)/fuzz/%: $(B)/obj/tests/fuzz/%.o $(FUZZ_DRIVER) $(call archives,$(LAYERS))
	@mkdir -p $(@D)
	$(Q)$(CC) $(REAL_LDFLAGS) $(if $(filter fuzz,$(FLAVOUR)),-fsanitize=fuzzer) -o $@ $(call group,$^) $(LIBS_test)

.SECONDARY:

# make unit                    all unit tests
# make unit TESTS=paxos/ballot one of them
TESTS ?= $(UNIT_TESTS)
.PHONY: unit
unit: $(addprefix $(B)/unit/,$(TESTS)) ## run the unit tests, or TESTS="paxos/ballot ..."
	+$(Q)for test in $(TESTS); do echo "== $$test"; $(RUN_ENV) $(B)/unit/$$test || exit 1; done

.PHONY: scenario
scenario: $(SCENARIO) ## run the protocol's stories
	+$(Q)$(RUN_ENV) tests/run.sh $(if $(SCENARIO),scenario)

.PHONY: system
system: programs examples $(addprefix $(B)/system/,$(SYSTEM_TESTS)) ## run the tests of real processes
	+$(Q)$(RUN_ENV) tests/run.sh $(addprefix system/,$(SYSTEM_TESTS)) $(SCRIPT_TESTS)

# Everything of a flavour: build what can be built, run all of it, then report.
SUITE := $(addprefix unit/,$(UNIT_TESTS)) $(SCENARIO:$(B)/%=%) $(addprefix fuzz/,$(FUZZ_TARGETS)) \
         $(addprefix system/,$(SYSTEM_TESTS))
RUN_ENV = B=$(B) SYNOD_BIN=$(abspath $(B)) VERSION=$(VERSION) MAKE_PROGRAM="$(MAKE)" \
          $(if $(wildcard tests/tsan.supp),TSAN_OPTIONS="suppressions=$(CURDIR)/tests/tsan.supp $$TSAN_OPTIONS") \
          $(if $(wildcard tests/lsan.supp),LSAN_OPTIONS="suppressions=$(CURDIR)/tests/lsan.supp print_suppressions=0 $$LSAN_OPTIONS")

.PHONY: suite-build
suite-build: programs libraries examples $(addprefix $(B)/,$(SUITE))

.PHONY: check
check: deps-test ## build and run every test
	+$(Q)$(MAKE) -k suite-build || built=no; \
	$(RUN_ENV) tests/run.sh $(SUITE) $(if $(filter release,$(FLAVOUR)),tests/lint.sh) $(SCRIPT_TESTS) && \
	{ [ "$$built" != no ] || { echo "not everything could be built: see above"; exit 1; }; }

.PHONY: asan tsan
asan: ## run the tests under AddressSanitizer and UndefinedBehaviorSanitizer
	+$(Q)$(MAKE) FLAVOUR=asan check
tsan: ## run the tests under ThreadSanitizer
	+$(Q)$(MAKE) FLAVOUR=tsan check

# New inputs are gathered in build/fuzz/corpus; what is worth keeping moves to tests/fuzz/corpus.
FUZZ_SECONDS ?= 60
.PHONY: fuzz fuzz-run
fuzz: deps-fuzz ## search for inputs that break the parsers, FUZZ_SECONDS for each
	+$(Q)$(MAKE) FLAVOUR=fuzz CC=clang fuzz-run
fuzz-run: $(addprefix $(B)/fuzz/,$(FUZZ_TARGETS))
	+$(Q)for target in $(FUZZ_TARGETS); do \
		echo "== fuzz/$$target for $(FUZZ_SECONDS) s"; \
		mkdir -p $(B)/corpus/$$target $(B)/log; \
		$(B)/fuzz/$$target -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=1024 -max_len=65536 \
			-artifact_prefix=$(B)/log/$$target- $(B)/corpus/$$target \
			$$([ -d tests/fuzz/corpus/$$target ] && echo tests/fuzz/corpus/$$target) \
			>$(B)/log/$$target.log 2>&1 || { tail -n 60 $(B)/log/$$target.log; exit 1; }; \
		grep -ao 'Done [0-9]* runs.*' $(B)/log/$$target.log; \
	done

.PHONY: demo
demo: programs ## three members, a killed leader, nothing lost: explained as it happens
	+$(Q)SYNOD_BIN=$(abspath $(B)) bash examples/demo.sh

.PHONY: bench
bench: programs ## measure three members on loopback (BENCH_SECONDS, BENCH_RUNS)
	+$(Q)SYNOD_BIN=$(abspath $(B)) bash tests/bench/run.sh

# ---- quality ----

SOURCES := $(wildcard shared/*.[ch] server/*.[ch] server/*/*.[ch] client/*.[ch] client/*/*.[ch] \
           examples/*.[ch] tests/*/*.[ch] tests/unit/*/*.[ch])

.PHONY: format
format: deps-lint ## put every source into the common form
	clang-format -i $(SOURCES)

.PHONY: lint
lint: deps-lint ## check layers, doors, form, scripts and man pages
	+$(Q)VERSION=$(VERSION) tests/lint.sh

.PHONY: cppcheck
cppcheck: deps-cppcheck ## static analysis
	cppcheck --quiet --std=c11 --enable=warning,portability --inline-suppr --error-exitcode=1 \
		--suppress=missingIncludeSystem -I. -D_GNU_SOURCE shared server client

# ---- installation ----

MAN_PAGES := $(wildcard etc/man/*.[158])

.PHONY: install
install: all ## install under PREFIX (DESTDIR is put in front of it)
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(SBINDIR) $(DESTDIR)$(LIBDIR)/pkgconfig \
		$(DESTDIR)$(INCLUDEDIR)/synod $(DESTDIR)$(UNITDIR) $(DESTDIR)$(SYSCONFDIR)
	install -m 755 $(B)/synodd $(DESTDIR)$(SBINDIR)/synodd
	install -m 755 $(B)/synod $(DESTDIR)$(BINDIR)/synod
	install -m 644 $(B)/libsynod.a $(DESTDIR)$(LIBDIR)/libsynod.a
	install -m 755 $(B)/libsynod.so.$(SOVERSION) $(DESTDIR)$(LIBDIR)/libsynod.so.$(VERSION)
	ln -sf libsynod.so.$(VERSION) $(DESTDIR)$(LIBDIR)/libsynod.so.$(SOVERSION)
	ln -sf libsynod.so.$(SOVERSION) $(DESTDIR)$(LIBDIR)/libsynod.so
	install -m 644 $(B)/synod.pc $(DESTDIR)$(LIBDIR)/pkgconfig/synod.pc
	install -m 644 $(PUBLIC_HEADERS) $(DESTDIR)$(INCLUDEDIR)/synod
	sed -e 's|@SBINDIR@|$(SBINDIR)|' -e 's|@SYSCONFDIR@|$(SYSCONFDIR)|' etc/systemd/synodd.service \
		>$(DESTDIR)$(UNITDIR)/synodd.service
	for page in $(MAN_PAGES); do \
		section=$${page##*.}; install -D -m 644 $$page $(DESTDIR)$(MANDIR)/man$$section/$${page##*/} || exit 1; \
	done
	if [ -e etc/completions/synod.bash ]; then install -D -m 644 etc/completions/synod.bash \
		$(DESTDIR)$(DATADIR)/bash-completion/completions/synod; fi
	if [ -e etc/completions/_synod ]; then install -D -m 644 etc/completions/_synod \
		$(DESTDIR)$(DATADIR)/zsh/site-functions/_synod; fi
	if [ ! -e $(DESTDIR)$(SYSCONFDIR)/synod.conf ]; then \
		install -m 644 etc/synod.conf $(DESTDIR)$(SYSCONFDIR)/synod.conf; \
	elif ! cmp -s etc/synod.conf $(DESTDIR)$(SYSCONFDIR)/synod.conf; then \
		install -m 644 etc/synod.conf $(DESTDIR)$(SYSCONFDIR)/synod.conf.new; \
		echo "kept $(DESTDIR)$(SYSCONFDIR)/synod.conf; the new default is beside it as synod.conf.new"; \
	fi

.PHONY: uninstall
uninstall: ## remove what install brought; configuration and data stay
	rm -f $(DESTDIR)$(SBINDIR)/synodd $(DESTDIR)$(BINDIR)/synod $(DESTDIR)$(LIBDIR)/libsynod.a \
		$(DESTDIR)$(LIBDIR)/libsynod.so $(DESTDIR)$(LIBDIR)/libsynod.so.$(SOVERSION) \
		$(DESTDIR)$(LIBDIR)/libsynod.so.$(VERSION) $(DESTDIR)$(LIBDIR)/pkgconfig/synod.pc \
		$(PUBLIC_HEADERS:client/%=$(DESTDIR)$(INCLUDEDIR)/synod/%) $(DESTDIR)$(UNITDIR)/synodd.service \
		$(DESTDIR)$(DATADIR)/bash-completion/completions/synod \
		$(DESTDIR)$(DATADIR)/zsh/site-functions/_synod $(DESTDIR)$(SYSCONFDIR)/synod.conf.new
	for page in $(MAN_PAGES); do rm -f $(DESTDIR)$(MANDIR)/man$${page##*.}/$${page##*/}; done
	-rmdir $(DESTDIR)$(INCLUDEDIR)/synod 2>/dev/null

.PHONY: installcheck
installcheck: deps-pc all ## install into a temporary place, build an example there and run it
	+$(Q)MAKE_PROGRAM="$(MAKE)" CC="$(CC)" BUILD="$(abspath $(BUILD))" bash tests/installcheck.sh

# ---- the rest ----

.PHONY: dist
dist: ## build/synod-VERSION.tar.gz from the last commit
	@mkdir -p $(BUILD)
	git archive --format=tar.gz --prefix=synod-$(VERSION)/ -o $(BUILD)/synod-$(VERSION).tar.gz HEAD

.PHONY: clean
clean: ## remove everything that was built
	rm -rf $(BUILD)

.PHONY: help
help: ## print this
	@echo "usage: make [TARGET] [FLAVOUR=release|asan|tsan] [V=1] [WERROR=1] [CFLAGS=...]"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)$$/\1\t\2/p' $(filter-out %.d,$(MAKEFILE_LIST)) | while IFS="$$(printf '\t')" read -r name text; do \
		printf '  %-13s %s\n' "$$name" "$$text"; done

-include tests/sim/rules.mk
-include tests/sim/exhaustive.mk
-include $(shell find $(B) -name '*.d' 2>/dev/null)
