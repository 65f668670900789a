#include "auth/certificate.h"

#include "auth/prepare.h"
#include "base/list.h"

#include <stdlib.h>
#include <string.h>

struct external {
	struct auth_exchange exchange;
	char user[AUTH_USER_MAX + 1]; /* "": the certificate's name is none that a user can have */
	bool has_asked;
};

static const struct auth_mechanism *mechanisms(struct auth_source *source, const struct auth_channel *channel,
					       size_t *count)
{
	static const struct auth_mechanism external = { "EXTERNAL", AUTH_REACH_CLIENT };

	(void)source;
	*count = channel->certificate_name ? 1 : 0;
	return &external;
}

static struct auth_exchange *exchange_new(struct auth_source *source, const char *mechanism,
					  const struct auth_channel *channel)
{
	struct external *x = calloc(1, sizeof(*x));

	(void)mechanism;
	if (!x)
		return NULL;
	x->exchange.source = source;
	if (!auth_prepare(x->user, sizeof(x->user), span_str(channel->certificate_name)))
		x->user[0] = '\0';
	return &x->exchange;
}

/* The message is whom the client wants to be; nobody but who it is, or empty. */
static bool may_be(const struct external *x, struct span wanted)
{
	char prepared[AUTH_USER_MAX + 1];

	return wanted.len == 0 ||
	       (auth_prepare(prepared, sizeof(prepared), wanted) && strcmp(prepared, x->user) == 0);
}

static bool step_start(struct auth_exchange *exchange, struct auth_step *step, struct span response)
{
	struct external *x = LIST_OWNER(exchange, struct external, exchange);

	auth_answer_name(&step->answer, span_str(x->user));
	if (!response.ptr && !x->has_asked) {
		x->has_asked = true;
		return auth_answer_set(&step->answer, AUTH_CONTINUE, NULL, NULL);
	}
	if (!*x->user)
		return auth_answer_set(&step->answer, AUTH_WRONG, "bad_name", NULL);
	if (!may_be(x, response))
		return auth_answer_set(&step->answer, AUTH_WRONG, "other_identity", NULL);
	return auth_answer_set(&step->answer, AUTH_OK, NULL, NULL);
}

static void exchange_free(struct auth_exchange *exchange)
{
	free(LIST_OWNER(exchange, struct external, exchange));
}

static void certificate_free(struct auth_source *source)
{
	free(source);
}

static const struct auth_source_ops certificate_ops = {
	.type = "certificate",
	.mechanisms = mechanisms,
	.exchange_new = exchange_new,
	.step_start = step_start,
	.exchange_free = exchange_free,
	.free = certificate_free,
};

struct auth_source *auth_certificate_new(const char *const *names)
{
	struct auth_source *source = calloc(1, sizeof(*source));

	if (source)
		*source = (struct auth_source){ .ops = &certificate_ops, .name = "certificate", .mechanisms = names };
	return source;
}
