/*
 * TLS as the client, through a connection of the loop to another one that is
 * the server: whom it takes and whom it does not, and what it tells of that.
 */
#include "net/tls_client.h"

#include "net/conn.h"
#include "tls_fixture.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <signal.h>
#include <sys/socket.h>

static struct loop *loop;

/* One end of the connection. */
struct end {
	struct conn *conn;
	struct buf got;
	bool is_secured, is_lost;
	char failure[160];
};

static struct end client, server;

static void look(void)
{
	bool is_over = (client.is_secured && server.is_secured) || client.is_lost;

	if (is_over || buf_len(&client.got) > 0)
		loop_stop(loop);
}

static size_t on_input(void *owner, struct span in, bool is_eof)
{
	struct end *end = owner;

	(void)is_eof;
	ck_assert(buf_add_span(&end->got, in));
	look();
	return in.len;
}

static void on_writable(void *owner)
{
	(void)owner;
}

static void on_lost(void *owner, int error)
{
	struct end *end = owner;

	ck_assert(error == 0 || end == &server);
	snprintf(end->failure, sizeof(end->failure), "%s", conn_tls_failure(end->conn));
	end->is_lost = true;
	look();
}

static void on_secured(void *owner)
{
	struct end *end = owner;

	end->is_secured = true;
	look();
}

static const struct conn_ops ops = { on_input, on_writable, on_lost, on_secured };

static void on_deadline(struct loop_timer *timer)
{
	(void)timer;
	ck_abort_msg("the handshake does not end");
}

static void run(void)
{
	struct loop_timer deadline = { 0 };

	loop_timer_start(loop, &deadline, 30000, on_deadline);
	loop_run(loop);
	loop_timer_stop(loop, &deadline);
}

static void hang_up(struct end *end)
{
	conn_close(&end->conn);
	buf_fini(&end->got);
	*end = (struct end){ 0 };
}

static void setup(void)
{
	tls_setup();
	signal(SIGPIPE, SIG_IGN); /* as in the daemon */
	loop = loop_new(NULL);
	ck_assert_ptr_nonnull(loop);
}

static void teardown(void)
{
	hang_up(&client);
	hang_up(&server);
	loop_free(&loop);
	tls_teardown();
}

/* Both handshakes to their end. True: they ended well. */
static bool handshake(struct tls_client_context *context, const char *name, struct tls_context *theirs)
{
	const struct addr nobody = { 0 };
	SSL *ssl = tls_client_context_new_ssl(context, name);
	int fds[2];

	hang_up(&client);
	hang_up(&server);
	ck_assert_ptr_nonnull(ssl);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	client.conn = conn_new(loop, fds[0], &nobody, &ops, &client);
	server.conn = conn_new(loop, fds[1], &nobody, &ops, &server);
	ck_assert(client.conn && server.conn);
	ck_assert(conn_start_tls(server.conn, tls_context_new_ssl(theirs)));
	ck_assert(conn_start_tls_client(client.conn, ssl));
	run();
	return client.is_secured && server.is_secured;
}

/* An authority, which "ca.pem" names, and a certificate of it for these names. */
static struct tls_context *server_for(const char *names)
{
	const struct tls_spec authority = { .common_name = "authority", .is_authority = true,
					    .key = TLS_KEY_EC2 };
	X509 *issuer = tls_test_certificate(&authority);
	const struct tls_spec spec = { .common_name = "cn.example.org", .names = names, .issuer = issuer,
				       .issuer_key = TLS_KEY_EC2 };
	struct tls_options options = tls_usual();
	struct tls_context *context;

	tls_write_certificate("ca.pem", issuer);
	tls_write_pair("cert.pem", "key.pem", &spec);
	context = tls_good(&options);
	X509_free(issuer);
	return context;
}

static struct tls_client_context *client_with(const struct tls_client_options *options)
{
	struct err err;
	struct tls_client_context *context = tls_client_context_new(options, &err);

	ck_assert_msg(context != NULL, "%s", err.text);
	return context;
}

static struct tls_client_context *verifier(void)
{
	const struct tls_client_options options = { .ca_file = tls_path("ca.pem"), .verify = true };

	return client_with(&options);
}

static const char all_names[] = "DNS:mx.example.org,DNS:*.wild.example.org,DNS:p*.example.org,IP:192.0.2.1,"
				"IP:2001:db8::1";

static const struct {
	const char *name;
	bool is_good;
} names[] = {
	{ "mx.example.org", true },
	{ "MX.example.org", true },
	{ "mx.example.org.", true },
	{ "a.wild.example.org", true },
	{ "192.0.2.1", true },
	{ "2001:db8::1", true },
	{ "wild.example.org", false },
	{ "a.b.wild.example.org", false },
	{ "part.example.org", false },
	{ "cn.example.org", false }, /* a common name counts only where no other name is (RFC 6125 6.4.4) */
	{ "example.org", false },
	{ "192.0.2.2", false },
	{ "2001:db8::2", false },
	{ "localhost", false },
};

START_TEST(a_certificate_is_good_for_its_names_only)
{
	struct tls_context *theirs = server_for(all_names);
	struct tls_client_context *context = verifier();
	bool is_ip = names[_i].name[0] == '1' || names[_i].name[0] == '2';

	ck_assert_int_eq(handshake(context, names[_i].name, theirs), names[_i].is_good);
	if (names[_i].is_good)
		ck_assert(tls_client_is_verified(conn_ssl(client.conn)));
	else
		ck_assert_str_eq(client.failure, is_ip ? "handshake: IP address mismatch" :
							 "handshake: hostname mismatch");
	tls_client_context_put(&context);
	tls_context_put(&theirs);
}
END_TEST

START_TEST(without_verification_anybody_is_taken_and_the_outcome_is_told)
{
	struct tls_context *theirs = server_for(all_names);
	struct tls_client_options options = { .ca_file = tls_path("ca.pem") };
	struct tls_client_context *context = client_with(&options);

	ck_assert(handshake(context, names[_i].name, theirs));
	ck_assert_int_eq(tls_client_is_verified(conn_ssl(client.conn)), names[_i].is_good);
	ck_assert_int_eq(*tls_client_verify_failure(conn_ssl(client.conn)) == '\0', names[_i].is_good);
	tls_client_context_put(&context);
	tls_context_put(&theirs);
}
END_TEST

START_TEST(host_names_are_sent_as_sni_and_addresses_are_not)
{
	struct tls_context *theirs = server_for(all_names);
	struct tls_client_context *context = verifier();
	struct tls_facts facts;

	ck_assert(handshake(context, "mx.example.org.", theirs));
	tls_facts_read(&facts, conn_ssl(server.conn));
	ck_assert_str_eq(facts.server_name, "mx.example.org");
	ck_assert_str_eq(facts.version, "TLSv1.3");
	ck_assert(handshake(context, "192.0.2.1", theirs));
	tls_facts_read(&facts, conn_ssl(server.conn));
	ck_assert_str_eq(facts.server_name, "");
	tls_client_context_put(&context);
	tls_context_put(&theirs);
}
END_TEST

START_TEST(an_authority_that_is_not_trusted_is_told)
{
	struct tls_context *theirs = server_for("DNS:mx.example.org");
	struct tls_client_options options = { .verify = true };
	struct tls_client_context *context = client_with(&options); /* the system trusts no test */

	ck_assert(!handshake(context, "mx.example.org", theirs));
	ck_assert_str_eq(client.failure, "handshake: unable to get local issuer certificate");
	tls_client_context_put(&context);
	options.verify = false;
	context = client_with(&options);
	ck_assert(handshake(context, "mx.example.org", theirs));
	ck_assert_str_eq(tls_client_verify_failure(conn_ssl(client.conn)),
			 "unable to get local issuer certificate");
	tls_client_context_put(&context);
	tls_context_put(&theirs);
}
END_TEST

START_TEST(an_expired_certificate_is_told)
{
	const struct tls_spec spec = { .common_name = "mx.example.org", .names = "DNS:mx.example.org",
				       .not_before_s = -3 * DAY_S, .not_after_s = -DAY_S };
	struct tls_options options = tls_usual();
	struct tls_client_options ours = { .ca_file = tls_path("cert.pem"), .verify = true };
	struct tls_client_context *context;
	struct tls_context *theirs;

	tls_write_pair("cert.pem", "key.pem", &spec);
	theirs = tls_good(&options);
	context = client_with(&ours);
	ck_assert(!handshake(context, "mx.example.org", theirs));
	ck_assert_str_eq(client.failure, "handshake: certificate has expired");
	tls_client_context_put(&context);
	tls_context_put(&theirs);
}
END_TEST

/* As openssl-rehash(1) makes it. */
START_TEST(a_directory_of_authorities_is_used)
{
	struct tls_context *theirs = server_for("DNS:mx.example.org");
	struct tls_client_options options = { .ca_dir = tls_path("dir"), .verify = true };
	struct tls_client_context *context;
	char link[64];
	X509 *ca;
	FILE *file = fopen(tls_path("ca.pem"), "r");

	ca = PEM_read_X509(file, NULL, NULL, NULL);
	fclose(file);
	ck_assert_ptr_nonnull(ca);
	ck_assert_int_eq(mkdir(tls_path("dir"), 0700), 0);
	context = client_with(&options);
	ck_assert(!handshake(context, "mx.example.org", theirs));
	snprintf(link, sizeof(link), "dir/%08lx.0", X509_subject_name_hash(ca));
	X509_free(ca);
	ck_assert_int_eq(symlink("../ca.pem", tls_path(link)), 0);
	ck_assert(handshake(context, "mx.example.org", theirs));
	tls_client_context_put(&context);
	tls_context_put(&theirs);
}
END_TEST

START_TEST(our_certificate_is_shown_where_it_is_asked_for)
{
	struct tls_context *theirs = server_for("DNS:mx.example.org");
	struct tls_client_options ours = { .verify = false, .certfile = tls_path("cert.pem"),
					   .keyfile = tls_path("key.pem") };
	struct tls_options options = tls_usual();
	struct tls_client_context *context = client_with(&ours);
	struct tls_facts facts;

	tls_context_put(&theirs);
	options.client_ca = tls_path("ca.pem");
	options.client_verify = TLS_CLIENT_VERIFY_REQUIRE;
	theirs = tls_good(&options);
	ck_assert(handshake(context, "mx.example.org", theirs));
	tls_facts_read(&facts, conn_ssl(server.conn));
	ck_assert(facts.has_client_cert);
	ck_assert_str_eq(facts.client_subject, "CN=cn.example.org");
	tls_client_context_put(&context);
	tls_context_put(&theirs);
}
END_TEST

START_TEST(priorities_hold_for_the_client_too)
{
	struct tls_client_options ours = { .priority = "NORMAL:-VERS-ALL:+VERS-TLS1.2" };
	struct tls_context *theirs = server_for("DNS:mx.example.org");
	struct tls_client_context *context = client_with(&ours);
	struct tls_facts facts;

	ck_assert(handshake(context, "mx.example.org", theirs));
	tls_facts_read(&facts, conn_ssl(client.conn));
	ck_assert_str_eq(facts.version, "TLSv1.2");
	tls_client_context_put(&context);
	tls_context_put(&theirs);
}
END_TEST

START_TEST(bytes_pass_both_ways_behind_the_handshake)
{
	struct tls_context *theirs = server_for("DNS:mx.example.org");
	struct tls_client_context *context = verifier(), *other = tls_client_context_get(context);
	int error;
	size_t sent;

	tls_client_context_put(&other);
	ck_assert(handshake(context, "mx.example.org", theirs));
	ck_assert(conn_send(client.conn, SPAN_LITERAL("EHLO x\r\n"), &sent, &error));
	ck_assert_uint_eq(sent, 8);
	ck_assert(conn_send(server.conn, SPAN_LITERAL("250 x\r\n"), &sent, &error));
	run();
	ASSERT_BUF_EQ(&client.got, "250 x\r\n");
	ASSERT_BUF_EQ(&server.got, "EHLO x\r\n");
	tls_client_context_put(&context);
	tls_context_put(&theirs);
}
END_TEST

/* ---- what cannot be used ---- */

static const struct {
	struct tls_client_options options; /* of files in the directory */
	const char *says;
} bad[] = {
	{ { .ca_file = "none.pem", .setting = "backend relay" }, "backend relay: tls_cafile: " },
	{ { .ca_file = "none.pem" }, "none.pem: No such file or directory" },
	{ { .ca_file = "empty.pem" }, "there is no PEM certificate in it" },
	{ { .ca_file = "broken.pem" }, "a certificate cannot be read" },
	{ { .ca_dir = "none" }, "none: No such file or directory" },
	{ { .ca_dir = "empty.pem" }, "empty.pem: not a directory" },
	{ { .certfile = "empty.pem", .setting = "backend relay" }, "backend relay: tls_certfile: " },
	{ { .certfile = "cert.pem" }, "key" }, /* none in it */
	{ { .priority = "NORMAL:+NONSENSE", .setting = "backend relay" }, "backend relay: tls_priority: " },
};

static const char *in_dir(const char *name)
{
	return name ? tls_path(name) : NULL;
}

START_TEST(what_cannot_be_used_is_told_with_setting_and_file)
{
	struct tls_client_options options = bad[_i].options;
	struct tls_context *theirs = server_for("DNS:mx.example.org");
	struct err err;

	tls_context_put(&theirs);
	tls_write_text("empty.pem", "nothing\n");
	tls_write_text("broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
	options.ca_file = in_dir(options.ca_file);
	options.ca_dir = in_dir(options.ca_dir);
	options.certfile = in_dir(options.certfile);
	ck_assert_ptr_null(tls_client_context_new(&options, &err));
	ck_assert_msg(strstr(err.text, bad[_i].says) != NULL, "%s", err.text);
	ck_assert_uint_eq(ERR_peek_error(), 0);
}
END_TEST

START_TEST(a_name_that_no_certificate_can_have_gets_no_session)
{
	const struct tls_client_options options = { .verify = true };
	struct tls_client_context *context = client_with(&options);
	char name[300];

	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	ck_assert_ptr_null(tls_client_context_new_ssl(context, name));
	ck_assert_ptr_null(tls_client_context_new_ssl(context, ""));
	ck_assert_ptr_null(tls_client_context_new_ssl(context, "."));
	tls_client_context_put(&context);
	ck_assert_ptr_null(context);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("tls_client");
	TCase *tcase = tcase_create("tls_client");

	tcase_add_checked_fixture(tcase, setup, teardown);
	ADD_ROWS(tcase, a_certificate_is_good_for_its_names_only, names);
	ADD_ROWS(tcase, without_verification_anybody_is_taken_and_the_outcome_is_told, names);
	tcase_add_test(tcase, host_names_are_sent_as_sni_and_addresses_are_not);
	tcase_add_test(tcase, an_authority_that_is_not_trusted_is_told);
	tcase_add_test(tcase, an_expired_certificate_is_told);
	tcase_add_test(tcase, a_directory_of_authorities_is_used);
	tcase_add_test(tcase, our_certificate_is_shown_where_it_is_asked_for);
	tcase_add_test(tcase, priorities_hold_for_the_client_too);
	tcase_add_test(tcase, bytes_pass_both_ways_behind_the_handshake);
	ADD_ROWS(tcase, what_cannot_be_used_is_told_with_setting_and_file, bad);
	tcase_add_test(tcase, a_name_that_no_certificate_can_have_gets_no_session);
	suite_add_tcase(suite, tcase);
	return unit_main(suite);
}
