# What was promised and accepted before a crash holds after it.
voters 3
start
timeout 1
deliver all
run 10
propose 1 a
deliver all
crash 2
restart 2
expect log 2 * a
expect durable 2 2
drop all
# An old candidate's ballot is refused still.
timeout 2
expect packet 2->3 PREVOTE
run 100
expect serving 1
crash 1
crash 2
crash 3
restart 1 2 3
run 1500
propose 1 b                           # whoever leads: by this seed it is 1
run 100
expect chosen 2 4
