#include "net/resolve.h"

#include "net_fixture.h"
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <semaphore.h>
#include <stdio.h>

/*
 * The linker's --wrap puts this before the C library: what the test says is what
 * the name service says.
 */
int __real_getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
		       struct addrinfo **found);
int __wrap_getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
		       struct addrinfo **found);
void __wrap_freeaddrinfo(struct addrinfo *found);
void __real_freeaddrinfo(struct addrinfo *found);

static struct addrinfo canned[16];
static struct sockaddr_storage canned_addrs[16];
static size_t canned_count;
static int canned_code, canned_errno;
static bool is_real, is_held;
static sem_t hold;
static char asked_name[64];

int __wrap_getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
		       struct addrinfo **found)
{
	if (is_real)
		return __real_getaddrinfo(name, service, hints, found);
	snprintf(asked_name, sizeof(asked_name), "%s", name);
	if (is_held)
		sem_wait(&hold);
	errno = canned_errno;
	if (canned_code)
		return canned_code;
	*found = canned_count ? canned : NULL;
	return 0;
}

void __wrap_freeaddrinfo(struct addrinfo *found)
{
	if (is_real)
		__real_freeaddrinfo(found);
}

/* One more that the name service has to say; port 0, as when no service is asked for. */
static void can(const char *ip)
{
	struct addrinfo *ai = &canned[canned_count];
	struct sockaddr_storage *ss = &canned_addrs[canned_count];
	struct sockaddr_in *in = (struct sockaddr_in *)ss;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;

	if (inet_pton(AF_INET, ip, &in->sin_addr) == 1) {
		ss->ss_family = AF_INET;
		ai->ai_addrlen = sizeof(*in);
	} else if (inet_pton(AF_INET6, ip, &in6->sin6_addr) == 1) {
		ss->ss_family = AF_INET6;
		ai->ai_addrlen = sizeof(*in6);
	} else {
		ss->ss_family = AF_APPLETALK;
		ai->ai_addrlen = sizeof(*ss);
	}
	ai->ai_addr = (struct sockaddr *)ss;
	if (canned_count++ > 0)
		canned[canned_count - 2].ai_next = ai;
}

static struct pool *pool;
static bool is_done;

static void setup(void)
{
	net_setup();
	pool = pool_new(net_loop, "resolve", 1, 1, NULL);
	ck_assert_ptr_nonnull(pool);
	sem_init(&hold, 0, 0);
}

static void teardown(void)
{
	pool_free(&pool);
	net_teardown();
}

static void on_done(struct op *op)
{
	(void)op;
	is_done = true;
	net_stop();
}

static struct resolve ask(const char *name)
{
	struct resolve resolve = { .op.done = on_done };

	is_done = false;
	if (!resolve_start(&resolve, pool, name, 2525))
		return resolve;
	NET_UNTIL(is_done);
	return resolve;
}

static void assert_addr(const struct addr *addr, const char *expected)
{
	char text[ADDR_TEXT_SIZE];

	ck_assert_str_eq(addr_format(addr, text), expected);
}

START_TEST(addresses_come_in_their_order_with_the_port)
{
	struct resolve resolve;

	can("2001:db8::1");
	can("192.0.2.1");
	resolve = ask("mx.example.org");
	ck_assert_str_eq(asked_name, "mx.example.org");
	ck_assert_uint_eq(resolve.count, 2);
	assert_addr(&resolve.addrs[0], "[2001:db8::1]:2525");
	assert_addr(&resolve.addrs[1], "192.0.2.1:2525");
	ck_assert_str_eq(resolve.failure, "");
}
END_TEST

START_TEST(no_address_comes_twice_and_what_is_no_ip_is_left_out)
{
	struct resolve resolve;

	can("192.0.2.1");
	can("appletalk");
	can("::ffff:192.0.2.1");
	can("192.0.2.1");
	resolve = ask("mx.example.org");
	ck_assert_uint_eq(resolve.count, 1);
}
END_TEST

START_TEST(more_addresses_than_there_is_room_for_are_left_out)
{
	char ip[] = "192.0.2.A";
	struct resolve resolve;

	for (char c = '0'; c <= '9'; c++) {
		ip[8] = c;
		can(ip);
	}
	resolve = ask("mx.example.org");
	ck_assert_uint_eq(resolve.count, RESOLVE_ADDRS_MAX);
	assert_addr(&resolve.addrs[RESOLVE_ADDRS_MAX - 1], "192.0.2.7:2525");
}
END_TEST

START_TEST(only_unusable_addresses_are_none)
{
	struct resolve resolve;

	can("appletalk");
	resolve = ask("mx.example.org");
	ck_assert_uint_eq(resolve.count, 0);
	ck_assert(resolve.is_permanent);
	ck_assert_str_ne(resolve.failure, "");
}
END_TEST

static const struct {
	int code, error;
	bool is_permanent;
	const char *says;
} failures[] = {
	{ EAI_NONAME, 0, true, "Name or service not known" },
	{ EAI_NODATA, 0, true, "No address associated with hostname" },
	{ EAI_AGAIN, 0, false, "Temporary failure in name resolution" },
	{ EAI_MEMORY, 0, false, "Memory allocation failure" },
	{ EAI_SYSTEM, EMFILE, false, "Too many open files" },
};

START_TEST(a_failure_is_told_in_words)
{
	struct resolve resolve;

	canned_code = failures[_i].code;
	canned_errno = failures[_i].error;
	resolve = ask("mx.example.org");
	ck_assert_uint_eq(resolve.count, 0);
	ck_assert_int_eq(resolve.is_permanent, failures[_i].is_permanent);
	ck_assert_str_eq(resolve.failure, failures[_i].says);
}
END_TEST

static void never(struct op *op)
{
	(void)op;
	ck_abort_msg("done() of what was cancelled, or never began");
}

/* One thread asks, one name waits: the third finds no room. */
START_TEST(silent_name_servers_bound_what_is_asked)
{
	struct resolve resolves[3] = { { .op.done = never }, { .op.done = never }, { .op.done = never } };

	is_held = true;
	ck_assert(resolve_start(&resolves[0], pool, "a.example.org", 25));
	ck_assert(resolve_start(&resolves[1], pool, "b.example.org", 25));
	ck_assert(!resolve_start(&resolves[2], pool, "c.example.org", 25));
	ck_assert_str_eq(resolves[2].failure, "too many names are being looked up");
	ck_assert(!resolves[2].is_permanent);
	op_cancel(&resolves[0].op);
	op_cancel(&resolves[1].op);
	sem_post(&hold);
}
END_TEST

/* The memory of the waiter is gone when the answer comes. */
START_TEST(a_waiter_may_go_while_the_name_is_looked_up)
{
	struct resolve *gone = calloc(1, sizeof(*gone));

	is_held = true;
	can("192.0.2.1");
	gone->op.done = never;
	ck_assert(resolve_start(gone, pool, "a.example.org", 25));
	op_cancel(&gone->op);
	free(gone);
	sem_post(&hold);
	sem_post(&hold);
	ck_assert_uint_eq(ask("b.example.org").count, 1);
}
END_TEST

START_TEST(a_pool_that_ends_leaves_the_op_idle)
{
	struct resolve resolve = { .op.done = never };

	is_held = true;
	ck_assert(resolve_start(&resolve, pool, "a.example.org", 25));
	sem_post(&hold);
	pool_free(&pool);
	ck_assert(!op_running(&resolve.op));
}
END_TEST

START_TEST(the_system_knows_localhost)
{
	struct resolve resolve;
	bool has_loopback = false;

	is_real = true;
	resolve = ask("localhost");
	ck_assert_msg(resolve.count > 0, "%s", resolve.failure);
	for (size_t i = 0; i < resolve.count; i++) {
		char text[ADDR_TEXT_SIZE];

		addr_format(&resolve.addrs[i], text);
		has_loopback |= !strcmp(text, "127.0.0.1:2525") || !strcmp(text, "[::1]:2525");
	}
	ck_assert(has_loopback);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("resolve");
	TCase *tcase = tcase_create("resolve");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, addresses_come_in_their_order_with_the_port);
	tcase_add_test(tcase, no_address_comes_twice_and_what_is_no_ip_is_left_out);
	tcase_add_test(tcase, more_addresses_than_there_is_room_for_are_left_out);
	tcase_add_test(tcase, only_unusable_addresses_are_none);
	ADD_ROWS(tcase, a_failure_is_told_in_words, failures);
	tcase_add_test(tcase, silent_name_servers_bound_what_is_asked);
	tcase_add_test(tcase, a_waiter_may_go_while_the_name_is_looked_up);
	tcase_add_test(tcase, a_pool_that_ends_leaves_the_op_idle);
	tcase_add_test(tcase, the_system_knows_localhost);
	suite_add_tcase(suite, tcase);
	return unit_main(suite);
}
