#include "base/endpoint.h"

#include <stdio.h>

static const char unix_prefix[] = "unix:";

static bool parse_path(struct endpoint *endpoint, struct span text, struct span path, struct err *err)
{
	if (path.len == 0 || path.ptr[0] != '/' || memchr(path.ptr, 0, path.len))
		return err_set(err, "\"%.*s\" is not the absolute path of a unix socket", (int)text.len,
			       text.ptr);
	if (path.len > ENDPOINT_PATH_MAX)
		return err_set(err, "\"%.*s\" is too long for a unix socket, whose path has at most %d "
			       "characters", (int)text.len, text.ptr, ENDPOINT_PATH_MAX);
	endpoint->kind = ENDPOINT_UNIX;
	memcpy(endpoint->name, path.ptr, path.len);
	return true;
}

/* No more is asked of a name than that it can do no harm: who looks it up knows what it may be. */
static bool is_name(struct span host)
{
	if (host.len == 0 || host.len > ENDPOINT_NAME_MAX || host.ptr[0] == '.' || host.ptr[0] == '-')
		return false;
	for (size_t i = 0; i < host.len; i++)
		if (!ascii_is_alnum(host.ptr[i]) && !(host.ptr[i] && strchr("-_.", host.ptr[i])))
			return false;
	return true;
}

/* Digits and dots alone: what looks like an address and is none would be looked up as something else. */
static bool is_all_digits(struct span host)
{
	for (size_t i = 0; i < host.len; i++)
		if (!ascii_is_digit(host.ptr[i]) && host.ptr[i] != '.')
			return false;
	return true;
}

static bool parse_host(struct endpoint *endpoint, struct span host)
{
	bool is_bracketed = host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';
	struct span inner = is_bracketed ? span_head(span_from(host, 1), host.len - 2) : host;

	endpoint->kind = ENDPOINT_ADDR;
	if (is_bracketed)
		return span_find(inner, ':') < inner.len && addr_parse_ip(&endpoint->addr, inner);
	if (span_find(host, ':') < host.len)
		return false;
	if (addr_parse_ip(&endpoint->addr, host))
		return true;
	if (!is_name(host) || is_all_digits(host))
		return false;
	endpoint->kind = ENDPOINT_NAME;
	memcpy(endpoint->name, host.ptr, host.len);
	return true;
}

/* Where the port's colon is, or the length: a colon inside brackets is of the address. */
static size_t find_port(struct span text)
{
	size_t at = text.len;

	while (at && text.ptr[at - 1] != ':' && text.ptr[at - 1] != ']')
		at--;
	return at && text.ptr[at - 1] == ':' ? at - 1 : text.len;
}

static bool parse_host_and_port(struct endpoint *endpoint, struct span text, uint16_t default_port,
				struct err *err)
{
	size_t colon = find_port(text);
	uint64_t port = default_port;

	if (!parse_host(endpoint, span_head(text, colon)))
		return err_set(err, "\"%.*s\" is no host; write mx.example.org:25, 192.0.2.1:25, "
			       "[2001:db8::1]:25 or unix:/path", (int)text.len, text.ptr);
	if (colon == text.len && default_port == 0)
		return err_set(err, "\"%.*s\" has no port; write host:port", (int)text.len, text.ptr);
	if (colon < text.len &&
	    (!span_to_u64(span_from(text, colon + 1), &port) || port == 0 || port > 65535))
		return err_set(err, "\"%.*s\" has a bad port; it must be a number from 1 to 65535",
			       (int)text.len, text.ptr);
	endpoint->addr.port = (uint16_t)port;
	return true;
}

bool endpoint_parse(struct endpoint *endpoint, struct span text, uint16_t default_port, struct err *err)
{
	struct span prefix = SPAN_LITERAL(unix_prefix);
	bool is_ok;

	*endpoint = (struct endpoint){ 0 };
	if (span_eq(span_head(text, prefix.len), prefix))
		is_ok = parse_path(endpoint, text, span_from(text, prefix.len), err);
	else if (text.len && text.ptr[0] == '/')
		is_ok = parse_path(endpoint, text, text, err);
	else
		is_ok = parse_host_and_port(endpoint, text, default_port, err);
	if (!is_ok)
		*endpoint = (struct endpoint){ 0 };
	return is_ok;
}

const char *endpoint_format(const struct endpoint *endpoint, char *text)
{
	switch (endpoint->kind) {
	case ENDPOINT_ADDR:
		return addr_format(&endpoint->addr, text);
	case ENDPOINT_NAME:
		snprintf(text, ENDPOINT_TEXT_SIZE, "%s:%u", endpoint->name, (unsigned)endpoint->addr.port);
		return text;
	case ENDPOINT_UNIX:
		snprintf(text, ENDPOINT_TEXT_SIZE, "%s%s", unix_prefix, endpoint->name);
		return text;
	case ENDPOINT_NONE:
		break;
	}
	snprintf(text, ENDPOINT_TEXT_SIZE, "nowhere");
	return text;
}
