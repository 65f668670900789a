/*
 * smtpfrontd: arguments, configuration, server, loop. Exit codes are those of
 * sysexits.h.
 */
#include "conf/config.h"
#include "conf/dump.h"
#include "conf/environment.h"
#include "front/checker.h"
#include "front/daemonize.h"
#include "front/explain.h"
#include "front/policies.h"
#include "front/privileges.h"
#include "front/sdnotify.h"
#include "front/server.h"
#include "front/server_check.h"
#include "front/server_tls.h"
#include "net/loop.h"
#include "net/tls_priority.h"

#include <event2/event.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "config.h"

static const char default_file[] = SYSCONFDIR "/smtpfrontd/smtpfrontd.conf";

struct arguments {
	const char *file;
	const char *environment_dir; /* NULL: the environment of the process */
	bool has_environment;        /* it is read at all */
	bool is_test, is_dump, is_explain, is_daemon;
	char *const *questions; /* of --explain */
	size_t question_count;
};

static void print_help(void)
{
	printf("Usage: smtpfrontd [-et] [-c FILE] [-E DIR] [--daemon | --dump-config]\n"
	       "       smtpfrontd [-e] [-c FILE] [-E DIR] --explain client=ADDRESS [KEY=VALUE...]\n"
	       "       smtpfrontd --explain-priority STRING\n"
	       "An SMTP server that hands each message over durably.\n\n"
	       "  -c, --config FILE   read this file (%s)\n"
	       "  -e, --environment   variables such as TIMEOUT, as mailfront has them, win over the file\n"
	       "  -E, --envdir DIR    the same with variables from files in DIR, as envdir reads them\n"
	       "  -t, --test          check the configuration and exit\n"
	       "      --daemon        go into the background when it is ready\n"
	       "      --dump-config   print the configuration in force, defaults included, and exit\n"
	       "      --explain KEY=VALUE...\n"
	       "                      print what a client would be told and why, and exit; the keys are client,\n"
	       "                      host, listener, helo, tls, user, sender and recipient\n"
	       "      --explain-priority STRING\n"
	       "                      print what tls_priority = STRING comes to, and exit\n"
	       "  -V, --version       print the version and exit\n"
	       "  -h, --help          print this and exit\n\n"
	       "See smtpfrontd(8) and smtpfrontd.conf(5).\n",
	       default_file);
}

static int explain_priority(const char *text)
{
	struct tls_priority priority;
	struct err err;

	if (tls_priority_parse(&priority, text, &err) && tls_priority_explain(&priority, stdout, &err))
		return EX_OK;
	fprintf(stderr, "smtpfrontd: %s\n", err.text);
	return EX_DATAERR;
}

/* -1: go on; otherwise the exit code. */
static int parse_arguments(int argc, char **argv, struct arguments *a)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' }, { "test", no_argument, NULL, 't' },
		{ "dump-config", no_argument, NULL, 'd' },  { "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },         { "environment", no_argument, NULL, 'e' },
		{ "envdir", required_argument, NULL, 'E' }, { "explain-priority", required_argument, NULL, 'p' },
		{ "explain", no_argument, NULL, 'x' },
		{ "daemon", no_argument, NULL, 'D' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "c:eE:tVh", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			a->file = optarg;
			break;
		case 'E':
			a->environment_dir = optarg;
			/* fall through */
		case 'e':
			a->has_environment = true;
			break;
		case 't':
			a->is_test = true;
			break;
		case 'd':
			a->is_dump = true;
			break;
		case 'x':
			a->is_explain = true;
			break;
		case 'D':
			a->is_daemon = true;
			break;
		case 'p':
			return explain_priority(optarg);
		case 'V':
			puts("smtpfrontd " PACKAGE_VERSION);
			return EX_OK;
		case 'h':
			print_help();
			return EX_OK;
		default:
			fputs("Try 'smtpfrontd --help'.\n", stderr);
			return EX_USAGE;
		}
	}
	a->questions = argv + optind;
	a->question_count = (size_t)(argc - optind);
	if (optind == argc || a->is_explain)
		return -1;
	fprintf(stderr, "smtpfrontd: '%s' is not expected here. Try 'smtpfrontd --help'.\n", argv[optind]);
	return EX_USAGE;
}

static void print_warning(const char *text)
{
	fprintf(stderr, "smtpfrontd: warning: %s\n", text);
}

static void log_warning(const char *text)
{
	log_text(LOG_LEVEL_WARNING, "config", "%s", text);
}

static void tell_warnings(const struct config *config, void (*warn)(const char *text))
{
	struct err err;

	for (size_t i = 0; i < config->warning_count; i++)
		warn(config->warnings[i]);
	if (access(config->file, R_OK) < 0) {
		err_set_errno(&err, "%s: no reload will take it, because the user of the daemon cannot read it",
			      config->file);
		warn(err.text);
	}
	server_check_mailboxes(config, warn);
}

static int error_code(const struct err *err)
{
	return err->is_config ? EX_CONFIG : EX_OSERR;
}

/* Whoever could become the user does, as at the start: root can read what the daemon cannot. */
static bool become_tester(const struct config *config, struct err *err)
{
	struct privileges privileges;

	return privileges_will_change(config) ? privileges_enter(&privileges, config, err) :
						privileges_check(config, err);
}

/* What is loaded at the start, and a file in spool_dir. */
static bool test_files(const struct config *config, struct err *err)
{
	return front_tls_check(config, err) && server_check_spool(config, err) && server_check_users(config, err) &&
	       server_check_relays(config, err) && policies_check(config, err);
}

/*
 * TLS and password files are loaded, and a file is made in spool_dir, too: what is wrong there stops the
 * start like any other mistake.
 */
static int test_config(const struct config *config)
{
	const bool has_checker = checker_is_needed(config);
	const bool runs_set_id = config_runs_set_id(config, privileges_will_change(config));
	struct err err;
	bool is_ok;

	log_open(STDERR_FILENO, LOG_LEVEL_WARNING);
	server_check_programs(config, print_warning);
	is_ok = become_tester(config, &err);
	if (is_ok) {
		tell_warnings(config, print_warning);
		is_ok = test_files(config, &err);
	}
	log_flush();
	if (!is_ok) {
		fprintf(stderr, "smtpfrontd: %s\n", err.text);
		return error_code(&err);
	}
	if (runs_set_id)
		printf("no_new_privs is left off: a backend or a source of users runs a program that changes its user (set_id)\n");
	if (has_checker)
		printf("programs that check passwords are run as root, by a process of their own\n");
	printf("%s: OK\n", config->file);
	return EX_OK;
}

static int explain_config(const struct config *config, const struct arguments *a)
{
	struct err err;

	if (explain(config, a->questions, a->question_count, stdout, &err))
		return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
	fprintf(stderr, "smtpfrontd: %s\n", err.text);
	return err.is_config ? EX_CONFIG : EX_USAGE;
}

static int dump_config(const struct config *config)
{
	if (config_dump(config, true, stdout) && fflush(stdout) == 0)
		return EX_OK;
	perror("smtpfrontd: cannot write the configuration");
	return EX_IOERR;
}

/* False: err tells why. */
static bool open_environment(const struct arguments *a, struct environment *environment, struct err *err)
{
	if (a->environment_dir)
		return environment_init_dir(environment, a->environment_dir, err);
	environment_init(environment, environ);
	return true;
}

/* NULL: err tells why, and *code is the exit code for it. */
static struct config *load_config(const struct arguments *a, int *code, struct err *err)
{
	struct environment environment;

	*code = EX_NOINPUT;
	if (access(a->file, R_OK) < 0) {
		err_set_errno(err, "cannot read %s", a->file);
		return NULL;
	}
	if (a->has_environment && !open_environment(a, &environment, err))
		return NULL;
	*code = EX_CONFIG;
	return config_load(a->file, a->has_environment ? &environment : NULL, err);
}

/* What runs, for signals. */
struct run {
	const struct arguments *arguments;
	struct checker checker;
	struct server *server;
	struct sdnotify *notify;
};

static void on_stop_signal(evutil_socket_t number, short what, void *arg)
{
	struct run *run = arg;

	(void)what;
	log_begin(LOG_LEVEL_NOTICE, NULL, "stop");
	log_str("signal", number == SIGTERM ? "SIGTERM" : "SIGINT");
	log_end();
	sdnotify_stopping(run->notify);
	server_stop(run->server);
}

/* False: err tells why, and nothing has changed. */
static bool reload(struct run *run, struct err *err)
{
	int code;
	struct config *config = load_config(run->arguments, &code, err);
	bool ok = config && server_reload(run->server, config, err);

	config_put(&config);
	return ok;
}

static void on_hangup(evutil_socket_t number, short what, void *arg)
{
	struct run *run = arg;
	struct err err;
	bool ok;

	(void)number;
	(void)what;
	sdnotify_reloading(run->notify);
	ok = reload(run, &err);
	server_reload_ended(run->server, ok);
	if (!ok)
		log_text(LOG_LEVEL_ERROR, "reload_failed", "nothing has changed: %s", err.text);
	sdnotify_reloaded(run->notify, ok ? NULL : err.text);
}

static void on_report(evutil_socket_t number, short what, void *arg)
{
	(void)number;
	(void)what;
	server_report(((struct run *)arg)->server);
}

static void on_trace(evutil_socket_t number, short what, void *arg)
{
	(void)number;
	(void)what;
	server_switch_trace(((struct run *)arg)->server);
}

static const struct {
	int number;
	event_callback_fn run;
} signals[] = {
	{ SIGTERM, on_stop_signal },
	{ SIGINT, on_stop_signal },
	{ SIGHUP, on_hangup },
	{ SIGUSR1, on_report },
	{ SIGUSR2, on_trace },
};

enum { SIGNALS = sizeof(signals) / sizeof(*signals) };

/* False: out of memory. What was made is freed by forget_signals(), whatever comes of this. */
static bool watch_signals(struct loop *loop, struct run *run, struct event *events[SIGNALS])
{
	for (size_t i = 0; i < SIGNALS; i++) {
		events[i] = evsignal_new(loop_base(loop), signals[i].number, signals[i].run, run);
		if (!events[i] || evsignal_add(events[i], NULL) < 0)
			return false;
	}
	return true;
}

static void forget_signals(struct event *events[SIGNALS])
{
	for (size_t i = 0; i < SIGNALS; i++)
		if (events[i])
			event_free(events[i]);
}

static void log_ready(const struct server *server)
{
	log_begin(LOG_LEVEL_NOTICE, NULL, "ready");
	log_str("version", PACKAGE_VERSION);
	log_str("hostname", server->setup->config->hostname);
	log_u64("pid", (uint64_t)getpid());
	log_end();
	log_flush(); /* the first turn may be long in coming */
}

/* Run until a signal ends it. Returns the exit code. */
static int run_server(struct run *run, int *parent, struct err *err)
{
	struct event *events[SIGNALS] = { NULL };
	int code = EX_OSERR;

	if (watch_signals(run->server->loop, run, events)) {
		server_start(run->server);
		log_ready(run->server);
		sdnotify_ready(run->notify);
		daemonize_tell(parent, EX_OK);
		loop_run(run->server->loop);
		log_begin(LOG_LEVEL_NOTICE, NULL, "stopped");
		log_end();
		code = EX_OK;
	} else {
		err_set(err, "out of memory");
	}
	forget_signals(events);
	return code;
}

/* What needs root, then all else as the user that is configured, then the end of all privileges. */
static bool start_server(struct run *run, struct loop *loop, struct config *config, struct pid_file *pid_file,
			 struct err *err)
{
	struct privileges privileges;

	if (!pid_file_open(pid_file, config, err))
		return false;
	server_check_programs(config, log_warning);
	if (!checker_start(&run->checker, loop, config, err) || !privileges_enter(&privileges, config, err))
		return false;
	tell_warnings(config, log_warning);
	run->server = server_new(loop, config, &run->checker, err);
	if (!run->server || !privileges_finish(&privileges, config, err))
		return false;
	run->notify = sdnotify_new(run->server, err);
	return run->notify != NULL;
}

static int serve(struct config *config, const struct arguments *arguments, int *parent)
{
	struct run run = { .arguments = arguments };
	struct pid_file pid_file = { NULL, -1 };
	struct err err = { .text = "" };
	struct loop *loop = NULL;
	int code = EX_OK;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file that is too big is an error like others (EFBIG) */
	log_open(STDERR_FILENO, config->log_level);
	if (server_open_log(config, &err))
		loop = loop_new(&err);
	if (loop && start_server(&run, loop, config, &pid_file, &err))
		code = run_server(&run, parent, &err);
	else
		code = error_code(&err);
	if (code != EX_OK)
		log_text(LOG_LEVEL_ERROR, "start_failed", "%s", err.text);
	if (run.notify)
		sdnotify_free(&run.notify);
	server_free(&run.server);
	checker_stop(&run.checker);
	loop_free(&loop);
	pid_file_close(&pid_file);
	log_flush();
	daemonize_tell(parent, code);
	return code;
}

/* The log must go somewhere, and files be found, when there is no terminal and no directory any more. */
static bool prepare_background(struct arguments *a, const struct config *config, struct err *err)
{
	if (isatty(STDERR_FILENO) && !config->syslog)
		return err_set(err, "--daemon: with standard error on a terminal there is no log without "
				    "syslog = true");
	if (a->file[0] != '/' || (a->environment_dir && a->environment_dir[0] != '/'))
		return err_set(err, "--daemon: the paths of -c and -E must be absolute");
	return true;
}

static int serve_in_background(struct config *config, struct arguments *a)
{
	struct err err;
	int code = EX_USAGE, parent = -1;

	if (prepare_background(a, config, &err)) {
		code = EX_OSERR;
		parent = daemonize(&err);
	}
	if (parent >= 0)
		return serve(config, a, &parent);
	fprintf(stderr, "smtpfrontd: %s\n", err.text);
	return code;
}

int main(int argc, char **argv)
{
	struct arguments a = { .file = default_file };
	struct config *config;
	struct err err;
	int nobody = -1;
	int code;

	if (!daemonize_fill_standard())
		return EX_OSERR;
	code = parse_arguments(argc, argv, &a);
	if (code >= 0)
		return code;
	config = load_config(&a, &code, &err);
	if (!config) {
		fprintf(stderr, "smtpfrontd: %s\n", err.text);
		return code;
	}
	if (a.is_explain)
		code = explain_config(config, &a);
	else if (a.is_test)
		code = test_config(config);
	else if (a.is_dump)
		code = dump_config(config);
	else
		code = a.is_daemon ? serve_in_background(config, &a) : serve(config, &a, &nobody);
	config_put(&config);
	return code;
}
