# A follower without room takes nothing, a leader without room hands over or refuses.
voters 3
start
timeout 1
deliver all
run 10
nospace 2 on
run 60
propose 1 a
run 100
expect length 2 1
expect chosen 3 2
nospace 2 off
run 120
expect log 2 * a
nospace 1 on
expect 1 TRANSFERRING
run 100
expect 1 LOST_BALLOT
