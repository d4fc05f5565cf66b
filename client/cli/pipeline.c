/* Bounds the calls in flight by count and by bytes. */
#include "client/cli/pipeline.h"

void
pipeline_init(struct pipeline *pipeline, size_t calls_max, size_t bytes_max)
{
	*pipeline = (struct pipeline){.calls_max = calls_max, .bytes_max = bytes_max};
	pthread_mutex_init(&pipeline->mutex, NULL);
	pthread_cond_init(&pipeline->changed, NULL);
}

void
pipeline_fini(struct pipeline *pipeline)
{
	pthread_cond_destroy(&pipeline->changed);
	pthread_mutex_destroy(&pipeline->mutex);
}

void
pipeline_enter(struct pipeline *pipeline, size_t size)
{
	pthread_mutex_lock(&pipeline->mutex);
	while (pipeline->calls > 0 && (pipeline->calls >= pipeline->calls_max ||
	                               pipeline->bytes + size > pipeline->bytes_max))
		pthread_cond_wait(&pipeline->changed, &pipeline->mutex);
	pipeline->calls++;
	pipeline->bytes += size;
	pthread_mutex_unlock(&pipeline->mutex);
}

void
pipeline_leave(struct pipeline *pipeline, size_t size)
{
	pthread_mutex_lock(&pipeline->mutex);
	pipeline->calls--;
	pipeline->bytes -= size;
	pthread_cond_signal(&pipeline->changed);
	pthread_mutex_unlock(&pipeline->mutex);
}

void
pipeline_drain(struct pipeline *pipeline)
{
	pthread_mutex_lock(&pipeline->mutex);
	while (pipeline->calls > 0)
		pthread_cond_wait(&pipeline->changed, &pipeline->mutex);
	pthread_mutex_unlock(&pipeline->mutex);
}
