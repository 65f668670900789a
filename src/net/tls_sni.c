#include "net/tls_sni.h"

#include <stdlib.h>

static int compare_entries(const void *a, const void *b)
{
	const struct tls_sni_entry *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	/* All certificates lie in one array. */
	return order ? order : (x->certificate > y->certificate) - (x->certificate < y->certificate);
}

bool tls_sni_init(struct tls_sni *sni, const struct tls_certificate *certificates, size_t count)
{
	size_t names = 0;

	*sni = (struct tls_sni){ 0 };
	for (size_t i = 0; i < count; i++)
		names += certificates[i].name_count;
	sni->entries = calloc(names + 1, sizeof(*sni->entries));
	if (!sni->entries)
		return false;
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < certificates[i].name_count; j++)
			sni->entries[sni->count++] = (struct tls_sni_entry){
				.name = certificates[i].names[j],
				.certificate = &certificates[i],
			};
	qsort(sni->entries, sni->count, sizeof(*sni->entries), compare_entries);
	return true;
}

void tls_sni_fini(struct tls_sni *sni)
{
	free(sni->entries);
	*sni = (struct tls_sni){ 0 };
}

/* The first entry whose name is not before this one. */
static size_t lower_bound(const struct tls_sni *sni, const char *name)
{
	size_t low = 0, high = sni->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(sni->entries[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static const struct tls_sni_entry *find_name(const struct tls_sni *sni, const char *name, size_t *count)
{
	size_t first = lower_bound(sni, name), end = first;

	while (end < sni->count && strcmp(sni->entries[end].name, name) == 0)
		end++;
	*count = end - first;
	return end > first ? &sni->entries[first] : NULL;
}

const struct tls_sni_entry *tls_sni_find(const struct tls_sni *sni, const char *name, size_t *count)
{
	char folded[TLS_NAME_SIZE], wildcard[TLS_NAME_SIZE];
	size_t len = strlen(name);
	const struct tls_sni_entry *found;
	const char *dot;

	*count = 0;
	if (len > 0 && name[len - 1] == '.')
		len--;
	/* "*" is for names of certificates: nobody may ask for one. */
	if (len == 0 || len >= sizeof(folded) || memchr(name, '*', len))
		return NULL;
	for (size_t i = 0; i < len; i++)
		folded[i] = ascii_lower(name[i]);
	folded[len] = '\0';
	found = find_name(sni, folded, count);
	/* RFC 6125 6.4.3: it stands for one whole label, the leftmost. */
	dot = strchr(folded, '.');
	if (found || !dot || dot == folded)
		return found;
	wildcard[0] = '*';
	memcpy(wildcard + 1, dot, strlen(dot) + 1);
	return find_name(sni, wildcard, count);
}
