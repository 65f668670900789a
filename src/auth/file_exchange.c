/*
 * SCRAM (RFC 5802, 7677) and CRAM-MD5 (RFC 2195) for the users of a password file, by
 * libgsasl. Its callbacks want their answers at once, and some cost as much as a
 * hash, so that a step runs whole on a worker, which meanwhile is the only one
 * to touch the exchange.
 */
#include "auth/file_private.h"

#include "auth/prepare.h"
#include "base/base64.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXPORTER_MAX = 64 };

struct file_exchange {
	struct auth_exchange exchange;
	struct file_library *library; /* holds a reference */
	struct users *users;          /* likewise */
	struct pool *pool;
	Gsasl_session *session;       /* owned */
	enum secret_kind kind;        /* PLAIN: CRAM-MD5 */
	struct step_job *job;         /* that runs; it frees an exchange that was given up */
	bool is_given_up;
	/* The worker's. */
	char exporter[EXPORTER_MAX];  /* in base64; "": no channel binding is offered */
	char user[AUTH_USER_MAX + 1]; /* "": not known yet, or none that a user can have */
	bool is_known;                /* and there is such a user */
};

struct step_job {
	struct pool_job job;
	struct op op;
	struct file_exchange *x;
	struct auth_step *step;
	int code;     /* of libgsasl */
	char *output; /* its own */
	size_t output_len;
	size_t input_len;
	char input[];
};

/* ---- on a worker: what libgsasl asks ---- */

static void set_octets(Gsasl_session *session, Gsasl_property property, const void *octets, size_t len)
{
	char text[2 * SECRET_SALT_MAX];

	gsasl_property_set_raw(session, property, text, base64_encode(span_of(octets, len), text));
	explicit_bzero(text, sizeof(text));
}

static void note_user(struct file_exchange *x, Gsasl_session *session)
{
	const char *name = gsasl_property_fast(session, GSASL_AUTHID);

	if (!name || !auth_prepare(x->user, sizeof(x->user), span_str(name)))
		x->user[0] = '\0';
}

/* Of a password in plain text, with a salt that is always the same for one name. */
static bool derive_keys(const struct users *users, const char *name, enum secret_kind kind, const char *password,
			struct secret_keys *keys)
{
	users_pretend(users, name, kind, keys);
	return secret_derive(keys, kind, password);
}

/*
 * The keys of the user; of one that there is not, such that cannot be told from a user's and are of no password.
 * The work is the same for both.
 */
static bool find_keys(struct file_exchange *x, struct secret_keys *keys)
{
	const unsigned kinds = (unsigned)x->kind | SECRET_PLAIN;
	const struct user *user = users_find(x->users, x->user, kinds);
	const struct user *like = users_stand_in(x->users, x->user, kinds);
	struct secret_keys spent;

	x->is_known = user != NULL;
	if (user && user->secret.kind == x->kind) {
		*keys = *user->secret.keys;
		return true;
	}
	if (user)
		return derive_keys(x->users, x->user, x->kind, user->secret.text, keys);
	if (like && like->secret.kind == SECRET_PLAIN)
		(void)!derive_keys(x->users, x->user, x->kind, like->secret.text, &spent);
	users_pretend(x->users, x->user, x->kind, keys);
	return true;
}

static int answer_scram(struct file_exchange *x, Gsasl_session *session)
{
	struct secret_keys keys;
	size_t len = secret_key_len(x->kind);
	char iterations[16];

	note_user(x, session);
	if (!find_keys(x, &keys))
		return GSASL_CRYPTO_ERROR;
	snprintf(iterations, sizeof(iterations), "%u", (unsigned)keys.iterations);
	gsasl_property_set(session, GSASL_SCRAM_ITER, iterations);
	set_octets(session, GSASL_SCRAM_SALT, keys.salt, keys.salt_len);
	set_octets(session, GSASL_SCRAM_STOREDKEY, keys.stored, len);
	set_octets(session, GSASL_SCRAM_SERVERKEY, keys.server, len);
	explicit_bzero(&keys, sizeof(keys));
	return GSASL_OK;
}

static int answer_password(struct file_exchange *x, Gsasl_session *session)
{
	const struct user *user;
	struct secret_keys nobody;
	char text[2 * SECRET_KEY_MAX];

	note_user(x, session);
	user = users_find(x->users, x->user, SECRET_PLAIN);
	x->is_known = user != NULL;
	if (user) {
		gsasl_property_set(session, GSASL_PASSWORD, user->secret.text);
		return GSASL_OK;
	}
	users_pretend(x->users, x->user, SECRET_SCRAM_SHA_256, &nobody);
	text[base64_encode(span_of(nobody.stored, SECRET_KEY_MAX), text)] = '\0';
	gsasl_property_set(session, GSASL_PASSWORD, text);
	return GSASL_OK;
}

int file_exchange_answer(Gsasl *gsasl, Gsasl_session *session, Gsasl_property property)
{
	struct file_exchange *x = gsasl_session_hook_get(session);

	(void)gsasl;
	switch (property) {
	case GSASL_SCRAM_ITER:
	case GSASL_SCRAM_SALT:
	case GSASL_SCRAM_STOREDKEY:
	case GSASL_SCRAM_SERVERKEY:
		return x->kind == SECRET_PLAIN ? GSASL_NO_CALLBACK : answer_scram(x, session);
	case GSASL_PASSWORD:
		return x->kind == SECRET_PLAIN ? answer_password(x, session) : GSASL_NO_CALLBACK;
	case GSASL_CB_TLS_EXPORTER:
		/* Told only where -PLUS is offered: libgsasl takes it for a promise, and refuses who binds nothing. */
		if (!*x->exporter)
			return GSASL_NO_CALLBACK;
		gsasl_property_set(session, GSASL_CB_TLS_EXPORTER, x->exporter);
		return GSASL_OK;
	default:
		return GSASL_NO_CALLBACK;
	}
}

static void run_step(struct pool_job *pool_job)
{
	struct step_job *job = LIST_OWNER(pool_job, struct step_job, job);

	job->code = gsasl_step(job->x->session, job->input, job->input_len, &job->output, &job->output_len);
}

/* ---- on the loop ---- */

static void free_exchange(struct file_exchange *x)
{
	if (x->session)
		gsasl_finish(x->session);
	users_put(&x->users);
	file_library_put(&x->library);
	explicit_bzero(x, sizeof(*x));
	free(x);
}

void file_exchange_free(struct auth_exchange *exchange)
{
	struct file_exchange *x = LIST_OWNER(exchange, struct file_exchange, exchange);

	if (x->job)
		x->is_given_up = true;
	else
		free_exchange(x);
}

static void free_step(struct pool_job *pool_job)
{
	struct step_job *job = LIST_OWNER(pool_job, struct step_job, job);
	struct file_exchange *x = job->x;

	x->job = NULL;
	if (job->output) {
		explicit_bzero(job->output, job->output_len);
		gsasl_free(job->output);
	}
	explicit_bzero(job->input, job->input_len);
	free(job);
	if (x->is_given_up)
		free_exchange(x);
}

static enum secret_kind kind_of(const char *mechanism)
{
	if (strcmp(mechanism, "CRAM-MD5") == 0)
		return SECRET_PLAIN;
	return strncmp(mechanism, "SCRAM-SHA-256", strlen("SCRAM-SHA-256")) == 0 ? SECRET_SCRAM_SHA_256 :
										  SECRET_SCRAM_SHA_1;
}

/* Is channel binding offered, too? Then a client that could bind and does not was deceived about what we offer. */
static bool offers_plus(struct auth_source *source, const struct auth_channel *channel, enum secret_kind kind)
{
	return kind != SECRET_PLAIN &&
	       auth_source_serves(source, channel,
				  kind == SECRET_SCRAM_SHA_256 ? "SCRAM-SHA-256-PLUS" : "SCRAM-SHA-1-PLUS");
}

struct auth_exchange *file_exchange_new(struct auth_source *source, const char *mechanism,
					const struct auth_channel *channel)
{
	struct file_source *s = LIST_OWNER(source, struct file_source, source);
	struct file_exchange *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	x->exchange.source = source;
	x->library = file_library_get(s->library);
	x->users = users_get(file_watch_users(s->watch));
	x->pool = s->pool;
	x->kind = kind_of(mechanism);
	if (channel->exporter.len && base64_encoded_len(channel->exporter.len) < sizeof(x->exporter) &&
	    offers_plus(source, channel, x->kind))
		x->exporter[base64_encode(channel->exporter, x->exporter)] = '\0';
	if (gsasl_server_start(x->library->gsasl, mechanism, &x->session) != GSASL_OK) {
		free_exchange(x);
		return NULL;
	}
	gsasl_session_hook_set(x->session, x);
	return &x->exchange;
}

/* Nobody may be another than himself. */
static bool wants_to_be_another(const struct file_exchange *x)
{
	const char *wanted = gsasl_property_fast(x->session, GSASL_AUTHZID);
	char prepared[AUTH_USER_MAX + 1];

	return wanted && *wanted &&
	       (!auth_prepare(prepared, sizeof(prepared), span_str(wanted)) || strcmp(prepared, x->user) != 0);
}

static void judge_success(const struct file_exchange *x, struct auth_answer *answer)
{
	if (!x->is_known || !*x->user)
		auth_answer_set(answer, AUTH_WRONG, "unknown_user", NULL);
	else if (wants_to_be_another(x))
		auth_answer_set(answer, AUTH_WRONG, "other_identity", NULL);
	else
		auth_answer_set(answer, AUTH_OK, NULL, NULL);
}

static void judge(const struct step_job *job, struct auth_answer *answer)
{
	const struct file_exchange *x = job->x;

	switch (job->code) {
	case GSASL_OK:
		judge_success(x, answer);
		return;
	case GSASL_NEEDS_MORE:
		auth_answer_set(answer, AUTH_CONTINUE, NULL, NULL);
		return;
	case GSASL_MECHANISM_PARSE_ERROR:
		auth_answer_set(answer, AUTH_MALFORMED, "bad_message", NULL);
		return;
	case GSASL_MALLOC_ERROR:
	case GSASL_CRYPTO_ERROR:
		auth_answer_set(answer, AUTH_UNAVAILABLE, "library", "libgsasl: %s", gsasl_strerror(job->code));
		return;
	default:
		auth_answer_set(answer, AUTH_WRONG, x->is_known ? "wrong_password" : "unknown_user", "libgsasl: %s",
				gsasl_strerror(job->code));
	}
}

static void step_done(struct op *op)
{
	struct step_job *job = op->owner;
	struct auth_step *step = job->step;

	auth_answer_name(&step->answer, span_str(job->x->user));
	judge(job, &step->answer);
	if ((step->answer.result == AUTH_OK || step->answer.result == AUTH_CONTINUE) && job->output_len &&
	    !buf_add(&step->answer.challenge, job->output, job->output_len))
		auth_answer_set(&step->answer, AUTH_UNAVAILABLE, "no_memory", NULL);
	op_finish(&step->op);
}

static void cancel_step(struct op *op)
{
	struct step_job *job = op->work;

	op_cancel(&job->op);
}

bool file_step_start(struct auth_exchange *exchange, struct auth_step *step, struct span response)
{
	struct file_exchange *x = LIST_OWNER(exchange, struct file_exchange, exchange);
	struct step_job *job = calloc(1, sizeof(*job) + response.len + 1);

	if (!job)
		return auth_answer_set(&step->answer, AUTH_UNAVAILABLE, "no_memory", NULL);
	job->job.run = run_step;
	job->job.free = free_step;
	job->op = (struct op){ .done = step_done, .owner = job };
	job->x = x;
	job->step = step;
	job->input_len = response.len;
	if (response.len)
		memcpy(job->input, response.ptr, response.len);
	x->job = job;
	if (!pool_submit(x->pool, &job->job, &job->op)) {
		free_step(&job->job);
		return auth_answer_set(&step->answer, AUTH_UNAVAILABLE, "busy", "the queue of passwords to hash is full");
	}
	op_begin(&step->op, cancel_step, job);
	return true;
}
