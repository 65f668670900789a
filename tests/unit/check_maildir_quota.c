/*
 * Quotas of Maildir++ on real mailboxes: what counts, when the file is believed,
 * and when everything is counted anew.
 */
#define _GNU_SOURCE 1 /* nftw() */

#include "backend/maildir_quota.h"
#include "temp_dir.h"
#include "unit.h"

#include <errno.h>
#include <time.h>

static struct temp_dir root;
static struct maildir_store *store;

static void setup(void)
{
	temp_dir_init(&root);
	store = maildir_store_new("mx");
	ck_assert_ptr_nonnull(store);
	store->quota = (struct maildir_quota){ 1000, 5 };
}

static void teardown(void)
{
	maildir_store_put(&store);
	temp_dir_fini(&root);
}

static void below(char *path, size_t size, const char *name)
{
	snprintf(path, size, "%s/%s", root.path, name);
}

static void make(const char *name)
{
	char path[600];

	below(path, sizeof(path), name);
	ck_assert_msg(mkdir(path, 0700) == 0 || errno == EEXIST, "mkdir %s", path);
}

/* A file of so many octets, and the directories it is in. */
static void put(const char *name, size_t octets)
{
	char path[600];
	int fd;

	below(path, sizeof(path), name);
	for (char *slash = path + strlen(root.path) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		ck_assert(mkdir(path, 0700) == 0 || errno == EEXIST);
		*slash = '/';
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, (off_t)octets), 0);
	close(fd);
}

static void put_size_file(const char *text)
{
	char path[600];
	FILE *out;

	below(path, sizeof(path), "maildirsize");
	out = fopen(path, "w");
	ck_assert_ptr_nonnull(out);
	fputs(text, out);
	fclose(out);
}

static void age_size_file(time_t seconds)
{
	struct timespec times[2] = { { .tv_sec = time(NULL) - seconds }, { .tv_sec = time(NULL) - seconds } };
	char path[600];

	below(path, sizeof(path), "maildirsize");
	ck_assert_int_eq(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void assert_size_file(const char *text)
{
	struct file_bytes file;
	char path[600];

	below(path, sizeof(path), "maildirsize");
	file = file_bytes(path);
	ck_assert_str_eq(file.bytes, text);
	free(file.bytes);
}

static bool has_size_file(void)
{
	char path[600];

	below(path, sizeof(path), "maildirsize");
	return access(path, F_OK) == 0;
}

static enum maildir_quota_answer ask(uint64_t octets)
{
	return maildir_quota_check(store, root.path, octets);
}

/* ---- counting ---- */

static const struct {
	const char *file;
	size_t octets;
	const char *counted;
} countings[] = {
	{ "new/1.x", 70, "70 1\n" },
	{ "new/1.x,S=30", 70, "30 1\n" }, /* the name is believed */
	{ "cur/1.x,S=30:2,S", 70, "30 1\n" },
	{ "cur/1.x,S=30,W=31:2,RS", 70, "30 1\n" },
	{ "cur/1.x,S=x:2,", 70, "70 1\n" },
	{ "cur/1.x,S=", 70, "70 1\n" },
	{ "cur/1.x:2,ST", 70, "0 0\n" }, /* marked as deleted */
	{ "cur/1.T:2,S", 70, "70 1\n" },
	{ ".Lists/new/1.x", 70, "70 1\n" },
	{ ".Lists.deep/cur/1.x:2,", 70, "70 1\n" },
	{ ".Trash/cur/1.x:2,", 70, "0 0\n" },
	{ ".Trash.old/cur/1.x:2,", 70, "70 1\n" },
	{ "tmp/1.x", 70, "0 0\n" },
	{ "other/new/1.x", 70, "0 0\n" }, /* no folder */
	{ "new/.hidden", 70, "0 0\n" },
	{ ".file", 70, "0 0\n" },
};

START_TEST(counts_what_maildirpp_counts)
{
	char expected[64];

	make("tmp");
	put(countings[_i].file, countings[_i].octets);
	ck_assert_int_eq(ask(1), MAILDIR_QUOTA_FITS);
	snprintf(expected, sizeof(expected), "1000S,5C\n%s", countings[_i].counted);
	assert_size_file(expected);
}
END_TEST

START_TEST(empty_mailbox_fits_and_makes_no_file_without_tmp)
{
	ck_assert_int_eq(ask(1000), MAILDIR_QUOTA_FITS);
	ck_assert_int_eq(ask(1001), MAILDIR_QUOTA_FULL);
	ck_assert(!has_size_file());
	/* One that is not there yet is empty, too. */
	temp_dir_fini(&root);
	ck_assert_int_eq(ask(1000), MAILDIR_QUOTA_FITS);
	temp_dir_init(&root);
}
END_TEST

START_TEST(number_of_messages_is_bounded)
{
	char name[32];

	make("tmp");
	for (unsigned i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "new/%u", i);
		put(name, 1);
	}
	ck_assert_int_eq(ask(1), MAILDIR_QUOTA_FITS);
	maildir_quota_add(root.path, 1);
	put("new/5", 1);
	ck_assert_int_eq(ask(1), MAILDIR_QUOTA_FULL);
}
END_TEST

START_TEST(mailbox_that_cannot_be_read_is_not_known)
{
	make("tmp");
	put("new", 1);
	ck_assert_int_eq(ask(1), MAILDIR_QUOTA_FITS); /* a file there holds no messages */
	temp_dir_fini(&root);
	touch(root.path);
	ck_assert_int_eq(ask(1), MAILDIR_QUOTA_FAILED);
	ck_assert_int_eq(unlink(root.path), 0);
	temp_dir_init(&root);
}
END_TEST

/* ---- the file ---- */

static const struct {
	const char *text;
	uint64_t octets;
	bool fits; /* by the file, whatever is in the mailbox */
} files[] = {
	{ "1000S,5C\n900 1\n", 100, true },
	{ "1000S,5C\n900 1\n", 101, false },
	{ "1000S\n900 100\n", 100, true },
	{ "5C\n90000 4\n", 100, true },
	{ "5C\n90000 5\n", 100, false },
	{ "5C,1000S\n900 4\n", 100, true },
	{ "2000S\n900 1\n", 1100, true },          /* its own quota, not ours */
	{ "500S\n400 1\n", 101, false },
	{ "1000S\n900 1\n50 1\n-50 -1\n", 100, true },
	{ "1000S\n        900            1\n", 100, true },
	{ "1000S\n1100 1\n-200 -1\n", 100, true },
};

START_TEST(file_is_added_up)
{
	make("tmp");
	put_size_file(files[_i].text);
	ck_assert_int_eq(ask(files[_i].octets), files[_i].fits ? MAILDIR_QUOTA_FITS : MAILDIR_QUOTA_FULL);
	assert_size_file(files[_i].text);
}
END_TEST

static const struct {
	const char *text, *then;
} damaged[] = {
	{ "", "1000S,5C\n70 1\n" },
	{ "1000S", "1000S\n70 1\n" },
	{ "1000S\n", "1000S\n70 1\n" },
	{ "rubbish\n1 1\n", "1000S,5C\n70 1\n" },
	{ "0S\n1 1\n", "1000S,5C\n70 1\n" },
	{ "1000X\n1 1\n", "1000S,5C\n70 1\n" },
	{ "700S\nrubbish\n", "700S\n70 1\n" },
	{ "700S\n1 1 1\n", "700S\n70 1\n" },
	{ "700S\n1\n", "700S\n70 1\n" },
	{ "700S\n1 1\n1 1", "700S\n70 1\n" },       /* being written */
	{ "700S\n-1 1\n", "700S\n70 1\n" },
	{ "700S\n1 -1\n", "700S\n70 1\n" },
	{ "700S\n99999999999999999999 1\n", "700S\n70 1\n" },
	{ "700S\n9223372036854775807 1\n9223372036854775807 1\n", "700S\n70 1\n" },
	{ "700S\n2000000000000000000 1\n2000000000000000000 1\n2000000000000000000 1\n2000000000000000000 1\n"
	  "2000000000000000000 1\n", "700S\n70 1\n" },
};

START_TEST(damaged_file_is_made_anew)
{
	make("tmp");
	put("new/1", 70);
	put_size_file(damaged[_i].text);
	ck_assert_int_eq(ask(1), MAILDIR_QUOTA_FITS);
	assert_size_file(damaged[_i].then);
}
END_TEST

START_TEST(long_file_is_made_anew_with_its_quota)
{
	char *text = malloc(10000);
	size_t len;

	ck_assert_ptr_nonnull(text);
	strcpy(text, "700S\n");
	for (len = strlen(text); len <= MAILDIR_QUOTA_FILE_MAX; len += 4)
		strcpy(text + len, "0 0\n");
	make("tmp");
	put("new/1", 70);
	put_size_file(text);
	ck_assert_int_eq(ask(1), MAILDIR_QUOTA_FITS);
	assert_size_file("700S\n70 1\n");
	free(text);
}
END_TEST

START_TEST(full_file_of_many_lines_is_checked)
{
	make("tmp");
	put("new/1", 70);
	put_size_file("1000S\n900 1\n100 1\n");
	ck_assert_int_eq(ask(1), MAILDIR_QUOTA_FITS);
	assert_size_file("1000S\n70 1\n");
}
END_TEST

START_TEST(full_file_is_believed_for_a_while)
{
	make("tmp");
	put("new/1", 70);
	put_size_file("1000S\n1000 1\n");
	ck_assert_int_eq(ask(1), MAILDIR_QUOTA_FULL);
	age_size_file(MAILDIR_QUOTA_BELIEVED_S - 60);
	ck_assert_int_eq(ask(1), MAILDIR_QUOTA_FULL);
	age_size_file(MAILDIR_QUOTA_BELIEVED_S + 60);
	ck_assert_int_eq(ask(1), MAILDIR_QUOTA_FITS);
	assert_size_file("1000S\n70 1\n");
}
END_TEST

START_TEST(link_in_its_place_is_not_followed)
{
	char path[600], target[600];
	struct stat st;

	make("tmp");
	put("target", 0);
	below(path, sizeof(path), "maildirsize");
	below(target, sizeof(target), "target");
	ck_assert_int_eq(symlink(target, path), 0);
	maildir_quota_add(root.path, 10);
	ck_assert_int_eq(ask(1), MAILDIR_QUOTA_FITS);
	ck_assert_int_eq(stat(target, &st), 0);
	ck_assert_int_eq(st.st_size, 0);
}
END_TEST

START_TEST(message_is_added_as_a_line)
{
	make("tmp");
	maildir_quota_add(root.path, 10); /* no file: it will be counted */
	ck_assert(!has_size_file());
	put_size_file("1000S\n900 1\n");
	maildir_quota_add(root.path, 10);
	assert_size_file("1000S\n900 1\n10 1\n");
	ck_assert_int_eq(ask(90), MAILDIR_QUOTA_FITS);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("maildir_quota");
	TCase *tcase = tcase_create("maildir_quota");

	ADD_ROWS(tcase, counts_what_maildirpp_counts, countings);
	tcase_add_test(tcase, empty_mailbox_fits_and_makes_no_file_without_tmp);
	tcase_add_test(tcase, number_of_messages_is_bounded);
	tcase_add_test(tcase, mailbox_that_cannot_be_read_is_not_known);
	ADD_ROWS(tcase, file_is_added_up, files);
	ADD_ROWS(tcase, damaged_file_is_made_anew, damaged);
	tcase_add_test(tcase, long_file_is_made_anew_with_its_quota);
	tcase_add_test(tcase, full_file_of_many_lines_is_checked);
	tcase_add_test(tcase, full_file_is_believed_for_a_while);
	tcase_add_test(tcase, link_in_its_place_is_not_followed);
	tcase_add_test(tcase, message_is_added_as_a_line);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	return unit_main(suite);
}
