/*
 * auth/dovecot: who asks may go at any time, in each state of the connection, and
 * lack of memory is never a yes. What the other end may say is tried from outside, in
 * tests/integration/test_auth_sources.py.
 */
#include "auth/auth.h"
#include "auth/dovecot.h"
#include "fail_malloc.h"
#include "net_fixture.h"
#include "temp_dir.h"
#include "unit.h"

#include <sys/socket.h>
#include <sys/un.h>

static const char hello[] = "VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tCRAM-MD5\nDONE\n";

static struct temp_dir dir;
static char path[300];
static int listening;
static struct addr client;
static const struct auth_channel channel = { .client = &client, .session_id = "test" };
static const struct auth_credentials credentials = {
	.user = "anna", .password = "sesame", .channel = &channel, .is_last = true
};
static struct auth_source *source;
static struct auth_check check;
static unsigned told;

static void setup(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	net_setup();
	temp_dir_init(&dir);
	snprintf(path, sizeof(path), "%s/auth", dir.path);
	snprintf(un.sun_path, sizeof(un.sun_path), "%.100s", path);
	listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ck_assert_int_eq(bind(listening, (struct sockaddr *)&un, sizeof(un)), 0);
	ck_assert_int_eq(listen(listening, 5), 0);
	net_log_open();
	told = 0;
}

static void teardown(void)
{
	auth_source_free(&source);
	close(listening);
	temp_dir_fini(&dir);
	net_teardown();
}

/* NULL: out of memory, which a test may be about. */
static void open_source(void)
{
	const struct auth_dovecot_options o = { .path = path, .timeout_ms = 5000, .loop = net_loop };

	source = auth_dovecot_new(&o, NULL);
}

static void on_told(struct op *op)
{
	(void)op; /* no assertion: it would allocate */
	told++;
	net_stop();
}

static bool ask(void)
{
	auth_answer_clear(&check.answer);
	check.op = (struct op){ .done = on_told };
	return source->ops->check_start(source, &check, &credentials);
}

/* Our end of the connection that the source makes. */
static int accept_source(void)
{
	int fd;

	while ((fd = accept(listening, NULL, NULL)) < 0)
		net_turns(1);
	return fd;
}

static void say(int fd, const char *text)
{
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	net_turns(3);
}

/* All that came, as text. */
static const char *heard(int fd)
{
	static char text[4096];
	ssize_t len = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

	text[len > 0 ? len : 0] = '\0';
	return text;
}

START_TEST(a_yes_is_told_once)
{
	int fd;

	open_source();
	fd = accept_source();
	say(fd, hello);
	ck_assert(ask());
	ck_assert_uint_eq(told, 0);
	net_turns(2);
	ck_assert_ptr_nonnull(strstr(heard(fd), "AUTH\t1\tPLAIN\tservice=smtp"));
	say(fd, "OK\t1\tuser=anna\nOK\t1\tuser=anna\n");
	ck_assert_uint_eq(told, 1);
	ck_assert_int_eq(check.answer.result, AUTH_OK);
	ck_assert_str_eq(check.answer.user, "anna");
	close(fd);
}
END_TEST

/* How far it comes before who asks goes: dialing, greeting, asked, answered but not yet read. */
START_TEST(who_asks_may_go_in_each_state)
{
	int fd = -1;

	open_source();
	if (_i >= 1)
		fd = accept_source();
	if (_i >= 2)
		say(fd, hello);
	ck_assert(ask());
	if (_i >= 3)
		net_turns(2);
	if (_i >= 4)
		ck_assert_int_gt(write(fd, "OK\t1\tuser=anna\n", 15), 0);
	op_cancel(&check.op);
	if (fd < 0)
		fd = accept_source();
	if (_i < 2)
		say(fd, hello);
	net_turns(3);
	ck_assert_uint_eq(told, 0);
	/* The next one is not taken for it. */
	ck_assert(ask());
	net_turns(2);
	say(fd, _i >= 2 ? "OK\t1\tuser=root\nFAIL\t2\tuser=anna\n" : "FAIL\t1\tuser=anna\n");
	ck_assert_uint_eq(told, 1);
	ck_assert_int_eq(check.answer.result, AUTH_WRONG);
	close(fd);
}
END_TEST

/* The source goes with the last session that uses it, which an answer may end. */
static void on_told_free(struct op *op)
{
	(void)op;
	told++;
	auth_source_free(&source);
	net_stop();
}

START_TEST(an_answer_may_free_the_source)
{
	int fd;

	open_source();
	fd = accept_source();
	say(fd, hello);
	ck_assert(ask());
	check.op.done = on_told_free;
	net_turns(2);
	say(fd, _i ? "OK\t1\tuser=anna\nOK\t1\tuser=anna\nOK\t7\n" : "nonsense\nFAIL\tx\n");
	ck_assert_uint_eq(told, 1);
	ck_assert_ptr_null(source);
	close(fd);
}
END_TEST

START_TEST(an_exchange_may_be_left_in_each_step)
{
	struct auth_exchange *x;
	struct auth_step step = { .op = { .done = on_told } };
	int fd;

	open_source();
	fd = accept_source();
	say(fd, hello);
	x = source->ops->exchange_new(source, "CRAM-MD5", &channel);
	ck_assert_ptr_nonnull(x);
	check.op = (struct op){ 0 };
	if (_i >= 1) {
		ck_assert(source->ops->step_start(x, &step, (struct span){ NULL, 0 }));
		net_turns(2);
	}
	op_cancel(&step.op);
	source->ops->exchange_free(x);
	net_turns(2);
	ck_assert_int_eq(strstr(heard(fd), "CANCEL\t1\n") != NULL, _i >= 1);
	say(fd, "CONT\t1\tAAAA\n");
	ck_assert_uint_eq(told, 0);
	close(fd);
}
END_TEST

/* Whichever allocation fails, from the connection to the answer. */
START_TEST(lack_of_memory_is_never_a_yes)
{
	for (unsigned long n = 1;; n++) {
		bool has_failed, is_asked;
		int fd = -1;

		told = 0;
		fail_malloc_at(n);
		open_source();
		for (unsigned i = 0; source && i < 5 && fd < 0; i++) {
			net_turns(1);
			fd = accept(listening, NULL, NULL);
		}
		if (fd >= 0 && send(fd, hello, strlen(hello), MSG_NOSIGNAL) > 0)
			net_turns(3);
		is_asked = source && ask();
		net_turns(2);
		if (fd >= 0 && send(fd, "FAIL\t1\tuser=anna\n", 17, MSG_NOSIGNAL) > 0)
			net_turns(3);
		has_failed = fail_malloc_stop();
		/* An answer is there when it was told, or when there was nothing to wait for. */
		if (told || (source && !is_asked))
			ck_assert_int_ne(check.answer.result, AUTH_OK);
		op_cancel(&check.op);
		auth_answer_clear(&check.answer);
		auth_source_free(&source);
		net_turns(2);
		if (fd >= 0)
			close(fd);
		while ((fd = accept(listening, NULL, NULL)) >= 0)
			close(fd);
		if (!has_failed)
			break;
		ck_assert_uint_lt(n, 100);
	}
	ck_assert_uint_eq(told, 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("auth_dovecot");
	TCase *tcase = tcase_create("dovecot");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_yes_is_told_once);
	tcase_add_loop_test(tcase, who_asks_may_go_in_each_state, 0, 5);
	tcase_add_loop_test(tcase, an_answer_may_free_the_source, 0, 2);
	tcase_add_loop_test(tcase, an_exchange_may_be_left_in_each_step, 0, 2);
	tcase_add_test(tcase, lack_of_memory_is_never_a_yes);
	suite_add_tcase(suite, tcase);
	return unit_main(suite);
}
