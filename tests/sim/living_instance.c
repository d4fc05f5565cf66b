/* Living clients that write instances and services by hand, as an operator would or another tool.
 */
#include <stdio.h>
#include <string.h>

#include "shared/check.h"
#include "shared/error.h"
#include "tests/sim/living.h"

#define IDS 2 /* of each half */

/* Below this nothing becomes suspect: it is no service. */
#define PLAIN_PATH CHRONICLE_SERVICES "plain"

/* ---- records ---- */

static unsigned
number_after(const char *data, const char *name)
{
	const char *at = strstr(data, name);
	unsigned number = 0;

	for (at = at ? at + strlen(name) : ""; *at != '\0' && (*at < '0' || *at > '9'); at++)
		continue;
	for (; *at >= '0' && *at <= '9'; at++)
		number = number * 10 + (unsigned)(*at - '0');
	return number;
}

static void
text_after(const char *data, const char *name, char *text, size_t size)
{
	const char *at = strstr(data, name);
	size_t used = 0;

	for (at = at ? at + strlen(name) : ""; *at == ':' || *at == ' ' || *at == '\t'; at++)
		continue;
	if (*at == '"')
		for (at++; *at != '\0' && *at != '"' && used + 1 < size; at++)
			text[used++] = *at;
	text[used] = '\0';
}

/* Not the library's reader: only what is written here. */
struct record_text
record_text_read(const char *data)
{
	struct record_text record = {.health = SYNOD_PASSING, .weight = 100};
	char text[16];

	record.is_whole = data && data[0] == '{';
	if (!record.is_whole)
		return record;
	text_after(data, "\"address\"", record.address, sizeof record.address);
	if (record.address[0] == 'r')
		record.registered = number_after(data, "\"address\"");
	record.port = number_after(data, "\"port\"");
	text_after(data, "\"state\"", text, sizeof text);
	for (int health = SYNOD_PASSING; health <= SYNOD_DRAINING && text[0]; health++)
		if (strcmp(text, synod_health_name((enum synod_health)health)) == 0)
			record.health = health;
	if (strstr(data, "\"weight\""))
		record.weight = number_after(data, "\"weight\"");
	if (strstr(data, "\"note\""))
		record.note = number_after(data, "\"note\"");
	return record;
}

void
record_text_shared_id(char *id, struct living_client *client, bool is_registering)
{
	unsigned half = (client->index + is_registering) % 2;

	snprintf(id, RECORD_TEXT_ID, "i%u",
	         2 * (unsigned)random_below(&client->random, IDS) + half);
}

void
record_text_service_path(char *path, unsigned service, const char *id)
{
	snprintf(path, CHRONICLE_PATH, CHRONICLE_SERVICES "s%u%s%s", service, id ? "/" : "",
	         id ? id : "");
}

/* ---- acts ---- */

static void
draw_path(struct living_client *client, char *path)
{
	unsigned service =
		(unsigned)random_below(&client->random, client->living->world->options.services);
	char id[RECORD_TEXT_ID];

	record_text_shared_id(id, client, false);
	record_text_service_path(path, service, id);
}

static size_t
draw_record(struct living_client *client, uint64_t serial, char *data, size_t size)
{
	struct random *random = &client->random;

	if (random_below(random, 6) == 0)
		return (size_t)snprintf(data, size, "no record %lu", (unsigned long)serial);
	return (size_t)snprintf(data, size,
	                        "{\"address\":\"h%lu\",\"port\":%u,\"state\":\"%s\",\"weight\":%u}",
	                        (unsigned long)serial, (unsigned)random_between(random, 1, 65535),
	                        synod_health_name((enum synod_health)random_below(random, 5)),
	                        (unsigned)random_between(random, 1, 200));
}

static void
put_instance(struct living_client *client)
{
	struct random *random = &client->random;
	struct synod_write_options options = {.kind = SYNOD_EPHEMERAL};
	const struct kept *kept = &client->leases[random_below(random, KEPT_MAX)];
	char path[LIVING_PATH], data[200];
	struct ask *ask;
	size_t size;

	draw_path(client, path);
	if (random_below(random, 8) == 0) {
		snprintf(path, sizeof path, PLAIN_PATH "/i%u", (unsigned)random_below(random, IDS));
		options.make_parents = true;
	}
	if (kept->id != 0 && random_below(random, 2)) {
		options.kind = SYNOD_LEASED;
		options.lease = kept->id;
	}
	ask = ask_new(client, NULL);
	options.call = ask_call(ask);
	size = draw_record(client, ask->serial, data, sizeof data);
	ask_made(ask, synod_put(client->host->handle, path, data, size, &options, NULL));
	client->living->world->statistics.instances_written++;
}

/* Somebody's instance: of a registration, or one of the above. */
static void
draw_instance(struct living_client *client, char *path)
{
	const struct service_world *services = &client->living->services;
	uint64_t count = services->registered_count;

	if (count == 0 || random_below(&client->random, 3) == 0)
		draw_path(client, path);
	else
		snprintf(
			path, LIVING_PATH, "%s",
			services->registered[count - 1 -
		                             random_below(&client->random, count < 12 ? count : 12)]
				->path);
}

static void
drain_instance(struct living_client *client)
{
	struct ask *ask = ask_new(client, NULL);
	struct synod_write_options options = {.call = ask_call(ask)};
	char path[LIVING_PATH], data[200];
	int size;

	draw_instance(client, path);
	size = snprintf(data, sizeof data,
	                "{\"state\":\"draining\",\"address\":\"h%lu\",\"port\":7}",
	                (unsigned long)ask->serial);
	ask_made(ask, synod_set(client->host->handle, path, data, (size_t)size, &options, NULL));
	client->living->world->statistics.instances_drained++;
}

static void
remove_instance(struct living_client *client)
{
	struct ask *ask = ask_new(client, NULL);
	struct synod_write_options options = {.call = ask_call(ask)};
	char path[LIVING_PATH];

	draw_instance(client, path);
	if (random_below(&client->random, 16) == 0) {
		*strrchr(path, '/') = '\0';
		options.recursive = true;
	}
	ask_made(ask, synod_delete(client->host->handle, path, &options, NULL));
	client->living->world->statistics.instances_removed++;
}

/* A service, with a share for its brake. */
static void
put_service(struct living_client *client)
{
	struct random *random = &client->random;
	struct ask *ask = ask_new(client, NULL);
	struct synod_write_options options = {.call = ask_call(ask), .kind = SYNOD_SERVICE};
	uint64_t count = client->living->world->options.services;
	char path[LIVING_PATH];

	options.make_parents = true;
	options.brake_percent = (unsigned)random_between(random, 1, 100);
	record_text_service_path(path, (unsigned)random_below(random, count), NULL);
	ask_made(ask, synod_put(client->host->handle, path, NULL, 0, &options, NULL));
}

void
instance_act(struct living_client *client)
{
	uint64_t drawn = random_below(&client->random, 16);

	if (drawn < 9)
		put_instance(client);
	else if (drawn < 11)
		drain_instance(client);
	else if (drawn < 14)
		remove_instance(client);
	else
		put_service(client);
}
