# Two candidates at once: the higher ballot wins, the other follows.
voters 3
start
timeout 1
timeout 2
deliver 1->3 PREVOTE
deliver 2->3 PREVOTE
deliver 3->1 PREVOTE_ANSWER
deliver 3->2 PREVOTE_ANSWER
expect 1 CANDIDATE 1.1.1
expect 2 CANDIDATE 1.1.2
deliver 1->3 PREPARE
expect 3 PROMISED 1.1.1
deliver 2->3 PREPARE
expect 3 PROMISED 1.1.2
deliver 1->2 PREPARE
expect packet 2->1 REFUSE
deliver 2->1 REFUSE
deliver 3->2 PROMISE
expect 2 LEADER 1.1.2 slot 1
deliver 3->1 PROMISE
expect 1 LEADER 1.1.1 slot 1          # of an older ballot: it can choose nothing any more
deliver 1->3 ACCEPT_SYNC
expect packet 3->1 REFUSE
deliver 3->1 REFUSE
expect 1 LOST_BALLOT
expect role 1 follower
run 500
expect serving 2
expect log 1 *
expect chosen 3 1
