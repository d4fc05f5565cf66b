# Leadership is handed over without waiting for a timeout, and nothing is lost.
voters 3
start
timeout 1
deliver all
run 10
propose 1 a b
transfer 1 3
expect 1 TRANSFERRING
refuse 1 RETRY later
deliver all
expect 3 CANDIDATE 1.2.3
expect 1 LOST_BALLOT
expect 3 SERVING
expect log 3 * a b *
# To a member that is gone: given up, and the leader goes on.
crash 2
transfer 3 2
refuse 3 RETRY later
run 600
propose 3 c
run 100
expect serving 3
expect log 1 * a b * c
