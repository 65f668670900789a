/*
 * Which Maildirs a recipient may mean, in which order they are tried, and which
 * directories are made for one.
 */
#define _GNU_SOURCE 1 /* nftw() */

#include "backend/maildir_path.h"
#include "backend/maildir_place.h"
#include "temp_dir.h"
#include "unit.h"

static struct smtp_address address_of(const char *text)
{
	struct smtp_address a = { 0 };
	const char *at = strrchr(text, '@');

	a.local_len = (uint16_t)(at - text);
	a.domain_len = (uint16_t)strlen(at + 1);
	memcpy(a.text, text, a.local_len);
	memcpy(a.text + a.local_len, at + 1, a.domain_len);
	return a;
}

static const struct {
	const char *delimiters, *catch_all, *postmaster, *recipient;
	bool has_folders;
	const char *paths; /* one after the other, with a blank behind each */
} names[] = {
	{ "", NULL, NULL, "anna@x.org", false, "/v/x.org/anna " },
	{ "", NULL, NULL, "anna+l@x.org", true, "/v/x.org/anna+l " },
	{ "+", NULL, NULL, "anna@x.org", true, "/v/x.org/anna " },
	{ "+", NULL, NULL, "Anna+Lists@x.org", false, "/v/x.org/anna+lists /v/x.org/anna " },
	{ "+", NULL, NULL, "Anna+Lists@x.org", true,
	  "/v/x.org/anna+lists /v/x.org/anna/.Lists /v/x.org/anna " },
	{ "+-", NULL, NULL, "anna-a+b@x.org", true,
	  "/v/x.org/anna-a+b /v/x.org/anna/.a+b /v/x.org/anna " },
	{ "+", NULL, NULL, "anna+@x.org", true, "/v/x.org/anna+ /v/x.org/anna " },
	{ "+", NULL, NULL, "+lists@x.org", true, "/v/x.org/+lists " },
	{ "+", NULL, NULL, "anna+a.b@x.org", true, "/v/x.org/anna+a.b /v/x.org/anna/.a.b /v/x.org/anna " },
	/* Details that are no folders. */
	{ "+", NULL, NULL, "anna+.@x.org", true, "/v/x.org/anna+. /v/x.org/anna " },
	{ "+", NULL, NULL, "anna+./x@x.org", true, "/v/x.org/anna " },
	{ "+", NULL, NULL, "anna+../../ben@x.org", true, "/v/x.org/anna " },
	{ "+", NULL, NULL, "anna+a/b@x.org", true, "/v/x.org/anna " },
	{ "+", NULL, NULL, "anna+a..b@x.org", true, "/v/x.org/anna+a..b /v/x.org/anna " },
	{ "+", NULL, NULL, "anna+a\x01@x.org", true, "/v/x.org/anna " },
	{ "+", NULL, NULL, "anna+Trash@x.org", true, "/v/x.org/anna+trash /v/x.org/anna " },
	{ "+", NULL, NULL, "anna+Trash.a@x.org", true,
	  "/v/x.org/anna+trash.a /v/x.org/anna/.Trash.a /v/x.org/anna " },
	{ "+", NULL, NULL, "../ben+x@x.org", true, "" },
	/* The one that catches all. */
	{ "", "all", NULL, "anna@x.org", false, "/v/x.org/anna /v/x.org/all " },
	{ "", "all@y.org", NULL, "anna@x.org", false, "/v/x.org/anna /v/y.org/all " },
	{ "+", "all", NULL, "anna+l@x.org", true,
	  "/v/x.org/anna+l /v/x.org/anna/.l /v/x.org/anna /v/x.org/all " },
	{ "", "all", NULL, "../x@x.org", false, "/v/x.org/all " },
	{ "", "all", NULL, "postmaster@x.org", false, "/v/x.org/postmaster /v/x.org/all " },
	{ "", "all", "ben@x.org", "postmaster@x.org", false, "/v/x.org/postmaster " },
	{ "", "all", "postmaster@x.org", "Postmaster@X.org", false, "/v/x.org/postmaster /v/x.org/all " },
};

START_TEST(recipient_means_these_places_in_this_order)
{
	const struct maildir_rules rules = {
		.pattern = "/v/%d/%n",
		.delimiters = names[_i].delimiters,
		.has_folders = names[_i].has_folders,
		.catch_all = names[_i].catch_all,
		.postmaster = names[_i].postmaster,
	};
	struct smtp_address recipient = address_of(names[_i].recipient);
	struct maildir_places places;
	struct arena arena = { 0 };
	char all[1000] = "";

	ck_assert(maildir_places_name(&places, &rules, &recipient, &arena));
	for (unsigned i = 0; i < places.count; i++) {
		const struct maildir_place *place = &places.at[i];

		strcat(strcat(all, place->path), " ");
		ck_assert(!place->may_be_made);
		/* A folder is in its mailbox; all else is one. */
		ck_assert(strncmp(place->path, place->root, strlen(place->root)) == 0);
		ck_assert(strcmp(place->path, place->root) == 0 || strstr(place->path, "/."));
	}
	ck_assert_str_eq(all, names[_i].paths);
	arena_fini(&arena);
}
END_TEST

static const struct {
	const char *recipient;
	bool may_be_made;
} made[] = {
	{ "anna@x.org", true },  { "ANNA@y.org", true },   { "ben@x.org", true }, { "ben@y.org", false },
	{ "Ben@X.org", true },   { "annaa@x.org", false }, { "ann@x.org", false },
};

START_TEST(only_listed_mailboxes_may_be_made)
{
	static const char *const listed[] = { "Anna", "ben@x.org" };
	const struct maildir_rules rules = {
		.pattern = "/v/%d/%n", .delimiters = "+", .made_mailboxes = listed, .made_count = 2
	};
	struct smtp_address recipient = address_of(made[_i].recipient);
	struct maildir_places places;
	struct arena arena = { 0 };

	ck_assert(maildir_places_name(&places, &rules, &recipient, &arena));
	ck_assert_uint_eq(places.count, 1);
	ck_assert_int_eq(places.at[0].may_be_made, made[_i].may_be_made);
	arena_fini(&arena);
}
END_TEST

static const struct {
	const char *pattern;
	size_t fixed_len;
} fixed[] = {
	{ "/var/vmail/%d/%n", 11 }, { "/var/vmail/x%n", 11 },       { "/v/all", 3 },
	{ "/%n", 1 },               { "/v/100%%/%{1n}/%n/Mail", 8 }, { "/v/100%%", 3 },
};

START_TEST(what_stands_before_the_first_percent_is_never_made)
{
	ck_assert_uint_eq(maildir_place_fixed_len(fixed[_i].pattern), fixed[_i].fixed_len);
}
END_TEST

START_TEST(directories_behind_the_fixed_part_are_made)
{
	struct temp_dir root;
	char path[300];
	struct stat st;
	size_t fixed_len;

	temp_dir_init(&root);
	fixed_len = strlen(root.path) + 1;
	umask(0777);
	snprintf(path, sizeof(path), "%s/x.org//a/anna/", root.path);
	ck_assert(maildir_place_make(path, fixed_len));
	ck_assert(maildir_place_make(path, fixed_len)); /* there already */
	ck_assert(maildir_place_sync(path, fixed_len));
	umask(022);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0700);
	snprintf(path, sizeof(path), "%s/x.org", root.path);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0700);
	temp_dir_fini(&root);
	ck_assert(!maildir_place_make(path, fixed_len));
	ck_assert_int_ne(stat(root.path, &st), 0);
}
END_TEST

START_TEST(percent_sign_before_the_directives_is_one_octet)
{
	const char *rest = "/100%%/%{1n}/%n";
	struct smtp_address anna = address_of("anna@example.org");
	char pattern[300], path[MAILDIR_PATH_SIZE];
	struct temp_dir root;
	struct stat st;

	temp_dir_init(&root);
	snprintf(path, sizeof(path), "%s/100%%", root.path);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	snprintf(pattern, sizeof(pattern), "%s%s", root.path, rest);
	ck_assert(maildir_path_expand(path, pattern, &anna));
	ck_assert(maildir_place_make(path, maildir_place_fixed_len(pattern)));
	ck_assert_int_eq(stat(path, &st), 0);
	temp_dir_fini(&root);
}
END_TEST

/* Places in a private directory: a number is that of a name in `there`. */
START_TEST(first_place_that_is_there_is_taken)
{
	struct backend_answer answer;
	struct temp_dir root;
	char paths[3][300];
	struct maildir_places places = { .count = 3 };
	size_t fixed_len;

	temp_dir_init(&root);
	fixed_len = strlen(root.path) + 1;
	for (int i = 0; i < 3; i++) {
		snprintf(paths[i], sizeof(paths[i]), "%s/m%d", root.path, i);
		places.at[i] = (struct maildir_place){ paths[i], paths[i], false };
	}
	ck_assert_ptr_null(maildir_places_find(&places, fixed_len, &answer));
	ck_assert_str_eq(answer.reply.reason, "unknown_mailbox");
	/* One that may be made is as good as one that is there. */
	places.at[1].may_be_made = true;
	ck_assert_ptr_eq(maildir_places_find(&places, fixed_len, &answer), &places.at[1]);
	ck_assert_uint_eq(answer.reply.code, 0);
	ck_assert_int_eq(mkdir(paths[2], 0700), 0);
	ck_assert_ptr_eq(maildir_places_find(&places, fixed_len, &answer), &places.at[1]);
	places.at[1].may_be_made = false;
	ck_assert_ptr_eq(maildir_places_find(&places, fixed_len, &answer), &places.at[2]);
	/* Trouble with one is no reason to put the message elsewhere. */
	touch(paths[1]);
	ck_assert_ptr_null(maildir_places_find(&places, fixed_len, &answer));
	ck_assert_uint_eq(answer.reply.code, 451);
	ck_assert_int_eq(mkdir(paths[0], 0700), 0);
	ck_assert_ptr_eq(maildir_places_find(&places, fixed_len, &answer), &places.at[0]);
	temp_dir_fini(&root);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("maildir_place");
	TCase *tcase = tcase_create("maildir_place");

	ADD_ROWS(tcase, recipient_means_these_places_in_this_order, names);
	ADD_ROWS(tcase, only_listed_mailboxes_may_be_made, made);
	ADD_ROWS(tcase, what_stands_before_the_first_percent_is_never_made, fixed);
	tcase_add_test(tcase, directories_behind_the_fixed_part_are_made);
	tcase_add_test(tcase, percent_sign_before_the_directives_is_one_octet);
	tcase_add_test(tcase, first_place_that_is_there_is_taken);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	return unit_main(suite);
}
