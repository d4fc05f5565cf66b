/*
 * Group membership: who is there?
 *
 *     ./membership alice &  ./membership bob &
 *
 * A member of the group is an ephemeral node, which lives as long as the session
 * that made it.  A process that ends takes its node away at once; one that dies, or is
 * cut off, after the session's timeout.  Everybody watches the group.
 *
 * A session can end without the process ending, if nobody in the ensemble heard
 * of it for too long.  Then its node is gone, and the member has to come back.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <synod/synod.h>

#define GROUP "/example/group"

static volatile sig_atomic_t should_stop;

static void
on_signal(int number)
{
	(void)number;
	should_stop = 1;
}

/* Put, not create: a node that our predecessor of the same name left behind is taken over. */
static int
join(struct synod *synod, const char *name, uint64_t *session)
{
	struct synod_write_options options = {.make_parents = true, .kind = SYNOD_EPHEMERAL};
	char path[256];
	int error;

	snprintf(path, sizeof path, GROUP "/%s", name);
	error = synod_put(synod, path, name, strlen(name), &options, NULL);
	*session = error == SYNOD_OK ? synod_session_id(synod) : 0;
	return error;
}

static void
on_event(const struct synod_event *event)
{
	for (size_t i = 0; i < event->node_count; i++) {
		if (strcmp(event->nodes[i].path, GROUP) != 0)
			printf("is here: %s\n", event->nodes[i].path);
	}
	for (size_t i = 0; i < event->change_count; i++) {
		const struct synod_change *change = &event->changes[i];

		if (strcmp(change->path, GROUP) == 0)
			continue;
		if (change->kind == SYNOD_CREATED)
			printf("came: %s\n", change->path);
		else if (change->kind == SYNOD_DELETED)
			printf("went: %s (%s)\n", change->path, synod_cause_name(change->cause));
	}
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	struct synod_options options = {.session_timeout_ms = 2000};
	struct synod_watch_options children = {.scope = SYNOD_WATCH_CHILDREN, .initial = true};
	const char *name = argc > 1 ? argv[1] : "somebody";
	const struct synod_event *event;
	struct synod_watch *watch;
	struct synod *synod;
	uint64_t session = 0;
	int error = synod_open(&options, &synod);

	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	if (error == SYNOD_OK)
		error = synod_watch_open(synod, GROUP, &children, &watch);
	while (error == SYNOD_OK && !should_stop) {
		if (session == 0 || synod_session_id(synod) != session)
			join(synod, name, &session); /* if it fails: again in the next turn */
		error = synod_watch_next(watch, 500, &event);
		if (error == SYNOD_OK)
			on_event(event);
		else if (error == SYNOD_TIMEOUT)
			error = SYNOD_OK;
	}
	if (error != SYNOD_OK)
		fprintf(stderr, "%s: %s\n", name, synod_error_text(error));
	synod_close(synod);
	return error != SYNOD_OK;
}
