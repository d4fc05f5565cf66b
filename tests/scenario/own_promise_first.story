# A candidate's PREPARE leaves only after its own promise is durable.
voters 3
start
disk manual
timeout 1
deliver 1->2 PREVOTE
deliver 2->1 PREVOTE_ANSWER
expect 1 CANDIDATE 1.1.1
expect nothing 1->2 PREPARE
expect nothing 1->3 PREPARE
crash 1                               # it may use ballot 1.1.1 again: nobody has heard of it
restart 1
drop all
timeout 1
deliver 1->2 PREVOTE
deliver 2->1 PREVOTE_ANSWER
persist 1
expect packet 1->2 PREPARE
crash 1
restart 1
drop all
timeout 1
deliver 1->2 PREVOTE
deliver 2->1 PREVOTE_ANSWER
expect 1 CANDIDATE 1.2.1              # but not one that somebody may have heard of
