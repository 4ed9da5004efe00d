# Meishi. `make help` lists what can be asked; README.md tells what it is.
#
# No configure step: pkg-config finds the libraries, wildcards find the sources, everything made is under $(BUILD).

BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
ifeq ($(origin CC),default)
CC := gcc
endif
VERSION := 0.1.0
FUZZ_SECONDS ?= 30

# What a bare Debian 12 needs, to build and (further) to test.
BUILD_PACKAGES := gcc libc6-dev pkg-config ca-certificates libmicrohttpd-dev libsqlite3-dev libjansson-dev libsodium-dev \
                  libcurl4-openssl-dev libqrencode-dev libpng-dev libcairo2-dev libpango1.0-dev libjpeg62-turbo-dev \
                  libturbojpeg0-dev libwebp-dev libseccomp-dev libidn2-dev libunistring-dev libbrotli-dev zlib1g-dev libyaml-dev \
                  libpq-dev
TEST_PACKAGES := libcmocka-dev libzbar-dev librsvg2-dev nodejs npm curl chromium php-cli gccgo-12 iproute2 openssl nftables \
                 postgresql-15
BENCH_PACKAGES := nginx-light wrk nodejs

PACKAGES := libmicrohttpd sqlite3 jansson libsodium libcurl libqrencode libpng cairo pango pangocairo libjpeg libturbojpeg \
            libwebp libseccomp libidn2 libpq
CFLAGS ?= -O2 -g
WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wconversion $(if $(CI),-Werror)
HARDENING ?= -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fcf-protection -fPIE
LINK_HARDENING ?= -pie -Wl,-z,relro,-z,now
SANITIZE ?=
# Asked once, but not before a recipe needs it: the packages may only just have been installed.
PACKAGE_CFLAGS = $(eval PACKAGE_CFLAGS := $$(shell pkg-config --cflags $(PACKAGES) | sed 's/-I/-isystem /g'))$(PACKAGE_CFLAGS)
PACKAGE_LIBS = $(eval PACKAGE_LIBS := $$(shell pkg-config --libs $(PACKAGES)) -lunistring -lm -pthread)$(PACKAGE_LIBS)
TEST_CFLAGS = $(eval TEST_CFLAGS := $$(shell pkg-config --cflags cmocka zbar librsvg-2.0 zlib libbrotlidec | sed 's/-I/-isystem /g'))$(TEST_CFLAGS)
TEST_LIBS = $(eval TEST_LIBS := -Wl,--as-needed $$(shell pkg-config --libs cmocka zbar librsvg-2.0 zlib libbrotlidec))$(TEST_LIBS)
BASE_CFLAGS = -std=gnu11 -D_GNU_SOURCE -I. -I$(BUILD)/gen $(WARNINGS) $(CFLAGS)
ALL_CFLAGS = $(BASE_CFLAGS) -DMEISHI_VERSION='"$(VERSION)"' $(PACKAGE_CFLAGS) $(HARDENING) $(SANITIZE)

CARDS := $(wildcard cards/*.c cards/base/*.c)
SERVER := $(filter-out server/main.c,$(wildcard server/*.c server/*/*.c))
TEMPLATES := $(wildcard templates/*.html)
CARD_OBJECTS := $(CARDS:%.c=$(BUILD)/%.o) $(BUILD)/gen/crawlers.o
SERVER_OBJECTS := $(SERVER:%.c=$(BUILD)/%.o) $(BUILD)/gen/templates.o $(BUILD)/gen/assets.o
SUPPORT_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/support/*.c))
UNIT_TESTS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/cards/test_*.c tests/server/test_*.c tests/templates/test_*.c))
BENCHES := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/bench/bench_*.c))
SCRIPT_TESTS := $(sort $(wildcard tests/*/*.test.mjs tests/*/test_*.sh tests/journeys/*.sh tests/journeys/*.mjs tests/browser/*.mjs \
                                  tests/faults/*.sh tests/faults/*.mjs))
# What keeps its store by these runs on both engines, but for what looks into SQLite's files or driver.
STORE_TESTS = $(filter-out %/test_db_sqlite %/test_store_files,$(patsubst %.c,$(BUILD)/%,$(shell grep -lE \
    'tests/support/(fresh_store|hit_store|store_place|fault_sweep|deliveries|fake_road|engine|engine_side|town)\.h' tests/server/test_*.c)))
# So does what starts a server, but for the browser's tests, whose subject is the page, and what brings a database of its own.
SERVER_TESTS = $(filter-out $(shell grep -l 'Cluster\.make' tests/*/*.mjs),$(shell grep -l 'Meishi\.start' tests/journeys/*.mjs tests/faults/*.mjs))
# Each verb with each of its calls failing takes minutes on a server: `make faults` does it there.
SWEEPS := $(BUILD)/tests/server/test_store_faults $(BUILD)/tests/server/test_delivery_faults
FUZZERS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/fuzz/fuzz_*.c))
BINARY := $(BUILD)/meishi

# V=1 shows whole command lines.
say = $(if $(V),,@echo '  $(1)  $@';)

all: $(if $(BINARY),$(BINARY),$(BUILD)/libserver.a) ## build the binary

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  %-10s %s\n", $$1, $$2}'

# --- The binary -----------------------------------------------------------------------------------------------------

$(BUILD)/meishi: $(BUILD)/server/main.o $(BUILD)/libserver.a $(BUILD)/libcards.a
	$(call say,link   )$(CC) $(ALL_CFLAGS) $(LINK_HARDENING) -o $@ $^ $(PACKAGE_LIBS)

# The folders are named so that a file that goes away leaves the library.
$(BUILD)/libcards.a: $(CARD_OBJECTS) cards cards/base
	@rm -f $@ && ar rcs $@ $(filter %.o,$^)
$(BUILD)/libserver.a: $(SERVER_OBJECTS) server $(sort $(dir $(SERVER)))
	@rm -f $@ && ar rcs $@ $(filter %.o,$^)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,compile)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<
$(BUILD)/tests/%.o: tests/%.c
	@mkdir -p $(@D)
	$(call say,compile)$(CC) $(ALL_CFLAGS) $(TEST_CFLAGS) -MMD -MP -c -o $@ $<
$(BUILD)/%.o: $(BUILD)/%.c
	$(call say,compile)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# Who includes a header that is made must not be compiled before it is; afterwards the .d files know.
$(SERVER:%.c=$(BUILD)/%.o) $(BUILD)/server/main.o $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/server/*.c tests/fuzz/*.c)): \
    | $(BUILD)/gen/templates.h

# --- What is made at build time: templates, assets and migrations, the crawler table -----------------------------------

TOOL_SOURCES := assets/source.c cards/base/arena.c cards/base/str.c
$(BUILD)/tools/template-compiler: templates/compiler.c templates/context.c $(TOOL_SOURCES)
$(BUILD)/tools/embed: assets/embed.c $(TOOL_SOURCES)
$(BUILD)/tools/crawlers: assets/crawlers.c $(TOOL_SOURCES)
$(BUILD)/tools/guide: assets/guide.c assets/guide_words.c assets/tree.c cards/base/escape.c $(TOOL_SOURCES)
$(BUILD)/tools/guide: TOOL_LIBS := -lyaml
$(BUILD)/tools/template-compiler $(BUILD)/tools/embed $(BUILD)/tools/crawlers $(BUILD)/tools/guide: $(wildcard templates/*.h assets/*.h cards/*.h cards/base/*.h)
	@mkdir -p $(@D)
	$(call say,link   )$(CC) $(BASE_CFLAGS) -o $@ $(filter %.c,$^) -lsodium -lz -lbrotlienc $(TOOL_LIBS)

$(BUILD)/gen/templates.c $(BUILD)/gen/templates.h &: $(BUILD)/tools/template-compiler $(TEMPLATES) templates assets \
    $(wildcard assets/*.* assets/icons/*.svg)
	@mkdir -p $(@D)
	$(call say,make   )$< $(BUILD)/gen/templates server/pages/views.h assets $(TEMPLATES)
$(BUILD)/gen/api.html: $(BUILD)/tools/guide templates/_head.html $(wildcard assets/*.*)
	@mkdir -p $(@D)
	$(call say,make   )$< $@ assets templates/_head.html
$(BUILD)/gen/assets.c: $(BUILD)/tools/embed assets $(wildcard assets/*.*) $(BUILD)/gen/api.html server/store/migrations \
    $(wildcard server/store/migrations/*.sql)
	@mkdir -p $(@D)
	$(call say,make   )$< $@ assets server/store/migrations $(BUILD)/gen/api.html
$(BUILD)/gen/crawlers.c: $(BUILD)/tools/crawlers assets/crawlers.tsv
	@mkdir -p $(@D)
	$(call say,make   )$< $@ assets/crawlers.tsv

crawlers: tests/node_modules/.installed ## take the crawler table from the npm package again
	node assets/crawlers.mjs > assets/crawlers.tsv.new && mv assets/crawlers.tsv.new assets/crawlers.tsv

# --- Packages -------------------------------------------------------------------------------------------------------

deps: ## install the Debian packages that building needs
	@tests/packages.sh $(BUILD_PACKAGES)
test-deps: ## install what testing needs as well
	@tests/packages.sh $(BUILD_PACKAGES) $(TEST_PACKAGES)
	@$(MAKE) --no-print-directory tests/node_modules/.installed

tests/node_modules/.installed: tests/package.json tests/package-lock.json tests/.npmrc
	npm ci --prefix tests --ignore-scripts --no-audit --no-fund
	@touch $@

# --- Running --------------------------------------------------------------------------------------------------------

run: deps ## install what is missing, build, and serve with a first member
	@$(MAKE) --no-print-directory all
	@exec $(BUILD)/meishi serve --welcome

# --- Tests ----------------------------------------------------------------------------------------------------------

test: test-deps ## the whole suite
	@$(MAKE) --no-print-directory test-now
# A disk that fails on demand, for the fault tests.
$(BUILD)/tests/faults/shim.so: tests/faults/shim.c
	@mkdir -p $(@D)
	$(call say,link   )$(CC) -std=gnu11 -D_GNU_SOURCE $(WARNINGS) -O2 -fPIC -shared -o $@ $< -ldl
test-now: $(BUILD)/tests/faults/shim.so unit-tests $(BINARY) $(BUILD)/tests/browser/render $(BUILD)/tools/template-compiler
	@BUILD=$(BUILD) CC="$(CC)" tests/run.sh $(filter-out %/test_db_postgres,$(UNIT_TESTS)) $(SCRIPT_TESTS) \
	    $(addprefix postgres:,$(SERVER_TESTS) $(filter-out $(SWEEPS),$(STORE_TESTS)))
unit-tests: $(UNIT_TESTS)

$(BUILD)/tests/cards/test_%: $(BUILD)/tests/cards/test_%.o $(BUILD)/libcards.a
	$(call say,link   )$(CC) $(ALL_CFLAGS) $(LINK_HARDENING) -o $@ $^ $(TEST_LIBS) $(PACKAGE_LIBS)
$(BUILD)/tests/server/test_%: $(BUILD)/tests/server/test_%.o $(SUPPORT_OBJECTS) $(BUILD)/libserver.a $(BUILD)/libcards.a
	$(call say,link   )$(CC) $(ALL_CFLAGS) $(LINK_HARDENING) -o $@ $^ $(TEST_LIBS) $(PACKAGE_LIBS)

$(BUILD)/tests/browser/render: $(BUILD)/tests/browser/render.o $(BUILD)/libserver.a $(BUILD)/libcards.a
	$(call say,link   )$(CC) $(ALL_CFLAGS) $(LINK_HARDENING) -o $@ $^ $(PACKAGE_LIBS)
$(BUILD)/tests/browser/render.o: | $(BUILD)/gen/templates.h

GOLDEN := $(BUILD)/tests/templates/golden
$(GOLDEN).c $(GOLDEN).h &: $(BUILD)/tools/template-compiler $(wildcard tests/templates/golden/*)
	@mkdir -p $(@D)
	$(call say,make   )$< $(GOLDEN) tests/templates/golden/views.h tests/templates/golden $(wildcard tests/templates/golden/*.html)
$(BUILD)/tests/templates/test_templates.o: ALL_CFLAGS += -I$(BUILD)/tests/templates
$(BUILD)/tests/templates/test_templates.o: | $(GOLDEN).h
$(BUILD)/tests/templates/test_%: $(BUILD)/tests/templates/test_%.o $(GOLDEN).o $(BUILD)/libcards.a
	$(call say,link   )$(CC) $(ALL_CFLAGS) $(LINK_HARDENING) -o $@ $^ $(TEST_LIBS) $(PACKAGE_LIBS)

asan: test-deps ## the suite under AddressSanitizer and UBSan
	$(MAKE) test-now BUILD=build/asan HARDENING=-fPIE SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=all"
tsan: test-deps ## the suite under ThreadSanitizer
	$(MAKE) test-now BUILD=build/tsan HARDENING=-fPIE SANITIZE=-fsanitize=thread
# Not the jail nor what starts itself again in one: its filter kills valgrind's own system calls, and /proc/self/exe is valgrind.
# Nor test_stall, whose deadlines are the clock's and which asan and tsan run.
valgrind: test-deps ## the unit tests under valgrind
	@tests/packages.sh valgrind
	@$(MAKE) --no-print-directory unit-tests
	@BUILD=$(BUILD) UNDER="valgrind -q --fair-sched=try --leak-check=full --error-exitcode=9 --suppressions=tests/valgrind.supp" tests/run.sh \
	    $(filter-out %/test_db_postgres %/test_jail %/test_portrait %/test_courier %/test_courier_memory %/test_deliver %/test_canary %/test_stall,$(UNIT_TESTS))
cover: test-deps ## lines that the suite reaches, file by file
	@$(MAKE) --no-print-directory test-now BUILD=build/cover CFLAGS="-O0 -g" HARDENING=-fPIE SANITIZE=--coverage
	@tests/cover.sh build/cover
fuzz: test-deps ## every fuzzer for FUZZ_SECONDS (30)
	@tests/packages.sh clang libclang-rt-14-dev
	@$(MAKE) --no-print-directory fuzz-now BUILD=build/fuzz CC=clang HARDENING=-fPIE \
	    SANITIZE="-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all"
fuzz-now: $(FUZZERS)
	@for fuzzer in $(FUZZERS); do \
	    mkdir -p $$fuzzer.corpus; echo "$$fuzzer for $(FUZZ_SECONDS) s"; \
	    $$fuzzer -max_total_time=$(FUZZ_SECONDS) -print_final_stats=0 -verbosity=0 -artifact_prefix=$$fuzzer. $$fuzzer.corpus \
	        || exit 1; \
	done
$(BUILD)/tests/fuzz/fuzz_%: $(BUILD)/tests/fuzz/fuzz_%.o $(GOLDEN).o $(if $(BINARY),$(BUILD)/libserver.a) $(BUILD)/libcards.a
	$(call say,link   )$(CC) $(ALL_CFLAGS) -fsanitize=fuzzer -pie -o $@ $^ $(PACKAGE_LIBS)
$(BUILD)/tests/fuzz/fuzz_templates.o: ALL_CFLAGS += -I$(BUILD)/tests/templates
$(BUILD)/tests/fuzz/fuzz_templates.o: | $(GOLDEN).h
faults: test-deps ## crashes, full disks and slow syncs, in full
	@$(MAKE) --no-print-directory all unit-tests $(BUILD)/tests/faults/shim.so
	@BUILD=$(BUILD) KILL_ROUNDS=50 FLEET_ROUNDS=10 TEST_SECONDS=3600 tests/run.sh $(sort $(wildcard tests/faults/*.sh tests/faults/*.mjs)) \
	    $(addprefix postgres:,$(filter tests/faults/%,$(SERVER_TESTS)) $(STORE_TESTS))
bench: test-deps ## ratios against named references (BENCH_QUICK=1: in some minutes)
	@tests/packages.sh $(BENCH_PACKAGES)
	@$(MAKE) --no-print-directory all $(BENCHES) $(BUILD)/tests/bench/make_store $(BUILD)/tests/bench/heads
	@BUILD=$(BUILD) tests/bench/run.sh
scale: test-deps ## every read at 10 million hits (SCALE_HITS), on both engines, and its plan
	@$(MAKE) --no-print-directory $(BUILD)/tests/bench/bench_scale
	@BUILD=$(BUILD) tests/bench/scale.sh
$(BUILD)/tests/bench/%: $(BUILD)/tests/bench/%.o $(SUPPORT_OBJECTS) $(BUILD)/libserver.a $(BUILD)/libcards.a
	$(call say,link   )$(CC) $(ALL_CFLAGS) $(LINK_HARDENING) -o $@ $^ $(TEST_LIBS) $(PACKAGE_LIBS)

# --- Form -----------------------------------------------------------------------------------------------------------

lint: ## layering, banned calls, form
	@tests/lint.sh
format: ## clang-format every C file
	@git ls-files '*.c' '*.h' | xargs clang-format-14 -i

# --- Installing -----------------------------------------------------------------------------------------------------

OPERATE_DOCS = Caddyfile Caddyfile.many grafana.json meishi-worker.nft
UNITS = meishi.service meishi.socket meishi-worker.service meishi-worker-postgres.service
DOC_PLACE = $(DESTDIR)$(PREFIX)/share/doc/meishi
UNIT_PLACE = $(DESTDIR)$(PREFIX)/lib/systemd/system

install: all ## put the binary, its manual, units and examples under DESTDIR and PREFIX
	install -D -m 755 $(BUILD)/meishi $(DESTDIR)$(PREFIX)/bin/meishi
	install -D -m 644 assets/operate/meishi.1 $(DESTDIR)$(PREFIX)/share/man/man1/meishi.1
	install -d $(DOC_PLACE) $(UNIT_PLACE)
	install -m 644 LICENSE README.md CHANGELOG.md $(OPERATE_DOCS:%=assets/operate/%) $(DOC_PLACE)
	install -m 644 $(UNITS:%=assets/operate/%) $(UNIT_PLACE)
	sed -i 's|/usr/local|$(PREFIX)|' $(UNITS:%=$(UNIT_PLACE)/%)

uninstall: ## take away what install put there; the store, its key and /etc/meishi.env stay
	rm -f $(DESTDIR)$(PREFIX)/bin/meishi $(DESTDIR)$(PREFIX)/share/man/man1/meishi.1 $(UNITS:%=$(UNIT_PLACE)/%)
	rm -rf $(DOC_PLACE)

clean: ## remove everything made
	rm -rf build tests/node_modules

.PHONY: all help run crawlers deps test-deps test test-now unit-tests asan tsan valgrind cover fuzz fuzz-now faults bench scale lint \
        format install uninstall clean
.SECONDARY:
.DELETE_ON_ERROR:
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
