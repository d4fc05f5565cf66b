# A member that was cut off from the leader cannot depose it.
voters 3
start
timeout 1
deliver all
run 10
cut 1 3
run 2000
expect 3 PREVOTE_STARTED
expect not 3 CANDIDATE
expect not 2 PROMISED 1.2.3
expect serving 1
mend
run 200
expect 3 FOLLOWING 1.1.1
expect serving 1
