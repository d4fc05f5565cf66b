# Three members elect a leader, which serves once its LEADER_START is applied.
voters 3
start
timeout 1
expect 1 PREVOTE_STARTED
expect packet 1->2 PREVOTE
expect packet 1->3 PREVOTE
deliver 1->2 PREVOTE
deliver 2->1 PREVOTE_ANSWER
expect 1 CANDIDATE 1.1.1
expect idle 1
deliver 1->2 PREPARE
expect 2 PROMISED 1.1.1
deliver 2->1 PROMISE
expect 1 LEADER 1.1.1 slot 1
refuse 1 RETRY early
deliver 1->2 ACCEPT_SYNC
expect 2 FOLLOWING 1.1.1
expect 2 SYNCED 1.1.1 slot 1
deliver 2->1 ACCEPTED
expect 1 CHOSEN slot 1
expect 1 SERVING slot 1
expect serving 1
propose 1 x y
deliver all
run 60
expect chosen 1 3
expect chosen 2 3
expect chosen 3 3
expect log 3 * x y
