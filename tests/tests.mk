# Tests: see CONTRIBUTING.md. tests/unit/<layer>/<module>_test.c is linked with its layer
# and those below.

UNIT_SRC := $(wildcard tests/unit/*/*_test.c)
UNIT_BIN := $(UNIT_SRC:%.c=$(BUILD)/%)
CMOCKA   := $(shell $(PKG) --libs cmocka 2>/dev/null)

LIBS_base     = $(BASE)
LIBS_wire     = $(WIRE) $(BASE)
LIBS_client   = $(WIRE) $(BASE)
LIBS_launcher = $(LAUNCH) $(WIRE) $(BASE)
LIBS_agent    = $(AGENT) $(WIRE) $(BASE)

.SECONDEXPANSION:
$(BUILD)/tests/unit/%: tests/unit/%.c $$(LIBS_$$(firstword $$(subst /, ,$$*))) | $(PB).h
	$(call say,TEST,$@)mkdir -p $(@D); $(CC) $(CPPFLAGS) $(CFLAGS) $(DEPFLAGS) $(LDFLAGS) -o $@ $< \
	  $(filter %.a,$^) $(CMOCKA) $(UV) $(SODIUM) $(PBC) $(SQLITE) $(JANSSON) -lpthread -lm

# One unit test: make unit T=base/toml; all: make unit
.PHONY: unit
unit: $(if $(T),$(BUILD)/tests/unit/$(T)_test,$(UNIT_BIN))
	@for t in $^; do echo "== $$t"; $$t || exit 1; done
