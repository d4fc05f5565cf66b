# A leader whose disk stands still makes room for another.
voters 3
start
timeout 1
deliver all
run 10
stall 1 100
expect serving 1
stall 1 500
expect 1 LOST_STALLED
expect role 1 follower
run 1500
expect role 1 follower
