# What a deposed leader wrote but never got chosen is cut from its log.
voters 3
start
timeout 1
deliver all
run 10
expect serving 1
propose 1 a
deliver all
run 10
cut 1 2
cut 1 3
propose 1 lost1 lost2
expect length 1 4
run 700
expect 1 LOST_QUORUM
run 1200
refuse 1 RETRY never
mend
run 1500
expect 1 SYNCED
expect not 1 RESYNC_ASKED
expect role 1 follower
expect log 1 * a *
expect log 2 * a *
expect log 3 * a *
