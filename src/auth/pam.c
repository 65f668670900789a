#include "auth/pam.h"

#include "auth/auth.h"
#include "auth/prepare.h"
#include "base/log.h"

#include <security/pam_appl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pam_source {
	struct auth_source source;
	const char *service, *directory;
	struct loop *loop;
	struct pool *pool;
	uint64_t timeout_ms;
	char name[];
};

struct pam_job {
	struct pool_job job;
	struct op op;
	struct loop *loop;
	struct loop_timer timer;
	struct pool *pool;
	uint64_t began_ms;
	struct auth_check *check;
	const char *service, *directory;
	char *paths;                     /* owned: where they are; the source may be gone before the job */
	char client[ADDR_TEXT_SIZE];
	char user[AUTH_USER_MAX + 1];
	char password[AUTH_PASSWORD_MAX + 1];
	struct auth_answer answer;
};

/* ---- on a worker ---- */

/* Echo off is the password; nobody is there for other questions. */
static int converse(int count, const struct pam_message **messages, struct pam_response **responses,
		    void *data)
{
	const struct pam_job *job = data;
	bool is_good = count > 0 && count <= PAM_MAX_NUM_MSG;
	struct pam_response *r = is_good ? calloc((size_t)count, sizeof(*r)) : NULL;

	is_good = r != NULL;
	for (int i = 0; is_good && i < count; i++) {
		int style = messages[i]->msg_style;

		if (style == PAM_PROMPT_ECHO_OFF)
			is_good = (r[i].resp = strdup(job->password)) != NULL;
		else
			is_good = style == PAM_TEXT_INFO || style == PAM_ERROR_MSG;
	}
	if (is_good) {
		*responses = r;
		return PAM_SUCCESS;
	}
	for (int i = 0; r && i < count; i++) {
		if (r[i].resp)
			explicit_bzero(r[i].resp, strlen(r[i].resp));
		free(r[i].resp);
	}
	free(r);
	return PAM_CONV_ERR;
}

static void do_not_wait(int status, unsigned delay_us, void *data)
{
	(void)status;
	(void)delay_us;
	(void)data;
}

/* A module may have another name for the user. */
static int note_user(struct pam_job *job, pam_handle_t *pam)
{
	const void *user = NULL;
	int status = pam_get_item(pam, PAM_USER, &user);

	if (status != PAM_SUCCESS)
		return status;
	if (!user || !auth_prepare(job->user, sizeof(job->user), span_str(user)))
		return PAM_SERVICE_ERR;
	return PAM_SUCCESS;
}

static int ask(struct pam_job *job, pam_handle_t *pam)
{
	/* The item is a function, and the interface wants it as a pointer to an object. */
	union {
		void (*function)(int, unsigned, void *);
		const void *object;
	} delay = { .function = do_not_wait };
	int status = pam_set_item(pam, PAM_FAIL_DELAY, delay.object);

	if (status == PAM_SUCCESS)
		status = pam_set_item(pam, PAM_RHOST, job->client);
	if (status == PAM_SUCCESS)
		status = pam_set_item(pam, PAM_TTY, "smtp");
	if (status == PAM_SUCCESS)
		status = pam_authenticate(pam, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
	if (status == PAM_SUCCESS)
		status = pam_acct_mgmt(pam, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
	if (status == PAM_SUCCESS)
		status = note_user(job, pam);
	return status;
}

/* Whatever is not known to be a no is trouble. */
static void answer_status(struct auth_answer *answer, int status, const char *text)
{
	switch (status) {
	case PAM_SUCCESS:
		auth_answer_set(answer, AUTH_OK, NULL, NULL);
		break;
	case PAM_USER_UNKNOWN:
		auth_answer_set(answer, AUTH_UNKNOWN, "unknown_user", NULL);
		break;
	case PAM_AUTH_ERR:
	case PAM_MAXTRIES:
		auth_answer_set(answer, AUTH_WRONG, "wrong_password", NULL);
		break;
	case PAM_NEW_AUTHTOK_REQD:
	case PAM_CRED_EXPIRED:
	case PAM_AUTHTOK_EXPIRED:
		auth_answer_set(answer, AUTH_EXPIRED, "password_expired", NULL);
		break;
	case PAM_ACCT_EXPIRED:
	case PAM_PERM_DENIED:
		auth_answer_set(answer, AUTH_DISABLED, "login_disabled", NULL);
		break;
	default:
		auth_answer_set(answer, AUTH_UNAVAILABLE, "pam", "%s", text);
		break;
	}
}

static void run(struct pool_job *pool_job)
{
	struct pam_job *job = LIST_OWNER(pool_job, struct pam_job, job);
	const struct pam_conv conv = { .conv = converse, .appdata_ptr = job };
	pam_handle_t *pam = NULL;
	int status = pam_start_confdir(job->service, job->user, &conv, job->directory, &pam);

	if (status == PAM_SUCCESS)
		status = ask(job, pam);
	answer_status(&job->answer, status, pam_strerror(pam, status));
	if (pam)
		pam_end(pam, status | PAM_DATA_SILENT);
}

/* ---- on the loop ---- */

static void drop_job(struct pam_job *job)
{
	free(job->paths);
	explicit_bzero(job, sizeof(*job));
	free(job);
}

static void free_job(struct pool_job *pool_job)
{
	struct pam_job *job = LIST_OWNER(pool_job, struct pam_job, job);

	loop_timer_stop(job->loop, &job->timer);
	drop_job(job);
}

static void done(struct op *op)
{
	struct pam_job *job = op->owner;
	struct auth_check *check = job->check;

	if (!check)
		return;
	check->answer = job->answer;
	auth_answer_name(&check->answer, span_str(job->user));
	op_finish(&check->op);
}

static void cancel(struct op *op)
{
	struct pam_job *job = op->work;

	/* A session that ends does not make a module return: its thread is looked after all the same. */
	if (pool_has_begun(&job->op))
		job->check = NULL;
	else
		op_cancel(&job->op);
}

/* Nobody can end a module that hangs. Its thread is given up, and the log tells. */
static void expire(struct loop_timer *timer)
{
	struct pam_job *job = LIST_OWNER(timer, struct pam_job, timer);
	struct auth_check *check = job->check;
	struct pool *pool = job->pool;
	uint64_t seconds = (loop_now_ms(job->loop) - job->began_ms) / 1000;
	char service[128];
	bool has_begun;

	snprintf(service, sizeof(service), "pam:%s", job->service);
	/* A job that has not begun is gone then. */
	has_begun = pool_give_up(&job->op);
	if (has_begun) {
		log_begin(LOG_LEVEL_ERROR, NULL, "auth_hangs");
		log_str("source", service);
		log_u64("seconds", seconds);
		log_u64("threads_lost", pool_lost(pool));
		log_end();
	}
	if (!check)
		return;
	auth_answer_set(&check->answer, AUTH_UNAVAILABLE, has_begun ? "timeout" : "busy",
			has_begun ? "PAM does not answer" : "the queue of passwords to hash is full");
	op_finish(&check->op);
}

static struct pam_job *new_job(const struct pam_source *s, struct auth_check *check,
			       const struct auth_credentials *c)
{
	struct pam_job *job = calloc(1, sizeof(*job));
	size_t service_size = strlen(s->service) + 1;
	size_t directory_size = s->directory ? strlen(s->directory) + 1 : 0;

	if (!job)
		return NULL;
	job->paths = malloc(service_size + directory_size);
	if (!job->paths) {
		free(job);
		return NULL;
	}
	memcpy(job->paths, s->service, service_size);
	job->service = job->paths;
	if (s->directory)
		job->directory = memcpy(job->paths + service_size, s->directory, directory_size);
	job->job.run = run;
	job->job.free = free_job;
	job->op = (struct op){ .done = done, .owner = job };
	job->check = check;
	job->loop = s->loop;
	job->pool = s->pool;
	job->began_ms = loop_now_ms(s->loop);
	addr_format_ip(c->channel->client, job->client);
	snprintf(job->user, sizeof(job->user), "%s", c->user);
	snprintf(job->password, sizeof(job->password), "%s", c->password);
	return job;
}

static bool check_start(struct auth_source *source, struct auth_check *check,
			const struct auth_credentials *c)
{
	struct pam_source *s = LIST_OWNER(source, struct pam_source, source);
	struct pam_job *job = new_job(s, check, c);

	if (!job)
		return auth_answer_set(&check->answer, AUTH_UNAVAILABLE, "no_memory", NULL);
	if (!pool_submit(s->pool, &job->job, &job->op)) {
		bool is_lost = pool_lost(s->pool) > 0;

		drop_job(job);
		return auth_answer_set(&check->answer, AUTH_UNAVAILABLE, "busy",
				       is_lost ? "the threads that ask PAM hang" :
						 "the queue of passwords to hash is full");
	}
	loop_timer_start(s->loop, &job->timer, s->timeout_ms, expire);
	op_begin(&check->op, cancel, job);
	return true;
}

static const struct auth_mechanism *mechanisms(struct auth_source *source, const struct auth_channel *channel,
					       size_t *count)
{
	static const struct auth_mechanism passwords[] = {
		{ "PLAIN", AUTH_REACH_USERS }, { "LOGIN", AUTH_REACH_USERS }
	};

	(void)source;
	(void)channel;
	*count = sizeof(passwords) / sizeof(passwords[0]);
	return passwords;
}

static void pam_free(struct auth_source *source)
{
	free(LIST_OWNER(source, struct pam_source, source));
}

static const struct auth_source_ops pam_ops = {
	.type = "pam",
	.mechanisms = mechanisms,
	.check_start = check_start,
	.free = pam_free,
};

struct auth_source *auth_pam_new(const struct auth_pam_options *o, struct err *err)
{
	struct pam_source *s = calloc(1, sizeof(*s) + strlen("pam:") + strlen(o->service) + 1);

	if (!s) {
		err_set(err, "out of memory");
		return NULL;
	}
	sprintf(s->name, "pam:%s", o->service);
	s->source = (struct auth_source){
		.ops = &pam_ops, .name = s->name, .mechanisms = o->mechanisms, .tells_unknown = true
	};
	s->service = o->service;
	s->directory = o->directory;
	s->loop = o->loop;
	s->pool = o->pool;
	s->timeout_ms = o->timeout_ms;
	return &s->source;
}
