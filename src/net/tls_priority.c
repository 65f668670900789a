/*
 * Reading a priority string. The words build six ordered lists, as in GnuTLS:
 * versions, ciphers, key exchanges, MACs, groups, signature algorithms. From
 * these, at the end, come the cipher suites, and what cannot work without the
 * other is left out.
 */
#include "net/tls_priority.h"
#include "net/tls_priority_system.h"
#include "net/tls_priority_words.h"

#include <openssl/ssl.h>

#define LIST_COUNT (TLS_WORD_SIGN + 1)

struct id_list {
	uint8_t ids[TLS_IDS_MAX];
	size_t count;
};

struct reader {
	struct span text;
	const char *origin; /* how errors tell where the text stands; "" for the string itself */
	struct id_list lists[LIST_COUNT];
	bool has_no_tickets12; /* the last keyword says so */
	struct tls_priority *priority;
	struct err *err;
};

/* ---- lists ---- */

static size_t find_id(const struct id_list *list, uint8_t id)
{
	size_t i = 0;

	while (i < list->count && list->ids[i] != id)
		i++;
	return i;
}

static bool has_id(const struct id_list *list, uint8_t id)
{
	return find_id(list, id) < list->count;
}

/* At the end, unless it is there already. */
static void add_id(struct id_list *list, uint8_t id)
{
	if (has_id(list, id))
		return;
	BUG_ON(list->count == TLS_IDS_MAX);
	list->ids[list->count++] = id;
}

static void remove_id(struct id_list *list, uint8_t id)
{
	size_t i = find_id(list, id);

	if (i == list->count)
		return;
	list->count--;
	memmove(list->ids + i, list->ids + i + 1, list->count - i);
}

static void add_ids(struct id_list *list, const uint8_t *ids)
{
	for (; *ids; ids++)
		add_id(list, *ids);
}

/* ---- words ---- */

/* The word as it may be shown: short, and without control bytes. */
static void show_word(struct span word, char *text, size_t size)
{
	size_t len = word.len < size - 1 ? word.len : size - 1;

	for (size_t i = 0; i < len; i++)
		text[i] = word.ptr[i] >= ' ' && word.ptr[i] <= '~' ? word.ptr[i] : '?';
	text[len] = '\0';
}

static bool refuse(const struct reader *r, struct span word, const char *why)
{
	char shown[64];

	show_word(word, shown, sizeof(shown));
	return err_set(r->err, "%s\"%s\" at character %zu: %s", r->origin, shown,
		       (size_t)(word.ptr - r->text.ptr) + 1, why);
}

/* A keyword behind the first adds what it stands for, and leaves the versions alone. */
static void add_keyword(struct reader *r, const struct tls_keyword *keyword, bool is_first)
{
	for (int kind = is_first ? TLS_WORD_VERSION : TLS_WORD_VERSION + 1; kind < LIST_COUNT; kind++)
		add_ids(&r->lists[kind], keyword->lists[kind]);
	r->has_no_tickets12 = keyword->has_no_tickets12;
}

static bool is_none(const struct tls_keyword *keyword)
{
	return !*keyword->lists[TLS_WORD_VERSION];
}

static bool add_word(struct reader *r, struct span element, const struct tls_word *word)
{
	if (word->id == TLS_ID_NONE)
		return refuse(r, element, word->why);
	if (word->kind == TLS_WORD_NO_EFFECT)
		return true;
	if (word->id == TLS_ID_ALL)
		add_ids(&r->lists[word->kind], tls_word_all(word->kind));
	else
		add_id(&r->lists[word->kind], word->id);
	return true;
}

static void remove_word(struct reader *r, const struct tls_word *word)
{
	if (word->kind == TLS_WORD_NO_EFFECT)
		return;
	if (word->id == TLS_ID_ALL)
		r->lists[word->kind].count = 0;
	else
		remove_id(&r->lists[word->kind], word->id);
}

static bool read_option(struct reader *r, struct span element)
{
	const struct tls_option *option = tls_option_find(span_from(element, 1));
	struct tls_priority *priority = r->priority;

	if (!option)
		return refuse(r, element, "unknown option");
	if (option->why)
		return refuse(r, element, option->why);
	priority->options_on |= option->on;
	priority->options_off |= option->off;
	if (option->kind == TLS_OPTION_NO_TICKETS)
		priority->has_no_tickets = true;
	if (option->kind == TLS_OPTION_AUTH_LEVEL)
		priority->auth_level = option->auth_level;
	return true;
}

/* "+WORD", "-WORD", "!WORD", "%OPTION", and keywords with "+" or bare. */
static bool read_modifier(struct reader *r, struct span element)
{
	char sign = element.len ? element.ptr[0] : '\0';
	bool is_signed = sign == '+' || sign == '-' || sign == '!';
	struct span name = is_signed ? span_from(element, 1) : element;
	const struct tls_keyword *keyword = tls_keyword_find(name);
	const struct tls_word *word;

	if (sign == '%')
		return read_option(r, element);
	if (keyword && !is_none(keyword) && (sign == '+' || !is_signed)) {
		add_keyword(r, keyword, false);
		return true;
	}
	if (keyword || sign == '@')
		return refuse(r, element, "this keyword cannot stand here");
	word = tls_word_find(name);
	if (!word)
		return refuse(r, element, element.len ? "unknown word" : "a word is missing");
	if (!is_signed)
		return refuse(r, element, "a sign, \"+\" or \"-\", is missing");
	if (sign == '+')
		return add_word(r, element, word);
	remove_word(r, word);
	return true;
}

/* Takes the first element off *rest; false: there is none left. */
static bool next_element(struct span *rest, struct span *element)
{
	size_t colon;

	if (!rest->ptr)
		return false;
	colon = span_find(*rest, ':');
	*element = span_trim(span_head(*rest, colon));
	*rest = colon < rest->len ? span_from(*rest, colon + 1) : span_of(NULL, 0);
	return true;
}

static bool read_modifiers(struct reader *r, struct span rest)
{
	struct span element;

	while (next_element(&rest, &element))
		if (!read_modifier(r, element))
			return false;
	return true;
}

static bool start_with_keyword(struct reader *r, struct span element)
{
	const struct tls_keyword *keyword = tls_keyword_find(element);

	if (!keyword)
		return refuse(r, element, "a priority string begins with a keyword, such as NORMAL");
	add_keyword(r, keyword, true);
	return true;
}

/* ---- @NAME ---- */

/* The system's text, read into the lists of the string that named it. */
static bool read_system_text(struct reader *r, struct span names, const char *text)
{
	struct span outer = r->text, rest = span_str(text), element;
	const char *outer_origin = r->origin;
	char origin[256], shown[64];
	bool is_ok;

	show_word(names, shown, sizeof(shown));
	snprintf(origin, sizeof(origin), "@%s in %s: ", shown, tls_priority_system_file());
	r->text = rest;
	r->origin = origin;
	is_ok = next_element(&rest, &element) && start_with_keyword(r, element) && read_modifiers(r, rest);
	r->text = outer;
	r->origin = outer_origin;
	return is_ok;
}

static bool has_name(struct span names, struct span name)
{
	while (names.len) {
		size_t comma = span_find(names, ',');

		if (span_eq(span_trim(span_head(names, comma)), name))
			return true;
		names = span_from(names, comma + 1);
	}
	return false;
}

/*
 * GnuTLS refuses @SYSTEM where the system says nothing. Debian says nothing, so
 * here it means the default then; any other name stays an error.
 */
static bool start_with_system(struct reader *r, struct span element)
{
	struct span names = span_from(element, 1);
	struct buf value = { 0 };
	bool is_ok;

	switch (tls_priority_system_find(names, &value, r->err)) {
	case TLS_SYSTEM_FOUND:
		is_ok = read_system_text(r, names, buf_span(&value).ptr);
		break;
	case TLS_SYSTEM_ERROR:
		is_ok = false;
		break;
	default:
		is_ok = has_name(names, span_str("SYSTEM"));
		r->priority->is_system_default = is_ok;
		if (is_ok)
			add_keyword(r, tls_keyword_find(span_str("NORMAL")), true);
		else
			refuse(r, element, "the system's GnuTLS configuration has no such name");
	}
	buf_fini(&value);
	return is_ok;
}

/* ---- what comes of it ---- */

static void add_name(struct tls_priority_list *list, const char *name)
{
	BUG_ON(list->count == TLS_PRIORITY_NAMES_MAX);
	list->names[list->count++] = name;
}

static void limit_level(struct tls_priority *priority, int level)
{
	if (level < 5 && (priority->level_max < 0 || level < priority->level_max))
		priority->level_max = level;
}

static void add_algorithms(struct tls_priority *priority, struct tls_priority_list *out,
			   const struct id_list *ids, const struct tls_algorithm *(*find)(uint8_t))
{
	for (size_t i = 0; i < ids->count; i++) {
		const struct tls_algorithm *algorithm = find(ids->ids[i]);

		add_name(out, algorithm->openssl);
		limit_level(priority, algorithm->level_max);
	}
}

static bool has_ec_group(const struct id_list *groups)
{
	for (size_t i = 0; i < groups->count; i++)
		if (tls_group(groups->ids[i])->is_ec)
			return true;
	return false;
}

static void add_suites(struct reader *r, uint8_t kx, struct tls_priority_list *out)
{
	const struct id_list *ciphers = &r->lists[TLS_WORD_CIPHER], *macs = &r->lists[TLS_WORD_MAC];

	for (size_t i = 0; i < ciphers->count; i++) {
		for (size_t j = 0; j < macs->count; j++) {
			const struct tls_suite *suite = tls_suite_find(kx, ciphers->ids[i], macs->ids[j]);

			if (suite)
				add_name(out, suite->openssl);
		}
	}
}

/* The order of GnuTLS: by key exchange, then by cipher, then by MAC. */
static void choose_suites(struct reader *r)
{
	struct tls_priority *priority = r->priority;
	const struct id_list *kx = &r->lists[TLS_WORD_KX];
	bool has_ec = has_ec_group(&r->lists[TLS_WORD_GROUP]);

	add_suites(r, TLS_KX_ANY, &priority->suites13);
	for (size_t i = 0; i < kx->count; i++) {
		bool is_anonymous = kx->ids[i] == TLS_KX_ANON_ECDH || kx->ids[i] == TLS_KX_ANON_DH;
		bool is_ec = kx->ids[i] == TLS_KX_ANON_ECDH || kx->ids[i] == TLS_KX_ECDHE_RSA ||
			     kx->ids[i] == TLS_KX_ECDHE_ECDSA;
		size_t before = priority->suites.count;

		if (is_ec && !has_ec)
			continue;
		add_suites(r, kx->ids[i], &priority->suites);
		/* OpenSSL takes a key exchange without certificate at level 0 only. */
		if (is_anonymous && priority->suites.count > before)
			limit_level(priority, 0);
	}
}

/* TLS 1.0 and 1.1 know only CBC with SHA-1. */
static bool can_go_below_1_2(const struct reader *r)
{
	return has_id(&r->lists[TLS_WORD_MAC], TLS_MAC_SHA1) &&
	       (has_id(&r->lists[TLS_WORD_CIPHER], TLS_CIPHER_AES_256_CBC) ||
		has_id(&r->lists[TLS_WORD_CIPHER], TLS_CIPHER_AES_128_CBC) ||
		has_id(&r->lists[TLS_WORD_CIPHER], TLS_CIPHER_CAMELLIA_256_CBC) ||
		has_id(&r->lists[TLS_WORD_CIPHER], TLS_CIPHER_CAMELLIA_128_CBC));
}

/* A version stays on only where there is all that it needs. */
static void choose_versions(struct reader *r)
{
	struct tls_priority *priority = r->priority;
	const struct id_list *versions = &r->lists[TLS_WORD_VERSION];
	bool has_signs = priority->sigalgs.count > 0;
	const bool can_be[TLS_VERSION_COUNT] = {
		[TLS_VERSION_1_0] = priority->suites.count && can_go_below_1_2(r),
		[TLS_VERSION_1_1] = priority->suites.count && can_go_below_1_2(r),
		[TLS_VERSION_1_2] = priority->suites.count && has_signs,
		[TLS_VERSION_1_3] = priority->suites13.count && has_signs && priority->groups.count,
	};

	for (int version = 0; version < TLS_VERSION_COUNT; version++)
		if (can_be[version] && has_id(versions, (uint8_t)(version + 1)))
			priority->versions |= 1u << version;
	/* Both sign with SHA-1 (RFC 8996 1), and OpenSSL has them at level 0 only. */
	if (priority->versions & (1u << TLS_VERSION_1_0 | 1u << TLS_VERSION_1_1))
		limit_level(priority, 0);
	if (!(priority->versions & (1u << TLS_VERSION_1_3)))
		priority->suites13.count = 0;
	if (!(priority->versions & ~(1u << TLS_VERSION_1_3)))
		priority->suites.count = 0;
}

/* Nothing would work: say what it lacks. */
static bool refuse_empty(const struct reader *r)
{
	static const char *const lacks[LIST_COUNT] = {
		[TLS_WORD_VERSION] = "no protocol version (VERS-)",
		[TLS_WORD_CIPHER] = "no cipher",
		[TLS_WORD_KX] = "no key exchange",
		[TLS_WORD_MAC] = "no MAC",
		[TLS_WORD_GROUP] = "no group (GROUP-)",
		[TLS_WORD_SIGN] = "no signature algorithm (SIGN-)",
	};
	const char *lack = "no cipher suite for its protocol versions";
	char shown[128];

	for (int kind = LIST_COUNT - 1; kind >= 0; kind--)
		if (r->lists[kind].count == 0)
			lack = lacks[kind];
	show_word(r->text, shown, sizeof(shown));
	return err_set(r->err, "\"%s\" leaves nothing that could be negotiated: %s", shown, lack);
}

static bool finish(struct reader *r)
{
	struct tls_priority *priority = r->priority;

	add_algorithms(priority, &priority->groups, &r->lists[TLS_WORD_GROUP], tls_group);
	add_algorithms(priority, &priority->sigalgs, &r->lists[TLS_WORD_SIGN], tls_sigalg);
	choose_suites(r);
	choose_versions(r);
	if (r->has_no_tickets12)
		priority->options_on |= SSL_OP_NO_TICKET;
	return priority->versions ? true : refuse_empty(r);
}

/* ---- OPENSSL: ---- */

static bool read_openssl(struct reader *r, struct span ciphers)
{
	struct tls_priority *priority = r->priority;

	ciphers = span_trim(ciphers);
	if (ciphers.len == 0)
		return refuse(r, r->text, "a cipher string of OpenSSL must follow");
	if (ciphers.len >= sizeof(priority->ciphers))
		return refuse(r, ciphers, "this cipher string is too long");
	add_keyword(r, tls_keyword_find(span_str("NORMAL")), true);
	if (!finish(r))
		return false;
	priority->suites.count = 0;
	memcpy(priority->ciphers, ciphers.ptr, ciphers.len);
	return true;
}

bool tls_priority_parse(struct tls_priority *priority, const char *text, struct err *err)
{
	static const struct span openssl = SPAN_LITERAL("OPENSSL:");
	struct reader r = { .text = span_str(text), .origin = "", .priority = priority, .err = err };
	struct span rest = r.text, element;

	*priority = (struct tls_priority){ .level_max = -1, .auth_level = -1 };
	if (span_istarts(r.text, openssl))
		return read_openssl(&r, span_from(r.text, openssl.len));
	if (!next_element(&rest, &element) || element.len == 0)
		return err_set(err, "the priority string is empty");
	if (element.ptr[0] == '@' ? !start_with_system(&r, element) : !start_with_keyword(&r, element))
		return false;
	return read_modifiers(&r, rest) && finish(&r);
}
