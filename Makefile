# Meishi. `make help` lists what can be asked; README.md tells what it is.
#
# No configure step: pkg-config finds the libraries, wildcards find the sources, everything made is under $(BUILD).

BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
CC ?= gcc
VERSION := 0.1.0

PACKAGES := libmicrohttpd sqlite3 jansson libsodium libcurl libqrencode libpng cairo pango pangocairo libjpeg libturbojpeg \
            libwebp libseccomp libidn2
CFLAGS ?= -O2 -g
WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wconversion $(if $(CI),-Werror)
HARDENING ?= -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fcf-protection -fPIE
LINK_HARDENING ?= -pie -Wl,-z,relro,-z,now
SANITIZE ?=
# `=`, not `:=`: the packages may only just have been installed.
PACKAGE_CFLAGS = $(shell pkg-config --cflags $(PACKAGES) | sed 's/-I/-isystem /g')
PACKAGE_LIBS = $(shell pkg-config --libs $(PACKAGES)) -lunistring -lm -pthread
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE -DMEISHI_VERSION='"$(VERSION)"' -I. -I$(BUILD)/gen $(PACKAGE_CFLAGS) $(WARNINGS) $(CFLAGS) \
             $(HARDENING) $(SANITIZE)

CARDS := $(wildcard cards/*.c cards/base/*.c)
SERVER := $(filter-out server/main.c,$(wildcard server/*.c server/*/*.c))
GEN := $(BUILD)/gen/templates.c $(BUILD)/gen/assets.c $(BUILD)/gen/crawlers.c
CARD_OBJECTS := $(CARDS:%.c=$(BUILD)/%.o) $(BUILD)/gen/crawlers.o
SERVER_OBJECTS := $(SERVER:%.c=$(BUILD)/%.o) $(BUILD)/gen/templates.o $(BUILD)/gen/assets.o
UNIT_TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/cards/test_*.c tests/server/test_*.c tests/templates/test_*.c))

all: $(BUILD)/meishi ## build the binary

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  %-10s %s\n", $$1, $$2}'

$(BUILD)/meishi: $(BUILD)/server/main.o $(BUILD)/libserver.a $(BUILD)/libcards.a
	$(CC) $(ALL_CFLAGS) $(LINK_HARDENING) -o $@ $^ $(PACKAGE_LIBS)

$(BUILD)/libcards.a: $(CARD_OBJECTS)
	@rm -f $@ && ar rcs $@ $^
$(BUILD)/libserver.a: $(SERVER_OBJECTS)
	@rm -f $@ && ar rcs $@ $^

$(BUILD)/%.o: %.c | $(GEN)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<
$(BUILD)/gen/%.o: $(BUILD)/gen/%.c
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

.PHONY: all help
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
