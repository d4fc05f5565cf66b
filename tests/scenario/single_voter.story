# An ensemble of one leads at once and chooses alone, but not before its own disk has it.
voters 1
start
disk manual
timeout 1
expect 1 CANDIDATE 1.1.1
persist 1
expect 1 LEADER
persist 1
expect 1 CHOSEN slot 1
apply 1
expect 1 SERVING
propose 1 a
expect not 1 CHOSEN
persist 1
expect 1 CHOSEN slot 2
read 1 r
expect read r index 2
