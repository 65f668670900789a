#include "conf/dump.h"

#include "conf/option.h"

#include <inttypes.h>

static void dump_string(const char *text, FILE *out)
{
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '\n')
			fputs("\\n", out);
		else if (*text == '"' || *text == '\\')
			fprintf(out, "\\%c", *text);
		else
			fputc(*text, out);
	}
	fputc('"', out);
}

/* With its unit and in quotes, or bare; what exceeds 32 bits needs an L to be read back. */
static void dump_number(const struct option *o, uint64_t value, FILE *out)
{
	char text[UNIT_TEXT_SIZE];

	unit_format(o->unit, value, text);
	if (o->may_be_unlimited && value == 0)
		fputs("\"unlimited\"", out);
	else if (!ascii_is_digit(text[strlen(text) - 1]))
		fprintf(out, "\"%s\"", text);
	else
		fprintf(out, "%s%s", text, value > INT32_MAX ? "L" : "");
}

static void dump_list(const char *const *texts, size_t count, FILE *out)
{
	fputs("(", out);
	for (size_t i = 0; i < count; i++) {
		fputs(i ? ", " : " ", out);
		dump_string(texts[i], out);
	}
	fputs(" )", out);
}

static void dump_texts(const struct text_list *list, FILE *out)
{
	dump_list(list->texts, list->count, out);
}

static void dump_networks(const struct network_list *list, FILE *out)
{
	char text[ADDR_TEXT_SIZE];

	fputs("(", out);
	for (size_t i = 0; i < list->count; i++) {
		const struct addr_prefix *prefix = &list->networks[i];
		struct addr addr = { .family = prefix->family };

		memcpy(addr.ip, prefix->ip, sizeof(addr.ip));
		fprintf(out, "%s\"%s/%u\"", i ? ", " : " ", addr_format_ip(&addr, text), prefix->bits);
	}
	fputs(" )", out);
}

enum { CERTIFICATES_OFFSET = offsetof(struct session_config, tls_certificates) };

static void dump_certificates(const struct session_config *session, FILE *out)
{
	fputs("(", out);
	for (size_t i = 0; i < session->tls_certificate_count; i++) {
		const struct tls_pair_config *pair = &session->tls_certificates[i];

		fputs(i ? ", { certfile = " : " { certfile = ", out);
		dump_string(pair->certfile, out);
		if (pair->keyfile) {
			fputs("; keyfile = ", out);
			dump_string(pair->keyfile, out);
		}
		fputs("; }", out);
	}
	fputs(" )", out);
}

static void dump_rate(const struct option *o, const struct rate_config *rate, FILE *out)
{
	char amount[UNIT_TEXT_SIZE], period[UNIT_TEXT_SIZE];

	if (rate->amount == 0)
		fputs("\"unlimited\"", out);
	else
		fprintf(out, "\"%s/%s\"", unit_format(o->unit, rate->amount, amount),
			unit_format(UNIT_SECONDS, rate->period_s, period));
}

static void dump_bool(const struct option *o, bool value, FILE *out)
{
	if (o->words)
		dump_string(option_word_of(o, value), out);
	else
		fputs(value ? "true" : "false", out);
}

static void dump_words(const struct option *o, uint32_t bits, FILE *out)
{
	const char *before = " ";

	fputc('(', out);
	for (const struct option_word *w = o->words; w->word; w++) {
		if (!(bits & w->value))
			continue;
		fputs(before, out);
		dump_string(w->word, out);
		before = ", ";
	}
	fputs(" )", out);
}

static void dump_value(const struct config *config, const struct option *o, const void *field, FILE *out)
{
	switch (o->type) {
	case OPTION_U32:
		dump_number(o, *(const uint32_t *)field, out);
		break;
	case OPTION_U64:
		dump_number(o, *(const uint64_t *)field, out);
		break;
	case OPTION_BOOL:
		dump_bool(o, *(const bool *)field, out);
		break;
	case OPTION_WORD:
		dump_string(option_word_of(o, *(const unsigned *)field), out);
		break;
	case OPTION_WORDS:
		dump_words(o, *(const uint32_t *)field, out);
		break;
	case OPTION_BACKEND_NAME:
		dump_string((*(const struct backend_config *const *)field)->name, out);
		break;
	case OPTION_DOMAINS:
		dump_list(config->domains, config->domain_count, out);
		break;
	case OPTION_MAILBOXES:
	case OPTION_HOSTS:
	case OPTION_MECHANISMS:
	case OPTION_OFFERS:
	case OPTION_COMMAND:
	case OPTION_VARIABLES:
	case OPTION_EXIT_REPLIES:
		dump_texts(field, out);
		break;
	case OPTION_HOST_PATTERNS:
	case OPTION_ALIASES:
		dump_texts(field, out);
		break;
	case OPTION_RATE:
		dump_rate(o, field, out);
		break;
	case OPTION_NETWORKS:
		dump_networks(field, out);
		break;
	case OPTION_CERTIFICATES:
		dump_certificates((const void *)((const char *)field - CERTIFICATES_OFFSET), out);
		break;
	case OPTION_LISTENERS:
	case OPTION_BACKENDS:
	case OPTION_ROUTES:
	case OPTION_CLIENTS:
	case OPTION_RATES:
	case OPTION_AUTHS:
	case OPTION_RECIPIENT_MAPS:
	case OPTION_TYPES:
		break;
	default:
		dump_string(*(const char *const *)field, out);
		break;
	}
}

/* Something that was not given, and has no default of its own. */
static bool is_absent(const struct option *o, const void *field, const struct config_place *place)
{
	if (o->scope == OPTION_CLIENT && !place->file)
		return true;
	switch (o->type) {
	case OPTION_U32:
	case OPTION_U64:
	case OPTION_BOOL:
	case OPTION_RATE:
	case OPTION_WORDS:
	case OPTION_DOMAINS:
	case OPTION_BACKEND_NAME:
		return false;
	case OPTION_WORD:
		return !o->default_text && !place->file;
	default:
		return o->type >= OPTION_LISTENERS || *(const void *const *)field == NULL;
	}
}

/* The end of a line. The name of a file may hold anything, and a comment ends with its line. */
static void dump_place(const struct config_place *place, FILE *out)
{
	const char *name = place->file ? place->file : "default";

	fputs("  # ", out);
	for (; *name; name++)
		fputc((unsigned char)*name < ' ' || *name == 0x7f ? '?' : *name, out);
	if (place->line)
		fprintf(out, ":%d", place->line);
}

/* Keys of one struct, and where what stands in them is from. */
struct dump {
	const struct config *config;
	FILE *out;
	bool with_places;
};

static void dump_key(const struct dump *d, const struct option *o, const void *field,
		     const struct config_place *place, const char *indent)
{
	if (is_absent(o, field, place) && o->type != OPTION_GREETING)
		return;
	fprintf(d->out, "%s%s = ", indent, o->key);
	if (is_absent(o, field, place))
		fprintf(d->out, "\"%s smtpfrontd\"", d->config->hostname);
	else
		dump_value(d->config, o, field, d->out);
	fputc(';', d->out);
	if (d->with_places)
		dump_place(place, d->out);
	fputc('\n', d->out);
}

static void dump_scope(const struct dump *d, enum option_scope scope, const void *base,
		       const struct config_place *places, const char *indent)
{
	for (size_t i = 0; i < option_table_len; i++) {
		const struct option *o = &option_table[i];

		if (o->scope == scope)
			dump_key(d, o, (const char *)base + o->offset, &places[i], indent);
	}
}

/* Only the keys that go with its type, or they would not be taken again. */
static void dump_backend(const struct dump *d, const struct backend_config *backend)
{
	fprintf(d->out, "\t%s = {\n", backend->name);
	for (size_t i = 0; i < option_table_len; i++) {
		const struct option *o = &option_table[i];

		if (o->scope == OPTION_BACKEND && o->backend_types >> backend->type & 1)
			dump_key(d, o, (const char *)backend + o->offset, &backend->places[i], "\t\t");
	}
	fputs("\t};\n", d->out);
}

static void dump_backends(const struct dump *d)
{
	fputs("\nbackends = {\n", d->out);
	for (size_t i = 0; i < d->config->backend_count; i++)
		dump_backend(d, &d->config->backends[i]);
	fputs("};\n", d->out);
}

static void dump_routes(const struct dump *d)
{
	fputs("\nroutes = (", d->out);
	for (size_t i = 0; i < d->config->route_count; i++) {
		const struct route_config *route = &d->config->routes[i];

		fputs(i ? ",\n\t{\n" : "\n\t{\n", d->out);
		dump_scope(d, OPTION_ROUTE, route, route->places, "\t\t");
		fputs("\t}", d->out);
	}
	fputs("\n);\n", d->out);
}

static void dump_listeners(const struct dump *d)
{
	fputs("\nlisteners = (", d->out);
	for (size_t i = 0; i < d->config->listener_count; i++) {
		const struct listener_config *listener = &d->config->listeners[i];

		fputs(i ? ",\n\t{\n" : "\n\t{\n", d->out);
		dump_scope(d, OPTION_LISTENER, listener, listener->places, "\t\t");
		dump_scope(d, OPTION_SESSION, &listener->session, listener->places, "\t\t");
		fputs("\t}", d->out);
	}
	fputs("\n);\n", d->out);
}

static void dump_clients(const struct dump *d)
{
	if (d->config->client_count == 0)
		return;
	fputs("\nclients = (", d->out);
	for (size_t i = 0; i < d->config->client_count; i++) {
		const struct client_config *client = &d->config->clients[i];

		fputs(i ? ",\n\t{\n" : "\n\t{\n", d->out);
		dump_scope(d, OPTION_CLIENT, client, client->places, "\t\t");
		fputs("\t}", d->out);
	}
	fputs("\n);\n", d->out);
}

/* As of a backend, only the keys that go with its type. */
static void dump_source(const struct dump *d, const struct auth_config *auth)
{
	for (size_t i = 0; i < option_table_len; i++) {
		const struct option *o = &option_table[i];

		if (o->scope == OPTION_AUTH && (!o->auth_types || o->auth_types >> auth->type & 1))
			dump_key(d, o, (const char *)auth + o->offset, &auth->places[i], "\t\t");
	}
}

static void dump_auth(const struct dump *d)
{
	if (d->config->auth_count == 0)
		return;
	fputs("\nauth = (", d->out);
	for (size_t i = 0; i < d->config->auth_count; i++) {
		const struct auth_config *auth = &d->config->auth[i];

		fputs(i ? ",\n\t{\n" : "\n\t{\n", d->out);
		dump_source(d, auth);
		fputs("\t}", d->out);
	}
	fputs("\n);\n", d->out);
}

static void dump_rates(const struct dump *d)
{
	if (d->config->rates_count == 0)
		return;
	fputs("\nrates = (", d->out);
	for (size_t i = 0; i < d->config->rates_count; i++) {
		const struct rates_config *rates = &d->config->rates[i];

		fputs(i ? ",\n\t{\n" : "\n\t{\n", d->out);
		dump_scope(d, OPTION_RATES_ROW, rates, rates->places, "\t\t");
		fputs("\t}", d->out);
	}
	fputs("\n);\n", d->out);
}

static void dump_recipient_maps(const struct dump *d)
{
	if (d->config->recipient_map_count == 0)
		return;
	fputs("\nrecipient_maps = (", d->out);
	for (size_t i = 0; i < d->config->recipient_map_count; i++) {
		const struct recipient_map_config *map = &d->config->recipient_maps[i];

		fputs(i ? ",\n\t{\n" : "\n\t{\n", d->out);
		dump_scope(d, OPTION_RECIPIENT_MAP, map, map->places, "\t\t");
		fputs("\t}", d->out);
	}
	fputs("\n);\n", d->out);
}

bool config_dump(const struct config *config, bool with_places, FILE *out)
{
	const struct dump d = { config, out, with_places };

	dump_scope(&d, OPTION_GLOBAL, config, config->places, "");
	if (!config->postmaster)
		fputs("# postmaster is not given\n", out);
	dump_scope(&d, OPTION_SESSION, &config->session, config->places, "");
	dump_backends(&d);
	dump_routes(&d);
	dump_listeners(&d);
	dump_clients(&d);
	dump_auth(&d);
	dump_rates(&d);
	dump_recipient_maps(&d);
	return fflush(out) == 0 && !ferror(out);
}

bool config_dump_backend(const struct backend_config *backend, FILE *out)
{
	static const struct config none; /* whose no key of a backend is */
	const struct dump d = { .config = &none, .out = out };

	dump_backend(&d, backend);
	return fflush(out) == 0 && !ferror(out);
}
