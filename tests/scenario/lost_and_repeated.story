# A lost ACCEPT is asked for again; repeated and late messages change nothing.
voters 3
start
timeout 1
deliver all
run 10
propose 1 a
repeat 1->2 ACCEPT
repeat 1->2 ACCEPT
expect length 2 2
deliver all
run 10
propose 1 b
drop 1->2 ACCEPT
propose 1 c
deliver 1->2 ACCEPT                   # c without b
expect 2 RESYNC_ASKED slot 2
deliver all
expect 1 RESYNC_SENT slot 2
expect log 2 * a b c
propose 1 d
drop 1->2 ACCEPT                      # nothing follows that would show the gap
deliver all
expect length 2 4
run 120                               # the heartbeat does
expect log 2 * a b c d
expect chosen 2 5
