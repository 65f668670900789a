#include "net/tls_dir.h"

#include "net/tls_file.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char setting[] = "tls_certificate_dir";

static bool has_ending(const char *name, const char *ending)
{
	size_t len = strlen(name), end = strlen(ending);

	return len > end && name[0] != '.' && strcmp(name + len - end, ending) == 0;
}

static int is_certificate(const struct dirent *e)
{
	return has_ending(e->d_name, ".crt") || has_ending(e->d_name, ".pem");
}

static int is_of_pair(const struct dirent *e)
{
	return is_certificate(e) || has_ending(e->d_name, ".key");
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void free_names(struct dirent **names, int count)
{
	for (int i = 0; i < count; i++)
		free(names[i]);
	free(names);
}

/* Names without ending, "mx.example.org" of "mx.example.org.crt", are as long as this. */
static int stem_len(const char *name)
{
	return (int)(strrchr(name, '.') - name);
}

static bool same_stem(const char *a, const char *b)
{
	return stem_len(a) == stem_len(b) && strncmp(a, b, (size_t)stem_len(a)) == 0;
}

/* The key beside a certificate; *path is NULL where a NAME.pem has none. False: out of memory. */
static bool find_key(const char *dir, const char *name, char **path)
{
	if (asprintf(path, "%s/%.*s.key", dir, stem_len(name), name) < 0) {
		*path = NULL;
		return false;
	}
	if (has_ending(name, ".pem") && access(*path, F_OK) < 0) {
		free(*path);
		*path = NULL;
	}
	return true;
}

static bool add_pair(struct tls_dir *dir, const char *path, const char *name, struct err *err)
{
	struct tls_pair *pair = &dir->pairs[dir->count++];
	char *certfile, *keyfile;

	pair->setting = setting;
	if (asprintf(&certfile, "%s/%s", path, name) < 0)
		return err_set(err, "%s: %s: out of memory", setting, path);
	pair->certfile = certfile;
	if (!find_key(path, name, &keyfile))
		return err_set(err, "%s: %s: out of memory", setting, path);
	pair->keyfile = keyfile;
	return true;
}

static bool add_pairs(struct tls_dir *dir, const char *path, struct dirent **names, int count,
		      struct err *err)
{
	dir->pairs = calloc((size_t)count + 1, sizeof(*dir->pairs));
	if (!dir->pairs)
		return err_set(err, "%s: %s: out of memory", setting, path);
	for (int i = 0; i < count; i++) {
		/* The two endings sort next to each other, unless a third name lies between them. */
		for (int j = 0; j < i; j++)
			if (same_stem(names[j]->d_name, names[i]->d_name))
				return err_set(err, "%s: %s: both %s and %s are there", setting, path,
					       names[j]->d_name, names[i]->d_name);
		if (!add_pair(dir, path, names[i]->d_name, err))
			return false;
	}
	return true;
}

bool tls_dir_read(struct tls_dir *dir, const char *path, struct err *err)
{
	struct dirent **names;
	int count = scandir(path, &names, is_certificate, by_bytes);
	bool is_ok;

	*dir = (struct tls_dir){ 0 };
	if (count < 0)
		return err_set_errno(err, "%s: %s", setting, path);
	is_ok = count > 0 ? add_pairs(dir, path, names, count, err) :
			    err_set(err, "%s: %s: there is no NAME.crt or NAME.pem in it", setting, path);
	free_names(names, count);
	if (!is_ok)
		tls_dir_fini(dir);
	return is_ok;
}

void tls_dir_fini(struct tls_dir *dir)
{
	for (size_t i = 0; i < dir->count; i++) {
		free((char *)dir->pairs[i].certfile);
		free((char *)dir->pairs[i].keyfile);
	}
	free(dir->pairs);
	*dir = (struct tls_dir){ 0 };
}

uint64_t tls_dir_state(const char *path, uint64_t state)
{
	struct dirent **names;
	int count = scandir(path, &names, is_of_pair, by_bytes);
	char *file;

	for (int i = 0; i < count; i++) {
		if (asprintf(&file, "%s/%s", path, names[i]->d_name) < 0)
			continue;
		state = tls_file_state(file, state);
		free(file);
	}
	if (count >= 0)
		free_names(names, count);
	return tls_file_state(path, state);
}
