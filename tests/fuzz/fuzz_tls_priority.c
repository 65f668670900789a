/*
 * Laws of net/tls_priority: a text gives a priority or one printable line that
 * names something. What is taken offers something, has each name once, and goes
 * into an SSL_CTX; only a cipher string behind OPENSSL: may be refused there.
 * Reading is the same again, whatever blanks stand around the words.
 */
#include "fuzz.h"
#include "net/tls_priority.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

/* OpenSSL's own parser of cipher strings is not what is tested; long ones only cost time. */
enum { TEXT_MAX = 4096 };

static void hold_line(const char *text)
{
	LAW(text[0]);
	for (; *text; text++)
		LAW(*text >= ' ' && *text <= '~');
}

static void hold_list(const struct tls_priority_list *list)
{
	LAW(list->count <= TLS_PRIORITY_NAMES_MAX);
	for (size_t i = 0; i < list->count; i++) {
		LAW(list->names[i] && list->names[i][0]);
		for (size_t j = 0; j < i; j++)
			LAW(strcmp(list->names[i], list->names[j]) != 0);
	}
}

static void hold_priority(const struct tls_priority *priority)
{
	unsigned below_13 = priority->versions & ((1u << TLS_VERSION_1_3) - 1);
	unsigned below_12 = priority->versions & ((1u << TLS_VERSION_1_2) - 1);

	LAW(priority->versions && priority->versions < 1u << TLS_VERSION_COUNT);
	LAW((below_13 != 0) == (priority->suites.count > 0 || priority->ciphers[0]));
	LAW((priority->versions > below_13) == (priority->suites13.count > 0));
	LAW(priority->suites.count == 0 || priority->ciphers[0] == '\0');
	/* Old versions cost the level, and cannot come without it. */
	LAW(!below_12 || priority->level_max == 0);
	LAW(priority->level_max >= -1 && priority->level_max <= 4);
	LAW(priority->auth_level >= -1 && priority->auth_level <= 5);
	hold_list(&priority->suites);
	hold_list(&priority->suites13);
	hold_list(&priority->groups);
	hold_list(&priority->sigalgs);
}

static bool is_same_list(const struct tls_priority_list *a, const struct tls_priority_list *b)
{
	return a->count == b->count && memcmp(a->names, b->names, a->count * sizeof(a->names[0])) == 0;
}

static void hold_same(const struct tls_priority *a, const struct tls_priority *b)
{
	LAW(a->versions == b->versions && a->level_max == b->level_max && a->auth_level == b->auth_level);
	LAW(a->options_on == b->options_on && a->options_off == b->options_off);
	LAW(a->has_no_tickets == b->has_no_tickets && a->is_system_default == b->is_system_default);
	LAW(is_same_list(&a->suites, &b->suites) && is_same_list(&a->suites13, &b->suites13));
	LAW(is_same_list(&a->groups, &b->groups) && is_same_list(&a->sigalgs, &b->sigalgs));
}

/* Blanks around the words are no part of them. */
static void hold_blanks(const char *text, const struct tls_priority *priority)
{
	static char spaced[3 * TEXT_MAX + 3];
	struct tls_priority again;
	struct err err;
	char *out = spaced;

	if (priority->ciphers[0])
		return;
	*out++ = ' ';
	for (; *text; text++) {
		if (*text == ':')
			*out++ = '\t';
		*out++ = *text;
		if (*text == ':')
			*out++ = ' ';
	}
	*out = '\0';
	LAW(tls_priority_parse(&again, spaced, &err));
	hold_same(priority, &again);
}

static void hold_apply(const struct tls_priority *priority)
{
	SSL_CTX *ssl_ctx = SSL_CTX_new(TLS_server_method());
	struct err err = { .text = "" };
	bool is_ok;

	LAW(ssl_ctx);
	is_ok = tls_priority_apply(priority, ssl_ctx, &err);
	LAW(is_ok || priority->ciphers[0]);
	if (!is_ok)
		hold_line(err.text);
	LAW(ERR_peek_error() == 0);
	SSL_CTX_free(ssl_ctx);
}

static void hold_explain(const struct tls_priority *priority)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	struct err err = { .text = "" };

	LAW(out);
	if (!tls_priority_explain(priority, out, &err)) {
		LAW(priority->ciphers[0] || (priority->versions & ~(1u << TLS_VERSION_1_3)));
		hold_line(err.text);
	}
	fclose(out);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool is_set;
	struct tls_priority priority;
	struct err err = { .text = "" };
	char text[TEXT_MAX + 1];

	if (!is_set)
		setenv("GNUTLS_SYSTEM_PRIORITY_FILE", "/nonexistent/config", 1);
	is_set = true;
	if (size > TEXT_MAX)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (!tls_priority_parse(&priority, text, &err)) {
		hold_line(err.text);
		return 0;
	}
	hold_priority(&priority);
	hold_blanks(text, &priority);
	hold_apply(&priority);
	hold_explain(&priority);
	return 0;
}
