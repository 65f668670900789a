#include "net/tls_certificate.h"

#include "base/clock.h"
#include "base/log.h"
#include "net/tls_file.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Where a pair comes from, for messages. */
static const char *cert_setting(const struct tls_pair *pair)
{
	return pair->setting ? pair->setting : "tls_certfile";
}

static const char *key_setting(const struct tls_pair *pair)
{
	return pair->setting ? pair->setting : pair->keyfile ? "tls_keyfile" : "tls_certfile";
}

static const char *key_path(const struct tls_pair *pair)
{
	return pair->keyfile ? pair->keyfile : pair->certfile;
}

static bool refuse_memory(const struct tls_pair *pair, struct err *err)
{
	ERR_clear_error();
	return err_set(err, "%s: %s: out of memory", cert_setting(pair), pair->certfile);
}

/* Nothing may ever ask for a passphrase: there is nobody to answer. */
static int refuse_passphrase(char *text, int size, int is_writing, void *is_asked)
{
	(void)text;
	(void)size;
	(void)is_writing;
	*(bool *)is_asked = true;
	return -1;
}

/* The last error tells that no BEGIN line (any more) is there. */
static bool is_at_end(void)
{
	unsigned long code = ERR_peek_last_error();

	return ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
}

/* ---- the certificate and its chain ---- */

static bool read_chain(struct tls_certificate *c, BIO *bio, const struct tls_pair *pair, struct err *err)
{
	X509 *next;

	ERR_clear_error();
	c->leaf = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL);
	if (!c->leaf)
		return tls_file_refuse(err, cert_setting(pair), pair->certfile,
				       is_at_end() ? "there is no PEM certificate in it" :
						     "the certificate cannot be read");
	while ((next = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		if (sk_X509_push(c->chain, next) > 0)
			continue;
		X509_free(next);
		return refuse_memory(pair, err);
	}
	if (!is_at_end())
		return tls_file_refuse(err, cert_setting(pair), pair->certfile,
				       "a certificate behind the first one cannot be read");
	ERR_clear_error();
	return true;
}

static bool load_chain(struct tls_certificate *c, const struct tls_pair *pair, struct err *err)
{
	struct tls_file file;
	BIO *bio;
	bool is_ok;

	if (!tls_file_read(&file, cert_setting(pair), pair->certfile, err))
		return false;
	bio = tls_file_bio(&file);
	c->chain = sk_X509_new_null();
	is_ok = bio && c->chain ? read_chain(c, bio, pair, err) : refuse_memory(pair, err);
	BIO_free(bio);
	tls_file_fini(&file);
	return is_ok;
}

/* ---- the key ---- */

/* OpenSSL only says "unsupported", whether there is no key at all or one that it cannot read. */
static bool has_key(const struct tls_file *file)
{
	static const char line[] = "PRIVATE KEY-----";

	return memmem(file->bytes, file->len, line, sizeof(line) - 1) != NULL;
}

static bool read_key(struct tls_certificate *c, BIO *bio, bool is_there, const struct tls_pair *pair,
		     struct err *err)
{
	bool is_encrypted = false;

	ERR_clear_error();
	c->key = PEM_read_bio_PrivateKey(bio, NULL, refuse_passphrase, &is_encrypted);
	if (c->key)
		return true;
	if (is_encrypted)
		return tls_file_refuse(err, key_setting(pair), key_path(pair),
				       "the key is encrypted, and nobody can give its passphrase here");
	if (is_there)
		return tls_file_refuse(err, key_setting(pair), key_path(pair),
				       "the private key cannot be read");
	ERR_clear_error();
	return err_set(err, "%s: %s: %s", key_setting(pair), key_path(pair),
		       pair->keyfile ? "there is no PEM private key in it" :
				       "there is no private key in it, and no key file is named");
}

static bool load_key(struct tls_certificate *c, const struct tls_pair *pair, struct err *err)
{
	struct tls_file file;
	BIO *bio;
	bool is_ok;

	if (!tls_file_read(&file, key_setting(pair), key_path(pair), err))
		return false;
	c->is_key_open = (file.mode & 07) != 0;
	bio = tls_file_bio(&file);
	is_ok = bio ? read_key(c, bio, has_key(&file), pair, err) : refuse_memory(pair, err);
	BIO_free(bio);
	tls_file_fini(&file);
	if (!is_ok || X509_check_private_key(c->leaf, c->key) == 1)
		return is_ok;
	err_set(err, "%s: %s: the key does not belong to the certificate in %s", key_setting(pair),
		key_path(pair), pair->certfile);
	ERR_clear_error();
	return false;
}

/* ---- what it says ---- */

static uint64_t seconds_of(const ASN1_TIME *time)
{
	struct tm tm;
	time_t seconds;

	if (ASN1_TIME_to_tm(time, &tm) != 1)
		return 0;
	seconds = timegm(&tm);
	return seconds > 0 ? (uint64_t)seconds : 0;
}

/* Lower case; false: this is no name that a client could ask for, which is nothing bad. */
static bool fold_name(char *folded, struct span name)
{
	if (name.len == 0 || name.len >= TLS_NAME_SIZE)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		if (!ascii_is_alnum(name.ptr[i]) && !memchr("-._*", name.ptr[i], 4))
			return false;
		folded[i] = ascii_lower(name.ptr[i]);
	}
	folded[name.len] = '\0';
	return true;
}

/* False: out of memory. */
static bool add_name(struct tls_certificate *c, const ASN1_STRING *name)
{
	char folded[TLS_NAME_SIZE];

	if (!fold_name(folded, span_of(ASN1_STRING_get0_data(name), (size_t)ASN1_STRING_length(name))))
		return true;
	c->names[c->name_count] = strdup(folded);
	return c->names[c->name_count] && ++c->name_count;
}

static bool add_alternatives(struct tls_certificate *c, const GENERAL_NAMES *names)
{
	int count = sk_GENERAL_NAME_num(names);

	c->names = calloc((size_t)count + 1, sizeof(*c->names));
	for (int i = 0; c->names && i < count; i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type == GEN_DNS && !add_name(c, name->d.dNSName))
			return false;
	}
	return c->names != NULL;
}

static bool add_common_name(struct tls_certificate *c)
{
	const X509_NAME *subject = X509_get_subject_name(c->leaf);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

	c->names = calloc(1, sizeof(*c->names));
	if (!c->names || at < 0)
		return c->names != NULL;
	return add_name(c, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
}

/* RFC 6125 6.4.4: the common name counts only where there are no alternative names. */
static bool read_names(struct tls_certificate *c)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(c->leaf, NID_subject_alt_name, NULL, NULL);
	bool is_ok = names ? add_alternatives(c, names) : add_common_name(c);

	GENERAL_NAMES_free(names);
	ERR_clear_error();
	return is_ok;
}

static bool read_rest(struct tls_certificate *c, const struct tls_pair *pair, struct err *err)
{
	c->not_before = seconds_of(X509_get0_notBefore(c->leaf));
	c->not_after = seconds_of(X509_get0_notAfter(c->leaf));
	c->setting = cert_setting(pair);
	c->file = strdup(pair->certfile);
	c->keyfile = strdup(key_path(pair));
	return (c->file && c->keyfile && read_names(c)) || refuse_memory(pair, err);
}

bool tls_certificate_load(struct tls_certificate *c, const struct tls_pair *pair, struct err *err)
{
	*c = (struct tls_certificate){ 0 };
	if (load_chain(c, pair, err) && load_key(c, pair, err) && read_rest(c, pair, err))
		return true;
	tls_certificate_fini(c);
	return false;
}

void tls_certificate_fini(struct tls_certificate *c)
{
	X509_free(c->leaf);
	sk_X509_pop_free(c->chain, X509_free);
	EVP_PKEY_free(c->key);
	free(c->file);
	free(c->keyfile);
	for (size_t i = 0; i < c->name_count; i++)
		free(c->names[i]);
	free(c->names);
	*c = (struct tls_certificate){ 0 };
}

/* ---- the log ---- */

static const char *format_time(uint64_t seconds, char *text, size_t size)
{
	time_t t = (time_t)seconds;
	struct tm tm;

	if (!gmtime_r(&t, &tm) || strftime(text, size, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		snprintf(text, size, "?");
	return text;
}

static void log_names(const struct tls_certificate *c)
{
	char text[LOG_VALUE_MAX + TLS_NAME_SIZE + 2];
	size_t used = 0;

	/* The log cuts what is too long. */
	for (size_t i = 0; i < c->name_count && used < LOG_VALUE_MAX; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", i ? "," : "", c->names[i]);
	log_span("names", span_of(text, used));
}

void tls_certificate_log(const struct tls_certificate *c)
{
	char subject[256] = "", time[32];
	BIO *bio = BIO_new(BIO_s_mem());

	if (bio && X509_NAME_print_ex(bio, X509_get_subject_name(c->leaf), 0, XN_FLAG_RFC2253) >= 0)
		BIO_read(bio, subject, sizeof(subject) - 1);
	BIO_free(bio);
	log_begin(LOG_LEVEL_INFO, NULL, "tls_certificate");
	log_str("file", c->file);
	log_str("subject", subject);
	log_names(c);
	log_str("not_after", format_time(c->not_after, time, sizeof(time)));
	log_end();
}

/* `key` tells which of its times it is about. */
static void log_trouble(const struct tls_certificate *c, const char *what, const char *key, uint64_t seconds)
{
	char time[32];

	log_begin(LOG_LEVEL_WARNING, NULL, "trouble");
	log_str("text", what);
	log_str("file", c->file);
	log_str(key, format_time(seconds, time, sizeof(time)));
	log_end();
}

void tls_certificate_log_trouble(const struct tls_certificate *c)
{
	uint64_t now = clock_wall_us() / 1000000;

	if (now > c->not_after)
		log_trouble(c, "the TLS certificate has expired", "not_after", c->not_after);
	else if (c->not_after - now <= TLS_EXPIRY_WARNING_S)
		log_trouble(c, "the TLS certificate expires soon", "not_after", c->not_after);
	if (now < c->not_before)
		log_trouble(c, "the TLS certificate is not valid yet", "not_before", c->not_before);
	if (!c->is_key_open)
		return;
	log_begin(LOG_LEVEL_WARNING, NULL, "trouble");
	log_str("text", "the TLS key can be read by everybody");
	log_str("file", c->keyfile);
	log_end();
}
