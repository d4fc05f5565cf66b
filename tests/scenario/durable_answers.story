# PROMISE and ACCEPTED leave only after what they vouch for is durable.
voters 3
start
disk manual
timeout 1
deliver 1->2 PREVOTE
deliver 2->1 PREVOTE_ANSWER
persist 1
deliver 1->2 PREPARE
expect nothing 2->1 PROMISE
persist 2
expect packet 2->1 PROMISE
deliver 2->1 PROMISE
expect 1 LEADER
deliver 1->2 ACCEPT_SYNC
expect nothing 2->1 ACCEPTED
persist 2
deliver 2->1 ACCEPTED
expect not 1 CHOSEN                   # the leader counts itself only when its own disk has it
persist 1
expect 1 CHOSEN slot 1
expect idle 1                         # chosen, but not applied yet
apply 1
expect serving 1
propose 1 a
deliver 1->2 ACCEPT
expect length 2 2
expect durable 2 1
persist 1
expect not 1 CHOSEN
persist 2
deliver 2->1 ACCEPTED
expect 1 CHOSEN slot 2
