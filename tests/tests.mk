# Tests: see CONTRIBUTING.md. tests/unit/<layer>/<module>_test.c is linked with its layer
# and those below; tests/fuzz/<name>_fuzz.c with everything.

VERBS      := $(call lib,libibverbs)
UNIT_SRC   := $(filter-out $(if $(HOST_CXX),,tests/unit/agent/trainer_cuda%) $(if $(HWLOC),,tests/unit/describe/%) $(if $(VERBS),,tests/unit/audit/pair_rdma%),$(wildcard tests/unit/*/*_test.c))
UNIT_BIN   := $(UNIT_SRC:%.c=$(BUILD)/%)
FUZZ_NAMES := $(patsubst tests/fuzz/%_fuzz.c,%,$(wildcard tests/fuzz/*_fuzz.c))
REPLAY_BIN := $(FUZZ_NAMES:%=$(BUILD)/tests/fuzz/%_replay)
FUZZ_BIN   := $(FUZZ_NAMES:%=$(BUILD)/tests/fuzz/%_fuzz)

LIBS_base     = $(BASE)
LIBS_wire     = $(WIRE) $(BASE)
LIBS_client   = $(CLIENT) $(WIRE) $(BASE)
LIBS_launcher = $(LAUNCH) $(WIRE) $(BASE)
LIBS_agent    = $(AGENT) $(WIRE) $(BASE)
LIBS_describe = $(DESCRIBE) $(WIRE) $(BASE)
LIBS_audit    = $(AUDIT) $(WIRE) $(BASE)
LIBS_fuzz     = $(LAUNCH) $(AGENT) $(CLIENT) $(AUDIT) $(WIRE) $(BASE)

test_link = $(CC) $(our_cppflags) $(our_cflags) -MF $@.d -MT $@ $(LDFLAGS) $(san) -o $@ \
            $(filter tests/%.c %.a,$^) $(CMOCKA) $(UV) $(SODIUM) $(PBC) $(SQLITE) $(JANSSON) $(EXPAT) $(test_libs) -lpthread -ldl -lm

.SECONDEXPANSION:
$(BUILD)/tests/unit/%: tests/unit/%.c $$(LIBS_$$(firstword $$(subst /, ,$$*))) | $(PB).h
	$(call say,TEST,$@)mkdir -p $(@D); $(test_link)

# An NVML that says what a file of facts says, as the drivers of four ages have it. It is
# found as the real one is, and never sanitized: it stands for somebody else's.
NVML_FAKES := $(foreach era,418 470 535 570,$(BUILD)/tests/lib/nvml-$(era)/libnvidia-ml.so.1)
$(BUILD)/tests/lib/nvml-%/libnvidia-ml.so.1: tests/lib/nvml_fake.c
	$(call say,FAKE,$@)mkdir -p $(@D); $(CC) -std=c11 -D_GNU_SOURCE $(WARN) $(CFLAGS) -fPIC -shared -DERA=$* -o $@ $<
# And a CUDA that waits as long as its copies would take.
CUDA_FAKE := $(BUILD)/tests/lib/libcuda.so.1
$(CUDA_FAKE): tests/lib/cuda_fake.c
	$(call say,FAKE,$@)mkdir -p $(@D); $(CC) -std=c11 -D_GNU_SOURCE $(WARN) $(CFLAGS) -fPIC -shared -o $@ $<
$(filter $(BUILD)/tests/unit/describe/%,$(UNIT_BIN)): test_libs = $(HWLOC)
$(filter $(BUILD)/tests/unit/describe/% $(BUILD)/tests/unit/audit/gpu%,$(UNIT_BIN)): | $(NVML_FAKES) $(CUDA_FAKE)

# And HCAs that are connected by memory.
VERBS_FAKE := $(BUILD)/tests/lib/verbs/libibverbs.so.1
$(VERBS_FAKE): tests/lib/verbs_fake.c
	$(call say,FAKE,$@)mkdir -p $(@D); $(CC) -std=c11 -D_GNU_SOURCE $(WARN) $(CFLAGS) -fPIC -shared -Wl,-soname,libibverbs.so.1 -o $@ $< -lpthread
$(filter $(BUILD)/tests/unit/audit/pair_rdma%,$(UNIT_BIN)): | $(VERBS_FAKE)

# The trainer for CUDA with a GPU that is made of memory: its kernels are loops.
GPU_HOST := $(BUILD)/libtrainer-host.a
$(GPU_HOST): $(filter-out %/main.o %/gpu_cuda.o %/gpu_blas.o %/gpu_nccl.o,$(trainer_gpu)) \
             $(BUILD)/tests/lib/gpu_host.o $(BUILD)/agent/workload/cuda/kernels-host.o
	$(call say,AR,$@)rm -f $@; $(AR) rcs $@ $^
$(BUILD)/agent/workload/cuda/kernels-host.o: agent/workload/cuda/kernels.cu
	$(call say,CXX,$<)mkdir -p $(@D); $(HOST_CXX) -std=c++17 $(our_cppflags) $(CFLAGS) -Wall -Wextra $(san) -MMD -MP -c -o $@ -x c++ $<
$(filter $(BUILD)/tests/unit/agent/trainer_cuda%,$(UNIT_BIN)): $(GPU_HOST)
$(BUILD)/tests/e2e/trainer-host: $(BUILD)/agent/workload/main.o $(GPU_HOST) $(BUILD)/libaolani.so
	$(call say,LINK,$@)mkdir -p $(@D); $(CC) $(LDFLAGS) $(san) -o $@ $(filter %.o %.a,$^) $(trainer_libs) -Wl,-rpath,'$$ORIGIN/../..' -lpthread -lm

# A fuzz target under libFuzzer (clang, FUZZER=1), and with a main that only replays files.
$(BUILD)/tests/fuzz/%_fuzz: tests/fuzz/%_fuzz.c $(LIBS_fuzz) | $(PB).h
	$(call say,FUZZ,$@)mkdir -p $(@D); $(test_link) -fsanitize=fuzzer
$(BUILD)/tests/fuzz/%_replay: tests/fuzz/%_fuzz.c tests/lib/replay_main.c $(LIBS_fuzz) | $(PB).h
	$(call say,FUZZ,$@)mkdir -p $(@D); $(test_link)

# Programs that only the end-to-end tests run: MPI programs that know nothing of us, and
# the trainer with its all-reduce left out, which must be seen to fail.
E2E_BIN := $(if $(HOST_CXX),$(BUILD)/tests/e2e/trainer-host) $(if $(MPICC),$(patsubst %.c,$(BUILD)/%,$(wildcard tests/e2e/*.c tests/e2e/mpi/*.c)) \
           $(BUILD)/tests/e2e/trainer-no-allreduce)
$(BUILD)/tests/e2e/%: tests/e2e/%.c
	$(call say,MPICC,$@)mkdir -p $(@D); mpicc -std=c11 $(WARN) $(CFLAGS) -o $@ $<
$(BUILD)/tests/e2e/trainer-no-allreduce: $(trainer_src) $(BUILD)/libaolani.so
	$(call say,MPICC,$@)mkdir -p $(@D); $(trainer_link) -DTRAINER_NO_ALLREDUCE -Wl,-rpath,'$$ORIGIN/../..'

# What calls the profiler plug-in as NCCL would, and the plug-in sanitized for it: what a
# compiler cannot sanitize is left out, and its test says so.
nccl_san_tsan = -fsanitize=thread
nccl_san_asan = -fsanitize=address,undefined -fno-sanitize-recover=undefined
nccl_cc       = $(CC) $(filter-out -MMD -MP,$(our_cppflags) $(our_cflags)) $(nccl_san_$*) $(LDFLAGS)
NCCL_DRIVERS := $(foreach s,plain tsan asan,$(BUILD)/tests/nccl/$s/driver)
$(BUILD)/tests/nccl/%/driver: $(wildcard tests/nccl/*.[ch] proto/client/nccl/*) $(NCCL_SRC) proto/wire/collrec.h \
    $(BUILD)/libnccl-profiler-aolani.so
	$(call say,TEST,$@)mkdir -p $(@D); echo 'int main(void) { return 0; }' | \
	  $(CC) $(nccl_san_$*) -x c -o $(@D)/probe - 2>/dev/null || exit 0; \
	$(nccl_cc) -fPIC -shared -Wl,-soname,libnccl-profiler-other.so -o $(@D)/libnccl-profiler-other.so tests/nccl/other.c && \
	$(nccl_cc) -fPIC -fvisibility=hidden $(NCCL_LINK) -o $(@D)/libnccl-profiler-aolani.so $(NCCL_SRC) && \
	$(nccl_cc) -rdynamic -o $@ $(filter-out %/other.c,$(wildcard tests/nccl/*.c)) proto/wire/collrec.c proto/base/cur.c -lpthread -ldl

# What is known of a job of Slurm's.
SLURM_FACTS := $(BUILD)/tests/lib/slurm-facts
$(SLURM_FACTS): tests/lib/slurm_facts.c $(LIBS_launcher) | $(PB).h
	$(call say,TEST,$@)mkdir -p $(@D); $(test_link)

# What `make score` runs: the ranks, and what is done to them.
SCORE_BIN := $(BUILD)/tests/score/emulator $(BUILD)/tests/score/injector
$(BUILD)/tests/score/injector: tests/score/witness.c tests/score/witness.h
$(BUILD)/tests/score/emulator: tests/score/speed.c tests/score/speed.h
$(BUILD)/tests/score/%: tests/score/%.c tests/score/shared.c tests/score/shared.h $(BUILD)/libaolani.so
	$(call say,CC,$@)mkdir -p $(@D); $(CC) $(filter-out -MMD -MP,$(our_cppflags) $(our_cflags)) $(LDFLAGS) -o $@ \
	  $(filter %.c,$^) -L$(BUILD) -l:libaolani.so -Wl,-rpath,'$$ORIGIN/../..'

.PHONY: unit unit-build replay-build fuzz-build e2e-build score-build
score-build: $(SCORE_BIN)
e2e-build: $(E2E_BIN) $(SLURM_FACTS) $(NCCL_DRIVERS)
unit-build: $(UNIT_BIN)
replay-build: $(REPLAY_BIN)
fuzz-build: $(FUZZ_BIN) $(if $(HWLOC),$(BUILD)/aolani-describe)

# One unit test: make unit T=base/toml; all: make unit
unit: $(if $(T),$(BUILD)/tests/unit/$(T)_test,$(UNIT_BIN))
	@for t in $^; do echo "== $$t"; $$t || exit 1; done

# make e2e T=10-local: one file of tests/e2e
.PHONY: e2e test asan fuzz bench lint format
e2e:
	@$(DEPS) test && $(mk) all e2e-build
	@tests/run --e2e '$(BUILD)' $(T)

# The unit tests and fuzz replays run sanitized, the end-to-end tests as shipped and, for
# what runs on one machine, sanitized too.
test:
	@$(DEPS) test && $(mk) all e2e-build && $(mk) SAN=1 BUILD=$(BUILD)/asan all unit-build replay-build
	@$(MAKE) --no-print-directory config
	@tests/run --all '$(BUILD)'

asan:
	@$(DEPS) test && $(mk) e2e-build && $(mk) SAN=1 BUILD=$(BUILD)/asan all unit-build replay-build
	@tests/run --asan '$(BUILD)'

SECONDS ?= 30
fuzz:
	@$(DEPS) fuzz && $(mk) SAN=1 FUZZER=1 CC=clang BUILD=$(BUILD)/fuzz fuzz-build
	@tests/run --fuzz '$(BUILD)' '$(SECONDS)' $(T)

# Not part of test: STARTS=200 SEED=n make soak
.PHONY: soak
soak:
	@$(DEPS) test && $(mk) all e2e-build
	@BUILD='$(abspath $(BUILD))' tests/soak/starts
	@BUILD='$(abspath $(BUILD))' tests/soak/links || [ $$? = 77 ]

# Not part of test: it asks a lot of a quiet machine. SEEDS=1 is a minute and a half.
.PHONY: score
score:
	@$(DEPS) test && $(mk) all score-build
	@BUILD='$(abspath $(BUILD))' tests/score/score.py

bench:
	@$(DEPS) bench && $(mk) all
	@for b in tests/bench/*.sh; do [ -e "$$b" ] || { echo 'no benchmark yet'; break; }; \
	  echo "== $$b"; BUILD='$(abspath $(BUILD))' "$$b" || exit 1; done

lint:
	@$(DEPS) lint
	@scripts/lint '$(BUILD)'

format:
	clang-format -i $(shell git ls-files -co --exclude-standard '*.c' '*.h')

# Not part of test: do the intervals of compare hold what they say? PAIRS=10000 make tax-study
.PHONY: tax-study
tax-study: $(BUILD)/tests/unit/launcher/tax_test
	@TAX_PAIRS='$(or $(PAIRS),10000)' $<
