/*
 * The pipe backends as their callers see them, with scripts for programs: waiters
 * that go away at every stage, a pool that is full or ends too early, memory and
 * disk that fail.
 */
#define _GNU_SOURCE 1

#include "backend/pipe.h"
#include "spool/disk.h"

#include "fail_malloc.h"
#include "net_fixture.h"
#include "temp_dir.h"
#include "unit.h"

#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

static struct temp_dir dir;
static struct pool *pool;
static struct backend *backend;
static struct spool_budget budget;
static struct spool spool;

/* ---- what fails on demand ---- */

void *__wrap_calloc(size_t count, size_t size);
int __wrap_memfd_create(const char *name, unsigned flags);
int __real_memfd_create(const char *name, unsigned flags);

void *__wrap_calloc(size_t count, size_t size)
{
	void *ptr = __wrap_malloc(count * size);

	return ptr ? memset(ptr, 0, count * size) : NULL;
}

/* The n-th from now on fails so; 0: none. */
static unsigned memfd_fails_at;
static int memfd_error;

int __wrap_memfd_create(const char *name, unsigned flags)
{
	if (memfd_fails_at && --memfd_fails_at == 0) {
		errno = memfd_error;
		return -1;
	}
	return __real_memfd_create(name, flags);
}

/* The allocation of a delivery's start that fails, counted from 1; 0: none. */
static unsigned long fail_at;
static bool has_failed;

/* ---- a transaction ---- */

/* What a message has, as long as its transaction lasts. */
struct message {
	struct smtp_address sender, recipients[2];
	struct backend_recipient list[2];
	struct backend_mail mail;
	struct backend_transaction *transaction;
	struct backend_check check;
	struct backend_delivery delivery;
	bool is_checked, is_delivered;
};

static struct message message;

static void on_checked(struct op *op)
{
	struct backend_check *check = LIST_OWNER(op, struct backend_check, op);

	LIST_OWNER(check, struct message, check)->is_checked = true;
	net_stop();
}

static void on_delivered(struct op *op)
{
	struct backend_delivery *delivery = LIST_OWNER(op, struct backend_delivery, op);

	LIST_OWNER(delivery, struct message, delivery)->is_delivered = true;
	net_stop();
}

static void never(struct op *op)
{
	(void)op;
	ck_abort_msg("done() of what was cancelled, or never began");
}

static struct smtp_address address_of(const char *text)
{
	struct smtp_address a;

	ck_assert(smtp_address_parse(&a, SMTP_CHARSET_ASCII, span_str(text)));
	return a;
}

static void begin(struct message *m)
{
	*m = (struct message){ 0 };
	m->sender = address_of("bert@example.net");
	m->recipients[0] = address_of("anna@example.org");
	m->recipients[1] = address_of("ben@example.org");
	for (size_t i = 0; i < 2; i++)
		m->list[i].address = &m->recipients[i];
	m->mail = (struct backend_mail){ .sender = &m->sender, .message_id = "1-1", .session_id = "1" };
	m->check.op.done = on_checked;
	m->delivery.op.done = on_delivered;
	m->transaction = backend_transaction_new(backend, &m->mail);
	ck_assert_ptr_nonnull(m->transaction);
}

static bool ask(struct message *m)
{
	return backend_check_start(m->transaction, &m->check, &m->mail, &m->list[0]);
}

static bool hand_over(struct message *m)
{
	char trace[] = "Received: from there\n";
	const struct backend_message whole = {
		.mail = &m->mail, .recipients = m->list, .recipient_count = 2, .trace = span_str(trace),
		.spool = &spool,
	};
	bool is_running;

	ck_assert_int_eq(spool_append(&spool, SPAN_LITERAL("Subject: hi\n\nhello\n")), SPOOL_OK);
	fail_malloc_at(fail_at);
	is_running = backend_deliver_start(m->transaction, &m->delivery, &whole);
	has_failed = fail_malloc_stop();
	memset(trace, 'X', sizeof(trace));
	ck_assert_ptr_null(spool.first); /* moved or freed, whatever the answer */
	return is_running;
}

static void end(struct message *m)
{
	backend_transaction_free(&m->transaction);
	backend_delivery_fini(&m->delivery);
	memset(m, 'X', sizeof(*m));
}

static void deliver(struct message *m)
{
	begin(m);
	if (hand_over(m))
		NET_UNTIL(m->is_delivered);
}

static void assert_reply(const struct backend_answer *answer, unsigned code, const char *detail)
{
	ck_assert_msg(answer->reply.code == code, "%u %s (%s)", answer->reply.code,
		      answer->reply.text ? answer->reply.text : "", answer->detail);
	ck_assert_msg(strstr(answer->detail, detail) != NULL, "%s", answer->detail);
}

/* ---- the world ---- */

static const char *in_dir(const char *name)
{
	static char paths[4][300];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", dir.path, name);
	return path;
}

static void make_backend(enum backend_pipe_kind kind, const char *script, unsigned max_children)
{
	const char *command[] = { "/bin/sh", "-c", script, "sh", dir.path };
	const struct backend_pipe_options options = {
		.name = "queue",
		.kind = kind,
		.command = command,
		.command_count = sizeof(command) / sizeof(command[0]),
		.timeout_ms = 20000,
		.max_children = max_children,
		.loop = net_loop,
		.disk = pool,
	};
	struct err err;

	backend_put(&backend);
	backend = backend_pipe_new(&options, &err);
	ck_assert_msg(backend != NULL, "%s", err.text);
	ck_assert_str_eq(backend->name, "queue");
}

static void setup(void)
{
	net_setup();
	temp_dir_init(&dir);
	pool = pool_new(net_loop, "disk", 2, 8, NULL);
	ck_assert_ptr_nonnull(pool);
	budget = (struct spool_budget){ .max_bytes = 1024 * 1024, .threshold_octets = 1024 * 1024 };
	spool_init(&spool, &budget);
}

static void teardown(void)
{
	backend_put(&backend);
	spool_fini(&spool);
	pool_free(&pool);
	ck_assert_uint_eq(budget.used_bytes, 0);
	net_teardown();
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1); /* no program is left */
	temp_dir_fini(&dir);
}

static struct file_bytes bytes_of(const char *name)
{
	return file_bytes(in_dir(name));
}

static bool is_there(const char *name)
{
	return access(in_dir(name), F_OK) == 0;
}

static void wait_for_file(const char *name)
{
	while (!is_there(name))
		net_turns(1);
}

/* Message and envelope, and when it is through. */
static const char take_all[] = "cd $1; cat >message; cat <&1 >envelope 2>/dev/null; touch taken";

/* It says that it has begun, and goes on when it may. */
static const char take_slowly[] = "cd $1; touch begun; while ! [ -e gate ]; do sleep 0.01; done; "
				  "cat >message; touch taken";

/* ---- deliveries ---- */

START_TEST(qmail_queue_is_given_message_and_envelope)
{
	static const char envelope[] = "Fbert@example.net\0Tanna@example.org\0Tben@example.org\0";
	struct file_bytes bytes;

	make_backend(BACKEND_PIPE_QMAIL_QUEUE, take_all, 1);
	deliver(&message);
	assert_reply(&message.delivery.answer, 0, "");
	bytes = bytes_of("message");
	ck_assert_str_eq(bytes.bytes, "Received: from there\nSubject: hi\n\nhello\n");
	ck_assert_uint_eq(message.delivery.octets, bytes.len);
	free(bytes.bytes);
	bytes = bytes_of("envelope");
	ASSERT_SPAN_EQ(span_of(bytes.bytes, bytes.len), span_of(envelope, sizeof(envelope)));
	free(bytes.bytes);
	end(&message);
}
END_TEST

START_TEST(an_envelope_that_was_not_read_is_no_success)
{
	make_backend(BACKEND_PIPE_QMAIL_QUEUE, "cat >/dev/null", 1);
	deliver(&message);
	assert_reply(&message.delivery.answer, 451, "it has not read all that it was given");
	end(&message);
}
END_TEST

START_TEST(sendmail_is_given_arguments)
{
	struct file_bytes bytes;

	make_backend(BACKEND_PIPE_SENDMAIL,
		     "cd $1; shift; printf '%s|' \"$@\" >arguments; cat >/dev/null", 1);
	deliver(&message);
	assert_reply(&message.delivery.answer, 0, "");
	bytes = bytes_of("arguments");
	ck_assert_str_eq(bytes.bytes, "-i|-f|bert@example.net|--|anna@example.org|ben@example.org|");
	free(bytes.bytes);
	end(&message);
}
END_TEST

START_TEST(a_lone_cr_is_refused_before_anything_runs)
{
	struct backend_message m;

	make_backend(BACKEND_PIPE_SENDMAIL, take_all, 1);
	begin(&message);
	m = (struct backend_message){ .mail = &message.mail, .recipients = message.list, .recipient_count = 1,
				      .trace = SPAN_LITERAL(""), .has_lone_cr = true, .spool = &spool };
	ck_assert_int_eq(spool_append(&spool, SPAN_LITERAL("a\rb\n")), SPOOL_OK);
	ck_assert(!backend_deliver_start(message.transaction, &message.delivery, &m));
	assert_reply(&message.delivery.answer, 554, "");
	ck_assert(!is_there("taken"));
	end(&message);
}
END_TEST

/* ---- recipients ---- */

START_TEST(a_program_is_looked_for_once_in_a_message)
{
	make_backend(BACKEND_PIPE_QMAIL_QUEUE, "exit 0", 1);
	begin(&message);
	ck_assert(ask(&message));
	NET_UNTIL(message.is_checked);
	assert_reply(&message.check.answer, 0, "");
	ck_assert(!ask(&message));
	assert_reply(&message.check.answer, 0, "");
	end(&message);
}
END_TEST

START_TEST(a_directory_is_no_program)
{
	const char *command[] = { dir.path };
	const struct backend_pipe_options options = { .name = "queue", .command = command, .command_count = 1,
						      .timeout_ms = 1000, .max_children = 1, .loop = net_loop,
						      .disk = pool };

	backend = backend_pipe_new(&options, NULL);
	begin(&message);
	ck_assert(ask(&message));
	NET_UNTIL(message.is_checked);
	assert_reply(&message.check.answer, 451, "Permission denied");
	ck_assert(message.check.answer.is_down);
	ck_assert(ask(&message)); /* it may be there by now */
	op_cancel(&message.check.op);
	end(&message);
}
END_TEST

START_TEST(a_waiter_may_go_while_the_program_is_looked_for)
{
	make_backend(BACKEND_PIPE_QMAIL_QUEUE, "exit 0", 1);
	begin(&message);
	message.check.op.done = never;
	ck_assert(ask(&message));
	op_cancel(&message.check.op);
	end(&message);
	while (pool_pending(pool) > 0)
		net_turns(1);
}
END_TEST

START_TEST(a_pool_that_ends_leaves_the_check_idle)
{
	make_backend(BACKEND_PIPE_QMAIL_QUEUE, "exit 0", 1);
	begin(&message);
	message.check.op.done = never;
	ck_assert(ask(&message));
	pool_free(&pool);
	ck_assert(!op_running(&message.check.op));
	end(&message);
}
END_TEST

/* ---- waiters that go ---- */

START_TEST(what_has_begun_goes_on_and_is_logged)
{
	net_log_open();
	make_backend(BACKEND_PIPE_SENDMAIL, take_slowly, 1);
	begin(&message);
	message.delivery.op.done = never;
	ck_assert(hand_over(&message));
	if (_i)
		wait_for_file("begun");
	op_cancel(&message.delivery.op);
	end(&message);
	backend_put(&backend);
	touch(in_dir("gate"));
	wait_for_file("taken");
	while (net_log_count("1-1 late backend=queue outcome=taken") == 0)
		net_turns(1);
}
END_TEST

START_TEST(what_waits_for_its_turn_does_not_begin_without_a_waiter)
{
	struct message second;

	make_backend(BACKEND_PIPE_SENDMAIL, take_slowly, 1);
	begin(&message);
	ck_assert(hand_over(&message));
	begin(&second);
	second.delivery.op.done = never;
	ck_assert(hand_over(&second));
	op_cancel(&second.delivery.op);
	end(&second);
	touch(in_dir("gate"));
	NET_UNTIL(message.is_delivered);
	assert_reply(&message.delivery.answer, 0, "");
	ck_assert_uint_eq(budget.used_bytes, 0);
	end(&message);
}
END_TEST

START_TEST(messages_have_their_turns_one_after_the_other)
{
	struct message more[4];

	make_backend(BACKEND_PIPE_SENDMAIL, "cd $1; mkdir lock || exit 69; cat >/dev/null; rmdir lock", 1);
	for (size_t i = 0; i < 4; i++) {
		begin(&more[i]);
		ck_assert(hand_over(&more[i]));
	}
	for (size_t i = 0; i < 4; i++) {
		NET_UNTIL(more[i].is_delivered);
		assert_reply(&more[i].delivery.answer, 0, "");
		end(&more[i]);
	}
}
END_TEST

START_TEST(a_turn_that_does_not_come_is_told)
{
	struct message second;

	make_backend(BACKEND_PIPE_SENDMAIL, take_slowly, 1);
	begin(&message);
	ck_assert(hand_over(&message));
	wait_for_file("begun");
	while (pool_pending(pool) > 0) /* until the loop has heard that it began */
		net_turns(1);
	net_clock_ahead_ms += 10000;
	begin(&second);
	ck_assert(hand_over(&second));
	net_clock_ahead_ms += 20500; /* the first one's time is up as well */
	NET_UNTIL(second.is_delivered);
	ck_assert(second.delivery.answer.reply.code == 451);
	ck_assert_str_eq(second.delivery.answer.reply.reason, "backend_busy");
	NET_UNTIL(message.is_delivered);
	assert_reply(&message.delivery.answer, 451, "not done in time, and killed");
	end(&second);
	end(&message);
}
END_TEST

/* A message while the worker has its files, one while its program runs, and one that waits. */
START_TEST(deliveries_end_with_pool_and_loop)
{
	struct message messages[3];

	make_backend(BACKEND_PIPE_SENDMAIL, take_slowly, 2);
	for (size_t i = 0; i < 3; i++) {
		begin(&messages[i]);
		messages[i].delivery.op.done = never;
		ck_assert(hand_over(&messages[i]));
		if (i == 0)
			wait_for_file("begun");
	}
	op_cancel(&messages[2].delivery.op); /* as sessions do */
	for (size_t i = 0; i < 3; i++)
		backend_transaction_free(&messages[i].transaction);
	backend_put(&backend);
	pool_free(&pool);
	ck_assert(!op_running(&messages[1].delivery.op));
	ck_assert_uint_eq(budget.used_bytes, 0);
	loop_free(&net_loop);
	ck_assert(!op_running(&messages[0].delivery.op));
	ck_assert(!is_there("taken"));
	for (size_t i = 0; i < 3; i++)
		end(&messages[i]);
	net_setup();
}
END_TEST

/* ---- faults ---- */

START_TEST(memory_that_fails_is_told)
{
	unsigned long failures = 0;

	make_backend(_i ? BACKEND_PIPE_SENDMAIL : BACKEND_PIPE_QMAIL_QUEUE, take_all, 1);
	do {
		bool is_running;

		begin(&message);
		fail_at = failures + 1;
		is_running = hand_over(&message);
		if (is_running)
			NET_UNTIL(message.is_delivered);
		if (has_failed) {
			ck_assert(!is_running);
			assert_reply(&message.delivery.answer, 451, "out of memory");
		} else {
			assert_reply(&message.delivery.answer, 0, "");
		}
		failures += has_failed;
		end(&message);
	} while (has_failed);
	ck_assert_uint_ge(failures, 3);
}
END_TEST

START_TEST(a_backend_without_memory_is_none)
{
	const char *command[] = { "/bin/true", "x" };
	const char *environment[] = { "PATH", "A=b" };
	static char text[8192];
	const struct backend_pipe_reply replies[] = { { 31, SPAN_LITERAL("5.7.1"), span_of(text, sizeof(text)) } };
	const struct backend_pipe_options options = {
		.name = "queue", .command = command, .command_count = 2, .environment = environment,
		.environment_count = 2, .timeout_ms = 1000, .max_children = 1, .loop = net_loop, .disk = pool,
		.replies = replies, .reply_count = 1,
	};
	unsigned long failures = 0;

	memset(text, 'x', sizeof(text));
	for (;;) {
		struct err err = { .text = "" };
		struct backend *b;

		fail_malloc_at(failures + 1);
		b = backend_pipe_new(&options, &err);
		if (!fail_malloc_stop()) {
			backend_put(&b);
			break;
		}
		ck_assert_ptr_null(b);
		ck_assert_str_eq(err.text, "backend queue: out of memory");
		failures++;
	}
	ck_assert_uint_ge(failures, 3);
}
END_TEST

static const struct {
	unsigned at;
	int error;
	unsigned code;
	const char *detail;
} memfd_faults[] = {
	{ 1, EMFILE, 451, "memory for the message: Too many open files" },
	{ 1, ENOMEM, 452, "memory for the message: Cannot allocate memory" },
	{ 2, EMFILE, 451, "memory for the envelope: Too many open files" },
	{ 2, ENOSPC, 452, "memory for the envelope: No space left on device" },
};

START_TEST(files_that_cannot_be_made_are_told)
{
	make_backend(BACKEND_PIPE_QMAIL_QUEUE, take_all, 1);
	memfd_fails_at = memfd_faults[_i].at;
	memfd_error = memfd_faults[_i].error;
	deliver(&message);
	assert_reply(&message.delivery.answer, memfd_faults[_i].code, memfd_faults[_i].detail);
	ck_assert(!is_there("taken"));
	end(&message);
	deliver(&message); /* nothing stays */
	assert_reply(&message.delivery.answer, 0, "");
	end(&message);
}
END_TEST

/* The reserve leaves no room for the second file. */
START_TEST(a_message_on_disk_needs_room_for_a_copy)
{
	struct spool_disk *disk = spool_disk_new(dir.path, 0, pool, NULL);
	char *much = malloc(256 * 1024);
	struct op written = { .done = never };

	ck_assert(disk && much);
	memset(much, '\n', 256 * 1024);
	budget.disk = disk;
	budget.threshold_octets = 4096;
	make_backend(BACKEND_PIPE_SENDMAIL, take_all, 1);
	ck_assert_int_ne(spool_append(&spool, span_of(much, 256 * 1024)), SPOOL_FAILED);
	while (pool_pending(pool) > 0)
		net_turns(1);
	ck_assert(!spool_wait_start(&spool, &written));
	ck_assert_ptr_nonnull(spool.file);
	disk->reserve_octets = UINT64_MAX / 2;
	deliver(&message);
	assert_reply(&message.delivery.answer, 452, "spool_reserve is");
	end(&message);
	while (pool_pending(pool) > 0)
		net_turns(1);
	spool_disk_free(&disk);
	free(much);
}
END_TEST

struct blocker {
	struct pool_job job;
	sem_t go_on;
};

static void blocker_run(struct pool_job *job)
{
	while (sem_wait(&LIST_OWNER(job, struct blocker, job)->go_on) < 0)
		;
}

static void blocker_free(struct pool_job *job)
{
	(void)job;
}

START_TEST(a_full_pool_is_told)
{
	struct blocker blocker = { .job = { .run = blocker_run, .free = blocker_free } };

	sem_init(&blocker.go_on, 0, 0);
	pool_free(&pool);
	pool = pool_new(net_loop, "disk", 1, 0, NULL);
	ck_assert(pool_submit(pool, &blocker.job, NULL));
	make_backend(BACKEND_PIPE_SENDMAIL, take_all, 1);
	begin(&message);
	ck_assert(!ask(&message));
	assert_reply(&message.check.answer, 451, "the queue of disk jobs is full");
	ck_assert(hand_over(&message)); /* it has its turn, and goes no further */
	NET_UNTIL(message.is_delivered);
	assert_reply(&message.delivery.answer, 451, "the queue of disk jobs is full");
	end(&message);
	sem_post(&blocker.go_on);
	while (pool_pending(pool) > 0)
		net_turns(1);
	deliver(&message); /* and the next one has its turn */
	assert_reply(&message.delivery.answer, 0, "");
	end(&message);
}
END_TEST

static TCase *new_case(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 120);
	suite_add_tcase(suite, tcase);
	return tcase;
}

int main(void)
{
	Suite *suite = suite_create("pipe");
	TCase *tcase = new_case(suite, "messages");

	tcase_add_test(tcase, qmail_queue_is_given_message_and_envelope);
	tcase_add_test(tcase, an_envelope_that_was_not_read_is_no_success);
	tcase_add_test(tcase, sendmail_is_given_arguments);
	tcase_add_test(tcase, a_lone_cr_is_refused_before_anything_runs);
	tcase_add_test(tcase, a_program_is_looked_for_once_in_a_message);
	tcase_add_test(tcase, a_directory_is_no_program);
	tcase_add_test(tcase, messages_have_their_turns_one_after_the_other);
	tcase_add_test(tcase, a_turn_that_does_not_come_is_told);
	tcase = new_case(suite, "waiters");
	tcase_add_test(tcase, a_waiter_may_go_while_the_program_is_looked_for);
	tcase_add_test(tcase, a_pool_that_ends_leaves_the_check_idle);
	tcase_add_loop_test(tcase, what_has_begun_goes_on_and_is_logged, 0, 2);
	tcase_add_test(tcase, what_waits_for_its_turn_does_not_begin_without_a_waiter);
	tcase_add_test(tcase, deliveries_end_with_pool_and_loop);
	tcase = new_case(suite, "faults");
	tcase_add_loop_test(tcase, memory_that_fails_is_told, 0, 2);
	tcase_add_test(tcase, a_backend_without_memory_is_none);
	ADD_ROWS(tcase, files_that_cannot_be_made_are_told, memfd_faults);
	tcase_add_test(tcase, a_message_on_disk_needs_room_for_a_copy);
	tcase_add_test(tcase, a_full_pool_is_told);
	return unit_main(suite);
}
