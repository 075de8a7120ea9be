# aolani-run: `make demo`, `make test`; `make help` lists the rest.
#
# Every .c file of a folder belongs to that folder's program or library; a new file needs
# no line here. What is optional (MPI, PMIx, Slurm, CUDA, NCCL) is looked for, and
# `make config` says what was found and what does not work without it.

VERSION := 0.1.0

# ---- what a user may set

PREFIX  ?= /usr/local
DESTDIR ?=
BUILD   ?= build$(if $(SAN),/asan)
ifeq ($(origin CC),default)
CC      := gcc
endif
CFLAGS  ?= -O2 -g
DEPS    ?= scripts/deps# DEPS=: leaves the installing of packages to you
V       ?=# V=1 shows whole commands
SAN     ?=# SAN=1: AddressSanitizer and UBSan
WERROR  ?=# WERROR=1: a warning is an error, as in CI

# ---- flags

Q       := $(if $(V),,@)
silent  := $(findstring s,$(firstword -$(MAKEFLAGS)))
say      = $(if $(V),,@$(if $(silent),,printf '  %-8s%s\n' '$(1)' '$(2)';))
mk       = $(MAKE) --no-print-directory $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$(NPROC))
NPROC   := $(shell nproc 2>/dev/null || echo 2)

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla \
        -Wpointer-arith -Wformat=2 -Wno-format-nonliteral $(if $(WERROR),-Werror)
our_cppflags = -D_GNU_SOURCE -DAOLANI_VERSION='"$(VERSION)"' -I. -I$(BUILD)/gen $(CPPFLAGS)
our_cflags   = -std=c11 $(WARN) $(CFLAGS) -fstack-protector-strong -fno-common -MMD -MP

# The sanitized agent is linked dynamically. What ranks load (libaolani, the trainer) is
# never sanitized: a rank is the user's program, not ours.
ifneq ($(SAN),)
san := -fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined \
       $(if $(FUZZER),-fsanitize=fuzzer-no-link)
endif
STATIC := $(if $(SAN),,-static)

comma   := ,
PKG     := pkg-config
lib      = $(shell $(PKG) --libs $(1) 2>/dev/null)
UV      := $(call lib,libuv)
SODIUM  := $(call lib,libsodium)
PBC     := $(call lib,libprotobuf-c)
SQLITE  := $(call lib,sqlite3)
JANSSON := $(call lib,jansson)
EXPAT   := $(call lib,expat)
CMOCKA  := $(call lib,cmocka)
PMIX    := $(call lib,pmix)
HWLOC   := $(call lib,hwloc)
PMIX_CF := $(shell $(PKG) --cflags pmix 2>/dev/null)
# Sites have Slurm in a folder of its own: make SLURM_HOME=/opt/slurm
SLURM_HOME ?=
SLURM_SO = $(if $(SLURM_HOME),$(firstword $(wildcard $(SLURM_HOME)/lib*/libslurm.so)),$(filter /%,$(shell $(CC) -print-file-name=libslurm.so)))
SLURM   := $(if $(wildcard $(or $(SLURM_HOME),/usr)/include/slurm/slurm.h),$(SLURM_SO))
MPICC   := $(shell command -v mpicc 2>/dev/null)
# make CUDA_HOME=/opt/cuda NCCL_HOME=/opt/nccl; NCCL may lie with CUDA or the system's libraries.
CUDA_HOME ?= /usr/local/cuda
NCCL_HOME ?=
NVCC    := $(or $(wildcard $(CUDA_HOME)/bin/nvcc),$(shell command -v nvcc 2>/dev/null))
CUDA_AT := $(if $(NVCC),$(patsubst %/bin/,%,$(dir $(realpath $(NVCC)))))
CUDA_INC := $(CUDA_AT)/include
CUDA_LIB := $(patsubst %/libcublas.so,%,$(firstword $(wildcard $(CUDA_AT)/lib64/libcublas.so $(CUDA_AT)/lib/libcublas.so $(CUDA_AT)/targets/*/lib/libcublas.so)))
NCCL_H  := $(firstword $(wildcard $(or $(NCCL_HOME),$(CUDA_AT))/include/nccl.h $(if $(NCCL_HOME),,/usr/include/nccl.h)))
NCCL_SO := $(firstword $(wildcard $(if $(NCCL_HOME),$(NCCL_HOME)/lib*/libnccl.so,$(CUDA_LIB)/libnccl.so)) $(if $(NCCL_HOME),,$(filter /%,$(shell $(CC) -print-file-name=libnccl.so))))
HOST_CXX := $(shell command -v $(if $(findstring clang,$(CC)),clang++,g++) 2>/dev/null)
HAS_CUDA := $(and $(NVCC),$(CUDA_LIB),$(wildcard $(CUDA_INC)/cublas_v2.h),$(NCCL_H),$(NCCL_SO),$(HOST_CXX))
SCDOC   := $(shell command -v scdoc 2>/dev/null)

# ---- names

src      = $(wildcard $(1)/*.c)
objs     = $(patsubst %.c,$(BUILD)/%.o,$(call src,$(1)))
nomain   = $(filter-out $(BUILD)/$(1)/main.o,$(call objs,$(1)))

PB      := $(BUILD)/gen/proto/wire/aolani.pb-c
BASE    := $(BUILD)/libbase.a
WIRE    := $(BUILD)/libwire.a
CLIENT  := $(BUILD)/libclient.a
LAUNCH  := $(BUILD)/liblauncher.a
AGENT   := $(BUILD)/libagent.a
DESCRIBE := $(BUILD)/libdescribe.a
AUDIT   := $(BUILD)/libaudit.a

PROGRAMS := $(BUILD)/aolani-run $(BUILD)/aolani-agent $(BUILD)/libaolani.so $(BUILD)/aolani.py $(BUILD)/libnccl-profiler-aolani.so \
            $(if $(PMIX),$(BUILD)/aolani-pmix) $(if $(SLURM),$(BUILD)/aolani-slurm) $(if $(HWLOC),$(BUILD)/aolani-describe) $(if $(wildcard agent/audit/main.c),$(BUILD)/aolani-audit) \
            $(if $(MPICC),$(BUILD)/trainer-cpu) $(if $(SAN),,$(if $(HAS_CUDA),$(BUILD)/trainer-cuda))
MAN_SCD  := $(wildcard doc/*.scd)
MAN      := $(if $(SCDOC),$(MAN_SCD:doc/%.scd=$(BUILD)/man/%))

.PHONY: all
all: $(PROGRAMS) $(MAN)

# ---- libraries and programs

$(BASE): $(call objs,proto/base)
$(WIRE): $(call objs,proto/wire) $(PB).o
$(CLIENT): $(call objs,proto/client)
$(LAUNCH): $(call nomain,launcher) $(call objs,launcher/place) $(call objs,launcher/variance) $(call objs,launcher/tax) $(call objs,launcher/audit) \
           $(filter-out %/plugin.o,$(call objs,launcher/slurm))
$(AGENT): $(call nomain,agent)
$(DESCRIBE): $(call nomain,agent/describe)
$(AUDIT): $(call nomain,agent/audit) $(patsubst %.c,$(BUILD)/%.o,$(wildcard agent/describe/nvmllib*.c))
$(BASE) $(WIRE) $(CLIENT) $(LAUNCH) $(AGENT) $(DESCRIBE) $(AUDIT):
	$(call say,AR,$@)rm -f $@; $(AR) rcs $@ $^

$(BUILD)/aolani-run: $(BUILD)/launcher/main.o $(LAUNCH) $(WIRE) $(BASE)
	$(call say,LINK,$@)$(CC) $(LDFLAGS) $(san) -o $@ $^ $(UV) $(SODIUM) $(PBC) $(SQLITE) $(JANSSON) $(EXPAT) -lpthread -lm

# What travels to the nodes brings its own libraries and no debugging information. The
# agent is static altogether, so that it starts on any Linux of its architecture; its PMIx
# helper takes libpmix (and libc) from the node, where an MPI program needs them anyway.
OWN_LIBS = $(if $(SAN),$(UV) $(SODIUM) $(PBC),-l:libuv_a.a -l:libsodium.a -l:libprotobuf-c.a)
LEAN     = $(if $(SAN),,-Wl,--strip-debug -Wl,--gc-sections)
$(BUILD)/aolani-agent: $(BUILD)/agent/main.o $(AGENT) $(WIRE) $(BASE)
	$(call say,LINK,$@)$(CC) $(LDFLAGS) $(san) $(STATIC) $(LEAN) -o $@ $^ $(OWN_LIBS) -lpthread -ldl -lrt -lm

$(BUILD)/aolani-pmix: $(call objs,agent/pmix) $(WIRE) $(BASE)
	$(call say,LINK,$@)$(CC) $(LDFLAGS) $(san) $(LEAN) -o $@ $^ $(OWN_LIBS) $(PMIX) -lpthread -ldl -lrt -lm

# hwloc comes along where the system has it as an archive, so that a node needs none; what
# hwloc itself wants (libudev) every distribution has.
HWLOC_A   := $(filter /%,$(shell $(CC) -print-file-name=libhwloc.a))
HWLOC_OWN  = $(if $(SAN)$(if $(HWLOC_A),,shared),$(HWLOC),-l:libhwloc.a $(filter-out -lhwloc -lpthread -lm,$(shell $(PKG) --static --libs hwloc 2>/dev/null)))
$(BUILD)/aolani-describe: $(BUILD)/agent/describe/main.o $(DESCRIBE) $(WIRE) $(BASE)
	$(call say,LINK,$@)$(CC) $(LDFLAGS) $(san) $(LEAN) -o $@ $^ $(OWN_LIBS) $(HWLOC_OWN) -lpthread -ldl -lrt -lm

# Of the site's own Slurm: it finds its libslurm again wherever that lies. What libslurm
# leaks is not ours to find.
$(BUILD)/aolani-slurm: san =
$(BUILD)/launcher/slurm/plugin.o: our_cppflags += $(SLURM_HOME:%=-I%/include)
$(BUILD)/aolani-slurm: $(BUILD)/launcher/slurm/plugin.o
	$(call say,LINK,$@)$(CC) $(LDFLAGS) $(san) -o $@ $^ $(SLURM) $(if $(SLURM_HOME),-Wl$(comma)-rpath$(comma)$(dir $(SLURM)))

$(BUILD)/aolani-audit: $(BUILD)/agent/audit/main.o $(AUDIT) $(WIRE) $(BASE)
	$(call say,LINK,$@)$(CC) $(LDFLAGS) $(san) $(LEAN) -o $@ $^ $(OWN_LIBS) -lpthread -ldl -lrt -lm

# It stays, as the lock by which its process marks does.
$(BUILD)/libaolani.so: $(patsubst %.c,$(BUILD)/pic/%.o,$(call src,proto/client) proto/wire/steprec.c proto/base/cur.c) proto/client/aolani.map
	$(call say,LINK,$@)$(CC) $(LDFLAGS) -shared -Wl,-soname,libaolani.so.1 -Wl,--version-script=proto/client/aolani.map \
	  -Wl,-z,now -Wl,-z,nodelete -o $@ $(filter %.o,$^) && ln -sf libaolani.so $@.1

$(BUILD)/aolani.py: proto/client/aolani.py
	$(call say,COPY,$@)mkdir -p $(@D); cp $< $@

# NCCL unloads a plug-in with its last communicator; ours may then still be called by a
# thread of CUDA's, and so stays.
NCCL_SRC  := $(call src,proto/client/nccl) proto/client/filelock.c proto/wire/collrec.c proto/base/cur.c
NCCL_LINK := -shared -Wl,--version-script=proto/client/nccl/profiler.map -Wl,-z,now -Wl,-z,nodelete
$(BUILD)/libnccl-profiler-aolani.so: $(NCCL_SRC:%.c=$(BUILD)/pic/%.o) proto/client/nccl/profiler.map
	$(call say,LINK,$@)$(CC) $(LDFLAGS) $(NCCL_LINK) -o $@ $(filter %.o,$^)

# Compiled in one go: mpicc adds flags of its own to every step.
trainer_src  = $(call src,agent/workload) $(wildcard agent/workload/*.h)
trainer_link = mpicc $(our_cppflags) $(filter-out -MMD -MP,$(our_cflags)) $(LDFLAGS) -o $@ $(filter %.c,$^) \
               -L$(BUILD) -l:libaolani.so -Wl,-rpath,'$$ORIGIN' -lm
$(BUILD)/trainer-cpu: $(trainer_src) $(BUILD)/libaolani.so
	$(call say,MPICC,$@)$(trainer_link)

# The trainer for CUDA: kernels by nvcc, the rest by the C compiler. CUDA's own libraries are
# found again where they were, but for the runtime, which is linked in.
trainer_gpu  = $(filter-out %/comm.o %/backend_cpu.o,$(call objs,agent/workload)) $(call objs,agent/workload/cuda)
trainer_libs = -L$(BUILD) -l:libaolani.so -Wl,-rpath,'$$ORIGIN'
NVCCFLAGS   ?= -gencode arch=compute_80,code=sm_80 -gencode arch=compute_90,code=sm_90 -gencode arch=compute_90,code=compute_90
$(BUILD)/agent/workload/cuda/gpu_%.o: our_cppflags += -isystem $(CUDA_INC) $(NCCL_HOME:%=-isystem %/include)
$(BUILD)/agent/workload/cuda/kernels.o: agent/workload/cuda/kernels.cu
	$(call say,NVCC,$<)mkdir -p $(@D); $(NVCC) -std=c++17 -O2 -I. -Xcompiler -Wall,-Wextra $(NVCCFLAGS) --threads 3 -MMD -MP -c -o $@ $<
$(BUILD)/trainer-cuda: $(trainer_gpu) $(BUILD)/agent/workload/cuda/kernels.o $(BUILD)/libaolani.so
	$(call say,LINK,$@)$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) $(trainer_libs) -L$(CUDA_LIB) -Wl,-rpath,$(CUDA_LIB) \
	  -lcublas $(NCCL_SO) -Wl,-rpath,$(dir $(NCCL_SO)) $(or $(wildcard $(CUDA_LIB)/libcudart_static.a),-lcudart) -lstdc++ -lpthread -ldl -lrt -lm

$(BUILD)/agent/pmix/%.o: our_cppflags += $(PMIX_CF)
$(BUILD)/proto/%.o: WARN += -Wconversion

$(BUILD)/%.o: %.c | $(PB).h
	$(call say,CC,$<)mkdir -p $(@D); $(CC) $(our_cppflags) $(our_cflags) $(san) -c -o $@ $<

$(BUILD)/pic/%.o: %.c
	$(call say,CC,$<)mkdir -p $(@D); $(CC) $(our_cppflags) $(our_cflags) -fPIC -fvisibility=hidden -c -o $@ $<

$(PB).h $(PB).c &: proto/wire/aolani.proto
	$(if $(UV),,$(error the libraries are not there; run scripts/deps build))
	$(call say,PROTOC,$<)mkdir -p $(BUILD)/gen; protoc-c --c_out=$(BUILD)/gen $<

# Generated code is not held to our warnings.
$(PB).o: $(PB).c
	$(call say,CC,$<)$(CC) $(our_cppflags) $(CFLAGS) $(san) -w -c -o $@ $<

$(BUILD)/man/%: doc/%.scd
	$(call say,SCDOC,$<)mkdir -p $(@D); scdoc <$< >$@

-include $(shell find $(BUILD) -name '*.d' $(patsubst %,-not -path '$(BUILD)/%/*',asan fuzz lint-gcc lint-clang) 2>/dev/null)

# ---- for people

.PHONY: help config demo clean
help:
	@sed -n 's/^#: //p' $(MAKEFILE_LIST)
#: make            build everything into build/
#: make demo       install what is missing, build, train on 2 local nodes x 2 ranks
#: make test       install what is missing, run every test (some 28 minutes on 2 cores)
#: make unit       unit tests; T=base/toml for one
#: make e2e        end-to-end tests; T=10-local for one file
#: make asan       unit and end-to-end tests with AddressSanitizer and UBSan
#: make fuzz       libFuzzer on every parser; SECONDS=30 for each, T=toml for one
#: make soak       200 starts stopped at random moments; SEED=n repeats, STARTS=60 for fewer; then a
#:                 training that Slurm cuts into links of 3 minutes (LINKS=2 MINUTES=1 for less)
#: make score      name what slows ranks down, live: SEEDS=5 runs, how many were named rightly
#: make bench      the benchmarks of tests/bench
#: make gpu        all that needs an NVIDIA GPU, packed in build/gpu and run; RESULTS=DIR keeps a page
#: make tax-study  whether the intervals of compare hold what they say; PAIRS=10000
#: make lint       layers, sizes, format, warnings of gcc and clang
#: make config     what was found on this machine, and what does not work without it
#: make install    to PREFIX (/usr/local), below DESTDIR; make uninstall takes it away
#: make clean      remove build/
#: variables       CC CFLAGS BUILD PREFIX DESTDIR SLURM_HOME CUDA_HOME NCCL_HOME V=1 SAN=1 WERROR=1 DEPS=:

config:
	@scripts/config '$(VERSION)' '$(CC)' '$(BUILD)' '$(SLURM)' '$(NVCC)' '$(CUDA_LIB)' '$(and $(NCCL_H),$(NCCL_SO))' '$(HOST_CXX)'

# What pkg-config finds is read when make starts: after scripts/deps it must start again.
demo:
	@$(DEPS) demo && $(mk) all && $(MAKE) --no-print-directory config
	$(BUILD)/aolani-run configs/local.toml

# Where there is no GPU, build/gpu is what to take to a machine that has one.
.PHONY: gpu
gpu:
	@$(DEPS) demo && $(mk) all && tests/gpu/pack '$(BUILD)' '$(BUILD)/gpu'
	$(BUILD)/gpu/run --results '$(or $(RESULTS),tests/gpu/results)'

clean:
	rm -rf $(BUILD)

# ---- install: aolani-run looks for its agent beside itself, then in ../lib/aolani

bindir  = $(DESTDIR)$(PREFIX)/bin
libdir  = $(DESTDIR)$(PREFIX)/lib
incdir  = $(DESTDIR)$(PREFIX)/include
mandir  = $(DESTDIR)$(PREFIX)/share/man
docdir  = $(DESTDIR)$(PREFIX)/share/doc/aolani-run
compdir = $(DESTDIR)$(PREFIX)/share/bash-completion/completions
unitdir = $(DESTDIR)$(PREFIX)/lib/systemd/user
UNITS  := $(notdir $(wildcard scripts/systemd/*.service scripts/systemd/*.timer))

.PHONY: install uninstall
install: all
	install -d $(bindir) $(libdir)/aolani $(incdir) $(docdir)/examples
	install -m 755 $(BUILD)/aolani-run $(bindir)/aolani-run
	install -m 755 $(BUILD)/aolani-agent $(wildcard $(BUILD)/aolani-pmix $(BUILD)/aolani-slurm $(BUILD)/aolani-describe $(BUILD)/aolani-audit $(BUILD)/libnccl-profiler-aolani.so) $(libdir)/aolani
	install -m 755 $(BUILD)/libaolani.so $(libdir)/libaolani.so.1
	ln -sf libaolani.so.1 $(libdir)/libaolani.so
	ln -sf ../libaolani.so.1 $(libdir)/aolani/libaolani.so.1
	install -m 644 proto/client/aolani.h $(incdir)/aolani.h
	install -m 644 proto/client/aolani.py $(libdir)/aolani/aolani.py
	install -m 644 LICENSE $(wildcard README.md CHANGELOG.md) $(docdir)
	install -m 644 $(wildcard configs/*.toml) $(docdir)/examples
	$(foreach m,$(MAN),install -D -m 644 $(m) $(mandir)/man$(lastword $(subst ., ,$(m)))/$(notdir $(m)) &&) true
	install -m 755 scripts/aolani-sbatch $(bindir)/aolani-sbatch
	install -m 755 scripts/systemd/aolani-job $(libdir)/aolani/aolani-job
	install -d $(unitdir)
	$(foreach u,$(UNITS),sed 's#/usr/local/#$(PREFIX)/#' scripts/systemd/$u >$(unitdir)/$u && chmod 644 $(unitdir)/$u &&) true
	$(foreach c,$(wildcard scripts/completion.bash),install -D -m 644 $(c) $(compdir)/aolani-run &&) true

uninstall:
	rm -f $(bindir)/aolani-run $(libdir)/libaolani.so $(libdir)/libaolani.so.1
	rm -f $(incdir)/aolani.h $(compdir)/aolani-run $(bindir)/aolani-sbatch $(foreach u,$(UNITS),$(unitdir)/$u)
	rm -f $(foreach m,$(MAN_SCD:doc/%.scd=%),$(mandir)/man$(lastword $(subst ., ,$(m)))/$(m))
	rm -rf $(libdir)/aolani $(docdir)

include tests/tests.mk
