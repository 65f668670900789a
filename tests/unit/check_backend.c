/*
 * Backends as their callers see them: with a real loop and real worker threads,
 * waiters that go away, and a pool that is full or ends too early.
 */
#define _GNU_SOURCE 1 /* nftw() */

#include "backend/maildir.h"

#include "fail_malloc.h"
#include "temp_dir.h"
#include "unit.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>

static struct temp_dir root;
static struct loop *loop;
static struct pool *pool;
static struct backend *backend;
static struct spool_budget budget = { .max_bytes = 1024 * 1024 };
static struct spool spool;
static struct backend_check check;
static struct backend_delivery delivery;
static struct backend_mail mail;
static unsigned checks_done, deliveries_done;

/* Allocations of a _start, counted from 1, that fail; 0: none. */
static unsigned long fail_at;
static bool has_failed;

void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size)
{
	void *ptr = __wrap_malloc(count * size);

	return ptr ? memset(ptr, 0, count * size) : NULL;
}

static void check_done(struct op *op)
{
	ck_assert_ptr_eq(op, &check.op);
	checks_done++;
	loop_stop(loop);
}

static void deliver_done(struct op *op)
{
	ck_assert_ptr_eq(op, &delivery.op);
	deliveries_done++;
	loop_stop(loop);
}

static void setup(void)
{
	char pattern[300];
	struct backend_maildir_options options = { .name = "inbox", .path = pattern, .hostname = "mx" };
	struct err err = { .text = "" };

	temp_dir_init(&root);
	snprintf(pattern, sizeof(pattern), "%s/%%n", root.path);
	loop = loop_new(&err);
	ck_assert_msg(loop != NULL, "%s", err.text);
	pool = pool_new(loop, "disk", 1, 1, &err);
	ck_assert_msg(pool != NULL, "%s", err.text);
	options.disk = pool;
	options.loop = loop;
	backend = backend_maildir_new(&options, &err);
	ck_assert_msg(backend != NULL, "%s", err.text);
	ck_assert_str_eq(backend->name, "inbox");
	spool_init(&spool, &budget);
	check.op.done = check_done;
	delivery.op.done = deliver_done;
}

static void teardown(void)
{
	backend_put(&backend);
	ck_assert_ptr_null(backend);
	pool_free(&pool);
	loop_free(&loop);
	spool_fini(&spool);
	ck_assert_uint_eq(budget.used_bytes, 0);
	temp_dir_fini(&root);
}

static struct smtp_address address_of(const char *text)
{
	struct smtp_address a = { 0 };
	const char *at = strrchr(text, '@');

	a.local_len = (uint16_t)(at ? at - text : 0);
	a.domain_len = (uint16_t)(at ? strlen(at + 1) : 0);
	memcpy(a.text, text, a.local_len);
	if (at)
		memcpy(a.text + a.local_len, at + 1, a.domain_len);
	return a;
}

static void mailbox_path(char *path, size_t size, const char *name, const char *below)
{
	snprintf(path, size, "%s/%s%s", root.path, name, below);
}

static void mailbox_make(const char *name)
{
	char path[400];

	mailbox_path(path, sizeof(path), name, "");
	ck_assert_int_eq(mkdir(path, 0700), 0);
}

static unsigned messages_of(const char *name)
{
	char path[400];

	mailbox_path(path, sizeof(path), name, "/new");
	return files_in(path);
}

/* Of a transaction that lasts for the question only. */
static bool ask(struct backend *b, struct backend_check *c, const struct smtp_address *address)
{
	const struct backend_recipient recipient = { .address = address };
	struct backend_transaction *t = backend_transaction_new(b, &mail);
	bool is_running = false;

	if (t)
		is_running = backend_check_start(t, c, &mail, &recipient);
	else
		backend_answer_no(&c->answer, SMTP_REPLY_NO_MEMORY, "no transaction");
	backend_transaction_free(&t);
	return is_running;
}

static bool hand_over(struct backend *b, const struct backend_message *m)
{
	struct backend_transaction *t = backend_transaction_new(b, m->mail);
	bool is_running = false;

	if (t) {
		is_running = backend_deliver_start(t, &delivery, m);
	} else {
		backend_answer_no(&delivery.answer, SMTP_REPLY_NO_MEMORY, "no transaction");
		spool_fini(m->spool);
	}
	backend_transaction_free(&t);
	return is_running;
}

static bool start_check(const char *address)
{
	struct smtp_address a = address_of(address);
	bool is_running;

	fail_malloc_at(fail_at);
	is_running = ask(backend, &check, &a);
	has_failed = fail_malloc_stop();
	return is_running;
}

/* Deliver "hello" from bert to up to three recipients; what it lends is overwritten at once. */
static bool start_delivery(struct backend *to, const char *one, const char *two, const char *three)
{
	struct smtp_address sender = address_of("bert@example.net"), a[3];
	struct backend_recipient recipients[3] = { { &a[0], 0, { 0 } }, { &a[1], 0, { 0 } }, { &a[2], 0, { 0 } } };
	struct backend_mail from = { .sender = &sender };
	char trace[] = "Received: from there\n";
	struct backend_message message = {
		.mail = &from,
		.recipients = recipients,
		.recipient_count = three ? 3 : two ? 2 : 1,
		.trace = span_str(trace),
		.spool = &spool,
	};
	bool is_running;

	a[0] = address_of(one);
	a[1] = address_of(two ? two : "");
	a[2] = address_of(three ? three : "");
	ck_assert_int_eq(spool_append(&spool, SPAN_LITERAL("Subject: hi\n\nhello\n")), SPOOL_OK);
	fail_malloc_at(fail_at);
	is_running = hand_over(to, &message);
	has_failed = fail_malloc_stop();
	memset(&sender, 'X', sizeof(sender));
	memset(a, 'X', sizeof(a));
	memset(trace, 'X', sizeof(trace));
	ck_assert_ptr_null(spool.first); /* moved or freed, whatever the answer */
	return is_running;
}

static void assert_message(const char *mailbox, const char *expected)
{
	char path[400], file[NAME_MAX + 410], name[NAME_MAX + 1];
	struct file_bytes bytes;

	mailbox_path(path, sizeof(path), mailbox, "/new");
	only_file_in(path, name);
	snprintf(file, sizeof(file), "%s/%s", path, name);
	bytes = file_bytes(file);
	ck_assert_str_eq(bytes.bytes, expected);
	free(bytes.bytes);
}

/* ---- a job that holds the only worker until it is told to go on ---- */

struct blocker {
	struct pool_job job;
	sem_t begun, go_on;
};

static void blocker_run(struct pool_job *job)
{
	struct blocker *b = (struct blocker *)(void *)job;

	sem_post(&b->begun);
	while (sem_wait(&b->go_on) < 0)
		;
}

static void blocker_free(struct pool_job *job)
{
	(void)job;
}

static void blocker_start(struct blocker *b)
{
	*b = (struct blocker){ .job = { .run = blocker_run, .free = blocker_free } };
	sem_init(&b->begun, 0, 0);
	sem_init(&b->go_on, 0, 0);
	ck_assert(pool_submit(pool, &b->job, NULL));
	while (sem_wait(&b->begun) < 0)
		;
}

/* Turns of the loop until the pool has nothing to do. */
static struct loop_timer idle_timer;

static void idle_look(struct loop_timer *timer)
{
	if (pool_pending(pool) == 0)
		loop_stop(loop);
	else
		loop_timer_start(loop, timer, LOOP_TICK_MS, idle_look);
}

static void run_until_idle(void)
{
	loop_timer_start(loop, &idle_timer, 0, idle_look);
	loop_run(loop);
	ck_assert_uint_eq(pool_pending(pool), 0);
}

/* ---- maildir ---- */

START_TEST(check_answers_from_the_loop)
{
	mailbox_make("anna");
	ck_assert(start_check("Anna@example.org"));
	ck_assert_uint_eq(checks_done, 0);
	loop_run(loop);
	ck_assert_uint_eq(checks_done, 1);
	ck_assert_uint_eq(check.answer.reply.code, 0);

	ck_assert(start_check("nobody@example.org"));
	loop_run(loop);
	ck_assert_uint_eq(checks_done, 2);
	ck_assert_uint_eq(check.answer.reply.code, 550);
	ck_assert_str_eq(check.answer.reply.status, "5.1.1");
	ck_assert_str_eq(check.answer.reply.reason, "unknown_mailbox");
}
END_TEST

START_TEST(unsafe_address_is_an_unknown_mailbox_at_once)
{
	ck_assert(!start_check("../anna@example.org"));
	ck_assert_uint_eq(check.answer.reply.code, 550);
	ck_assert_str_eq(check.answer.reply.status, "5.1.1");
	/* A caller that did not check gets an error, and keeps its message. */
	ck_assert(!start_delivery(backend, "../anna@example.org", NULL, NULL));
	ck_assert_uint_eq(delivery.answer.reply.code, 451);
	ck_assert_uint_eq(budget.used_bytes, 0);
}
END_TEST

START_TEST(recipients_of_one_mailbox_get_one_file)
{
	mailbox_make("anna");
	mailbox_make("carl");
	ck_assert(start_delivery(backend, "Anna@example.org", "carl@example.org", "ANNA@other.example"));
	loop_run(loop);
	ck_assert_uint_eq(deliveries_done, 1);
	ck_assert_uint_eq(delivery.answer.reply.code, 0);
	assert_message("anna", "Return-Path: <bert@example.net>\nDelivered-To: Anna@example.org\n"
			       "Received: from there\nSubject: hi\n\nhello\n");
	assert_message("carl", "Return-Path: <bert@example.net>\nDelivered-To: carl@example.org\n"
			       "Received: from there\nSubject: hi\n\nhello\n");
	ck_assert_uint_eq(delivery.octets, 32 + 31 + 21 + 19);
	ck_assert_uint_eq(budget.used_bytes, 0);
}
END_TEST

START_TEST(failed_delivery_is_told_from_the_loop)
{
	mailbox_make("anna");
	ck_assert(start_delivery(backend, "anna@example.org", "gone@example.org", NULL));
	loop_run(loop);
	ck_assert_uint_eq(deliveries_done, 1);
	ck_assert_uint_eq(delivery.answer.reply.code, 451);
	ck_assert_str_eq(delivery.answer.reply.reason, "local_error");
	ck_assert_ptr_nonnull(strstr(delivery.answer.detail, "gone"));
	ck_assert_uint_eq(messages_of("anna"), 0);
}
END_TEST

/* _i: whether a worker had begun it is not ours to say; queued behind another job it has not. */
START_TEST(cancelled_delivery_goes_on_to_its_end)
{
	struct blocker blocker;

	mailbox_make("anna");
	if (_i)
		blocker_start(&blocker);
	ck_assert(start_delivery(backend, "anna@example.org", NULL, NULL));
	op_cancel(&delivery.op);
	memset(&delivery, 'X', sizeof(delivery)); /* the waiter is gone */
	backend_put(&backend);                   /* and so is its configuration */
	if (_i)
		sem_post(&blocker.go_on);
	run_until_idle();
	ck_assert_uint_eq(deliveries_done, 0);
	ck_assert_uint_eq(messages_of("anna"), 1);
	ck_assert_uint_eq(budget.used_bytes, 0);
}
END_TEST

START_TEST(cancelled_check_never_answers)
{
	struct blocker blocker;

	if (_i)
		blocker_start(&blocker);
	ck_assert(start_check("anna@example.org"));
	op_cancel(&check.op);
	memset(&check, 'X', sizeof(check));
	if (_i)
		sem_post(&blocker.go_on);
	run_until_idle();
	ck_assert_uint_eq(checks_done, 0);
}
END_TEST

START_TEST(full_pool_is_a_temporary_error_at_once)
{
	struct backend_check first = { .op = { .done = check_done } };
	struct smtp_address anna = address_of("anna@example.org");
	struct blocker blocker;

	mailbox_make("anna");
	blocker_start(&blocker);
	ck_assert(ask(backend, &first, &anna)); /* the queue's only place */
	ck_assert(!start_check("anna@example.org"));
	ck_assert_uint_eq(check.answer.reply.code, 451);
	ck_assert_str_eq(check.answer.reply.status, "4.3.0");
	ck_assert(!op_running(&check.op));
	ck_assert(!start_delivery(backend, "anna@example.org", NULL, NULL));
	ck_assert_uint_eq(delivery.answer.reply.code, 451);
	ck_assert_str_eq(delivery.answer.reply.status, "4.3.0");
	ck_assert(!op_running(&delivery.op));
	ck_assert_uint_eq(budget.used_bytes, 0);
	op_cancel(&first.op);
	sem_post(&blocker.go_on);
	run_until_idle();
	ck_assert_uint_eq(messages_of("anna"), 0);
}
END_TEST

/* pool_free() waits for the worker, so somebody else must let that go on. */
static void *let_go_on(void *arg)
{
	struct blocker *blocker = arg;

	sem_post(&blocker->go_on);
	return NULL;
}

START_TEST(end_of_the_pool_leaves_nothing_running)
{
	struct blocker blocker;
	pthread_t thread;

	mailbox_make("anna");
	blocker_start(&blocker);
	if (_i)
		ck_assert(start_check("anna@example.org"));
	else
		ck_assert(start_delivery(backend, "anna@example.org", NULL, NULL));
	ck_assert_int_eq(pthread_create(&thread, NULL, let_go_on, &blocker), 0);
	pool_free(&pool);
	pthread_join(thread, NULL);
	ck_assert(!op_running(&check.op));
	ck_assert(!op_running(&delivery.op));
	ck_assert_uint_eq(checks_done + deliveries_done, 0);
	ck_assert_uint_eq(budget.used_bytes, 0);
	op_cancel(&check.op);
	op_cancel(&delivery.op);
}
END_TEST

START_TEST(lack_of_memory_is_a_temporary_error)
{
	mailbox_make("anna");
	mailbox_make("carl");
	fail_at = 1;
	while (!start_delivery(backend, "anna@example.org", "carl@example.org", NULL)) {
		ck_assert(has_failed);
		ck_assert_uint_eq(delivery.answer.reply.code, 451);
		ck_assert_str_eq(delivery.answer.reply.reason, "no_memory");
		ck_assert_uint_eq(budget.used_bytes, 0);
		fail_at++;
	}
	ck_assert(!has_failed);
	ck_assert_uint_gt(fail_at, 3);
	loop_run(loop);
	ck_assert_uint_eq(delivery.answer.reply.code, 0);
	ck_assert_uint_eq(messages_of("anna"), 1);

	for (fail_at = 1; !start_check("anna@example.org"); fail_at++) {
		ck_assert(has_failed);
		ck_assert_str_eq(check.answer.reply.reason, "no_memory");
	}
	ck_assert(!has_failed);
	ck_assert_uint_gt(fail_at, 1);
	loop_run(loop);
	ck_assert_uint_eq(check.answer.reply.code, 0);
}
END_TEST

START_TEST(bad_pattern_makes_no_backend)
{
	struct backend_maildir_options options = {
		.name = "inbox", .path = "/v/%x", .hostname = "mx", .disk = pool, .loop = loop
	};
	struct err err = { .text = "" };

	ck_assert_ptr_null(backend_maildir_new(&options, &err));
	ck_assert_ptr_nonnull(strstr(err.text, "%x"));
	options.path = "/v/%n";
	/* The backend, its rules, what its jobs share. */
	fail_malloc_at((unsigned long)_i + 1);
	ck_assert_ptr_null(backend_maildir_new(&options, &err));
	ck_assert(fail_malloc_stop());
	ck_assert_ptr_nonnull(strstr(err.text, "out of memory"));
}
END_TEST

static bool inspect(const char *pattern, const char *recipient, char detail[512])
{
	struct backend_maildir_options options = {
		.name = "inbox", .path = pattern, .hostname = "mx", .quota_messages = 1
	};
	struct smtp_address a = address_of(recipient ? recipient : "a@b");
	struct err err = { .text = "" };
	bool is_there = backend_maildir_inspect(&options, recipient ? &a : NULL, &err);

	snprintf(detail, 512, "%s", err.text);
	return is_there;
}

START_TEST(what_is_missing_is_told_before_the_start)
{
	char pattern[300], path[400], detail[512];

	snprintf(pattern, sizeof(pattern), "%s/%%n", root.path);
	ck_assert(inspect(pattern, NULL, detail));
	ck_assert(!inspect(pattern, "anna@example.org", detail));
	ck_assert_ptr_nonnull(strstr(detail, "No such file"));
	ck_assert_ptr_nonnull(strstr(detail, "/anna"));
	snprintf(path, sizeof(path), "%s/anna", root.path);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert(inspect(pattern, "anna@example.org", detail));
	ck_assert(!inspect(pattern, "../anna@example.org", detail));
	ck_assert_str_eq(detail, "the address makes no path");
	/* No quota was counted: nothing was changed. */
	ck_assert_int_eq(rmdir(path), 0);
	snprintf(pattern, sizeof(pattern), "%s/volume/%%d/%%n", root.path);
	ck_assert(!inspect(pattern, NULL, detail));
	ck_assert_ptr_nonnull(strstr(detail, "/volume/"));
	ck_assert_ptr_null(strstr(detail, "/volume/a"));
	ck_assert(!inspect("/v/%x", NULL, detail));
	ck_assert_ptr_nonnull(strstr(detail, "%x"));
}
END_TEST

/* ---- null ---- */

START_TEST(null_takes_all_and_keeps_nothing)
{
	struct backend *null = backend_null_new("sink", loop, NULL);
	struct smtp_address anyone = address_of("../x@example.org");

	ck_assert_ptr_nonnull(null);
	ck_assert_str_eq(null->name, "sink");
	check.answer.reply.code = 550;
	delivery.answer.reply.code = 451;
	ck_assert(!ask(null, &check, &anyone));
	ck_assert_uint_eq(check.answer.reply.code, 0);
	ck_assert(!start_delivery(null, "a@example.org", "b@example.org", NULL));
	ck_assert_uint_eq(delivery.answer.reply.code, 0);
	ck_assert_uint_eq(delivery.octets, 21 + 19);
	ck_assert_uint_eq(budget.used_bytes, 0);
	ck_assert(!op_running(&check.op) && !op_running(&delivery.op));
	backend_put(&null);
	backend_put(&null); /* of nothing is nothing */
}
END_TEST

/* ---- what a backend cannot take ---- */

static unsigned ascii_only_asked;

static bool ascii_only_check_start(struct backend_transaction *t, struct backend_check *c,
				   const struct backend_recipient *recipient)
{
	(void)t;
	(void)recipient;
	ascii_only_asked++;
	backend_answer_yes(&c->answer);
	return false;
}

static const struct backend_ops ascii_only_ops = {
	.type = "ascii_only",
	.transaction_new = backend_transaction_new_plain,
	.transaction_free = backend_transaction_free_plain,
	.check_start = ascii_only_check_start,
};

/* RFC 6531 3.5 */
START_TEST(backend_without_smtputf8_refuses_recipients_of_messages_that_need_it)
{
	struct backend ascii_only = { .ops = &ascii_only_ops, .name = "old" };
	struct smtp_address anna = address_of("anna@example.org");

	mail.is_smtputf8 = true;
	ck_assert(!ask(&ascii_only, &check, &anna));
	ck_assert_uint_eq(check.answer.reply.code, 553);
	ck_assert_str_eq(check.answer.reply.status, "5.6.7");
	ck_assert_ptr_nonnull(strstr(check.answer.detail, "old"));
	ck_assert_uint_eq(ascii_only_asked, 0);
	mail.is_smtputf8 = false;
	ck_assert(!ask(&ascii_only, &check, &anna));
	ck_assert_uint_eq(check.answer.reply.code, 0);
	ck_assert_uint_eq(ascii_only_asked, 1);
}
END_TEST

/* RFC 6152, RFC 3030 and RFC 8689 4 */
START_TEST(backend_refuses_recipients_of_messages_that_need_more_than_it_takes)
{
	static const struct {
		struct backend_mail mail;
		unsigned code;
		const char *status;
	} cases[] = {
		{ { .body_type = SMTP_BODY_7BIT }, 0, NULL },
		{ { .body_type = SMTP_BODY_8BITMIME }, 554, "5.6.3" },
		{ { .body_type = SMTP_BODY_BINARYMIME }, 554, "5.6.3" },
		{ { .requires_tls = true }, 550, "5.7.30" },
	};
	struct backend old = { .ops = &ascii_only_ops, .name = "old" };
	struct backend able = { .ops = &ascii_only_ops, .name = "able", .takes_8bitmime = true,
				.takes_binarymime = true, .takes_requiretls = true };
	struct smtp_address anna = address_of("anna@example.org");

	mail = cases[_i].mail;
	ck_assert(!ask(&old, &check, &anna));
	ck_assert_uint_eq(check.answer.reply.code, cases[_i].code);
	ck_assert_pstr_eq(check.answer.reply.status, cases[_i].status);
	ck_assert(!ask(&able, &check, &anna));
	ck_assert_uint_eq(check.answer.reply.code, 0);
	mail = (struct backend_mail){ 0 };
}
END_TEST

START_TEST(answers_that_are_copied_do_not_point_into_the_other)
{
	const struct smtp_reply reply = { 550, "5.1.1", "No such user", "hop" };
	struct backend_answer a, b;

	backend_answer_pass_on(&a, &reply, "hop");
	backend_answer_copy(&b, &a);
	memset(&a, 'X', sizeof(a));
	ck_assert_str_eq(b.reply.text, "No such user");
	ck_assert_str_eq(b.reply.status, "5.1.1");
	backend_answer_no(&a, SMTP_REPLY_LOCAL_ERROR, "why");
	backend_answer_copy(&b, &a);
	ck_assert_ptr_eq(b.reply.text, a.reply.text);
}
END_TEST

START_TEST(maildir_and_null_take_smtputf8)
{
	struct backend *null = backend_null_new("sink", loop, NULL);

	ck_assert(null && null->takes_smtputf8);
	ck_assert(backend->takes_smtputf8);
	backend_put(&null);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("backend");
	TCase *tcase = tcase_create("backend");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, check_answers_from_the_loop);
	tcase_add_test(tcase, unsafe_address_is_an_unknown_mailbox_at_once);
	tcase_add_test(tcase, recipients_of_one_mailbox_get_one_file);
	tcase_add_test(tcase, failed_delivery_is_told_from_the_loop);
	tcase_add_loop_test(tcase, cancelled_delivery_goes_on_to_its_end, 0, 2);
	tcase_add_loop_test(tcase, cancelled_check_never_answers, 0, 2);
	tcase_add_test(tcase, full_pool_is_a_temporary_error_at_once);
	tcase_add_loop_test(tcase, end_of_the_pool_leaves_nothing_running, 0, 2);
	tcase_add_test(tcase, lack_of_memory_is_a_temporary_error);
	tcase_add_loop_test(tcase, bad_pattern_makes_no_backend, 0, 2);
	tcase_add_test(tcase, what_is_missing_is_told_before_the_start);
	tcase_add_test(tcase, null_takes_all_and_keeps_nothing);
	tcase_add_test(tcase, backend_without_smtputf8_refuses_recipients_of_messages_that_need_it);
	tcase_add_loop_test(tcase, backend_refuses_recipients_of_messages_that_need_more_than_it_takes, 0, 4);
	tcase_add_test(tcase, answers_that_are_copied_do_not_point_into_the_other);
	tcase_add_test(tcase, maildir_and_null_take_smtputf8);
	suite_add_tcase(suite, tcase);
	return unit_main(suite);
}
