# A leader that was replaced without knowing it cannot confirm a read.
voters 3
start
timeout 1
deliver all
run 10
expect serving 1
cut 1 2
cut 1 3
tick 260
drop all
timeout 2
deliver 2->3 PREVOTE
deliver 3->2 PREVOTE_ANSWER
deliver all
expect 2 SERVING
propose 2 new
deliver all
expect serving 1                      # it believes so
read 1 stale
expect read stale waiting
tick 400
expect 1 LOST_QUORUM
expect read stale error RETRY
read 2 fresh
deliver all
expect read fresh index 3
