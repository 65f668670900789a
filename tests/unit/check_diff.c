/* conf/diff: what has changed between two configurations is told key by key, once, and nothing else. */
#include "conf/diff.h"
#include "config_text.h"

static char told[4096];

static void tell(void *owner, const struct config_change *change)
{
	size_t used = strlen(told);

	(void)owner;
	snprintf(told + used, sizeof(told) - used, "%s %s -> %s%s\n", change->path,
		 change->before ? change->before : "none", change->after ? change->after : "none",
		 change->is_reloadable ? "" : " (restart)");
}

static const char *diff(const char *before_text, const char *after_text)
{
	struct config *before = read_good(before_text), *after = read_good(after_text);

	told[0] = '\0';
	ck_assert(config_diff(before, after, tell, NULL));
	config_put(&before);
	config_put(&after);
	return told;
}

static const struct {
	const char *before, *after, *told;
} differences[] = {
	{ BASE, BASE, "" },
	{ BASE, BASE "timeout = \"5m\";", "timeout \"20m\" -> \"5m\"\n" },
	{ BASE "timeout = 300;", BASE "timeout = \"5m\";", "" },
	{ BASE "disk_threads = 3;", BASE "disk_threads = 4;", "disk_threads 3 -> 4 (restart)\n" },
	{ BASE, BASE "tls_certfile = \"/c = d;\";", "tls_certfile none -> \"/c = d;\"\n" },
	{ FIRST INBOX "listeners = ( { listen = \"[::]:25\"; } );",
	  FIRST INBOX "listeners = ( { listen = \"[::]:25\"; timeout = 7; } );",
	  "listeners[[::]:25].timeout \"20m\" -> \"7s\"\n" },
	/* The top level and all that begin with it: once. */
	{ FIRST INBOX "listeners = ( { listen = \"*:25\"; }, { listen = \"*:26\"; timeout = 9; } );",
	  FIRST INBOX "listeners = ( { listen = \"*:25\"; }, { listen = \"*:26\"; timeout = 9; } ); timeout = 5;",
	  "timeout \"20m\" -> \"5s\"\n" },
	{ FIRST INBOX "listeners = ( { listen = \"*:25\"; }, { listen = \"*:26\"; } );",
	  FIRST INBOX "listeners = ( { listen = \"*:26\"; }, { listen = \"*:27\"; reuse_port = true; } );",
	  "listeners[*:25] { listen = \"*:25\"; } -> none\n"
	  "listeners[*:27] none -> { listen = \"*:27\"; reuse_port = true; }\n" },
	{ FIRST PORT25 "backends = { a = { type = \"null\"; }; };",
	  FIRST PORT25 "backends = { a = { type = \"maildir\"; path = \"/m/%u\"; }; b = { type = \"null\"; }; };"
		       "routes = ( { domain = \"example.org\"; backend = \"a\"; }, { backend = \"b\"; } );",
	  "backends.a.create none -> false\n"
	  "backends.a.detail_folders none -> false\n"
	  "backends.a.path none -> \"/m/%u\"\n"
	  "backends.a.quota none -> \"unlimited\"\n"
	  "backends.a.quota_messages none -> \"unlimited\"\n"
	  "backends.a.quota_reply none -> \"temporary\"\n"
	  "backends.a.type \"null\" -> \"maildir\"\n"
	  "backends.b none -> { type = \"null\"; }\n"
	  "routes[0].domain none -> \"example.org\"\n"
	  "routes[1] none -> { backend = \"b\"; }\n" },
	{ BASE "clients = ( { address = \"::1\"; } );", BASE, "clients[0] { address = ( \"::1/128\" ); } -> none\n" },
};

START_TEST(each_difference_is_told_once_and_nothing_else)
{
	ck_assert_str_eq(diff(differences[_i].before, differences[_i].after), differences[_i].told);
}
END_TEST

START_TEST(listeners_of_one_address_are_compared_in_their_order)
{
	ck_assert_str_eq(diff(FIRST INBOX "listeners = ( { listen = \"[::1]:0\"; timeout = 5; }, { listen = \"[::1]:0\"; } );",
			      FIRST INBOX "listeners = ( { listen = \"[::1]:0\"; timeout = 5; },"
					  " { listen = \"[::1]:0\"; timeout = 6; } );"),
			 "listeners[[::1]:0].timeout \"20m\" -> \"6s\"\n");
}
END_TEST

/* Names of 19 octets, n of them, one of which is another. The text they are written to is as long as that. */
static const char *domains_text(unsigned n, unsigned odd, char *text)
{
	size_t used = 0;

	for (unsigned i = 0; i < n; i++)
		used += (size_t)sprintf(text + used, "%s\"%s%04u.example.org\"", i ? ", " : "", i == odd ? "odd" : "all", i);
	return text;
}

static const char *rule(const char *names)
{
	static char texts[2][32768 + 1024]; /* names, and what stands around them */
	static unsigned next;
	char *text = texts[next++ % 2];

	snprintf(text, sizeof(texts[0]), "%sclients = ( { name = ( %s ); } );", BASE, names);
	return text;
}

START_TEST(long_lists_are_told_by_what_differs)
{
	static char few[32768], more[32768];

	ck_assert_str_eq(diff(rule(domains_text(1000, 9999, few)), rule(domains_text(1000, 500, more))),
			 "clients[0].name ( ..., \"all0500.example.org\", ... ) -> "
			 "( ..., \"odd0500.example.org\", ... )\n");
	ck_assert_str_eq(diff(rule(domains_text(999, 9999, few)), rule(domains_text(1000, 9999, more))),
			 "clients[0].name ( ..., \"all0998.example.org\" ) -> "
			 "( ..., \"all0998.example.org\", \"all0999.example.org\" )\n");
	ck_assert_str_eq(diff(rule(domains_text(50, 0, few)), rule(domains_text(50, 9999, more))),
			 "clients[0].name ( \"odd0000.example.org\", ... ) -> ( \"all0000.example.org\", ... )\n");
}
END_TEST

START_TEST(what_is_told_of_a_list_or_a_group_is_bounded)
{
	static char one[32768], other[32768];
	const char *text = diff(rule(domains_text(1, 0, one)), rule(domains_text(1000, 9999, other)));

	ck_assert_uint_lt(strlen(text), 700);
	ck_assert_ptr_nonnull(strstr(text, ", ... )\n"));
	text = diff(BASE, rule(domains_text(1000, 9999, other)));
	ck_assert_str_eq(text, "clients[0] none -> { ... }\n");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("diff");
	TCase *tcase = tcase_create("diff");

	ADD_ROWS(tcase, each_difference_is_told_once_and_nothing_else, differences);
	tcase_add_test(tcase, listeners_of_one_address_are_compared_in_their_order);
	tcase_add_test(tcase, long_lists_are_told_by_what_differs);
	tcase_add_test(tcase, what_is_told_of_a_list_or_a_group_is_bounded);
	suite_add_tcase(suite, tcase);
	return unit_main(suite);
}
