# Another member asks the leader for an index, and learns what is chosen by it.
voters 3
start
timeout 1
deliver all
run 10
propose 1 a
deliver all
read 2 follower
expect packet 2->1 READ_INDEX
deliver all
expect read follower index 2
expect chosen 2 2
cut 2 1
read 2 lost
run 600
expect read lost error RETRY
