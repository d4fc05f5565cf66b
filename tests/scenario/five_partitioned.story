# Of five, the three that can talk go on; the two that cannot, choose nothing.
voters 5
start
timeout 1
deliver all
run 10
expect serving 1
cut 1 3
cut 1 4
cut 1 5
cut 2 3
cut 2 4
cut 2 5
propose 1 minority
run 2500
expect 1 LOST_QUORUM
expect chosen 1 1
expect role 2 follower
expect chosen 2 1
mend
run 2000
expect not 1 LOST_BALLOT
expect chosen 1 2
expect log 1 * *
expect log 2 * *
