/*
 * Retrying: delays, deadline, and the budget.
 *
 * The budget's first word holds it all, so that it changes in one exchange:
 *
 *    bits 32-63  when it changed last: milliseconds, modulo 2^32
 *    bits  0-31  tokens, in thousandths
 *
 * In these units PER_SECOND is what flows in within a millisecond, and ten times
 * PERCENT is what a call puts in.  0 is a budget that nobody has used yet.
 */
#include <errno.h>
#include <time.h>

#include "client/discovery/retry.h"
#include "shared/clock.h"

#define TOKEN        1000u
#define FLOW_MAX_MS  10000u
#define DEPOSITS_MAX 1000u
#define LATE_MAX_MS  60000u

static uint64_t
smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* ---- the budget ---- */

/* What has flowed in fills it up to FLOW_MAX_MS' worth; above that there are only deposits. */
static uint64_t
with_flow(uint64_t tokens, uint64_t flow, uint64_t elapsed_ms)
{
	uint64_t bound = flow * FLOW_MAX_MS;

	if (tokens >= bound)
		return tokens;
	return smaller(bound, tokens + flow * smaller(elapsed_ms, FLOW_MAX_MS));
}

/* Put DEPOSIT in, take TAKEN out: false, and nothing is taken, if there is less. */
static bool
budget_change(struct synod_retry_budget *budget, uint64_t deposit, uint64_t taken, uint64_t now_ms)
{
	uint64_t old = __atomic_load_n(&budget->state[0], __ATOMIC_RELAXED);
	uint64_t bound =
		budget->per_second * (uint64_t)FLOW_MAX_MS + budget->percent * 10ULL * DEPOSITS_MAX;

	for (;;) {
		uint32_t at_ms = (uint32_t)(old >> 32);
		uint32_t elapsed_ms = (uint32_t)now_ms - at_ms;
		uint64_t tokens = (uint32_t)old;
		uint64_t changed;

		if (old == 0) {
			elapsed_ms = FLOW_MAX_MS;
		} else if (elapsed_ms > UINT32_MAX - LATE_MAX_MS) {
			/* Another thread looked at the clock after us, and was faster. */
			elapsed_ms = 0;
			now_ms = at_ms;
		}
		tokens = with_flow(tokens, budget->per_second, elapsed_ms) + deposit;
		tokens = smaller(smaller(tokens, bound), UINT32_MAX);
		if (tokens < taken)
			return false;
		changed = (uint64_t)(uint32_t)now_ms << 32 | (tokens - taken);
		if (__atomic_compare_exchange_n(&budget->state[0], &old, changed, true,
		                                __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			return true;
	}
}

void
budget_deposit(struct synod_retry_budget *budget, uint64_t now_ms)
{
	budget_change(budget, budget->percent * 10ULL, 0, now_ms);
}

bool
budget_take(struct synod_retry_budget *budget, uint64_t now_ms)
{
	return budget_change(budget, 0, TOKEN, now_ms);
}

/* ---- one call ---- */

static unsigned
or_default(unsigned value, unsigned preset)
{
	return value != 0 ? value : preset;
}

void
retry_begin_at(struct synod_retry *retry, const struct synod_retry_options *options,
               uint64_t now_ms)
{
	static const struct synod_retry_options none;

	if (options == NULL)
		options = &none;
	*retry = (struct synod_retry){
		.options =
			{
				.attempts_max = or_default(options->attempts_max, 4),
				.base_ms = or_default(options->base_ms, 20),
				.delay_max_ms = or_default(options->delay_max_ms, 2000),
				.deadline_ms = or_default(options->deadline_ms, 10000),
				.budget = options->budget,
			},
		.attempts = 1,
		.begun_ms = now_ms,
	};
	if (retry->options.budget != NULL)
		budget_deposit(retry->options.budget, now_ms);
}

unsigned
retry_remaining_at(const struct synod_retry *retry, uint64_t now_ms)
{
	uint64_t end_ms = retry->begun_ms + retry->options.deadline_ms;

	return now_ms < end_ms ? (unsigned)(end_ms - now_ms) : 0;
}

/* xorshift64* (S. Vigna, 2016). */
static uint32_t
retry_random(struct synod_retry *retry)
{
	uint64_t x = retry->random;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	retry->random = x;
	return (uint32_t)(x * UINT64_C(0x2545F4914F6CDD1D) >> 32);
}

/* Full jitter: anything from nothing to the bound, which doubles with each attempt. */
static unsigned
draw_delay_ms(struct synod_retry *retry)
{
	unsigned doublings = retry->attempts - 1 < 31 ? retry->attempts - 1 : 31;
	uint64_t bound_ms =
		smaller(retry->options.delay_max_ms, (uint64_t)retry->options.base_ms << doublings);

	return (unsigned)(retry_random(retry) * (bound_ms + 1) >> 32);
}

bool
retry_next_at(struct synod_retry *retry, uint64_t now_ms, unsigned *delay_ms)
{
	unsigned drawn_ms;

	if (retry->attempts >= retry->options.attempts_max)
		return false;
	drawn_ms = draw_delay_ms(retry);
	/* An attempt that begins at the deadline would have no time. */
	if (drawn_ms >= retry_remaining_at(retry, now_ms))
		return false;
	if (retry->options.budget != NULL && !budget_take(retry->options.budget, now_ms))
		return false;
	retry->attempts++;
	*delay_ms = drawn_ms;
	return true;
}

/* ---- the same, now ---- */

void
synod_retry_begin(struct synod_retry *retry, const struct synod_retry_options *options)
{
	retry_begin_at(retry, options, clock_now_ms(clock_real()));
}

bool
synod_retry_next(struct synod_retry *retry, unsigned *delay_ms)
{
	/* Not before it is needed: most calls are not retried. */
	if (retry->random == 0)
		retry->random = clock_random(clock_real()) | 1;
	return retry_next_at(retry, clock_now_ms(clock_real()), delay_ms);
}

bool
synod_retry_wait(struct synod_retry *retry)
{
	struct timespec left;
	unsigned delay_ms;

	if (!synod_retry_next(retry, &delay_ms))
		return false;
	left = (struct timespec){delay_ms / 1000, delay_ms % 1000 * 1000000L};
	while (nanosleep(&left, &left) != 0 && errno == EINTR)
		continue;
	return true;
}

unsigned
synod_retry_remaining_ms(const struct synod_retry *retry)
{
	return retry_remaining_at(retry, clock_now_ms(clock_real()));
}
