/*
 * Loading certificates and keys: what is wrong with a file stops it, with the
 * setting, the file and the reason; what somebody should look at is logged.
 */
#include "tls_fixture.h"

#include "net/tls_certificate.h"
#include "net/tls_dir.h"

#include <openssl/pem.h>

static void write_all_kinds(void)
{
	tls_write_pair("cert.pem", "key.pem", &(struct tls_spec){ .common_name = "mx" });
	tls_write_pair("both.pem", "both.pem", &(struct tls_spec){ .common_name = "mx" });
	tls_write_key("other.pem", tls_key(TLS_KEY_EC2), NULL);
	tls_write_key("encrypted.pem", tls_key(TLS_KEY_EC), "secret");
	tls_write_pair("rsa.pem", "rsa.key", &(struct tls_spec){ .common_name = "mx", .key = TLS_KEY_RSA });
	tls_write_text("text.pem", "This is no certificate.\n");
	tls_write_text("empty.pem", "");
	tls_write_text("torn.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
	tls_write_text("torn.key", "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n");
	tls_write_pair("chain.pem", NULL, &(struct tls_spec){ .common_name = "mx" });
	tls_append("chain.pem", "torn.pem");
	ck_assert_int_eq(mkdir(tls_path("directory"), 0700), 0);
}

static const struct {
	const char *certfile, *keyfile, *error; /* with %s for the directory */
} bad[] = {
	{ "missing.pem", "key.pem", "tls_certfile: %s/missing.pem: No such file or directory" },
	{ "cert.pem", "missing.pem", "tls_keyfile: %s/missing.pem: No such file or directory" },
	{ "directory", "key.pem", "tls_certfile: %s/directory: not a regular file" },
	{ "text.pem", "key.pem",
	  "tls_certfile: %s/text.pem: there is no PEM certificate in it (no start line)" },
	{ "empty.pem", "key.pem",
	  "tls_certfile: %s/empty.pem: there is no PEM certificate in it (no start line)" },
	{ "key.pem", "key.pem", "tls_certfile: %s/key.pem: there is no PEM certificate in it (no start" },
	{ "torn.pem", "key.pem", "tls_certfile: %s/torn.pem: the certificate cannot be read (" },
	{ "chain.pem", "key.pem",
	  "tls_certfile: %s/chain.pem: a certificate behind the first one cannot be read (" },
	{ "cert.pem", NULL,
	  "tls_certfile: %s/cert.pem: there is no private key in it, and no key file is named" },
	{ "cert.pem", "text.pem", "tls_keyfile: %s/text.pem: there is no PEM private key in it" },
	{ "cert.pem", "empty.pem", "tls_keyfile: %s/empty.pem: there is no PEM private key in it" },
	{ "cert.pem", "cert.pem", "tls_keyfile: %s/cert.pem: there is no PEM private key in it" },
	{ "cert.pem", "torn.key", "tls_keyfile: %s/torn.key: the private key cannot be read (" },
	{ "cert.pem", "encrypted.pem",
	  "tls_keyfile: %s/encrypted.pem: the key is encrypted, and nobody can give its passphrase here (" },
	{ "cert.pem", "other.pem",
	  "tls_keyfile: %s/other.pem: the key does not belong to the certificate in " },
	{ "cert.pem", "rsa.key", "tls_keyfile: %s/rsa.key: the key does not belong to the certificate in " },
};

START_TEST(what_is_wrong_with_a_file_is_told_with_setting_and_reason)
{
	char certfile[512], keyfile[512], expected[1024];
	const struct tls_pair pair = { certfile, bad[_i].keyfile ? keyfile : NULL, NULL };
	struct tls_certificate c;
	struct err err = { .text = "" };
	size_t len;

	write_all_kinds();
	snprintf(certfile, sizeof(certfile), "%s", tls_path(bad[_i].certfile));
	if (bad[_i].keyfile)
		snprintf(keyfile, sizeof(keyfile), "%s", tls_path(bad[_i].keyfile));
	ck_assert(!tls_certificate_load(&c, &pair, &err));
	len = (size_t)(strstr(bad[_i].error, "%s") - bad[_i].error);
	snprintf(expected, sizeof(expected), "%.*s%s%s", (int)len, bad[_i].error, tls_files.path,
		 bad[_i].error + len + 2);
	ck_assert_msg(strncmp(err.text, expected, strlen(expected)) == 0, "\"%s\" does not begin with \"%s\"",
		      err.text, expected);
	ck_assert_ptr_null(strchr(err.text, '\n'));
	ck_assert_ptr_null(c.leaf);
}
END_TEST

START_TEST(a_fifo_does_not_hold_up_the_loop)
{
	const struct tls_pair pair = { tls_path("fifo"), NULL, NULL };
	struct tls_certificate c;
	struct err err;

	ck_assert_int_eq(mkfifo(tls_path("fifo"), 0600), 0);
	ck_assert(!tls_certificate_load(&c, &pair, &err));
	ck_assert_ptr_nonnull(strstr(err.text, "not a regular file"));
}
END_TEST

START_TEST(unreadable_files_are_told_apart_from_missing_ones)
{
	const struct tls_pair pair = { tls_path("cert.pem"), tls_path("key.pem"), NULL };
	struct tls_certificate c;
	struct err err;

	write_all_kinds();
	/* root reads whatever it likes: then there is nothing to see here. */
	ck_assert_int_eq(chmod(tls_path("key.pem"), 0), 0);
	if (access(tls_path("key.pem"), R_OK) == 0)
		return;
	ck_assert(!tls_certificate_load(&c, &pair, &err));
	ck_assert_ptr_nonnull(strstr(err.text, "key.pem: Permission denied"));
}
END_TEST

START_TEST(other_settings_are_named_where_they_name_the_pair)
{
	const struct tls_pair pair = { tls_path("cert.pem"), tls_path("other.pem"), "tls_certificates" };
	struct tls_certificate c;
	struct err err;

	write_all_kinds();
	ck_assert(!tls_certificate_load(&c, &pair, &err));
	ck_assert_int_eq(strncmp(err.text, "tls_certificates: /", 19), 0);
}
END_TEST

/* ---- good ones ---- */

static void load(struct tls_certificate *c, const char *certfile, const char *keyfile)
{
	const struct tls_pair pair = { certfile, keyfile, NULL };
	struct err err = { .text = "" };

	ck_assert_msg(tls_certificate_load(c, &pair, &err), "%s", err.text);
}

START_TEST(certificate_and_key_may_share_a_file)
{
	struct tls_certificate c;

	write_all_kinds();
	load(&c, tls_path("both.pem"), NULL);
	ck_assert_int_eq(sk_X509_num(c.chain), 0);
	tls_certificate_fini(&c);
}
END_TEST

START_TEST(what_stands_behind_the_certificate_is_its_chain)
{
	struct tls_certificate c;

	write_all_kinds();
	tls_append("rsa.pem", "cert.pem");
	tls_append("rsa.pem", "both.pem");
	load(&c, tls_path("rsa.pem"), tls_path("rsa.key"));
	ck_assert_int_eq(sk_X509_num(c.chain), 2);
	tls_certificate_fini(&c);
}
END_TEST

static const struct {
	const char *common_name, *names, *found; /* joined by commas */
} names[] = {
	{ "mx.example.org", NULL, "mx.example.org" },
	{ "MX.Example.ORG", NULL, "mx.example.org" },
	{ "mx.example.org", "DNS:a.example.org,DNS:*.Example.net", "a.example.org,*.example.net" },
	{ "mx.example.org", "IP:192.0.2.1", "" },
	{ "mx.example.org", "IP:192.0.2.1,DNS:a.example.org,email:x@example.org", "a.example.org" },
	{ NULL, NULL, "" },
	{ "no name at all", NULL, "" },
};

START_TEST(names_are_the_alternative_ones_or_else_the_common_one)
{
	char found[256] = "";
	struct tls_certificate c;

	tls_write_pair("cert.pem", "key.pem",
		       &(struct tls_spec){ .common_name = names[_i].common_name, .names = names[_i].names });
	load(&c, tls_path("cert.pem"), tls_path("key.pem"));
	for (size_t i = 0; i < c.name_count; i++) {
		strcat(found, i ? "," : "");
		strcat(found, c.names[i]);
	}
	ck_assert_str_eq(found, names[_i].found);
	tls_certificate_fini(&c);
}
END_TEST

static const struct {
	int64_t not_before_s, not_after_s;
	mode_t mode;
	const char *trouble; /* NULL: none */
} troubles[] = {
	{ -DAY_S, 90 * DAY_S, 0600, NULL },
	{ -DAY_S, 14 * DAY_S + 3600, 0600, NULL },
	{ -DAY_S, 14 * DAY_S - 3600, 0600, "the TLS certificate expires soon" },
	{ -2 * DAY_S, -DAY_S, 0600, "the TLS certificate has expired" },
	{ DAY_S, 90 * DAY_S, 0600, "the TLS certificate is not valid yet" },
	{ -DAY_S, 90 * DAY_S, 0644, "the TLS key can be read by everybody" },
	{ -DAY_S, 90 * DAY_S, 0640, NULL },
};

START_TEST(what_somebody_should_look_at_is_logged_and_nothing_else)
{
	struct tls_certificate c;

	tls_write_pair("cert.pem", "key.pem",
		       &(struct tls_spec){ .common_name = "mx", .not_before_s = troubles[_i].not_before_s,
					   .not_after_s = troubles[_i].not_after_s });
	ck_assert_int_eq(chmod(tls_path("key.pem"), troubles[_i].mode), 0);
	load(&c, tls_path("cert.pem"), tls_path("key.pem"));
	tls_certificate_log_trouble(&c);
	ck_assert_uint_eq(tls_log_count(" trouble "), troubles[_i].trouble ? 1 : 0);
	if (troubles[_i].trouble)
		ck_assert_msg(tls_log_count(troubles[_i].trouble) == 1, "%s", tls_log_text());
	tls_certificate_fini(&c);
}
END_TEST

START_TEST(a_certificate_is_logged_with_names_and_expiry)
{
	struct tls_certificate c;

	tls_write_pair("cert.pem", "key.pem",
		       &(struct tls_spec){ .common_name = "a\nb",
					   .names = "DNS:a.example.org,DNS:b.example.org" });
	load(&c, tls_path("cert.pem"), tls_path("key.pem"));
	tls_certificate_log(&c);
	ck_assert_uint_eq(tls_log_count("\n"), 1);
	ck_assert_uint_eq(tls_log_count(" tls_certificate file="), 1);
	ck_assert_uint_eq(tls_log_count("names=a.example.org,b.example.org"), 1);
	ck_assert_uint_eq(tls_log_count("not_after=20"), 1);
	tls_certificate_fini(&c);
}
END_TEST

/* ---- directories ---- */

START_TEST(a_directory_gives_its_pairs_in_the_order_of_names)
{
	static const char *const files[] = { "b.crt", "b.key",     "a.pem",      "a.key",
					     "c.pem", "notes.txt", ".hidden.crt" };
	struct tls_dir dir;
	struct err err = { .text = "" };

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		touch(tls_path(files[i]));
	ck_assert_msg(tls_dir_read(&dir, tls_files.path, &err), "%s", err.text);
	ck_assert_uint_eq(dir.count, 3);
	ck_assert_str_eq(dir.pairs[0].certfile, tls_path("a.pem"));
	ck_assert_str_eq(dir.pairs[0].keyfile, tls_path("a.key"));
	ck_assert_str_eq(dir.pairs[1].certfile, tls_path("b.crt"));
	ck_assert_str_eq(dir.pairs[1].keyfile, tls_path("b.key"));
	ck_assert_str_eq(dir.pairs[2].certfile, tls_path("c.pem"));
	ck_assert_ptr_null(dir.pairs[2].keyfile);
	tls_dir_fini(&dir);
}
END_TEST

START_TEST(a_directory_without_pairs_or_with_ambiguous_ones_is_refused)
{
	struct tls_dir dir;
	struct err err;

	ck_assert(!tls_dir_read(&dir, tls_path("missing"), &err));
	ck_assert_ptr_nonnull(strstr(err.text, "No such file or directory"));
	touch(tls_path("a.key"));
	ck_assert(!tls_dir_read(&dir, tls_files.path, &err));
	ck_assert_ptr_nonnull(strstr(err.text, "there is no NAME.crt or NAME.pem in it"));
	touch(tls_path("a.crt"));
	touch(tls_path("a.dot.crt"));
	touch(tls_path("a.pem"));
	ck_assert(!tls_dir_read(&dir, tls_files.path, &err));
	ck_assert_ptr_nonnull(strstr(err.text, "both a.crt and a.pem are there"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("tls_certificate");
	TCase *tcase = tcase_create("tls_certificate");

	tls_key(TLS_KEY_RSA);
	tcase_add_checked_fixture(tcase, tls_setup, tls_teardown);
	ADD_ROWS(tcase, what_is_wrong_with_a_file_is_told_with_setting_and_reason, bad);
	tcase_add_test(tcase, a_fifo_does_not_hold_up_the_loop);
	tcase_add_test(tcase, unreadable_files_are_told_apart_from_missing_ones);
	tcase_add_test(tcase, other_settings_are_named_where_they_name_the_pair);
	tcase_add_test(tcase, certificate_and_key_may_share_a_file);
	tcase_add_test(tcase, what_stands_behind_the_certificate_is_its_chain);
	ADD_ROWS(tcase, names_are_the_alternative_ones_or_else_the_common_one, names);
	ADD_ROWS(tcase, what_somebody_should_look_at_is_logged_and_nothing_else, troubles);
	tcase_add_test(tcase, a_certificate_is_logged_with_names_and_expiry);
	tcase_add_test(tcase, a_directory_gives_its_pairs_in_the_order_of_names);
	tcase_add_test(tcase, a_directory_without_pairs_or_with_ambiguous_ones_is_refused);
	suite_add_tcase(suite, tcase);
	return unit_main(suite);
}
