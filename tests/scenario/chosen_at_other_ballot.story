# A heartbeat's `chosen` says nothing about values that were accepted at another ballot.
voters 3
start
timeout 1
deliver all
run 10
cut 1 2
cut 1 3
propose 1 x y z                       # 2, 3, 4: only here
tick 600
expect 1 LOST_QUORUM
drop all
timeout 2
deliver all
expect serving 2
propose 2 a b
deliver all
run 60
expect chosen 2 4
expect length 1 4
mend
drop all
tick 60
deliver 2->1 HEARTBEAT
expect chosen 1 1                     # x y z were never chosen
run 300
expect log 1 * * a b
expect chosen 1 4
