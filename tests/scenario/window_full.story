# What is proposed and not yet chosen is bounded.
voters 3
option window_entries 2
start
timeout 1
deliver all
run 10
propose 1 a b
refuse 1 BUSY c
deliver all
propose 1 c
run 10
expect log 2 * a b c
