/*
 * auth: who decides in a chain of sources, what an attempt makes of messages, and
 * that users who are not there cost what others cost. Hashes are counted, not timed.
 */
#include "auth/attempt.h"
#include "auth/file.h"
#include "temp_dir.h"
#include "unit.h"

#include <crypt.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

/* ---- hashes, counted ---- */

char *__real_crypt_r(const char *password, const char *setting, struct crypt_data *data);
char *__wrap_crypt_r(const char *password, const char *setting, struct crypt_data *data);

static unsigned hashes;

char *__wrap_crypt_r(const char *password, const char *setting, struct crypt_data *data)
{
	hashes++;
	return __real_crypt_r(password, setting, data);
}

/* ---- a source that says what it is told to ---- */

struct fake {
	struct auth_source source;
	struct auth_mechanism mechanisms[4];
	size_t count;
	enum auth_result result;
	unsigned asked;
	bool was_last;
};

static const struct auth_mechanism *fake_mechanisms(struct auth_source *source, const struct auth_channel *channel,
						    size_t *count)
{
	struct fake *f = LIST_OWNER(source, struct fake, source);

	(void)channel;
	*count = f->count;
	return f->mechanisms;
}

static bool fake_check(struct auth_source *source, struct auth_check *check, const struct auth_credentials *c)
{
	struct fake *f = LIST_OWNER(source, struct fake, source);

	f->asked++;
	f->was_last = c->is_last;
	auth_answer_name(&check->answer, span_str(c->user));
	return auth_answer_set(&check->answer, f->result, "told", NULL);
}

static void fake_free(struct auth_source *source)
{
	(void)source;
}

static const struct auth_source_ops fake_ops = {
	.type = "fake", .mechanisms = fake_mechanisms, .check_start = fake_check, .free = fake_free
};

static struct fake fake_new(enum auth_result result)
{
	return (struct fake){
		.source = { .ops = &fake_ops, .name = "fake" },
		.mechanisms = { { "PLAIN", AUTH_REACH_USERS }, { "LOGIN", AUTH_REACH_USERS } },
		.count = 2,
		.result = result,
	};
}

static void add_mechanism(struct fake *f, const char *name, enum auth_reach reach)
{
	f->mechanisms[f->count].reach = reach;
	snprintf(f->mechanisms[f->count++].name, sizeof(f->mechanisms[0].name), "%s", name);
}

/* ---- attempts ---- */

static const struct auth_channel channel = { .session_id = "test" };

/* What PLAIN comes to with this chain. The answer is cleared by the caller. */
static void try_plain(struct auth_chain *chain, const char *message, size_t len, struct auth_answer *answer)
{
	struct auth_source *source = auth_chain_find(chain, &channel, "PLAIN");
	struct auth_attempt *a;
	struct auth_step step = { 0 };

	ck_assert_ptr_nonnull(source);
	a = auth_attempt_new(chain, source, &channel, "PLAIN");
	ck_assert_ptr_nonnull(a);
	auth_attempt_take(a, span_of(message, len), answer);
	if (answer->result == AUTH_READY) {
		auth_answer_clear(answer);
		ck_assert(!auth_attempt_start(a, &step));
		*answer = step.answer;
	}
	auth_attempt_free(&a);
}

static const struct {
	enum auth_result first, second;
	enum auth_result result;
	unsigned second_asked;
} chains[] = {
	{ AUTH_OK, AUTH_OK, AUTH_OK, 0 },
	{ AUTH_WRONG, AUTH_OK, AUTH_WRONG, 0 },
	{ AUTH_UNKNOWN, AUTH_OK, AUTH_OK, 1 },
	{ AUTH_UNKNOWN, AUTH_WRONG, AUTH_WRONG, 1 },
	{ AUTH_UNKNOWN, AUTH_UNKNOWN, AUTH_WRONG, 1 },
	{ AUTH_UNKNOWN, AUTH_UNAVAILABLE, AUTH_UNAVAILABLE, 1 },
	{ AUTH_UNAVAILABLE, AUTH_OK, AUTH_UNAVAILABLE, 0 },
};

START_TEST(the_first_source_that_knows_the_user_decides)
{
	struct fake first = fake_new(chains[_i].first), second = fake_new(chains[_i].second);
	struct auth_chain chain = { 0 };
	struct auth_answer answer = { 0 };

	ck_assert(auth_chain_add(&chain, &first.source) && auth_chain_add(&chain, &second.source));
	try_plain(&chain, "\0anna\0x", 7, &answer);
	ck_assert_int_eq(answer.result, chains[_i].result);
	ck_assert_str_eq(answer.user, "anna");
	ck_assert_uint_eq(first.asked, 1);
	ck_assert_uint_eq(second.asked, chains[_i].second_asked);
	ck_assert(!first.was_last && (!second.asked || second.was_last));
	auth_answer_clear(&answer);
	auth_chain_fini(&chain);
}
END_TEST

static void assert_offers(struct auth_chain *chain, const char *expected)
{
	struct buf offers = { 0 };

	ck_assert(auth_chain_offers(chain, &channel, &offers));
	ASSERT_BUF_EQ(&offers, expected);
	buf_fini(&offers);
}

START_TEST(a_mechanism_that_is_no_password_belongs_to_one_source)
{
	static const char *const names[] = { "SCRAM-SHA-256", NULL };
	struct fake first = fake_new(AUTH_OK), second = fake_new(AUTH_OK);
	struct auth_chain chain = { 0 };

	add_mechanism(&second, "SCRAM-SHA-256", AUTH_REACH_USERS);
	ck_assert(auth_chain_add(&chain, &second.source));
	assert_offers(&chain, "PLAIN LOGIN SCRAM-SHA-256");
	ck_assert(auth_chain_add(&chain, &first.source));
	/* The users of the other one could not use it. */
	assert_offers(&chain, "PLAIN LOGIN");
	ck_assert_ptr_null(auth_chain_find(&chain, &channel, "SCRAM-SHA-256"));
	second.source.mechanisms = names;
	assert_offers(&chain, "SCRAM-SHA-256");
	ck_assert_ptr_eq(auth_chain_find(&chain, &channel, "SCRAM-SHA-256"), &second.source);
	auth_chain_fini(&chain);
}
END_TEST

START_TEST(what_depends_on_the_client_is_offered_beside_all_others)
{
	struct fake passwords = fake_new(AUTH_OK), certificates = { .source = { .ops = &fake_ops }, .count = 0 };
	struct auth_chain chain = { 0 };

	add_mechanism(&certificates, "EXTERNAL", AUTH_REACH_CLIENT);
	add_mechanism(&passwords, "CRAM-MD5", AUTH_REACH_SOME);
	ck_assert(auth_chain_add(&chain, &passwords.source) && auth_chain_add(&chain, &certificates.source));
	assert_offers(&chain, "PLAIN LOGIN EXTERNAL");
	auth_chain_fini(&chain);
}
END_TEST

/* ---- the password file ---- */

static struct users *read_users(const char *text)
{
	static const unsigned char key[USERS_KEY_SIZE] = { 1 };
	struct temp_dir dir;
	char path[PATH_MAX];
	struct users *users;
	struct err err;
	FILE *file;

	temp_dir_init(&dir);
	snprintf(path, sizeof(path), "%s/passwd", dir.path);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
	chmod(path, 0600);
	users = users_read(path, key, &err);
	ck_assert_msg(users != NULL, "%s", err.text);
	temp_dir_fini(&dir);
	return users;
}

START_TEST(salts_of_nobody_are_like_others_and_always_the_same)
{
	struct users *users = read_users("anna:{SCRAM-SHA-1}5000,MTIzNDU2Nzg5MDEy,AAAAAAAAAAAAAAAAAAAAAAAAAAA=,"
					 "AAAAAAAAAAAAAAAAAAAAAAAAAAA=\n");
	struct secret_keys one, again, other;

	users_pretend(users, "ben", SECRET_SCRAM_SHA_1, &one);
	users_pretend(users, "ben", SECRET_SCRAM_SHA_1, &again);
	users_pretend(users, "carol", SECRET_SCRAM_SHA_1, &other);
	ck_assert_uint_eq(one.iterations, 5000);
	ck_assert_uint_eq(one.salt_len, 12);
	ck_assert_mem_eq(&one, &again, sizeof(one));
	ck_assert_mem_ne(one.salt, other.salt, 12);
	ck_assert_mem_ne(one.stored, one.server, 20);
	users_put(&users);
}
END_TEST

START_TEST(what_all_users_have_is_known)
{
	struct users *users = read_users("a:{PLAIN}x\nb:{PLAIN}y\nb:$5$rounds=1000$salt$x\n");

	ck_assert_uint_eq(users->count, 3);
	ck_assert_uint_eq(users->common, SECRET_PLAIN | SECRET_SCRAM_SHA_256 | SECRET_SCRAM_SHA_1);
	ck_assert_str_eq(users_find(users, "b", SECRET_CRYPT)->name, "b");
	ck_assert_ptr_null(users_find(users, "a", SECRET_CRYPT));
	ck_assert_ptr_null(users_find(users, "c", SECRET_ANY));
	users_put(&users);
}
END_TEST

/* ---- the source of a file, on workers ---- */

struct waiter {
	struct auth_check check;
	struct loop *loop;
	bool is_done;
};

static void check_done(struct op *op)
{
	struct waiter *w = op->owner;

	w->is_done = true;
	loop_stop(w->loop);
}

struct bench {
	struct temp_dir dir;
	char path[PATH_MAX];
	struct loop *loop;
	struct pool *pool;
	struct auth_source *source;
};

static void bench_open(struct bench *b, const char *text, unsigned queue)
{
	struct err err;
	FILE *file;

	temp_dir_init(&b->dir);
	snprintf(b->path, sizeof(b->path), "%s/passwd", b->dir.path);
	file = fopen(b->path, "w");
	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
	chmod(b->path, 0600);
	b->loop = loop_new(&err);
	ck_assert_ptr_nonnull(b->loop);
	b->pool = pool_new(b->loop, "hashing", 1, queue, &err);
	ck_assert_ptr_nonnull(b->pool);
	b->source = auth_file_new(&(struct auth_file_options){ .path = b->path, .loop = b->loop, .pool = b->pool }, &err);
	ck_assert_msg(b->source != NULL, "%s", err.text);
}

static void bench_close(struct bench *b)
{
	pool_free(&b->pool);
	auth_source_free(&b->source);
	loop_free(&b->loop);
	temp_dir_fini(&b->dir);
}

static enum auth_result check(struct bench *b, const char *user, const char *password, bool is_last)
{
	const struct auth_credentials c = {
		.user = user, .password = password, .channel = &channel, .is_last = is_last
	};
	struct waiter w = { .loop = b->loop };
	enum auth_result result;

	w.check.op = (struct op){ .done = check_done, .owner = &w };
	if (b->source->ops->check_start(b->source, &w.check, &c)) {
		loop_run(b->loop);
		ck_assert(w.is_done);
	}
	result = w.check.answer.result;
	auth_answer_clear(&w.check.answer);
	return result;
}

/* The hashes of "x" that two users have; and one who is locked. */
static void write_users(char *text, size_t size)
{
	struct crypt_data data = { 0 };
	char hash[CRYPT_OUTPUT_SIZE];

	snprintf(hash, sizeof(hash), "%s", __real_crypt_r("x", "$6$rounds=1000$saltsalt$", &data));
	snprintf(text, size, "anna:%s\nben:%s\nlocked:!%s\n", hash, hash, hash);
}

static const struct {
	const char *user, *password;
	enum auth_result result;
} checks[] = {
	{ "anna", "x", AUTH_OK },	{ "anna", "y", AUTH_WRONG },	{ "ben", "x", AUTH_OK },
	{ "nobody", "x", AUTH_UNKNOWN }, { "nobody", "y", AUTH_UNKNOWN }, { "nemo", "x", AUTH_UNKNOWN },
	{ "locked", "x", AUTH_WRONG },	{ "locked", "y", AUTH_WRONG },
};

START_TEST(each_check_is_one_hash_whoever_is_asked_for)
{
	struct bench b;
	char text[2048];

	write_users(text, sizeof(text));
	bench_open(&b, text, 4);
	hashes = 0;
	ck_assert_int_eq(check(&b, checks[_i].user, checks[_i].password, true), checks[_i].result);
	ck_assert_uint_eq(hashes, 1);
	bench_close(&b);
}
END_TEST

START_TEST(who_is_asked_elsewhere_too_costs_nothing_here)
{
	struct bench b;
	char text[2048];

	write_users(text, sizeof(text));
	bench_open(&b, text, 4);
	hashes = 0;
	ck_assert_int_eq(check(&b, "nobody", "x", false), AUTH_UNKNOWN);
	ck_assert_uint_eq(hashes, 0);
	bench_close(&b);
}
END_TEST

START_TEST(a_full_queue_is_no_answer)
{
	struct bench b;
	char text[2048];
	const struct auth_credentials c = { .user = "anna", .password = "x", .channel = &channel, .is_last = true };
	struct waiter w[64];
	unsigned running = 0, refused = 0;

	memset(w, 0, sizeof(w));
	write_users(text, sizeof(text));
	bench_open(&b, text, 2);
	for (int i = 0; i < ROWS(w); i++) {
		w[i].loop = b.loop;
		w[i].check.op = (struct op){ .done = check_done, .owner = &w[i] };
		if (b.source->ops->check_start(b.source, &w[i].check, &c)) {
			running++;
			continue;
		}
		refused++;
		ck_assert_int_eq(w[i].check.answer.result, AUTH_UNAVAILABLE);
	}
	ck_assert_uint_gt(running, 0);
	ck_assert_uint_gt(refused, 0);
	/* To give up is legal at any time. */
	for (int i = 0; i < ROWS(w); i++)
		op_cancel(&w[i].check.op);
	bench_close(&b);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("auth");
	TCase *tcase = tcase_create("auth");

	suite_add_tcase(suite, tcase);
	ADD_ROWS(tcase, the_first_source_that_knows_the_user_decides, chains);
	tcase_add_test(tcase, a_mechanism_that_is_no_password_belongs_to_one_source);
	tcase_add_test(tcase, what_depends_on_the_client_is_offered_beside_all_others);
	tcase_add_test(tcase, salts_of_nobody_are_like_others_and_always_the_same);
	tcase_add_test(tcase, what_all_users_have_is_known);
	ADD_ROWS(tcase, each_check_is_one_hash_whoever_is_asked_for, checks);
	tcase_add_test(tcase, who_is_asked_elsewhere_too_costs_nothing_here);
	tcase_add_test(tcase, a_full_queue_is_no_answer);
	return unit_main(suite);
}
