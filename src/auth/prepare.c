#include "auth/prepare.h"

#include "base/utf8.h"

#include <gsasl.h>
#include <string.h>

/* A copy is needed for want of a NUL behind the span; it lies in `out`. */
static bool copy_text(char *out, size_t size, struct span in)
{
	if (in.len == 0 || in.len >= size || !utf8_is_text(in))
		return false;
	memcpy(out, in.ptr, in.len);
	out[in.len] = '\0';
	return true;
}

bool auth_prepare(char *out, size_t size, struct span in)
{
	char *prepared = NULL;
	size_t len = size;
	bool is_good = copy_text(out, size, in);

	/* What is ASCII and has no control characters is what it will be. */
	if (is_good && utf8_is_ascii(in))
		return true;
	is_good = is_good && gsasl_saslprep(out, GSASL_ALLOW_UNASSIGNED, &prepared, NULL) == GSASL_OK;
	if (is_good)
		len = strlen(prepared);
	is_good = is_good && copy_text(out, size, span_of(prepared, len));
	if (prepared) {
		explicit_bzero(prepared, strlen(prepared));
		gsasl_free(prepared);
	}
	if (!is_good)
		explicit_bzero(out, size);
	return is_good;
}
