# aolani-run: `make demo`, `make test`; `make help` lists the rest.
#
# Every .c file of a folder belongs to that folder's program or library; a new file needs
# no line here. What is optional (nvcc, NCCL, Slurm, PMIx) is looked for and named in one
# summary by `make config`.

PREFIX  ?= /usr/local
DESTDIR ?=
BUILD   ?= build
CC      ?= gcc
V       ?=
SAN     ?=

VERSION := 0.1.0
Q       := $(if $(V),,@)
say      = $(if $(V),,@printf '  %-8s%s\n' '$(1)' '$(2)';)

CPPFLAGS += -D_GNU_SOURCE -DAOLANI_VERSION='"$(VERSION)"' -I. -I$(BUILD)/gen
CFLAGS   ?= -O2 -g
WARN     := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla \
            -Wpointer-arith -Wformat=2 -Wno-format-nonliteral $(if $(WERROR),-Werror)
CFLAGS   += -std=c11 $(WARN) -fstack-protector-strong -fno-common
DEPFLAGS  = -MMD -MP

# SAN=1: AddressSanitizer and UBSan; the agent is then linked dynamically.
ifdef SAN
CFLAGS  += -fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined
LDFLAGS += -fsanitize=address,undefined
endif
STATIC := $(if $(SAN),,-static)

PKG := pkg-config
UV      := $(shell $(PKG) --libs libuv 2>/dev/null)
SODIUM  := $(shell $(PKG) --libs libsodium 2>/dev/null)
PBC     := $(shell $(PKG) --libs libprotobuf-c 2>/dev/null)
SQLITE  := $(shell $(PKG) --libs sqlite3 2>/dev/null)
JANSSON := $(shell $(PKG) --libs jansson 2>/dev/null)
PMIX    := $(shell $(PKG) --libs pmix 2>/dev/null)
PMIX_CF := $(shell $(PKG) --cflags pmix 2>/dev/null)
MPICC   := $(shell command -v mpicc 2>/dev/null)
NVCC    := $(shell command -v nvcc 2>/dev/null || ls $${CUDA_HOME:-/usr/local/cuda}/bin/nvcc 2>/dev/null)

src      = $(wildcard $(1)/*.c)
objs     = $(patsubst %.c,$(BUILD)/%.o,$(call src,$(1)))
nomain   = $(filter-out $(BUILD)/$(1)/main.o,$(call objs,$(1)))

PB      := $(BUILD)/gen/proto/wire/aolani.pb-c
BASE    := $(BUILD)/libbase.a
WIRE    := $(BUILD)/libwire.a
LAUNCH  := $(BUILD)/liblauncher.a
AGENT   := $(BUILD)/libagent.a

PROGRAMS := $(BUILD)/aolani-run $(BUILD)/aolani-agent $(BUILD)/libaolani.so \
            $(if $(PMIX),$(BUILD)/aolani-pmix) $(if $(MPICC),$(BUILD)/trainer-cpu)

.PHONY: all
all: $(PROGRAMS)

# ---- libraries and programs

$(BASE): $(call objs,proto/base)
$(WIRE): $(call objs,proto/wire) $(PB).o
$(LAUNCH): $(call nomain,launcher)
$(AGENT): $(call nomain,agent)
$(BASE) $(WIRE) $(LAUNCH) $(AGENT):
	$(call say,AR,$@)rm -f $@; $(AR) rcs $@ $^

$(BUILD)/aolani-run: $(BUILD)/launcher/main.o $(LAUNCH) $(WIRE) $(BASE)
	$(call say,LINK,$@)$(CC) $(LDFLAGS) -o $@ $^ $(UV) $(SODIUM) $(PBC) $(SQLITE) $(JANSSON) -lpthread -lm

# Static, so that it starts on any Linux of its architecture with nothing installed.
$(BUILD)/aolani-agent: $(BUILD)/agent/main.o $(AGENT) $(WIRE) $(BASE)
	$(call say,LINK,$@)$(CC) $(LDFLAGS) $(STATIC) -o $@ $^ \
	  $(if $(SAN),$(UV) $(SODIUM) $(PBC),-l:libuv_a.a -l:libsodium.a -l:libprotobuf-c.a) -lpthread -ldl -lrt

$(BUILD)/aolani-pmix: $(call objs,agent/pmix) $(WIRE) $(BASE)
	$(call say,LINK,$@)$(CC) $(LDFLAGS) -o $@ $^ $(UV) $(SODIUM) $(PBC) $(PMIX) -lpthread

$(BUILD)/libaolani.so: $(patsubst %.c,$(BUILD)/pic/%.o,$(call src,proto/client) proto/wire/steprec.c proto/base/cur.c) proto/client/aolani.map
	$(call say,LINK,$@)$(CC) $(LDFLAGS) -shared -Wl,-soname,libaolani.so.1 -Wl,--version-script=proto/client/aolani.map \
	  -Wl,-z,now -o $@ $(filter %.o,$^)

$(BUILD)/trainer-cpu: $(call src,agent/workload) $(BUILD)/libaolani.so
	$(call say,MPICC,$@)mpicc $(CPPFLAGS) $(CFLAGS) $(DEPFLAGS) $(LDFLAGS) -o $@ $(filter %.c,$^) \
	  -L$(BUILD) -l:libaolani.so -Wl,-rpath,'$$ORIGIN' -lm

$(BUILD)/agent/pmix/%.o: CPPFLAGS += $(PMIX_CF)
$(BUILD)/proto/%.o: WARN += -Wconversion

$(BUILD)/%.o: %.c | $(PB).h
	$(call say,CC,$<)mkdir -p $(@D); $(CC) $(CPPFLAGS) $(CFLAGS) $(DEPFLAGS) -c -o $@ $<

$(BUILD)/pic/%.o: %.c
	$(call say,CC,$<)mkdir -p $(@D); $(CC) $(CPPFLAGS) $(CFLAGS) $(DEPFLAGS) -fPIC -fvisibility=hidden -c -o $@ $<

$(PB).h $(PB).c &: proto/wire/aolani.proto
	$(call say,PROTOC,$<)mkdir -p $(BUILD)/gen; protoc-c --c_out=$(BUILD)/gen $<

$(PB).o: $(PB).c
	$(call say,CC,$<)$(CC) $(CPPFLAGS) $(CFLAGS) -Wno-all -c -o $@ $<

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

include tests/tests.mk

.PHONY: clean
clean:
	rm -rf $(BUILD)
