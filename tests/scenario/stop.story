# STOP seals the epoch: nothing is appended after it, by this leader or a later one.
voters 3
start
timeout 1
deliver all
run 10
propose 1 a STOP
refuse 1 RETRY after
run 60
expect chosen 2 3
crash 1
run 2000
expect log 2 * a STOP
expect log 3 * a STOP
restart 1
run 500
expect log 1 * a STOP
