#include "auth/auth.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void auth_answer_clear(struct auth_answer *answer)
{
	buf_wipe(&answer->challenge);
	*answer = (struct auth_answer){ 0 };
}

bool auth_answer_set(struct auth_answer *answer, enum auth_result result, const char *reason, const char *detail, ...)
{
	answer->result = result;
	answer->reason = reason;
	answer->detail[0] = '\0';
	if (detail) {
		va_list args;

		va_start(args, detail);
		vsnprintf(answer->detail, sizeof(answer->detail), detail, args);
		va_end(args);
	}
	return false;
}

void auth_answer_name(struct auth_answer *answer, struct span user)
{
	struct span name = span_head(user, AUTH_USER_MAX);

	memcpy(answer->user, name.ptr, name.len);
	answer->user[name.len] = '\0';
}

void auth_source_free(struct auth_source **source)
{
	struct auth_source *s = *source;

	*source = NULL;
	if (s)
		s->ops->free(s);
}

/* ---- the chain ---- */

bool auth_chain_add(struct auth_chain *chain, struct auth_source *source)
{
	struct auth_source **more = realloc(chain->sources, (chain->count + 1) * sizeof(struct auth_source *));

	if (!more) {
		auth_source_free(&source);
		return false;
	}
	chain->sources = more;
	chain->sources[chain->count++] = source;
	return true;
}

void auth_chain_fini(struct auth_chain *chain)
{
	for (size_t i = 0; i < chain->count; i++)
		auth_source_free(&chain->sources[i]);
	free(chain->sources);
	*chain = (struct auth_chain){ 0 };
}

static bool names(const struct auth_source *source, const char *mechanism)
{
	for (const char *const *m = source->mechanisms; *m; m++)
		if (strcmp(*m, mechanism) == 0)
			return true;
	return false;
}

/* What a source has of that name; NULL: nothing. */
static const struct auth_mechanism *mechanism_of(struct auth_source *source, const struct auth_channel *channel,
						 const char *name)
{
	size_t count = 0;
	const struct auth_mechanism *m = source->ops->mechanisms(source, channel, &count);

	for (size_t i = 0; i < count; i++)
		if (strcmp(m[i].name, name) == 0)
			return &m[i];
	return NULL;
}

/* Has it users of its own, who could pick a mechanism that is offered because of another source? */
static bool has_users(struct auth_source *source, const struct auth_channel *channel)
{
	size_t count = 0;
	const struct auth_mechanism *m = source->ops->mechanisms(source, channel, &count);

	for (size_t i = 0; i < count; i++)
		if (m[i].reach != AUTH_REACH_CLIENT)
			return true;
	return false;
}

/* Does this source say by itself that its own mechanism be offered, whatever the others have? */
static bool insists(struct auth_source *source, const struct auth_channel *channel, const char *mechanism)
{
	const struct auth_mechanism *m = mechanism_of(source, channel, mechanism);

	if (!m)
		return false;
	return source->mechanisms ? names(source, mechanism) : m->reach == AUTH_REACH_CLIENT;
}

/*
 * A client that picks a mechanism which its user cannot use fails and does not fall back,
 * so that each user of each source must be able to.
 */
static bool reaches_everybody(const struct auth_chain *chain, const struct auth_channel *channel, const char *mechanism)
{
	bool is_there = false;
	bool takes_passwords = strcmp(mechanism, "PLAIN") == 0 || strcmp(mechanism, "LOGIN") == 0;

	for (size_t i = 0; i < chain->count; i++) {
		struct auth_source *source = chain->sources[i];
		const struct auth_mechanism *m;

		if (!has_users(source, channel))
			continue;
		/* What is no matter of passwords belongs to one source, and leaves out the users of the others. */
		if (is_there && !takes_passwords)
			return false;
		m = mechanism_of(source, channel, mechanism);
		if (!m || m->reach != AUTH_REACH_USERS || source->mechanisms)
			return false;
		is_there = true;
	}
	return is_there;
}

static bool is_offered(const struct auth_chain *chain, const struct auth_channel *channel, const char *mechanism)
{
	for (size_t i = 0; i < chain->count; i++)
		if (insists(chain->sources[i], channel, mechanism))
			return true;
	return reaches_everybody(chain, channel, mechanism);
}

struct auth_source *auth_chain_find(const struct auth_chain *chain, const struct auth_channel *channel,
				    const char *mechanism)
{
	if (!is_offered(chain, channel, mechanism))
		return NULL;
	for (size_t i = 0; i < chain->count; i++) {
		struct auth_source *source = chain->sources[i];

		if (auth_source_serves(source, channel, mechanism))
			return source;
	}
	return NULL;
}

bool auth_source_serves(struct auth_source *source, const struct auth_channel *channel, const char *mechanism)
{
	return mechanism_of(source, channel, mechanism) && (!source->mechanisms || names(source, mechanism));
}

static bool is_among_earlier(const struct auth_chain *chain, const struct auth_channel *channel, size_t before,
			     const char *mechanism)
{
	for (size_t i = 0; i < before; i++)
		if (mechanism_of(chain->sources[i], channel, mechanism))
			return true;
	return false;
}

bool auth_chain_offers(const struct auth_chain *chain, const struct auth_channel *channel, struct buf *out)
{
	size_t before = buf_len(out);

	for (size_t i = 0; i < chain->count; i++) {
		size_t count = 0;
		const struct auth_mechanism *m = chain->sources[i]->ops->mechanisms(chain->sources[i], channel, &count);

		for (size_t j = 0; j < count; j++) {
			if (is_among_earlier(chain, channel, i, m[j].name) || !is_offered(chain, channel, m[j].name))
				continue;
			if ((buf_len(out) > before && !buf_add(out, " ", 1)) || !buf_add_str(out, m[j].name))
				return false;
		}
	}
	return true;
}
