#!/bin/sh
# Installs the Debian packages named as arguments that are missing: as root or through sudo; else prints the line to type.
# On another system it says nothing: the compiler will tell what it misses.
command -v dpkg-query >/dev/null || exit 0
missing=
for package in "$@"; do
    # npm may have come with another nodejs: what counts is that it can be called.
    command -v "$package" >/dev/null && continue
    case $(dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null) in
    ?i*) ;;
    *) missing="$missing $package" ;;
    esac
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ]; then
    as_root=
elif sudo -n true 2>/dev/null || { [ -t 0 ] && command -v sudo >/dev/null; }; then
    as_root=sudo
else
    echo "Some Debian packages are missing. Please type, as root, then try again:"
    echo "    apt-get update && apt-get install --no-install-recommends$missing"
    exit 1
fi >&2
echo "Installing:$missing" >&2
# shellcheck disable=SC2086
$as_root apt-get update -q && $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
