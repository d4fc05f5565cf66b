# A candidate with nothing adopts what a quorum's best log holds, and loses no chosen value.
voters 3
start
timeout 1
deliver all
run 10
expect serving 1
cut 1 3
cut 2 3
propose 1 a b
deliver all
run 20
expect chosen 1 3
expect length 3 1
crash 1
mend
drop all
timeout 3
run 60
expect 3 LEADER slot 4
expect 3 SERVING
expect log 3 * a b *
expect log 2 * a b *
