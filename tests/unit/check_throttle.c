/*
 * The throttle: what is paid at once, who waits and in which order, how much goes
 * in a second, and that nobody waits for ever.
 */
#include "net/throttle.h"

#include "base/clock.h"
#include "net_fixture.h"
#include "unit.h"

#include <event2/event.h>

enum { START_MS = 1000000, RATE = 100000, SLICE = RATE / 100, MANY = 50 };

struct payer {
	struct throttle_waiter waiter;
	unsigned went;
	unsigned order; /* 1: the first that went on */
};

static struct throttle *throttle;
static struct payer payers[MANY];
static unsigned went_in_all;
static bool event_add_fails;

int __real_event_add(struct event *event, const struct timeval *delay);
int __wrap_event_add(struct event *event, const struct timeval *delay);

int __wrap_event_add(struct event *event, const struct timeval *delay)
{
	return event_add_fails ? -1 : __real_event_add(event, delay);
}

static void setup_throttle(void)
{
	net_clock_frozen_ms = START_MS;
	net_setup();
	throttle = throttle_new(net_loop, RATE);
	ck_assert_ptr_nonnull(throttle);
}

static void teardown_throttle(void)
{
	throttle_free(&throttle);
	ck_assert_ptr_null(throttle);
	net_teardown();
}

static void on_go(struct throttle_waiter *waiter)
{
	struct payer *payer = LIST_OWNER(waiter, struct payer, waiter);

	payer->went++;
	payer->order = ++went_in_all;
	net_stop();
}

static bool pay(unsigned n, uint64_t units)
{
	return throttle_pay(throttle, &payers[n].waiter, units, on_go);
}

START_TEST(a_purse_holds_what_a_hundredth_of_a_second_brings)
{
	net_clock_frozen_ms += 60000;
	ck_assert(pay(0, SLICE / 2));
	ck_assert(pay(0, SLICE / 2));
	ck_assert(!pay(0, 1));
	net_clock_frozen_ms += 10;
	NET_UNTIL(payers[0].went);
	ck_assert_uint_eq(payers[0].went, 1);
}
END_TEST

START_TEST(nothing_is_paid_for_nothing)
{
	ck_assert(pay(0, 10 * SLICE));
	ck_assert(pay(1, 0));
}
END_TEST

START_TEST(those_who_wait_go_on_in_their_order)
{
	ck_assert(pay(MANY - 1, 2 * SLICE));
	for (unsigned n = 0; n < MANY - 1; n++)
		ck_assert(!pay(n, 10));
	net_clock_frozen_ms += 1000;
	NET_UNTIL(went_in_all == MANY - 1);
	for (unsigned n = 0; n < MANY - 1; n++)
		ck_assert_uint_eq(payers[n].order, n + 1);
}
END_TEST

/* Each owes five slices, which take fifty milliseconds of the real clock. */
START_TEST(the_rate_holds_however_many_wait)
{
	uint64_t begin_ms;

	net_clock_frozen_ms = 0;
	begin_ms = clock_monotonic_ms();
	throttle_charge(throttle, 0);
	ck_assert(pay(0, 5 * SLICE));
	for (unsigned n = 1; n < MANY; n++)
		ck_assert(!pay(n, 5 * SLICE));
	NET_UNTIL(went_in_all >= 9);
	ck_assert_uint_ge(clock_monotonic_ms() - begin_ms, 8 * 50);
	for (unsigned n = 0; n < MANY; n++)
		throttle_cancel(&payers[n].waiter);
}
END_TEST

START_TEST(who_leaves_the_line_is_not_called)
{
	ck_assert(pay(0, 2 * SLICE));
	ck_assert(!pay(1, 10));
	ck_assert(!pay(2, 10));
	throttle_cancel(&payers[1].waiter);
	throttle_cancel(&payers[1].waiter);
	net_clock_frozen_ms += 100;
	NET_UNTIL(payers[2].went);
	ck_assert_uint_eq(payers[1].went, 0);
}
END_TEST

/* With an empty purse: do 21 ms pay for two slices, or for one? */
static bool has_all_of_the_rate(unsigned n)
{
	bool is_paid;

	ck_assert(!pay(n, 2 * SLICE));
	net_clock_frozen_ms += 10;
	NET_UNTIL(payers[n].went);
	net_clock_frozen_ms += 11;
	is_paid = pay(n, 1);
	throttle_cancel(&payers[n].waiter);
	return is_paid;
}

START_TEST(what_is_charged_takes_half_of_the_rate_for_two_seconds_at_most)
{
	throttle_charge(throttle, UINT64_MAX);
	throttle_charge(throttle, UINT64_MAX);
	ck_assert(pay(0, SLICE));
	ck_assert(!has_all_of_the_rate(1));
	net_clock_frozen_ms += 2000;
	ck_assert(pay(0, SLICE));
	ck_assert(has_all_of_the_rate(2));
}
END_TEST

START_TEST(charges_without_end_keep_nobody_waiting)
{
	ck_assert(pay(0, SLICE));
	for (unsigned n = 1; n < MANY; n++)
		ck_assert(!pay(n, SLICE / 2));
	for (unsigned n = 1; n < MANY; n++) {
		throttle_charge(throttle, UINT64_MAX);
		net_clock_frozen_ms += 10;
		NET_UNTIL(payers[n].went);
	}
}
END_TEST

START_TEST(who_waits_may_come_to_owe_more_and_is_called_once)
{
	ck_assert(pay(0, 2 * SLICE));
	ck_assert(!pay(1, SLICE));
	ck_assert(!pay(1, 10 * SLICE));
	ck_assert_uint_eq(payers[1].waiter.units, 11 * SLICE);
	net_clock_frozen_ms += 20;
	NET_UNTIL(payers[1].went);
	ck_assert(!pay(2, 1));
	ck_assert_uint_eq(payers[1].went, 1);
	throttle_cancel(&payers[2].waiter);
}
END_TEST

static void pay_again(struct throttle_waiter *waiter)
{
	struct payer *payer = LIST_OWNER(waiter, struct payer, waiter);

	payer->went++;
	net_stop();
	if (payer->went < 3)
		ck_assert(!throttle_pay(throttle, waiter, 2 * SLICE, pay_again));
}

START_TEST(who_goes_on_may_wait_again)
{
	ck_assert(pay(1, 2 * SLICE));
	ck_assert(!throttle_pay(throttle, &payers[0].waiter, 2 * SLICE, pay_again));
	for (unsigned round = 1; round <= 3; round++) {
		net_clock_frozen_ms += 20;
		NET_UNTIL(payers[0].went == round);
	}
}
END_TEST

START_TEST(without_memory_for_its_clock_nobody_waits)
{
	ck_assert(pay(0, 100 * SLICE));
	event_add_fails = true;
	ck_assert(pay(1, 100 * SLICE));
	event_add_fails = false;
	ck_assert(!pay(2, 100 * SLICE));
	ck_assert(!pay(3, 1));
	event_add_fails = true;
	net_clock_frozen_ms += 2000;
	NET_UNTIL(payers[3].went);
	ck_assert_uint_eq(payers[2].went, 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("throttle");
	TCase *tc = tcase_create("throttle");

	tcase_add_checked_fixture(tc, setup_throttle, teardown_throttle);
	tcase_add_test(tc, a_purse_holds_what_a_hundredth_of_a_second_brings);
	tcase_add_test(tc, nothing_is_paid_for_nothing);
	tcase_add_test(tc, those_who_wait_go_on_in_their_order);
	tcase_add_test(tc, the_rate_holds_however_many_wait);
	tcase_add_test(tc, who_leaves_the_line_is_not_called);
	tcase_add_test(tc, what_is_charged_takes_half_of_the_rate_for_two_seconds_at_most);
	tcase_add_test(tc, charges_without_end_keep_nobody_waiting);
	tcase_add_test(tc, who_waits_may_come_to_owe_more_and_is_called_once);
	tcase_add_test(tc, who_goes_on_may_wait_again);
	tcase_add_test(tc, without_memory_for_its_clock_nobody_waits);
	suite_add_tcase(suite, tc);
	return unit_main(suite);
}
