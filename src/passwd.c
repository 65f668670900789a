/*
 * smtpfrontd-passwd: makes, changes and deletes users in a password file.
 */
#include "auth/auth.h"
#include "auth/prepare.h"
#include "auth/users_edit.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <termios.h>
#include <unistd.h>

static const struct scheme {
	const char *name, *setting;
	size_t password_max; /* what is beyond would be no part of the hash; 0: all of it is */
	enum secret_kind kind;
	uint32_t work_min, work_max;
	char work_option;    /* what sets how much work it is; 0: it is none */
} schemes[] = {
	{ "yescrypt", "$y$", 0, SECRET_CRYPT, 1, 11, 'C' },
	{ "bcrypt", "$2b$", 72, SECRET_CRYPT, 4, 20, 'C' },
	{ "sha512", "$6$", 0, SECRET_CRYPT, 1000, 10000000, 'C' },
	{ "scram-sha-256", NULL, 0, SECRET_SCRAM_SHA_256, SECRET_ITERATIONS_MIN, SECRET_ITERATIONS_MAX, 'i' },
	{ "scram-sha-1", NULL, 0, SECRET_SCRAM_SHA_1, SECRET_ITERATIONS_MIN, SECRET_ITERATIONS_MAX, 'i' },
	{ "plain", NULL, 0, SECRET_PLAIN, 0, 0, 0 },
};

struct request {
	const char *path;
	char user[AUTH_USER_MAX + 1];
	const struct scheme *scheme;
	char work_option;      /* 'C' or 'i', whichever was given; 0: neither */
	const char *work_text; /* its argument */
	uint32_t work;         /* 0: as much as is usual */
	bool creates, deletes, adds, prints;
};

static int __attribute__((format(printf, 2, 3))) fail(int code, const char *format, ...)
{
	va_list args;

	fputs("smtpfrontd-passwd: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return code;
}

static int print_usage(FILE *out, int code)
{
	fputs("usage: smtpfrontd-passwd [-ac] [-s SCHEME] [-C COST | -i ITERATIONS] FILE USER\n"
	      "       smtpfrontd-passwd -d FILE USER\n"
	      "       smtpfrontd-passwd -n [-s SCHEME] [-C COST | -i ITERATIONS] USER\n"
	      "  -C  cost of a hash: yescrypt 1 to 11, bcrypt 4 to 20, sha512 1000 to 10000000\n"
	      "  -a  keep what the user has of other schemes\n"
	      "  -c  make the file if it is not there\n"
	      "  -d  delete the user\n"
	      "  -i  iterations of SCRAM\n"
	      "  -n  print the line and change nothing\n"
	      "  -s  yescrypt, bcrypt, sha512, scram-sha-256, scram-sha-1 or plain\n",
	      out);
	return code;
}

/* ---- the password ---- */

/* A line without its end. False: there is none, or it is too long. */
static bool read_line(char *line, size_t size, FILE *in)
{
	size_t len;

	if (!fgets(line, (int)size, in))
		return false;
	len = strlen(line);
	if (len == 0 || line[len - 1] != '\n')
		return feof(in) && len > 0;
	line[len - 1] = '\0';
	return true;
}

static bool ask(const char *prompt, char *line, size_t size, FILE *terminal)
{
	struct termios before, silent;
	bool is_good = tcgetattr(fileno(terminal), &before) == 0;

	fputs(prompt, stderr);
	silent = before;
	silent.c_lflag &= ~(tcflag_t)ECHO;
	is_good = is_good && tcsetattr(fileno(terminal), TCSAFLUSH, &silent) == 0;
	if (is_good) {
		is_good = read_line(line, size, terminal);
		tcsetattr(fileno(terminal), TCSAFLUSH, &before);
	}
	fputc('\n', stderr);
	return is_good;
}

/* From the terminal, twice, or else the first line of the input. Returns an exit code. */
static int read_password(char *line, size_t size)
{
	char again[AUTH_PASSWORD_MAX + 2];
	int code = 0;

	if (!isatty(STDIN_FILENO))
		return read_line(line, size, stdin) ? 0 : fail(EX_DATAERR, "there is no password in the input, or it is too long");
	if (!ask("Password: ", line, size, stdin) || !ask("Again: ", again, sizeof(again), stdin))
		code = fail(EX_DATAERR, "there is no password, or it is too long");
	else if (strcmp(line, again) != 0)
		code = fail(EX_DATAERR, "these are two passwords");
	explicit_bzero(again, sizeof(again));
	return code;
}

static int make_secret(const struct request *r, struct buf *secret)
{
	char line[AUTH_PASSWORD_MAX + 2], password[AUTH_PASSWORD_MAX + 1];
	struct err err;
	int code = read_password(line, sizeof(line));

	if (code == 0 && !auth_prepare(password, sizeof(password), span_str(line)))
		code = fail(EX_DATAERR, "the password is empty, too long, or no text in UTF-8 without control characters");
	if (code == 0 && r->scheme->password_max && strlen(password) > r->scheme->password_max)
		code = fail(EX_DATAERR, "%s hashes only the first %zu octets of a password, and this one is longer",
			    r->scheme->name, r->scheme->password_max);
	if (code == 0 && !secret_make(secret, r->scheme->kind, r->scheme->setting, r->work, password, &err))
		code = fail(EX_SOFTWARE, "%s", err.text);
	if (code == 0 && !buf_add(secret, "", 1))
		code = fail(EX_OSERR, "out of memory");
	explicit_bzero(line, sizeof(line));
	explicit_bzero(password, sizeof(password));
	return code;
}

/* ---- what is asked for ---- */

static const struct scheme *find_scheme(const char *name)
{
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (strcmp(schemes[i].name, name) == 0)
			return &schemes[i];
	return NULL;
}

/* Returns an exit code, or -1 to go on. */
static int take_work(struct request *r)
{
	const struct scheme *scheme = r->scheme;
	uint64_t value;

	if (!r->work_option)
		return -1;
	if (!scheme->work_option)
		return fail(EX_USAGE, "-%c is not for %s, which is no hash", r->work_option, scheme->name);
	if (r->work_option != scheme->work_option)
		return fail(EX_USAGE, "-%c is not for %s; -%c sets its %s, %lu to %lu", r->work_option, scheme->name,
			    scheme->work_option, scheme->work_option == 'C' ? "cost" : "iterations",
			    (unsigned long)scheme->work_min, (unsigned long)scheme->work_max);
	if (!span_to_u64(span_str(r->work_text), &value) || value < scheme->work_min || value > scheme->work_max)
		return fail(EX_USAGE, "-%c: for %s it must be a number from %lu to %lu", r->work_option, scheme->name,
			    (unsigned long)scheme->work_min, (unsigned long)scheme->work_max);
	r->work = (uint32_t)value;
	return -1;
}

static bool take_option(struct request *r, int option)
{
	switch (option) {
	case 'a':
		return r->adds = true;
	case 'c':
		return r->creates = true;
	case 'd':
		return r->deletes = true;
	case 'C':
	case 'i':
		if (r->work_option && r->work_option != option)
			return false;
		r->work_option = (char)option;
		r->work_text = optarg;
		return true;
	case 'n':
		return r->prints = true;
	case 's':
		r->scheme = find_scheme(optarg);
		return r->scheme != NULL;
	default:
		return false;
	}
}

/* Returns an exit code, or -1 to go on. */
static int read_arguments(struct request *r, int argc, char **argv)
{
	int option, wanted;
	const char *wrong;

	while ((option = getopt(argc, argv, "C:acdhi:ns:")) != -1) {
		if (option == 'h')
			return print_usage(stdout, 0);
		if (!take_option(r, option))
			return print_usage(stderr, EX_USAGE);
	}
	wanted = r->prints ? 1 : 2;
	if (argc - optind != wanted || (r->deletes && (r->prints || r->adds || r->creates || r->work_option)) ||
	    (r->prints && (r->adds || r->creates)))
		return print_usage(stderr, EX_USAGE);
	r->path = r->prints ? NULL : argv[optind];
	if (!auth_prepare(r->user, sizeof(r->user), span_str(argv[argc - 1])))
		return fail(EX_DATAERR, "the user's name is empty, too long, or no text in UTF-8 without control characters");
	wrong = users_check_name(span_str(r->user));
	return wrong ? fail(EX_DATAERR, "the user's name %s", wrong) : take_work(r);
}

static int delete_user(const struct request *r)
{
	const struct users_change change = { .user = r->user, .kinds = SECRET_ANY };
	size_t removed;
	struct err err;

	if (!users_edit(r->path, &change, &removed, &err))
		return fail(EX_NOINPUT, "%s", err.text);
	return removed ? 0 : fail(EX_NOUSER, "%s: there is no user %s", r->path, r->user);
}

static int set_secret(const struct request *r, const char *secret)
{
	const struct users_change change = {
		.user = r->user,
		.kinds = r->adds ? (unsigned)r->scheme->kind : SECRET_ANY,
		.secret = secret,
		.may_create = r->creates,
	};
	size_t removed;
	struct err err;

	return users_edit(r->path, &change, &removed, &err) ? 0 : fail(EX_CANTCREAT, "%s", err.text);
}

int main(int argc, char **argv)
{
	struct request r = { .scheme = &schemes[0] };
	struct buf secret = { 0 };
	int code = read_arguments(&r, argc, argv);

	if (code >= 0)
		return code;
	if (r.deletes)
		return delete_user(&r);
	code = make_secret(&r, &secret);
	if (code == 0 && r.prints)
		code = printf("%s:%s\n", r.user, buf_span(&secret).ptr) > 0 && fflush(stdout) == 0 ? 0 : EX_IOERR;
	else if (code == 0)
		code = set_secret(&r, buf_span(&secret).ptr);
	buf_wipe(&secret);
	return code;
}
