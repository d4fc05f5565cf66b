/* What the library returns, as JSON. */
#ifndef CLIENT_CLI_JSON_H
#define CLIENT_CLI_JSON_H

#include <cjson/cJSON.h>
#include <stdint.h>

#include "client/synod.h"

/* Objects and arrays; never NULL. */
cJSON *json_object(void);
cJSON *json_array(void);

/* Append OWNED to ARRAY. */
void json_append(cJSON *array, cJSON *owned);

/* Add a member called KEY. */
void json_add(cJSON *object, const char *key, cJSON *owned);
void json_add_number(cJSON *object, const char *key, uint64_t number); /* all 64 bits */
void json_add_real(cJSON *object, const char *key, double number);
void json_add_bool(cJSON *object, const char *key, bool truth);
void json_add_text(cJSON *object, const char *key, const char *text); /* NULL: null */

/* KEY: the data as a string, null when it is absent; KEY_base64 when it is not text. */
void json_add_data(cJSON *object, const char *key, const void *data, size_t size);

/* "stat": {...}, unless the node has none. */
void json_add_stat(cJSON *object, const struct synod_node *node);

/* Print DOCUMENT as one line and free it. */
void json_print(cJSON *document);

/* BYTES in base64 (RFC 4648), to be freed. */
char *base64_encode(const void *bytes, size_t size);

#endif
