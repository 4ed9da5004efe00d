#!/bin/bash
# What a QR PNG costs beside the bare libraries.
exec "${BUILD:-build}/tests/bench/bench_qr"
