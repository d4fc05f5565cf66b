/*
 * A configuration that follows the ensemble: every node below /example/config is a
 * setting.
 *
 *     ./configuration &
 *     synod put -p /example/config/colour green
 *
 * One watch tells the present state first, and then every change, in order, none
 * missing and none twice, whatever happens to connections and members.  Only when
 * the program was away for so long that the history is gone, a new state comes
 * instead of the changes: "forget what you knew".  So a state and a change are all that
 * has to be understood; there is no reading and no race between reading and watching.
 */
#include <signal.h>
#include <stdio.h>

#include <synod/synod.h>

#define CONFIG "/example/config"

static volatile sig_atomic_t should_stop;

static void
on_signal(int number)
{
	(void)number;
	should_stop = 1;
}

static void
apply(const char *path, const void *data)
{
	if (data != NULL) /* a zero byte follows the data */
		printf("%s = %s\n", path, (const char *)data);
}

static void
on_event(const struct synod_event *event)
{
	switch (event->kind) {
	case SYNOD_EVENT_STATE:
		printf("settings as of revision %llu:\n", (unsigned long long)event->revision);
		for (size_t i = 0; i < event->node_count; i++)
			apply(event->nodes[i].path, event->nodes[i].data);
		break;
	case SYNOD_EVENT_CHANGES:
		for (size_t i = 0; i < event->change_count; i++) {
			const struct synod_change *change = &event->changes[i];

			if (change->kind == SYNOD_DELETED)
				printf("%s is gone: back to its default\n", change->path);
			else
				apply(change->path, change->data);
		}
		break;
	case SYNOD_EVENT_MARK: break;
	case SYNOD_EVENT_END:
		fprintf(stderr, "the watch ended: %s\n", synod_error_text(event->error));
		break;
	}
	fflush(stdout);
}

int
main(void)
{
	struct synod_watch_options options = {
		.scope = SYNOD_WATCH_SUBTREE,
		.initial = true,
		.with_data = true,
	};
	const struct synod_event *event;
	struct synod_watch *watch;
	struct synod *synod;
	int error = synod_open(NULL, &synod);

	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	if (error == SYNOD_OK)
		error = synod_watch_open(synod, CONFIG, &options, &watch);
	while (error == SYNOD_OK && !should_stop) {
		/* Wait in turns of half a second, so that a signal is noticed. */
		error = synod_watch_next(watch, 500, &event);
		if (error == SYNOD_OK)
			on_event(event);
		else if (error == SYNOD_TIMEOUT)
			error = SYNOD_OK;
	}
	if (error != SYNOD_OK)
		fprintf(stderr, "%s: %s\n", CONFIG, synod_error_text(error));
	synod_close(synod); /* with its watch */
	return error != SYNOD_OK;
}
