/*
 * Any text as a configuration file: it is taken or refused with words, and what
 * was taken keeps the promises that the rest of the server relies on.
 */
#include <stdint.h>
#include <string.h>

#include "server/config.h"
#include "shared/check.h"
#include "shared/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void
check_finished(const struct config *config)
{
	CHECK(config->member_count >= 1);
	CHECK(config->member_count <= PAXOS_VOTERS_MAX);
	CHECK(config->self >= 1);
	CHECK(config->self <= config->member_count);
	CHECK(strcmp(config->members[config->self - 1].name, config->name) == 0);
	for (unsigned i = 0; i < config->member_count; i++) {
		CHECK(config->members[i].id == i + 1);
		CHECK(strchr(config->members[i].address, ':'));
		if (i > 0)
			CHECK(strcmp(config->members[i - 1].name, config->members[i].name) < 0);
	}
	CHECK(config->heartbeat_ms * 2 <= config->election_timeout_min_ms);
	CHECK(config->election_timeout_min_ms < config->election_timeout_max_ms);
	CHECK(config->segment_bytes >= 1 << 20);
	CHECK(config->data[0]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static struct config config;
	char why[CONFIG_WHY_SIZE] = "";

	config_init(&config);
	int error = config_parse_text(&config, "fuzz.conf", (struct slice){bytes, size}, why);

	if (error == SYNOD_OK)
		error = config_finish(&config, why);
	if (error == SYNOD_OK) {
		check_finished(&config);
		return 0;
	}
	CHECK(error == SYNOD_BAD_CONFIG);
	CHECK(why[0]);
	CHECK(strlen(why) < CONFIG_WHY_SIZE);
	return 0;
}
