# A member that was away gets old entries from the leader's journal, one load at a time.
voters 3
option cache_entries 4
option message_entries 3
start
timeout 1
deliver all
run 10
crash 3
propose 1 a b c
run 5
propose 1 d e f
run 5
propose 1 g h i
run 5
expect chosen 1 10
restart 3
run 300
expect log 3 * a b c d e f g h i
expect chosen 3 10
