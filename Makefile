# Millrace: one Makefile for everything. `make help` lists the targets.
# SPDX-License-Identifier: Apache-2.0
.DEFAULT_GOAL := all
VERSION := 0.1.0
PREFIX  ?= /usr/local
DESTDIR ?=
JOBS    ?= $(shell nproc)
FUZZ_SECONDS ?= 60
# SAN=address,undefined builds in its own directory, beside the release build.
SAN     ?=
BUILD   := build/$(if $(SAN),san,release)
MAKE_IN_PARALLEL = +@$(MAKE) --no-print-directory $(if $(filter -j%,$(MAKEFLAGS)),,-j$(JOBS))

CC         := $(if $(filter default,$(origin CC)),gcc,$(CC))
CFLAGS     ?= -O2 -g
LIBEXECDIR := $(PREFIX)/libexec/millrace
CFLAGS_ALL := -std=c11 -D_GNU_SOURCE -I. -Wall -Wextra -Wno-missing-field-initializers \
    $(if $(CI),-Werror) -DMILLRACE_VERSION='"$(VERSION)"' -DMILLRACE_LIBEXECDIR='"$(LIBEXECDIR)"' \
    -fno-omit-frame-pointer $(CFLAGS)
LDFLAGS_ALL := -Wl,--as-needed $(LDFLAGS)
ifneq ($(SAN),)
CFLAGS_ALL += -fsanitize=$(SAN) -fno-sanitize-recover=all -DMILLRACE_SANITIZED
LDFLAGS_ALL += -fsanitize=$(SAN)
endif

# Asked when a recipe needs it, not when this file is read: `make demo` may have to install them.
pkg = $(or $(shell pkg-config $(1) $(2)),$(error libraries are missing: run `make deps`))
# The libraries that every object sees, and those that only some do (see PKGS below).
BASE_PKGS := glib-2.0 jansson libxxhash libzstd libcrypto
VIPS_PKGS := vips libseccomp
MPI_PKGS  := ompi-c
ARCHIVE_PKGS := libarchive libisal libcurl
KEYS_PKGS    := lmdb sqlite3 libcurl
QUEUE_PKGS   := sqlite3 librabbitmq libarchive
DOOR_PKGS    := libmicrohttpd
TEST_PKGS := criterion

objs = $(patsubst %.c,$(BUILD)/%.o,$(wildcard $(1)))
# Each layer is an archive, so that a program is linked with what it needs, and no more.
FORMATS_LIB := $(BUILD)/formats.a
MR_LIB      := $(call objs,$(if $(SAN),tests/keep_loaded.c)) $(BUILD)/mr.a
IMAGE_LIB   := $(BUILD)/image.a # with libvips: the worker's only
JOBS_LIB    := $(BUILD)/jobs.a
DOOR_LIB    := $(BUILD)/door.a
IMAGE_OBJS  := $(call objs,jobs/image*.c)
TOOL_OBJS   := $(BUILD)/tools/tool.o
$(BUILD)/formats.a: $(call objs,formats/*.c)
$(BUILD)/mr.a:      $(call objs,mr/*.c)
$(BUILD)/image.a:   $(IMAGE_OBJS)
$(BUILD)/jobs.a:    $(filter-out $(IMAGE_OBJS),$(call objs,jobs/*.c))
$(BUILD)/door.a:    $(filter-out %/main.o,$(call objs,tools/door/*.c))
$(BUILD)/%.a:
	@echo "  AR    $@"
	@rm -f $@
	@ar rcs $@ $^

# Programs, and what each is made of.
PROGRAMS := millrace millrace-resize millrace-manifest millrace-run millrace-usage millrace-bill \
    millrace-archive $(if $(wildcard tools/keys.c),millrace-keys) \
    $(if $(wildcard tools/queue.c),millrace-queue) \
    $(if $(wildcard tools/door/main.c),millrace-door)
WORKERS  := millrace-imageworker
BINARIES := $(addprefix $(BUILD)/,$(PROGRAMS) $(WORKERS))

LINKED_formats := $(FORMATS_LIB)
LINKED_mr      := $(MR_LIB) $(LINKED_formats)
LINKED_image   := $(IMAGE_LIB) $(BUILD)/jobs/worker_wire.o $(LINKED_formats)
LINKED_jobs    := $(JOBS_LIB) $(LINKED_mr)
LINKED_door    := $(DOOR_LIB) $(TOOL_OBJS) $(LINKED_jobs)
RANKS_OBJS     := $(BUILD)/tools/ranks.o $(TOOL_OBJS)
RESIZE_OBJS    := $(call objs,tools/resize*.c) $(BUILD)/tools/progress.o $(RANKS_OBJS)
USAGE_OBJS     := $(call objs,tools/usage*.c) $(RANKS_OBJS)
$(BUILD)/millrace:             $(BUILD)/tools/millrace.o $(TOOL_OBJS) $(LINKED_formats)
$(BUILD)/millrace-manifest:    $(BUILD)/tools/manifest.o $(TOOL_OBJS) $(JOBS_LIB) $(LINKED_formats)
$(BUILD)/millrace-run:         $(BUILD)/tools/run.o $(TOOL_OBJS) $(JOBS_LIB) $(LINKED_formats)
$(BUILD)/millrace-resize:      $(RESIZE_OBJS) $(LINKED_jobs)
$(BUILD)/millrace-imageworker: $(BUILD)/tools/imageworker.o $(LINKED_image)
$(BUILD)/millrace-usage:       $(USAGE_OBJS) $(LINKED_jobs)
$(BUILD)/millrace-bill:        $(call objs,tools/bill*.c) $(BUILD)/tools/verbs.o $(RANKS_OBJS) \
                               $(LINKED_jobs)
$(BUILD)/millrace-archive:     $(call objs,tools/archive*.c) $(BUILD)/tools/progress.o \
                               $(BUILD)/tools/verbs.o $(RANKS_OBJS) $(LINKED_jobs)
$(BUILD)/millrace-keys:        $(call objs,tools/keys*.c) $(BUILD)/tools/verbs.o $(TOOL_OBJS) \
                               $(JOBS_LIB) $(LINKED_formats)
$(BUILD)/millrace-queue:       $(call objs,tools/queue*.c) $(BUILD)/tools/verbs.o $(TOOL_OBJS) \
                               $(JOBS_LIB) $(LINKED_formats)
$(BUILD)/millrace-door:        $(BUILD)/tools/door/main.o $(DOOR_LIB) $(TOOL_OBJS) $(JOBS_LIB) \
                               $(LINKED_formats)
$(addprefix $(BUILD)/millrace-,resize usage bill): private PKGS := $(MPI_PKGS)
$(BUILD)/millrace-archive:     private PKGS := $(MPI_PKGS) $(ARCHIVE_PKGS)
$(BUILD)/millrace-keys:        private PKGS := $(KEYS_PKGS)
$(BUILD)/millrace-queue:       private PKGS := $(QUEUE_PKGS)
$(BUILD)/millrace-door:        private PKGS := $(DOOR_PKGS) $(KEYS_PKGS) $(QUEUE_PKGS)
$(BUILD)/millrace-imageworker: private PKGS := $(VIPS_PKGS)

# Unit tests and fuzz targets are named after a module, and linked with its folder and those below.
UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/test_*.c))
FUZZERS    := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
REPLAYS    := $(FUZZERS:%=$(BUILD)/tests/replay_%)
folder_of   = $(if $(wildcard formats/$(1).c),formats,$(if $(wildcard mr/$(1).c),mr,$(if \
    $(filter image%,$(1)),image,$(if $(wildcard tools/door/$(1).c),door,jobs))))
PKGS_formats   := $(ARCHIVE_PKGS) $(KEYS_PKGS)
PKGS_mr        := $(MPI_PKGS)
PKGS_image     := $(VIPS_PKGS)
PKGS_jobs      := $(MPI_PKGS) $(ARCHIVE_PKGS) $(KEYS_PKGS) $(QUEUE_PKGS)
PKGS_door      := $(PKGS_jobs) $(DOOR_PKGS)

# Small programs of the golden and fault tests and benches: peers, measures, damage, with libvips
# alone; and those that drive our own jobs.
JOBS_TOOLS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/fault/*_driver.c tests/bench/auth_*.c))
TEST_TOOLS := $(filter-out $(JOBS_TOOLS),$(patsubst %.c,$(BUILD)/%,$(filter-out %/torture.c,\
    $(wildcard $(foreach d,golden fault bench,tests/$(d)/*.c)))))

# Small programs of the MPI tests, on top of the engine.
DRIVERS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/mpi/*_driver.c))

# Programs whose calls fail when they are told to: see tests/fault/torture.c.
TORTURERS := $(addprefix $(BUILD)/torture-,resize usage)
TORTURED  := write close openat fsync posix_fallocate mkdirat unlinkat renameat renameat2
$(BUILD)/torture-resize: $(RESIZE_OBJS) $(LINKED_jobs)
$(BUILD)/torture-usage:  $(USAGE_OBJS) $(LINKED_jobs)
$(TORTURERS): private PKGS := $(MPI_PKGS)
$(TORTURERS): private LDFLAGS_ALL += $(TORTURED:%=-Wl,--wrap=%)
$(TORTURERS): $(BUILD)/tests/fault/torture.o
	$(link)

.SECONDEXPANSION:
$(BUILD)/tests/test_%: private PKGS = $(TEST_PKGS) $(PKGS_$(call folder_of,$*))
$(BUILD)/tests/test_%: $(BUILD)/tests/unit/test_%.o $$(LINKED_$$(call folder_of,$$*))
	$(link)
$(BUILD)/tests/replay_%: private PKGS = $(PKGS_$(call folder_of,$*))
$(BUILD)/tests/replay_%: $(BUILD)/tests/fuzz/fuzz_%.o $(BUILD)/tests/fuzz/replay.o \
                         $$(LINKED_$$(call folder_of,$$*))
	$(link)
$(BUILD)/fuzz_%: private PKGS = $(PKGS_$(call folder_of,$*))
$(BUILD)/fuzz_%: private LDFLAGS_ALL += -fsanitize=fuzzer
$(BUILD)/fuzz_%: $(BUILD)/tests/fuzz/fuzz_%.o $$(LINKED_$$(call folder_of,$$*))
	$(link)
$(TEST_TOOLS): private PKGS := $(VIPS_PKGS)
$(TEST_TOOLS): %: %.o
	$(link)
$(JOBS_TOOLS): private PKGS = $(PKGS_jobs)
$(JOBS_TOOLS): %: %.o $(LINKED_jobs)
	$(link)
$(DRIVERS): private PKGS := $(MPI_PKGS)
$(DRIVERS): %: %.o $(LINKED_mr)
	$(link)
$(BINARIES):
	$(link)

define link
@mkdir -p $(@D)
@echo "  LINK  $@"
@$(CC) $(LDFLAGS_ALL) -o $@ $(filter %.o,$^) $(filter %.a,$^) \
    $(call pkg,--libs,$(BASE_PKGS) $(PKGS)) -lm
endef

$(UNIT_TESTS:$(BUILD)/tests/%=$(BUILD)/tests/unit/%.o): private PKGS := $(TEST_PKGS)
$(IMAGE_OBJS) $(TEST_TOOLS:%=%.o): private PKGS := $(VIPS_PKGS)
$(BUILD)/mr/comm_mpi.o: private PKGS := $(MPI_PKGS)
# They carry these files within them.
$(BUILD)/tools/door/page.o $(BUILD)/tools/door/openapi.o: $(wildcard tools/door/*.html \
    tools/door/*.css tools/door/*.js tools/door/*.json)
$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) $(CFLAGS_ALL) -MMD -MP $(call pkg,--cflags,$(BASE_PKGS) $(PKGS)) -c -o $@ $<
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

# Other flags (a PREFIX, CI) make everything anew.
FLAGS = $(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL)
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(subst ','\'',$(FLAGS))' | cmp -s - $@ || echo '$(subst ','\'',$(FLAGS))' > $@

MANS := $(patsubst tools/man/%.scd,$(BUILD)/man/%.1,$(wildcard tools/man/*.scd))
$(BUILD)/man/%.1: tools/man/%.scd
	@mkdir -p $(@D)
	@echo "  MAN   $<"
	@scdoc < $< > $@ || { rm -f $@; exit 1; }

all: $(BINARIES) $(MANS) ## build every program (the default)

demo: ## install what is missing, build, resize real photographs, bill for them, show the page
	@.ci/deps.sh build demo
	$(MAKE_IN_PARALLEL) all
	@BUILD='$(abspath $(BUILD))' examples/demo.sh

test: ## install what is missing, build, run every test (T=PATTERN: those whose path matches)
	@.ci/deps.sh build demo test
	$(MAKE_IN_PARALLEL) check

T ?=
SCRIPTS   := $(wildcard $(foreach d,lint cli mpi fault golden,tests/$(d)/*.t))
matching   = $(if $(T),$(foreach t,$(1),$(if $(findstring $(T),$(t)),$(t))),$(1))
RUN_TESTS  = BUILD='$(abspath $(BUILD))' SAN='$(SAN)' JOBS='$(JOBS)' tests/run.sh
check: $(call matching,$(UNIT_TESTS) $(REPLAYS)) \
    $(if $(filter-out tests/lint/%,$(call matching,$(SCRIPTS))),all $(TEST_TOOLS) $(DRIVERS) \
        $(JOBS_TOOLS) $(TORTURERS))
	@$(RUN_TESTS) $(call matching,$(UNIT_TESTS) $(REPLAYS) $(SCRIPTS))

golden: all $(TEST_TOOLS) ## compare with the programs that the golden tests take for their oracles
	@$(RUN_TESTS) $(wildcard tests/golden/*.t)

torture: all $(TEST_TOOLS) $(JOBS_TOOLS) $(TORTURERS) ## the fault tests, with many more rounds
	@MILLRACE_TORTURE=1 $(RUN_TESTS) $(wildcard tests/fault/*.t)

bench: ## peers and us in one run, as ratios
	@.ci/deps.sh build demo bench
	$(MAKE_IN_PARALLEL) all $(TEST_TOOLS) $(DRIVERS) $(JOBS_TOOLS)
	@BUILD='$(abspath $(BUILD))' tests/bench/bench.sh

fuzz: ## libFuzzer on every target, FUZZ_SECONDS (60) each
	@.ci/deps.sh build fuzz
	$(MAKE_IN_PARALLEL) CC=clang SAN=address,undefined BUILD=build/fuzz \
	    CFLAGS='-O1 -g -fsanitize=fuzzer-no-link' $(FUZZERS:%=fuzz-%)
fuzz-%: $(BUILD)/fuzz_%
	@mkdir -p $(BUILD)/corpus/$* tests/fuzz/corpus/$*
	@echo "  FUZZ  $* for $(FUZZ_SECONDS) s"
	@LSAN_OPTIONS=suppressions=tests/lsan.supp:print_suppressions=0 \
	    $< -max_total_time=$(FUZZ_SECONDS) -timeout=10 -artifact_prefix=$(BUILD)/$*- \
	    $(BUILD)/corpus/$* tests/fuzz/corpus/$* > $(BUILD)/$*.log 2>&1 || \
	    { tail -n 60 $(BUILD)/$*.log; exit 1; }
	@echo "  FUZZ  $*: $$(tail -n 1 $(BUILD)/$*.log)"

lint: ## format, clang-tidy, headers alone, banned calls, includes, sizes, shellcheck
	@.ci/deps.sh build test lint
	$(MAKE_IN_PARALLEL) --keep-going lint-all
LINT_PKGS := $(BASE_PKGS) $(VIPS_PKGS) $(PKGS_door) $(TEST_PKGS)
# Asked whatever is made, so a source tree without git may only be told when it is linted.
tracked    = $(or $(wildcard $(shell git ls-files -- $(1) 2>/dev/null)),$(if \
    $(filter lint%,$(MAKECMDGOALS)),$(error lint needs a git checkout)))
lint-all: lint-format lint-headers lint-banned lint-includes lint-shape lint-shell \
    $$(patsubst %.c,$(BUILD)/%.tidy,$$(call tracked,*.c))
lint-format:
	@echo "  LINT  clang-format"
	@clang-format --dry-run -Werror $(call tracked,*.c *.h)
lint-headers:
	@echo "  LINT  headers"
	@tests/lint/headers.sh $(CC) -Werror $(CFLAGS_ALL) \
	    $(call pkg,--cflags,$(LINT_PKGS)) -- $(call tracked,*.h)
lint-banned lint-includes: lint-%:
	@echo "  LINT  $*"
	@tests/lint/$*.sh $(call tracked,*.c *.h)
lint-shape:
	@echo "  LINT  shape"
	@tests/lint/shape.sh $(call tracked,*.c *.h *.sh *.t .ci/run Makefile)
lint-shell:
	@echo "  LINT  shellcheck"
	@shellcheck -x -P SCRIPTDIR $(call tracked,*.sh *.t .ci/run tools/completion/*)
$(BUILD)/%.tidy: %.c $(BUILD)/%.o .clang-tidy
	@echo "  TIDY  $<"
	@clang-tidy --quiet $< -- $(CFLAGS_ALL) $(call pkg,--cflags,$(LINT_PKGS))
	@touch $@

install: all ## programs, man pages and completion to $(DESTDIR)$(PREFIX)
	install -d $(addprefix $(DESTDIR),$(PREFIX)/bin $(LIBEXECDIR) $(PREFIX)/share/man/man1)
	install $(PROGRAMS:%=$(BUILD)/%) $(DESTDIR)$(PREFIX)/bin
	install $(WORKERS:%=$(BUILD)/%) $(DESTDIR)$(LIBEXECDIR)
	$(if $(MANS),install -m 644 $(MANS) $(DESTDIR)$(PREFIX)/share/man/man1)
	$(if $(wildcard tools/completion/millrace),install -D -m 644 -t \
	    $(DESTDIR)$(PREFIX)/share/bash-completion/completions tools/completion/millrace && \
	    cd $(DESTDIR)$(PREFIX)/share/bash-completion/completions && \
	    for verb in $(filter millrace-%,$(PROGRAMS)); do ln -sf millrace $$verb; done)

deps: ## install every Debian package that any target needs
	@.ci/deps.sh build demo test lint fuzz

clean: ## remove what was built
	rm -rf build demo

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

FORCE:
.PHONY: all demo test check golden torture bench fuzz lint lint-all lint-format lint-headers \
    lint-banned lint-includes lint-shape lint-shell install deps clean help FORCE
.SECONDARY:
