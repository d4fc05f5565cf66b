/*
 * Observing an election: who leads, told once for each leader and each value.
 *
 * One watch of the lock and its contenders, beginning with the present state.  The
 * contenders are kept in memory as the events say, and after each whole revision
 * the leader is compared with the one told last: since a watch merges nothing, no
 * leader is missed but those that came and went while history was not kept.
 *
 * What goes wrong (memory, a watch that the ensemble ends) is mended by beginning
 * again with the present state.
 */
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "client/synod.h"

#define BEGIN_AGAIN_MS 1000

struct value {
	void *bytes; /* NULL: absent */
	size_t size;
};

struct contender {
	TAILQ_ENTRY(contender) link;
	char *path;
	uint64_t token;
	uint64_t session;
	struct value value;
};

struct synod_observer {
	struct synod *synod;
	char *path;
	void (*on_leader)(void *context, const struct synod_leader *leader);
	void *context;
	struct synod_hook *hook;

	/* Under the lock, because any thread may close. */
	pthread_mutex_t lock;
	struct synod_watch *watch;
	bool is_closed;

	/* Of the callbacks, which come one at a time. */
	TAILQ_HEAD(contender_list, contender) contenders;
	bool is_in_state; /* the rest of the state follows */
	bool is_broken;   /* begin again */
	bool has_told;
	uint64_t told_token;
	struct value told_value;
};

/* ---- what is known ---- */

static void
value_clear(struct value *value)
{
	free(value->bytes);
	*value = (struct value){NULL, 0};
}

/* A zero byte follows, so that texts can be read as such. */
static bool
value_set(struct value *value, const void *bytes, size_t size)
{
	char *copy = NULL;

	if (bytes != NULL) {
		copy = malloc(size + 1);
		if (copy == NULL)
			return false;
		memcpy(copy, bytes, size);
		copy[size] = '\0';
	}
	value_clear(value);
	*value = (struct value){copy, size};
	return true;
}

static bool
value_is(const struct value *value, const struct value *other)
{
	if (value->size != other->size || (value->bytes == NULL) != (other->bytes == NULL))
		return false;
	return value->size == 0 || memcmp(value->bytes, other->bytes, value->size) == 0;
}

static void
forget(struct synod_observer *observer, struct contender *contender)
{
	TAILQ_REMOVE(&observer->contenders, contender, link);
	value_clear(&contender->value);
	free(contender->path);
	free(contender);
}

static void
forget_all(struct synod_observer *observer)
{
	struct contender *contender;

	while ((contender = TAILQ_FIRST(&observer->contenders)) != NULL)
		forget(observer, contender);
}

static struct contender *
find(struct synod_observer *observer, const char *path)
{
	struct contender *contender;

	TAILQ_FOREACH(contender, &observer->contenders, link)
	{
		if (strcmp(contender->path, path) == 0)
			return contender;
	}
	return NULL;
}

/* The contender at PATH, now known if it was not; NULL when memory ran out. */
static struct contender *
know(struct synod_observer *observer, const char *path, uint64_t session)
{
	struct contender *contender = find(observer, path);

	if (contender != NULL)
		return contender;
	contender = calloc(1, sizeof *contender);
	if (contender == NULL)
		return NULL;
	contender->path = strdup(path);
	contender->session = session;
	if (contender->path == NULL) {
		free(contender);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&observer->contenders, contender, link);
	return contender;
}

/* ---- telling ---- */

static const struct contender *
leader_of(const struct synod_observer *observer)
{
	const struct contender *leader = NULL;
	const struct contender *contender;

	TAILQ_FOREACH(contender, &observer->contenders, link)
	{
		if (contender->token != 0 && (leader == NULL || contender->token > leader->token))
			leader = contender;
	}
	return leader;
}

static bool
is_closed(struct synod_observer *observer)
{
	bool answer;

	pthread_mutex_lock(&observer->lock);
	answer = observer->is_closed;
	pthread_mutex_unlock(&observer->lock);
	return answer;
}

/* REVISION has been read as a whole. */
static void
tell(struct synod_observer *observer, uint64_t revision)
{
	static const struct contender nobody;
	const struct contender *leader = leader_of(observer);
	struct synod_leader news;

	if (leader == NULL)
		leader = &nobody;
	if (observer->has_told && leader->token == observer->told_token &&
	    value_is(&leader->value, &observer->told_value))
		return;
	if (is_closed(observer)) /* by what was told last */
		return;
	if (!value_set(&observer->told_value, leader->value.bytes, leader->value.size)) {
		observer->is_broken = true;
		return;
	}
	observer->told_token = leader->token;
	observer->has_told = true;
	news = (struct synod_leader){
		.token = leader->token,
		.session = leader->session,
		.value = leader->value.bytes,
		.size = leader->value.size,
		.revision = revision,
	};
	observer->on_leader(observer->context, &news);
}

/* ---- events ---- */

static void
read_state(struct synod_observer *observer, const struct synod_event *event)
{
	if (!observer->is_in_state)
		forget_all(observer);
	observer->is_in_state = event->more;
	for (size_t i = 0; i < event->node_count; i++) {
		const struct synod_node *node = &event->nodes[i];
		struct contender *contender;

		if (node->stat.kind != SYNOD_CONTENDER)
			continue;
		contender = know(observer, node->path, node->stat.owner);
		if (contender == NULL || !value_set(&contender->value, node->data, node->size)) {
			observer->is_broken = true;
			return;
		}
		contender->token = node->stat.token;
	}
	if (!event->more)
		tell(observer, event->revision);
}

static void
read_change(struct synod_observer *observer, const struct synod_change *change)
{
	struct contender *contender;

	if (strcmp(change->path, observer->path) == 0)
		return; /* the lock itself: its contenders' going is told of each */
	if (change->kind == SYNOD_DELETED) {
		contender = find(observer, change->path);
		if (contender != NULL)
			forget(observer, contender);
		return;
	}
	contender = know(observer, change->path, change->owner);
	if (contender == NULL) {
		observer->is_broken = true;
		return;
	}
	if (change->kind == SYNOD_GRANTED)
		contender->token = change->revision;
	else if (!value_set(&contender->value, change->data, change->size))
		observer->is_broken = true;
}

static void
read_changes(struct synod_observer *observer, const struct synod_event *event)
{
	for (size_t i = 0; i < event->change_count && !observer->is_broken; i++) {
		const struct synod_change *change = &event->changes[i];
		bool is_last = i + 1 == event->change_count;

		read_change(observer, change);
		if (is_last ? !event->more : event->changes[i + 1].revision != change->revision)
			tell(observer, change->revision);
	}
}

static void
on_event(void *context, struct synod_watch *watch, const struct synod_event *event)
{
	struct synod_observer *observer = context;
	bool is_stale;

	pthread_mutex_lock(&observer->lock);
	is_stale = observer->is_closed || (observer->watch != NULL && observer->watch != watch);
	pthread_mutex_unlock(&observer->lock);
	if (is_stale || observer->is_broken)
		return;
	switch (event->kind) {
	case SYNOD_EVENT_STATE: read_state(observer, event); break;
	case SYNOD_EVENT_CHANGES: read_changes(observer, event); break;
	case SYNOD_EVENT_MARK: break;
	case SYNOD_EVENT_END: observer->is_broken = true; break;
	}
	if (observer->is_broken)
		synod_hook_after(observer->hook, BEGIN_AGAIN_MS);
}

/* ---- the watch ---- */

/* Put WATCH in the place of the one that is there; close whatever has no place. */
static void
exchange_watch(struct synod_observer *observer, struct synod_watch *watch)
{
	struct synod_watch *old = watch;

	pthread_mutex_lock(&observer->lock);
	if (!observer->is_closed || watch == NULL) {
		old = observer->watch;
		observer->watch = watch;
	}
	pthread_mutex_unlock(&observer->lock);
	synod_watch_close(old);
}

static int
begin(struct synod_observer *observer)
{
	const struct synod_watch_options options = {
		.scope = SYNOD_WATCH_CHILDREN,
		.initial = true,
		.with_data = true,
		.on_event = on_event,
		.context = observer,
	};
	struct synod_watch *watch = NULL;
	int error;

	observer->is_in_state = false;
	observer->is_broken = false;
	error = synod_watch_open(observer->synod, observer->path, &options, &watch);
	if (error == SYNOD_OK)
		exchange_watch(observer, watch);
	return error;
}

static void
on_time(void *context)
{
	struct synod_observer *observer = context;

	exchange_watch(observer, NULL);
	if (begin(observer) != SYNOD_OK) {
		observer->is_broken = true;
		synod_hook_after(observer->hook, BEGIN_AGAIN_MS);
	}
}

/* ---- the observer ---- */

static void
observer_free(struct synod_observer *observer)
{
	forget_all(observer);
	value_clear(&observer->told_value);
	pthread_mutex_destroy(&observer->lock);
	free(observer->path);
	free(observer);
}

static void
stop(struct synod_observer *observer)
{
	pthread_mutex_lock(&observer->lock);
	observer->is_closed = true;
	pthread_mutex_unlock(&observer->lock);
	exchange_watch(observer, NULL);
}

static void
on_close(void *context)
{
	stop(context);
}

static void
on_gone(void *context)
{
	observer_free(context);
}

static struct synod_observer *
observer_new(struct synod *synod, const char *path,
             void (*on_leader)(void *context, const struct synod_leader *leader), void *context)
{
	struct synod_observer *observer = calloc(1, sizeof *observer);

	if (observer == NULL)
		return NULL;
	observer->synod = synod;
	observer->on_leader = on_leader;
	observer->context = context;
	TAILQ_INIT(&observer->contenders);
	pthread_mutex_init(&observer->lock, NULL);
	observer->path = strdup(path);
	if (observer->path == NULL) {
		observer_free(observer);
		return NULL;
	}
	return observer;
}

int
synod_election_observe(struct synod *synod, const char *path,
                       void (*on_leader)(void *context, const struct synod_leader *leader),
                       void *context, struct synod_observer **result)
{
	struct synod_hook_options hook_options = {
		.on_time = on_time, .on_close = on_close, .on_gone = on_gone};
	struct synod_observer *observer;
	int error;

	if (result == NULL)
		return SYNOD_BAD_ARGUMENT;
	*result = NULL;
	if (synod == NULL || path == NULL || on_leader == NULL)
		return SYNOD_BAD_ARGUMENT;
	observer = observer_new(synod, path, on_leader, context);
	if (observer == NULL)
		return SYNOD_NO_MEMORY;
	hook_options.context = observer;
	error = synod_hook_add(synod, &hook_options, &observer->hook);
	if (error != SYNOD_OK) {
		observer_free(observer);
		return error;
	}
	*result = observer;
	error = begin(observer);
	if (error != SYNOD_OK) {
		*result = NULL;
		synod_hook_remove(observer->hook);
	}
	return error;
}

void
synod_observer_close(struct synod_observer *observer)
{
	if (observer == NULL)
		return;
	stop(observer);
	synod_hook_remove(observer->hook);
}
