# A promise that a higher ballot overtakes before it is durable is never answered.
voters 3
start
disk manual
timeout 1
timeout 3
deliver 1->2 PREVOTE
deliver 3->2 PREVOTE
deliver 2->1 PREVOTE_ANSWER
deliver 2->3 PREVOTE_ANSWER
persist 1
persist 3
deliver 1->2 PREPARE
expect 2 PROMISED 1.1.1
deliver 3->2 PREPARE
expect 2 PROMISED 1.1.3
persist 2
expect nothing 2->1 PROMISE
expect packet 2->3 PROMISE
