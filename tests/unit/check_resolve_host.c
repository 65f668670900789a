/* net/resolve_host: a name counts only if it has the address in turn, and is a name. */
#include "net/resolve_host.h"

#include "net_fixture.h"
#include "unit.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <semaphore.h>
#include <stdio.h>

/*
 * The linker's --wrap puts these before the C library: what the test says is what
 * the name service says.
 */
int __wrap_getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
		       struct addrinfo **found);
void __wrap_freeaddrinfo(struct addrinfo *found);
int __wrap_getnameinfo(const struct sockaddr *addr, socklen_t addr_len, char *host, socklen_t host_len, char *service,
		       socklen_t service_len, int flags);

static const char *said_name; /* NULL: there is none */
static const char *said_addr; /* of that name; NULL: there is none */
static char asked_name[300];
static bool is_held;
static sem_t hold;

static struct sockaddr_storage said_storage;
static struct addrinfo said = { .ai_addr = (struct sockaddr *)&said_storage };

int __wrap_getnameinfo(const struct sockaddr *addr, socklen_t addr_len, char *host, socklen_t host_len, char *service,
		       socklen_t service_len, int flags)
{
	(void)addr;
	(void)service;
	(void)service_len;
	if (is_held)
		sem_wait(&hold);
	if (!said_name || !(flags & NI_NAMEREQD) || addr_len == 0)
		return EAI_NONAME;
	return snprintf(host, host_len, "%s", said_name) < (int)host_len ? 0 : EAI_OVERFLOW;
}

int __wrap_getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
		       struct addrinfo **found)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&said_storage;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&said_storage;

	(void)service;
	(void)hints;
	snprintf(asked_name, sizeof(asked_name), "%s", name);
	if (!said_addr)
		return EAI_NONAME;
	memset(&said_storage, 0, sizeof(said_storage));
	if (inet_pton(AF_INET, said_addr, &in->sin_addr) == 1) {
		said_storage.ss_family = AF_INET;
		said.ai_addrlen = sizeof(*in);
	} else {
		ck_assert_int_eq(inet_pton(AF_INET6, said_addr, &in6->sin6_addr), 1);
		said_storage.ss_family = AF_INET6;
		said.ai_addrlen = sizeof(*in6);
	}
	*found = &said;
	return 0;
}

void __wrap_freeaddrinfo(struct addrinfo *found)
{
	(void)found;
}

static struct pool *pool;
static struct op op;
static bool is_done;
static char name[300]; /* that was found; "": none */

static void setup(void)
{
	struct err err;

	net_setup();
	sem_init(&hold, 0, 0);
	pool = pool_new(net_loop, "resolver", 1, 1, &err);
	ck_assert_ptr_nonnull(pool);
}

static void teardown(void)
{
	pool_free(&pool);
	net_teardown();
}

static void found_host(struct op *done)
{
	const char *found = resolve_host_name(done);

	snprintf(name, sizeof(name), "%s", found ? found : "");
	is_done = true;
	net_stop();
}

static bool start(const char *ip)
{
	struct addr addr;

	ck_assert(addr_parse_ip(&addr, span_str(ip)));
	is_done = false;
	op = (struct op){ .done = found_host };
	return resolve_host_start(&op, pool, &addr);
}

#define LABEL_63 "aaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg0"

static const struct {
	const char *ip, *name, *addr; /* what is asked, and what the DNS says */
	const char *found;            /* "": nothing */
} rows[] = {
	{ "192.0.2.1", "mail.example.org", "192.0.2.1", "mail.example.org" },
	{ "2001:db8::1", "mail.example.org", "2001:db8::1", "mail.example.org" },
	{ "192.0.2.1", "mail.example.org.", "192.0.2.1", "mail.example.org." },
	{ "192.0.2.1", LABEL_63 ".example.org", "192.0.2.1", LABEL_63 ".example.org" },
	{ "192.0.2.1", "localhost", "192.0.2.1", "localhost" },
	/* It has another address, or none. */
	{ "192.0.2.1", "mail.example.org", "192.0.2.2", "" },
	{ "192.0.2.1", "mail.example.org", "2001:db8::1", "" },
	{ "192.0.2.1", "mail.example.org", NULL, "" },
	{ "192.0.2.1", NULL, "192.0.2.1", "" },
	/* What is no name is nobody's, whatever address it has. */
	{ "192.0.2.1", "mail.example.org\r\nX: y", "192.0.2.1", "" },
	{ "192.0.2.1", "mail example.org", "192.0.2.1", "" },
	{ "192.0.2.1", "mail..example.org", "192.0.2.1", "" },
	{ "192.0.2.1", ".example.org", "192.0.2.1", "" },
	{ "192.0.2.1", "-a.example.org", "192.0.2.1", "" },
	{ "192.0.2.1", "a-.example.org", "192.0.2.1", "" },
	{ "192.0.2.1", "a_b.example.org", "192.0.2.1", "" },
	{ "192.0.2.1", "\xc3\xa4.example.org", "192.0.2.1", "" },
	{ "192.0.2.1", "a" LABEL_63 ".example.org", "192.0.2.1", "" },
	{ "192.0.2.1", "a..", "192.0.2.1", "" },
	{ "192.0.2.1", ".", "192.0.2.1", "" },
};

START_TEST(a_name_counts_only_if_it_is_one_and_has_the_address)
{
	said_name = rows[_i].name;
	said_addr = rows[_i].addr;
	ck_assert(start(rows[_i].ip));
	NET_UNTIL(is_done);
	ck_assert_str_eq(name, rows[_i].found);
}
END_TEST

START_TEST(what_is_no_name_is_not_even_asked_for)
{
	said_name = "a b";
	said_addr = "192.0.2.1";
	ck_assert(start("192.0.2.1"));
	NET_UNTIL(is_done);
	ck_assert_str_eq(asked_name, "");
}
END_TEST

START_TEST(who_waits_no_more_is_not_told)
{
	struct op second = { .done = found_host };
	struct addr addr;

	said_name = "mail.example.org";
	said_addr = "192.0.2.1";
	is_held = true;
	ck_assert(start("192.0.2.1"));
	op_cancel(&op);
	ck_assert(!op_running(&op));
	sem_post(&hold);
	sem_post(&hold);
	ck_assert(addr_parse_ip(&addr, SPAN_LITERAL("192.0.2.1")));
	ck_assert(resolve_host_start(&second, pool, &addr));
	NET_UNTIL(is_done);
	ck_assert_uint_eq(pool_pending(pool), 0);
	ck_assert_str_eq(name, "mail.example.org");
}
END_TEST

START_TEST(without_room_there_is_no_name)
{
	struct op ops[4];
	unsigned started = 0;
	struct addr addr;

	is_held = true;
	ck_assert(addr_parse_ip(&addr, SPAN_LITERAL("192.0.2.1")));
	for (int i = 0; i < ROWS(ops); i++) {
		ops[i] = (struct op){ .done = found_host };
		started += resolve_host_start(&ops[i], pool, &addr);
	}
	/* One runs and one waits at most; how far the first has come is the thread's affair. */
	ck_assert(started >= 1 && started <= 2);
	for (int i = 0; i < ROWS(ops); i++) {
		op_cancel(&ops[i]);
		sem_post(&hold);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("resolve_host");
	TCase *tcase = tcase_create("resolve_host");

	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(tcase, setup, teardown);
	ADD_ROWS(tcase, a_name_counts_only_if_it_is_one_and_has_the_address, rows);
	tcase_add_test(tcase, what_is_no_name_is_not_even_asked_for);
	tcase_add_test(tcase, who_waits_no_more_is_not_told);
	tcase_add_test(tcase, without_room_there_is_no_name);
	return unit_main(suite);
}
