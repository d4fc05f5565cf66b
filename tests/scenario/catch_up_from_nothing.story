# A member with an empty disk, long after the others began: it learns what is chosen page by page.
voters 3
option cache_entries 100
option message_entries 2
start 1 2
timeout 1
deliver all
run 10
expect serving 1
propose 1 a b c d e
run 10
start 3
run 200
expect 3 SYNCED
expect log 3 * a b c d e
cut 3 1
propose 1 f
run 10
crash 3                               # halfway it has learned values, but accepted none
restart 3
mend
run 300
expect log 3 * a b c d e f
