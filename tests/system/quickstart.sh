#!/usr/bin/env bash
# The README's first steps: one member without a configuration, the command line, the C example.
set -eu
# shellcheck source=tests/support/ensemble.sh
. tests/support/ensemble.sh

ensemble_start one
export SYNOD_ENDPOINTS=$ENDPOINTS
"$SYNOD_BIN/synod" set /hello world
[ "$("$SYNOD_BIN/synod" get /hello)" = world ]
"$SYNOD_BIN/examples/quickstart" | grep -q 'visits = 1'
"$SYNOD_BIN/examples/quickstart" "$ENDPOINTS" | grep -q 'visits = 2'

# A SIGTERM ends it cleanly, and what was written is there again after it.
member_stop one
member_start one
ensemble_agrees 15
[ "$("$SYNOD_BIN/synod" get /hello)" = world ]

# A second process on the same data is turned away.
status=0
"$SYNOD_BIN/synodd" --name one --data "$ENSEMBLE_DIR/one" --clients 127.0.0.1:0 --listen 127.0.0.1:0 \
	2>"$ENSEMBLE_DIR/second" || status=$?
[ "$status" = 1 ]
grep -q 'another synodd' "$ENSEMBLE_DIR/second"

member_kill one
member_start one
ensemble_agrees 15
[ "$("$SYNOD_BIN/synod" get /quickstart/visits)" = 2 ]
