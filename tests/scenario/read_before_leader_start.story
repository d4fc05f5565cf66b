# A new leader answers reads only when its LEADER_START is applied.
voters 3
start
disk manual
timeout 1
deliver 1->2 PREVOTE
deliver 2->1 PREVOTE_ANSWER
persist 1
deliver 1->2 PREPARE
persist 2
deliver 2->1 PROMISE
expect 1 LEADER
read 1 early
deliver 1->2 ACCEPT_SYNC
deliver 1->2 HEARTBEAT
deliver 2->1 HEARTBEAT_ANSWER
expect read early waiting
persist 1
persist 2
deliver 2->1 ACCEPTED
expect 1 CHOSEN slot 1
expect read early waiting
apply 1
expect 1 SERVING
expect read early waiting             # a heartbeat of before does not confirm it
deliver 1->2 HEARTBEAT
deliver 2->1 HEARTBEAT_ANSWER
expect read early index 1
