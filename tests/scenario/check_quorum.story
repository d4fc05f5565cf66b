# A leader that no quorum answers steps down; one that a quorum answers stays.
voters 3
start
timeout 1
deliver all
run 10
cut 1 3
run 1000
expect serving 1
cut 1 2
run 600
expect 1 LOST_QUORUM
expect role 1 follower
