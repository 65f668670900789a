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

static void dump_domains(const struct config *config, FILE *out)
{
	fputs("(", out);
	for (size_t i = 0; i < config->domain_count; i++) {
		fputs(i ? ", " : " ", out);
		dump_string(config->domains[i], out);
	}
	fputs(" )", out);
}

static void dump_value(const struct config *config, const struct option *o, const void *field, FILE *out)
{
	switch (o->type) {
	case OPTION_GREETING:
	case OPTION_HOSTNAME:
	case OPTION_DOMAIN:
	case OPTION_ADDRESS:
	case OPTION_SOCKET:
	case OPTION_PATTERN:
		dump_string(*(const char *const *)field, out);
		break;
	case OPTION_U32:
		dump_number(o, *(const uint32_t *)field, out);
		break;
	case OPTION_U64:
		dump_number(o, *(const uint64_t *)field, out);
		break;
	case OPTION_LOG_LEVEL:
		dump_string(log_level_name(*(const enum log_level *)field), out);
		break;
	case OPTION_BACKEND_TYPE:
		dump_string(option_backend_type_name(*(const enum backend_type *)field), out);
		break;
	case OPTION_BACKEND_NAME:
		dump_string((*(const struct backend_config *const *)field)->name, out);
		break;
	case OPTION_DOMAINS:
		dump_domains(config, out);
		break;
	case OPTION_LISTENERS:
	case OPTION_BACKENDS:
	case OPTION_ROUTES:
	case OPTION_TYPES:
		break;
	}
}

/* A string that was not given and has no value of its own. */
static bool is_absent(const struct option *o, const void *field)
{
	switch (o->type) {
	case OPTION_GREETING:
	case OPTION_DOMAIN:
	case OPTION_ADDRESS:
	case OPTION_PATTERN:
		return *(const char *const *)field == NULL;
	default:
		return o->type >= OPTION_LISTENERS;
	}
}

static void dump_scope(const struct config *config, enum option_scope scope, const void *base,
		       const char *indent, FILE *out)
{
	for (size_t i = 0; i < option_table_len; i++) {
		const struct option *o = &option_table[i];
		const void *field = (const char *)base + o->offset;

		if (o->scope != scope)
			continue;
		if (o->type == OPTION_GREETING && is_absent(o, field)) {
			fprintf(out, "%s%s = \"%s smtpfrontd\";\n", indent, o->key, config->hostname);
			continue;
		}
		if (is_absent(o, field))
			continue;
		fprintf(out, "%s%s = ", indent, o->key);
		dump_value(config, o, field, out);
		fputs(";\n", out);
	}
}

static void dump_backends(const struct config *config, FILE *out)
{
	fputs("\nbackends = {\n", out);
	for (size_t i = 0; i < config->backend_count; i++) {
		fprintf(out, "\t%s = {\n", config->backends[i].name);
		dump_scope(config, OPTION_BACKEND, &config->backends[i], "\t\t", out);
		fputs("\t};\n", out);
	}
	fputs("};\n", out);
}

static void dump_routes(const struct config *config, FILE *out)
{
	fputs("\nroutes = (", out);
	for (size_t i = 0; i < config->route_count; i++) {
		fputs(i ? ",\n\t{\n" : "\n\t{\n", out);
		dump_scope(config, OPTION_ROUTE, &config->routes[i], "\t\t", out);
		fputs("\t}", out);
	}
	fputs("\n);\n", out);
}

static void dump_listeners(const struct config *config, FILE *out)
{
	fputs("\nlisteners = (", out);
	for (size_t i = 0; i < config->listener_count; i++) {
		fputs(i ? ",\n\t{\n" : "\n\t{\n", out);
		dump_scope(config, OPTION_LISTENER, &config->listeners[i], "\t\t", out);
		dump_scope(config, OPTION_SESSION, &config->listeners[i].session, "\t\t", out);
		fputs("\t}", out);
	}
	fputs("\n);\n", out);
}

bool config_dump(const struct config *config, FILE *out)
{
	dump_scope(config, OPTION_GLOBAL, config, "", out);
	if (!config->postmaster)
		fputs("# postmaster is not given\n", out);
	dump_scope(config, OPTION_SESSION, &config->session, "", out);
	dump_backends(config, out);
	dump_routes(config, out);
	dump_listeners(config, out);
	return fflush(out) == 0 && !ferror(out);
}
