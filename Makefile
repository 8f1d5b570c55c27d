# Millrace: one Makefile for everything. `make help` lists the targets.
# SPDX-License-Identifier: Apache-2.0
.DEFAULT_GOAL := all
VERSION := 0.1.0
PREFIX  ?= /usr/local
DESTDIR ?=
CC      ?= gcc
# SAN=address,undefined builds beside the release build, in its own directory.
SAN     ?=
BUILD   := build/$(if $(SAN),san,release)

CFLAGS  ?= -O2 -g
CFLAGS_ALL := -std=c11 -D_GNU_SOURCE -I. -MMD -MP -Wall -Wextra -Wno-missing-field-initializers \
    $(if $(CI),-Werror) -DMILLRACE_VERSION='"$(VERSION)"' -DMILLRACE_LIBEXECDIR='"$(PREFIX)/libexec/millrace"' \
    -fno-omit-frame-pointer $(CFLAGS)
ifneq ($(SAN),)
CFLAGS_ALL += -fsanitize=$(SAN) -fno-sanitize-recover=all -DMILLRACE_SANITIZED
LDFLAGS_ALL += -fsanitize=$(SAN)
endif

pkg = $(shell pkg-config $(1) $(2) 2>/dev/null)
# The libraries of each folder. Only jobs/image*.c see libvips and only mr/comm_mpi.c sees MPI.
BASE_PKGS := glib-2.0 jansson libxxhash
VIPS_PKGS := vips
MPI_PKGS  := ompi-c

srcs = $(wildcard $(1)/*.c)
objs = $(patsubst %.c,$(BUILD)/%.o,$(1))

FORMATS_OBJS := $(call objs,$(call srcs,formats))
MR_OBJS      := $(call objs,$(call srcs,mr))
IMAGE_OBJS   := $(call objs,$(wildcard jobs/image*.c)) # with libvips: the worker's only
JOBS_OBJS    := $(filter-out $(IMAGE_OBJS),$(call objs,$(call srcs,jobs)))
TOOL_OBJS    := $(BUILD)/tools/tool.o

# Programs, and what each is made of.
PROGRAMS := millrace millrace-resize millrace-manifest millrace-run millrace-imageworker
BINARIES := $(addprefix $(BUILD)/,$(PROGRAMS))

all: $(BINARIES)

$(BUILD)/millrace:             $(BUILD)/tools/millrace.o $(TOOL_OBJS) $(FORMATS_OBJS)
$(BUILD)/millrace-manifest:    $(BUILD)/tools/manifest.o $(TOOL_OBJS) $(FORMATS_OBJS)
$(BUILD)/millrace-run:         $(BUILD)/tools/run.o $(TOOL_OBJS) $(BUILD)/jobs/supervise.o $(FORMATS_OBJS)
$(BUILD)/millrace-resize:      $(BUILD)/tools/resize.o $(TOOL_OBJS) $(JOBS_OBJS) $(MR_OBJS) $(FORMATS_OBJS)
$(BUILD)/millrace-imageworker: $(BUILD)/tools/imageworker.o $(BUILD)/jobs/worker.o $(BUILD)/jobs/worker_wire.o \
                               $(IMAGE_OBJS) $(FORMATS_OBJS)

$(BUILD)/millrace-resize:      PKGS = $(MPI_PKGS)
$(BUILD)/millrace-imageworker: PKGS = $(VIPS_PKGS)

$(BINARIES):
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS_ALL) $(LDFLAGS) -o $@ $(filter %.o,$^) $(call pkg,--libs,$(BASE_PKGS) $(PKGS)) -lm

$(IMAGE_OBJS): PKGS = $(VIPS_PKGS)
$(BUILD)/mr/comm_mpi.o: PKGS = $(MPI_PKGS)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) $(CFLAGS_ALL) $(call pkg,--cflags,$(BASE_PKGS) $(PKGS)) -c -o $@ $<

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

clean:
	rm -rf build demo
.PHONY: all clean
