# Away during several elections: the log is replaced page by page, and only chosen values are
# written before all of the adopted log is there.
voters 3
option cache_entries 100
option message_entries 2
start
timeout 1
deliver all
run 10
propose 1 a
run 10
crash 3
propose 1 b c d e
run 10
transfer 1 2
run 50
expect serving 2
propose 2 f g
run 10
transfer 2 1
run 50
expect serving 1
restart 3
run 300
expect 3 CHOSEN slot 4
expect 3 SYNCED slot 10
expect log 3 * a b c d e * f g *
