/*
 * The configuration as a whole: files that are taken, with the values that come
 * of them; files that are refused, with file, line and reason; warnings; and
 * running out of memory anywhere on the way.
 */
#include "conf/environment.h"
#include "config_text.h"
#include "fail_malloc.h"

static const struct {
	const char *text, *error;
} refused[] = {
	/* What must be there. */
	{ "", "t: there are no backends" },
	{ FIRST INBOX, "t: there are no listeners" },
	{ FIRST PORT25, "t: there are no backends" },
	{ FIRST INBOX "listeners = ( );", "t: there are no listeners" },
	{ FIRST PORT25 "backends = { };", "t: there are no backends" },
	{ FIRST INBOX "listeners = ( { timeout = 5; } );",
	  "t:3: the key \"listen\" is missing in this listener" },
	{ BASE "routes = ( { domain = \"x.org\"; } );", "t:4: the key \"backend\" is missing in this route" },
	{ FIRST PORT25 "backends = {\n a = { path = \"/x\"; }; };",
	  "t:4: the key \"type\" is missing in backend \"a\"" },
	{ FIRST PORT25 "backends = {\n a = { type = \"maildir\"; }; };",
	  "t:4: the key \"path\" is missing in backend \"a\" of type \"maildir\"" },
	{ FIRST PORT25 "backends = { a = { type = \"null\";\n path = \"/x\"; }; };",
	  "t:4: the key \"path\" does not go with a backend of type \"null\"" },
	{ FIRST PORT25 "backends = { a = { type = \"null\"; }; b = { type = \"null\"; }; };",
	  "t: there are several backends, but no routes" },
	/* Keys. */
	{ BASE "\nlisteners = ( );", "t:5: the key \"listeners\" is given twice" },
	{ BASE "timeout = 5; timeout = 6;", "t:4: the key \"timeout\" is given twice" },
	{ BASE "timeout = 5;\nmax_hops = 5; timeout = 6;", "t:5: the key \"timeout\" is given twice" },
	{ BASE "max_hops = 5; lenient = true; max_hops = 5;", "t:4: the key \"max_hops\" is given twice" },
	{ FIRST INBOX "listeners = ( { listen = \"*:25\"; }, { listen = \"*:26\"; listen = \"*:27\"; } );",
	  "t:3: the key \"listen\" is given twice" },
	{ FIRST PORT25 "backends = { a = { type = \"null\"; }; b = { type = \"null\"; };\n a = { }; c = { }; };",
	  "t:4: the key \"a\" is given twice" },
	{ "hostname = 'mx.example.org';", "t:1: hostname: strings stand in double quotes, \"so\"" },
	{ "domains = ( 'example.org' );", "t:1: domains: strings stand in double quotes, \"so\"" },
	{ BASE "hostnam = 5;", "t:4: unknown key \"hostnam\" at top level, did you mean \"hostname\"?" },
	{ BASE "xyzzy = 5;", "t:4: unknown key \"xyzzy\" at top level" },
	{ BASE "listen = \"*:25\";", "t:4: the key \"listen\" does not go at top level, but in listeners" },
	{ FIRST INBOX "listeners = ( { lissten = \"*:25\"; } );",
	  "t:3: unknown key \"lissten\" in listeners, did you mean \"listen\"?" },
	{ FIRST INBOX "listeners = ( { listen = \"*:25\";\n hostname = \"x\"; } );",
	  "t:4: the key \"hostname\" does not go in listeners, but at top level" },
	{ FIRST PORT25 "backends = { a = { type = \"null\"; pth = 1; }; };",
	  "t:3: unknown key \"pth\" in backends, did you mean \"path\"?" },
	{ BASE "routes = ( { domian = \"a\"; } );",
	  "t:4: unknown key \"domian\" in routes, did you mean \"domain\"?" },
	/* Types. */
	{ BASE "timeout = true;",
	  "t:4: timeout: must be a whole number, or a string with a unit, not true or false" },
	{ BASE "timeout = 1.5;", "t:4: timeout: must be a whole number" },
	{ BASE "timeout = ( 5 );",
	  "t:4: timeout: must be a whole number, or a string with a unit, not a list" },
	{ BASE "log_level = 3;", "t:4: log_level: must be a string in quotes, not a number" },
	{ "hostname = 5;", "t:1: hostname: must be a string in quotes, not a number" },
	{ "domains = \"example.org\";",
	  "t:1: domains: must be a list such as ( \"example.org\" ), not a string" },
	{ "domains = ( \"a.org\",\n 5 );", "t:2: domains: must be a string in quotes, not a number" },
	{ "domains = { a = 1; };", "t:1: domains: must be a list" },
	{ FIRST INBOX "listeners = { listen = \"*:25\"; };", "t:3: listeners: must be a list of groups" },
	{ FIRST INBOX "listeners = ( \"*:25\" );", "t:3: a listener must be a group { }, not a string" },
	{ FIRST INBOX "listeners = 5;", "t:3: listeners: must be a list of groups" },
	{ FIRST PORT25 "backends = ( );", "t:3: backends: must be a group of named groups" },
	{ FIRST PORT25 "backends = { a = \"maildir\"; };",
	  "t:3: a backend must be a group { }, not a string" },
	{ BASE "routes = { };", "t:4: routes: must be a list of groups" },
	{ BASE "routes = ( \"inbox\" );", "t:4: a route must be a group { }, not a string" },
	/* Numbers. */
	{ BASE "timeout = 0;", "t:4: timeout: 0 is out of range; it may be from 1s to 7d" },
	{ BASE "timeout = -1;", "t:4: timeout: -1 is out of range; it may be from 1s to 7d" },
	{ BASE "timeout = \"8d\";", "t:4: timeout: \"8d\" is out of range; it may be from 1s to 7d" },
	{ BASE "timeout = 604801;", "t:4: timeout: 604801 is out of range" },
	{ BASE "timeout = 4294967297L;", "t:4: timeout: 4294967297 is out of range" },
	{ BASE "timeout = \"5M\";", "t:4: timeout: \"5M\" is not a time; write \"20m\"" },
	{ BASE "timeout = \"\";", "t:4: timeout: \"\" is not a time" },
	{ BASE "timeout = \"-5\";", "t:4: timeout: \"-5\" is not a time" },
	{ BASE "timeout = \"unlimited\";", "t:4: timeout: \"unlimited\" is not a time" },
	{ BASE "max_message_size = 1023;",
	  "t:4: max_message_size: 1023 is out of range; it may be from 1K to 1T" },
	{ BASE "max_message_size = \"2T\";",
	  "t:4: max_message_size: \"2T\" is out of range; it may be from 1K to 1T" },
	{ BASE "max_message_size = \"50MB\";",
	  "t:4: max_message_size: \"50MB\" is not a size; write \"50M\"" },
	{ BASE "max_message_size = 5000000000;",
	  "t:4: max_message_size: 5000000000 does not fit into 32 bits" },
	{ BASE "max_command_line = 511;",
	  "t:4: max_command_line: 511 is out of range; it may be from 512 to 64K" },
	{ BASE "maxnotimpl = 0;",
	  "t:4: maxnotimpl: 0 is out of range; it may be from 1 to 1000000, or \"unlimited\"" },
	{ BASE "maxnotimpl = \"none\";", "t:4: maxnotimpl: \"none\" is not a number or \"unlimited\"" },
	{ BASE "disk_threads = 257;", "t:4: disk_threads: 257 is out of range; it may be from 1 to 256" },
	{ BASE "max_recipients = 0;", "t:4: max_recipients: 0 is out of range" },
	{ BASE "min_data_rate = -1;",
	  "t:4: min_data_rate: -1 is out of range; it may be from 1 to 1G, or 0" },
	{ BASE "greeting_delay = 61;",
	  "t:4: greeting_delay: 61 is out of range; it may be from 1s to 1m, or 0" },
	{ BASE "greeting_delay = \"none\";", "t:4: greeting_delay: \"none\" is not a time" },
	{ BASE "client_prefix_ipv4 = 33;",
	  "t:4: client_prefix_ipv4: 33 is out of range; it may be from 8 to 32" },
	{ BASE "client_prefix_ipv6 = 15;",
	  "t:4: client_prefix_ipv6: 15 is out of range; it may be from 16 to 128" },
	{ BASE "max_sessions_per_minute = 0;", "t:4: max_sessions_per_minute: 0 is out of range" },
	{ BASE "slow_step = 0;", "t:4: slow_step: 0 is out of range" },
	/* Words, true and false. */
	{ BASE "lenient = \"true\";", "t:4: lenient: must be true or false, without quotes, not a string" },
	{ BASE "lenient = 1;", "t:4: lenient: must be true or false, without quotes, not a number" },
	{ BASE "unknown_parameters = true;",
	  "t:4: unknown_parameters: must be a string in quotes, not true or false" },
	{ BASE "unknown_parameters = \"refuse\";",
	  "t:4: unknown_parameters: \"refuse\" is none of \"ignore\", \"reject\"" },
	{ BASE "log_format = \"jsn\";",
	  "t:4: log_format: \"jsn\" is none of \"text\", \"json\"; did you mean \"json\"?" },
	{ BASE "syslog = \"mail\";", "t:4: syslog: must be true or false, without quotes, not a string" },
	{ BASE "syslog_facility = \"local8\";",
	  "t:4: syslog_facility: \"local8\" is none of \"kern\", \"user\"" },
	{ BASE "syslog_facility = 2;", "t:4: syslog_facility: must be a string in quotes, not a number" },
	{ BASE "bare_newline = \"lenient\";", "t:4: bare_newline: \"lenient\" may stand only in clients" },
	{ BASE "trace = \"smtp\";", "t:4: trace: must be a list such as ( \"smtp\", \"tls\" ), not a string" },
	{ BASE "trace = ( \"smtp\", \"tsl\" );", "t:4: trace: \"tsl\" is none of \"net\", \"smtp\", \"tls\"" },
	{ BASE "trace = ( 5 );", "t:4: trace: " },
	{ BASE "group = \"mail\";", "t:4: group: it means nothing without user" },
	{ FIRST INBOX "listeners = ( { listen = \"socket:\"; } );", "t:3: listen: the name of a socket is missing" },
	{ FIRST INBOX "listeners = ( { listen = \"socket:a b\"; } );", "t:3: listen: a name of a socket has no" },
	{ FIRST INBOX "listeners = ( { listen = \"socket:a\"; }, { listen = \"socket:a\"; } );",
	  "t:3: listen: \"socket:a\" is the address of another listener too" },
	{ BASE "bare_newline = \"lax\";", "t:4: bare_newline: \"lax\" is none of \"auto\", \"reject\"" },
	{ FIRST INBOX "listeners = ( { listen = \"*:25\";\n bare_newline = \"lenient\"; } );",
	  "t:4: bare_newline: \"lenient\" may stand only in clients" },
	{ FIRST INBOX "listeners = ( { listen = \"*:25\"; reuse_port = \"yes\"; } );",
	  "t:3: reuse_port: must be true or false, without quotes, not a string" },
	{ BASE "reuse_port = true;",
	  "t:4: the key \"reuse_port\" does not go at top level, but in listeners" },
	/* Rules for clients. */
	{ BASE "clients = { address = \"192.0.2.1\"; };", "t:4: clients: must be a list of groups" },
	{ BASE "clients = ( \"192.0.2.1\" );", "t:4: a rule of clients must be a group { }, not a string" },
	{ BASE "clients = ( { bare_newline = \"auto\"; } );",
	  "t:4: a rule of clients must have an \"address\" or a \"name\"" },
	{ BASE "clients = ( { adress = \"192.0.2.1\"; } );",
	  "t:4: unknown key \"adress\" in clients, did you mean \"address\"?" },
	{ BASE "clients = ( { address = ( ); } );", "t:4: address: there must be at least one" },
	{ BASE "auth = ( { type = \"file\"; } );", "t:4: the key \"path\" is missing for users of type \"file\"" },
	{ BASE "auth = ( { type = \"certificate\"; path = \"/x\"; } );",
	  "t:4: the key \"path\" does not go with users of type \"certificate\"" },
	{ BASE "auth = ( { type = \"file\"; path = \"/x\"; mechanisms = ( ); } );",
	  "t:4: mechanisms: there must be at least one" },
	{ BASE "auth = ( { type = \"file\"; path = \"/x\"; mechanisms = ( \"EXTERNAL\" ); } );",
	  "t:4: mechanisms: \"EXTERNAL\" is none of users of type \"file\"" },
	{ BASE "auth = ( { type = \"file\"; path = \"/x\"; mechanisms = ( \"plain\" ); } );",
	  "t:4: mechanisms: \"plain\" must be the name of a mechanism in capitals, such as \"SCRAM-SHA-256\"" },
	{ BASE "clients = ( { address = 5; } );", "t:4: address: must be a string in quotes, not a number" },
	{ BASE "clients = ( { address = ( \"192.0.2.1\",\n true ); } );",
	  "t:5: address: must be a string in quotes, not true or false" },
	{ BASE "clients = ( { address = \"192.0.2.1/33\"; } );",
	  "t:4: address: \"192.0.2.1/33\" has a bad prefix" },
	{ BASE "clients = ( { address = \"192.0.2.1/24\"; } );",
	  "t:4: address: \"192.0.2.1/24\" has bits set behind" },
	{ BASE "clients = ( { address = \"mx.example.org\"; } );",
	  "t:4: address: \"mx.example.org\" is not an address range" },
	{ BASE "clients = ( { address = \"192.0.2.1\"; bare_newline = \"lenent\"; } );",
	  "t:4: bare_newline: \"lenent\" is none of \"auto\", \"reject\", \"lenient\"; did you mean "
	  "\"lenient\"?" },
	{ BASE "clients = ( { address = \"192.0.2.1\"; timeout = 5; } );",
	  "t:4: the key \"timeout\" does not go in clients, but at top level" },
	/* Strings. */
	{ BASE "syslog_tag = \"mail in\";", "t:4: syslog_tag: \"mail in\" may hold only letters, digits" },
	{ BASE "syslog_tag = \"\";", "t:4: syslog_tag: \"\" is empty" },
	{ "hostname = \"mx_1.example.org\";", "t:1: hostname: \"mx_1.example.org\" is no valid host name" },
	{ "hostname = \"192.0.2.1\";", "t:1: hostname: \"192.0.2.1\" looks like an IP address" },
	{ "hostname = \"\";", "t:1: hostname: \"\" is empty" },
	{ "hostname = \"mx\\nx\";", "t:1: hostname: must not contain a line break" },
	{ "hostname = \"mx\\x0ax\";", "t:1: hostname: must not contain a line break" },
	{ "hostname = \"mx\\x00x\";", "t:1: hostname: \\x00: control bytes are refused in strings" },
	{ "postmaster = \"anna\";", "t:1: postmaster: \"anna\" is no mail address" },
	{ "domains = ( \"a..b\" );", "t:1: domains: \"a..b\" is no valid domain name" },
	{ "domains = ( \"i\xe2\x9d\xa4.ws\" );",
	  "t:1: domains: \"i\xe2\x9d\xa4.ws\" holds no valid international domain name" },
	{ "domains = ( \"m\xfcller.example\" );", "t:1: domains: \"m\xfcller.example\" holds no valid" },
	{ "hostname = \"mx.example\xe3\x80\x82org\";", "t:1: hostname: \"mx.example\xe3\x80\x82org\" holds no" },
	{ "postmaster = \"anna@\xc3\xbc-.example\";", "t:1: postmaster: \"anna@\xc3\xbc-.example\" holds no valid" },
	{ "postmaster = \"j\xc3\xb6rg@example.org\";",
	  "t:1: postmaster: \"j\xc3\xb6rg@example.org\" is no plain mail address" },
	{ "domains = ( \"m\xc3\xbcller.example\",\n \"XN--mller-kva.example\" );" INBOX PORT25,
	  "t:2: domains: \"xn--mller-kva.example\" is given twice" },
	{ BASE "smtpgreeting = \"a\\n\\nb\";", "t:4: smtpgreeting: \"a\" has an empty line" },
	{ BASE "smtpgreeting = \"m\xc3\xbcller\";",
	  "t:4: smtpgreeting: \"m\xc3\xbcller\" may hold only printable ASCII" },
	{ BASE "log_level = \"warn\";",
	  "t:4: log_level: \"warn\" is none of \"error\", \"warning\", \"notice\", \"info\", "
	  "\"debug\"; did you mean \"warning\"?" },
	{ FIRST INBOX "listeners = ( { listen = \"25\"; } );", "t:3: listen: \"25\" has no port" },
	{ FIRST INBOX "listeners = ( { listen = \"mx:25\"; } );",
	  "t:3: listen: \"mx:25\" is not an address and port" },
	{ FIRST PORT25 "backends = { a = { type = \"maildr\"; }; };",
	  "t:3: type: \"maildr\" is none of \"maildir\", \"null\", \"lmtp\", \"smtp\", \"qmail-queue\", \"sendmail\"; did you mean \"maildir\"?" },
	{ FIRST PORT25 "backends = { a = { type = \"sendmail\"; command = \"/x\"; }; };",
	  "t:3: command: must be a list such as ( \"/usr/sbin/sendmail\", \"-odi\" ), not a string" },
	{ FIRST PORT25 "backends = { a = { type = \"sendmail\"; command = ( ); }; };",
	  "t:3: command: the first must be the absolute path of a program" },
	{ FIRST PORT25 "backends = { a = { type = \"qmail-queue\"; command = ( \"x\", \"/y\" ); }; };",
	  "t:3: command: the first must be the absolute path of a program" },
	{ FIRST PORT25 "backends = { a = { type = \"sendmail\"; environment = ( \"TZ\", \"A B=c\" ); }; };",
	  "t:3: environment: \"A B=c\" is neither NAME nor NAME=value" },
	{ FIRST PORT25 "backends = { a = { type = \"qmail-queue\"; replies = ( \"no\" ); }; };",
	  "t:3: replies: \"no\" is no text for an exit code; write \"31: 5.7.1 We do not want this.\"" },
	{ FIRST PORT25 "backends = { a = { type = \"qmail-queue\"; replies = ( \"x: no\" ); }; };",
	  "t:3: replies: \"x: no\" is no text for an exit code; write \"31: 5.7.1 We do not want this.\"" },
	{ FIRST PORT25 "backends = { a = { type = \"qmail-queue\"; replies = ( \"0: no\" ); }; };",
	  "t:3: replies: \"0: no\" has no exit code from 1 to 255" },
	{ FIRST PORT25 "backends = { a = { type = \"qmail-queue\"; replies = ( \"256: no\" ); }; };",
	  "t:3: replies: \"256: no\" has no exit code from 1 to 255" },
	{ FIRST PORT25 "backends = { a = { type = \"qmail-queue\"; replies = ( \"31:\" ); }; };",
	  "t:3: replies: \"31:\" must have a text of 1 to 480 characters" },
	{ FIRST PORT25 "backends = { a = { type = \"qmail-queue\"; replies = ( \"31: 5.7.1\" ); }; };",
	  "t:3: replies: \"31: 5.7.1\" must have a text of 1 to 480 characters" },
	{ FIRST PORT25 "backends = { a = { type = \"qmail-queue\"; replies = ( \"10: 5.7.1 x\" ); }; };",
	  "t:3: replies: \"10: 5.7.1 x\" has a status code that does not begin with 4: all but 11 to 40 are for now" },
	{ FIRST PORT25 "backends = { a = { type = \"qmail-queue\"; replies = ( \"11: 4.7.1 x\" ); }; };",
	  "t:3: replies: \"11: 4.7.1 x\" has a status code that does not begin with 5: from 11 to 40 are for good" },
	{ FIRST PORT25 "backends = { a = { type = \"qmail-queue\"; replies = ( \"31: \x80\" ); }; };",
	  "t:3: replies: \"31: \x80\" may hold only printable ASCII" },
	{ FIRST PORT25 "backends = { a = { type = \"qmail-queue\"; replies = ( \"31: a\", \"031: b\" ); }; };",
	  "t:3: replies: there are two texts for exit code 31" },
	{ FIRST PORT25 "backends = { a = { type = \"sendmail\"; replies = ( \"31: a\" ); }; };",
	  "t:3: the key \"replies\" does not go with a backend of type \"sendmail\"" },
	{ FIRST PORT25 "backends = { a = { type = \"sendmail\"; environment = ( \"=x\" ); }; };",
	  "t:3: environment: \"=x\" is neither NAME nor NAME=value" },
	{ FIRST PORT25 "backends = { a = { type = \"sendmail\"; environment = ( \"1A\" ); }; };",
	  "t:3: environment: \"1A\" is neither NAME nor NAME=value" },
	{ FIRST PORT25 "backends = { a = { type = \"sendmail\"; environment = ( \"A=\x80\x7f\" ); }; };",
	  "t:3: environment: control byte \\x7f in a string" },
	{ FIRST PORT25 "backends = { a = { type = \"sendmail\"; fallback = \"a\"; }; };",
	  "t:3: fallback: a backend cannot stand in for itself" },
	{ FIRST PORT25 "backends = { a = { type = \"sendmail\"; fallback = \"b\"; }; };",
	  "t:3: fallback: there is no backend \"b\"" },
	{ FIRST PORT25 "backends = { a = { type = \"maildir\"; path = \"/x\"; max_children = 3; }; };",
	  "t:3: the key \"max_children\" does not go with a backend of type \"maildir\"" },
	{ FIRST PORT25 "backends = { a = { type = \"maildir\"; path = \"mail/%n\"; }; };",
	  "t:3: path: \"mail/%n\" is not an absolute path" },
	{ FIRST PORT25 "backends = { a = { type = \"maildir\"; path = \"/mail/%z\"; }; };",
	  "t:3: path: \"/mail/%z\" has a % that means nothing" },
	/* Parts that do not go together. */
	{ BASE "routes = ( { backend = \"inbx\"; } );",
	  "t:4: backend: there is no backend \"inbx\", did you mean \"inbox\"?" },
	{ BASE "routes = ( { backend = \"zzz\"; } );", "t:4: backend: there is no backend \"zzz\"" },
	{ "domains = ( \"a.org\", \"b.org\",\n \"A.org\" );" INBOX PORT25,
	  "t:2: domains: \"a.org\" is given twice" },
	{ FIRST INBOX "listeners = ( { listen = \"*:25\"; },\n { listen = \"[::]:25\"; } );",
	  "t:4: listen: \"[::]:25\" is the address of another listener too" },
	{ BASE "clients = ( { address = \"192.0.2.1\"; },\n"
	       "{ address = ( \"2001:db8::/32\", \"0.0.0.0/0\" ); bare_newline = \"lenient\"; } );",
	  "t:5: bare_newline: \"lenient\" may not hold for all addresses there are" },
	{ BASE "clients = ( { address = \"::/0\"; bare_newline = \"lenient\"; } );",
	  "t:4: bare_newline: \"lenient\" may not hold for all addresses there are" },
	/* Syntax. */
	{ "hostname \"x\";", "t:1: \"=\" is missing behind \"hostname\"" },
	{ "hostname = \"x\" );", "t:1: \")\" closes nothing" },
	{ "hostname = \"x\" = 5;", "t:1: syntax error" },
	{ "{ }", "t:1: syntax error" },
	{ "a = [ 1, \"x\" ];", "t:1: mismatched element type in array" },
};

START_TEST(mistakes_are_told_with_file_line_and_key)
{
	struct err err = { .text = "" };
	struct config *config = config_load_text("t", span_str(refused[_i].text), NULL, &err);

	ck_assert_msg(config == NULL, "taken: %s", refused[_i].text);
	ck_assert_msg(strncmp(err.text, refused[_i].error, strlen(refused[_i].error)) == 0, "%s\nis not\n%s",
		      err.text, refused[_i].error);
	ck_assert_ptr_null(strchr(err.text, '\n'));
}
END_TEST

static const struct {
	const char *text;
	const char *warnings; /* joined with '|' */
} warned[] = {
	{ BASE, "" },
	{ BASE "routes = ( { domain = \"example.org\"; backend = \"inbox\"; }, { backend = \"inbox\"; } );",
	  "" },
	{ "hostname = \"mx\"; domains = ( \"a.org\" );" INBOX PORT25,
	  "t: postmaster is not given, but RFC 5321 wants mail for postmaster to arrive" },
	{ "hostname = \"mx\"; postmaster = \"a@a.org\";" INBOX PORT25,
	  "t: domains is empty, so every recipient is refused|t:1: postmaster: \"a@a.org\" is in none of our "
	  "domains" },
	{ "hostname = \"mx\"; postmaster = \"a@A.org\"; domains = ( \"a.ORG\" );" INBOX PORT25, "" },
	{ BASE "routes = ( { backend = \"inbox\"; },\n{ domain = \"example.org\"; backend = \"inbox\"; } );",
	  "t:5: this route is never reached: the one at t:4 takes all that it would" },
	{ BASE "routes = ( { domain = \"example.org\"; backend = \"inbox\"; },\n"
	       "{ domain = \"EXAMPLE.org\"; backend = \"inbox\"; } );",
	  "t:5: this route is never reached: the one at t:4 takes all that it would" },
	{ BASE "routes = ( { domain = \"b.org\"; backend = \"inbox\"; } );",
	  "t:1: domains: no route takes recipients in \"example.org\"|"
	  "t:1: postmaster: no route takes \"anna@example.org\"|"
	  "t:4: this route is never reached: \"b.org\" is not in domains" },
	{ FIRST PORT25 "backends = { a = { type = \"sendmail\"; fallback = \"b\"; };\n"
			"b = { type = \"sendmail\"; fallback = \"c\"; }; c = { type = \"null\"; }; };\n"
			"routes = ( { backend = \"a\"; } );",
	  "t:3: fallback: \"b\" has a fallback of its own, which is not asked then" },
	{ FIRST PORT25 "backends = { a = { type = \"null\"; };\nb = { type = \"null\"; }; };"
		       "routes = ( { backend = \"a\"; } );",
	  "t:4: no route leads to the backend \"b\"" },
	{ BASE "max_recipients = 99;",
	  "t:4: max_recipients is less than 100, the least that RFC 5321 allows" },
	{ FIRST INBOX "\nlisteners = ( { listen = \"*:25\"; max_recipients = 5; } );",
	  "t:4: max_recipients is less than 100, the least that RFC 5321 allows" },
};

static const struct {
	const char *text, *warnings;
} warned_of_clients[] = {
	{ BASE "clients = ( { address = \"192.0.2.1\"; },\n"
	       "{ address = \"192.0.2.2\"; bare_newline = \"reject\"; } );",
	  "" },
	{ BASE "clients = ( { address = \"192.0.2.1\"; bare_newline = \"lenient\"; },\n"
	       "{ address = ( \"192.0.3.0/24\", \"fd00::/8\" ); bare_newline = \"lenient\"; } );",
	  "t:4: bare_newline: with \"lenient\", SMTP smuggling is possible from these clients|"
	  "t:5: bare_newline: with \"lenient\", SMTP smuggling is possible from these clients" },
	{ BASE "clients = ( { address = \"192.0.2.0/24\"; },\n{ address = \"192.0.2.7\"; } );",
	  "t:5: this rule of clients is never reached: those before it take all that it would" },
	{ BASE "clients = ( { address = \"192.0.2.0/25\"; }, { address = \"fd00::/8\"; },\n"
	       "{ address = ( \"fd00::1\", \"192.0.2.0/25\" ); } );",
	  "t:5: this rule of clients is never reached: those before it take all that it would" },
	{ BASE "clients = ( { address = \"192.0.2.0/25\"; },\n{ address = ( \"192.0.2.0/24\" ); } );", "" },
	{ BASE "clients = ( { address = \"192.0.2.0/24\"; },\n"
	       "{ address = ( \"192.0.2.1\", \"192.0.3.1\" ); } );",
	  "" },
	{ BASE "clients = ( { address = \"0.0.0.0/0\"; },\n{ address = \"::1\"; } );", "" },
	{ BASE "lenient = true;", "t:4: lenient: commands are taken that RFC 5321 forbids" },
	{ FIRST INBOX "listeners = ( { listen = \"*:25\"; },\n{ listen = \"*:26\"; lenient = true; } );",
	  "t:4: lenient: commands are taken that RFC 5321 forbids" },
	{ FIRST INBOX "lenient = true; listeners = ( { listen = \"*:25\"; lenient = false; },\n"
		      "{ listen = \"*:26\"; lenient = true; } );",
	  "t:3: lenient: commands are taken that RFC 5321 forbids|"
	  "t:4: lenient: commands are taken that RFC 5321 forbids" },
};

static void check_warnings(const char *text, const char *expected)
{
	struct config *config = read_good(text);
	struct buf all = { 0 };

	for (size_t i = 0; i < config->warning_count; i++)
		ck_assert((i == 0 || buf_add_str(&all, "|")) && buf_add_str(&all, config->warnings[i]));
	ASSERT_BUF_EQ(&all, expected);
	buf_fini(&all);
	config_put(&config);
}

START_TEST(what_is_hardly_meant_is_warned_of)
{
	check_warnings(warned[_i].text, warned[_i].warnings);
}
END_TEST

START_TEST(what_makes_clients_dangerous_or_rules_useless_is_warned_of)
{
	check_warnings(warned_of_clients[_i].text, warned_of_clients[_i].warnings);
}
END_TEST

START_TEST(a_machine_name_without_a_dot_is_taken_with_a_warning)
{
	char name[256] = "";
	struct config *config = read_good("domains = ( \"a.org\" ); postmaster = \"a@a.org\";" INBOX PORT25);

	ck_assert_int_eq(gethostname(name, sizeof(name) - 1), 0);
	ck_assert_str_eq(config->hostname, name);
	ck_assert_uint_eq(config->warning_count, strchr(name, '.') ? 0 : 1);
	config_put(&config);
}
END_TEST

START_TEST(what_is_not_given_has_its_default)
{
	struct config *config = read_good(BASE);
	const struct session_config *s = &config->session;

	ck_assert_uint_eq(config->references, 1);
	ck_assert_str_eq(config->file, "t");
	ck_assert_uint_eq(config->max_sessions, 1000);
	ck_assert_uint_eq(config->max_sessions_per_client, 100);
	ck_assert_uint_eq(config->spool_memory, 256 << 20);
	ck_assert_uint_eq(config->disk_threads, 16);
	ck_assert_uint_eq(config->listen_backlog, 1024);
	ck_assert_int_eq(config->log_level, LOG_LEVEL_INFO);
	ck_assert_ptr_null(s->smtpgreeting);
	ck_assert_uint_eq(s->max_message_size, 50 << 20);
	ck_assert_uint_eq(s->max_header_size, 1 << 20);
	ck_assert_uint_eq(s->max_hops, 100);
	ck_assert_uint_eq(s->max_command_line, 2048);
	ck_assert_uint_eq(s->max_recipients, 1000);
	ck_assert_uint_eq(s->max_messages, 10000);
	ck_assert_uint_eq(s->max_errors, 20);
	ck_assert_uint_eq(s->maxnotimpl, 0);
	ck_assert_uint_eq(s->timeout_s, 1200);
	ck_assert_uint_eq(s->session_timeout_s, 86400);
	ck_assert_uint_eq(s->min_data_rate, 100);
	ck_assert_uint_eq(s->greeting_delay_s, 0);
	ck_assert_int_eq(s->bare_newline, CONFIG_BARE_NEWLINE_AUTO);
	ck_assert(!s->lenient && !s->rejects_unknown_parameters);
	ck_assert_uint_eq(config->listeners[0].session.max_message_size, s->max_message_size);
	ck_assert_uint_eq(config->listeners[0].session.min_data_rate, s->min_data_rate);
	ck_assert(!config->listeners[0].reuse_port);
	ck_assert_uint_eq(config->max_sessions_per_minute, 0);
	ck_assert_uint_eq(config->client_prefix_ipv4, 32);
	ck_assert_uint_eq(config->client_prefix_ipv6, 64);
	ck_assert_int_eq(config->log_format, LOG_FORMAT_TEXT);
	ck_assert(!config->syslog);
	ck_assert_uint_eq(config->syslog_facility, 2);
	ck_assert_str_eq(config->syslog_tag, "smtpfrontd");
	ck_assert_uint_eq(config->slow_step_s, 5);
	ck_assert_uint_eq(config->client_count, 0);
	ck_assert_uint_eq(config->listeners[0].session.session_timeout_s, s->session_timeout_s);
	config_put(&config);
	ck_assert_ptr_null(config);
}
END_TEST

START_TEST(one_backend_needs_no_routes)
{
	struct config *config = read_good(BASE);

	ck_assert_uint_eq(config->route_count, 1);
	ck_assert_ptr_null(config->routes[0].domain);
	ck_assert_ptr_eq(config->routes[0].backend, &config->backends[0]);
	config_put(&config);
}
END_TEST

START_TEST(values_arrive_where_they_belong)
{
	struct config *config =
		read_good("hostname = \"MX.example.org\"; domains = [ \"B.org\", \"a.ORG\" ]; postmaster = "
			  "\"Anna@B.org\";\n"
			  "routes = ( { domain = \"A.org\"; backend = \"two\"; }, { backend = \"one\"; } );\n"
			  "backends = { one = { type = \"maildir\"; path = \"/m\\\"/%u\"; }; two = { type = "
			  "\"null\"; }; };\n"
			  "listeners = ( { listen = \"192.0.2.1:25\"; },\n { listen = \"*:0\"; } );\n"
			  "max_sessions = 010; max_sessions_per_client = 0x10; spool_memory = 6000000000L; "
			  "log_level = \"debug\";\n"
			  "max_message_size = \"5g\"; maxnotimpl = 3; timeout = \"1h\"; smtpgreeting = \"a "
			  "\" \"b\\nc\";\n");

	ck_assert_str_eq(config->hostname, "MX.example.org");
	ck_assert_uint_eq(config->domain_count, 2);
	ck_assert_str_eq(config->domains[0], "b.org");
	ck_assert_str_eq(config->domains[1], "a.org");
	ck_assert_str_eq(config->postmaster, "Anna@B.org");
	ck_assert_uint_eq(config->route_count, 2);
	ck_assert_str_eq(config->routes[0].domain, "a.org");
	ck_assert_str_eq(config->routes[0].backend->name, "two");
	ck_assert_str_eq(config->routes[1].backend->name, "one");
	ck_assert_uint_eq(config->backend_count, 2);
	ck_assert_int_eq(config->backends[0].type, BACKEND_MAILDIR);
	ck_assert_str_eq(config->backends[0].path, "/m\"/%u");
	ck_assert_int_eq(config->backends[1].type, BACKEND_NULL);
	ck_assert_ptr_null(config->backends[1].path);
	ck_assert_uint_eq(config->listener_count, 2);
	ck_assert_str_eq(config->listeners[0].listen, "192.0.2.1:25");
	ck_assert_uint_eq(config->listeners[0].addr.family, ADDR_IPV4);
	ck_assert_uint_eq(config->listeners[0].addr.port, 25);
	ck_assert_int_eq(config->listeners[0].place.line, 4);
	ck_assert_int_eq(config->listeners[1].place.line, 5);
	ck_assert_uint_eq(config->max_sessions, 10); /* decimal, whatever it looks like */
	ck_assert_uint_eq(config->max_sessions_per_client, 16);
	ck_assert_uint_eq(config->spool_memory, UINT64_C(6000000000));
	ck_assert_int_eq(config->log_level, LOG_LEVEL_DEBUG);
	ck_assert_uint_eq(config->session.max_message_size, UINT64_C(5) << 30);
	ck_assert_uint_eq(config->session.maxnotimpl, 3);
	ck_assert_uint_eq(config->session.timeout_s, 3600);
	ck_assert_str_eq(config->session.smtpgreeting, "a b\nc");
	config_put(&config);
}
END_TEST

START_TEST(words_and_switches_arrive_where_they_belong)
{
	struct config *config = read_good(
		FIRST INBOX "listeners = ( "
		"{ listen = \"*:25\"; reuse_port = true; bare_newline = \"auto\"; }, "
		"{ listen = \"*:26\"; lenient = TRUE; unknown_parameters = \"ignore\"; } );\n"
		"bare_newline = \"reject\"; unknown_parameters = \"reject\"; greeting_delay = \"5s\"; "
		"min_data_rate = 0; max_sessions_per_minute = 30; client_prefix_ipv4 = 24; "
		"client_prefix_ipv6 = 48; "
		"log_format = \"json\"; syslog = true; syslog_facility = \"local3\"; syslog_tag = \"mx-in\"; "
		"slow_step = \"1m\";");
	const struct session_config *first = &config->listeners[0].session;
	const struct session_config *second = &config->listeners[1].session;

	ck_assert(config->listeners[0].reuse_port && !config->listeners[1].reuse_port);
	ck_assert_int_eq(first->bare_newline, CONFIG_BARE_NEWLINE_AUTO);
	ck_assert_int_eq(second->bare_newline, CONFIG_BARE_NEWLINE_REJECT);
	ck_assert(!first->lenient && second->lenient);
	ck_assert(first->rejects_unknown_parameters && !second->rejects_unknown_parameters);
	ck_assert_uint_eq(first->greeting_delay_s, 5);
	ck_assert_uint_eq(first->min_data_rate, 0);
	ck_assert_uint_eq(config->max_sessions_per_minute, 30);
	ck_assert_uint_eq(config->client_prefix_ipv4, 24);
	ck_assert_uint_eq(config->client_prefix_ipv6, 48);
	ck_assert_int_eq(config->log_format, LOG_FORMAT_JSON);
	ck_assert(config->syslog);
	ck_assert_uint_eq(config->syslog_facility, 19);
	ck_assert_str_eq(config->syslog_tag, "mx-in");
	ck_assert_uint_eq(config->slow_step_s, 60);
	config_put(&config);
}
END_TEST

START_TEST(rules_for_clients_arrive_in_their_order)
{
	struct config *config = read_good(
		BASE "clients = ( { address = \"192.0.2.9\"; bare_newline = \"reject\"; },\n"
		     "{ address = [ \"2001:db8::/32\", \"192.0.2.0/24\" ]; bare_newline = \"lenient\"; },\n"
		     "{ address = ( \"10.0.0.0/8\" ); } );");
	const struct client_config *c = config->clients;

	ck_assert_uint_eq(config->client_count, 3);
	ck_assert(c[0].addresses.count == 1 && c[1].addresses.count == 2 && c[2].addresses.count == 1);
	ck_assert(c[0].addresses.networks[0].family == ADDR_IPV4 && c[0].addresses.networks[0].bits == 32);
	ck_assert(c[1].addresses.networks[0].family == ADDR_IPV6 && c[1].addresses.networks[0].bits == 32);
	ck_assert(c[1].addresses.networks[1].family == ADDR_IPV4 && c[1].addresses.networks[1].bits == 24);
	ck_assert(c[0].has_bare_newline && c[1].has_bare_newline && !c[2].has_bare_newline);
	ck_assert_int_eq(c[0].bare_newline, CONFIG_BARE_NEWLINE_REJECT);
	ck_assert_int_eq(c[1].bare_newline, CONFIG_BARE_NEWLINE_LENIENT);
	ck_assert_int_eq(c[1].place.line, 5);
	config_put(&config);
}
END_TEST

START_TEST(domains_are_kept_in_a_labels)
{
	struct config *config =
		read_good("hostname = \"mx.m\xc3\xbcller.example\";\n"
			  "domains = ( \"M\xc3\x9cller.Example\", \"XN--BCHER-KVA.example\" );\n"
			  "postmaster = \"Anna@m\xc3\xbcller.example\";\n"
			  "routes = ( { domain = \"mu\xcc\x88ller.example\"; backend = \"inbox\"; },\n"
			  " { domain = \"b\xc3\xbc" "cher.example\"; backend = \"inbox\"; } );\n"
			  INBOX PORT25);

	ck_assert_str_eq(config->hostname, "mx.xn--mller-kva.example");
	ck_assert_str_eq(config->domains[0], "xn--mller-kva.example");
	ck_assert_str_eq(config->domains[1], "xn--bcher-kva.example");
	ck_assert_str_eq(config->postmaster, "Anna@xn--mller-kva.example");
	ck_assert_str_eq(config->routes[0].domain, "xn--mller-kva.example");
	ck_assert_str_eq(config->routes[1].domain, "xn--bcher-kva.example");
	ck_assert_uint_eq(config->warning_count, 0);
	config_put(&config);
}
END_TEST

START_TEST(a_key_in_a_listener_wins_there_only)
{
	struct config *config =
		read_good(FIRST INBOX "listeners = ( { listen = \"*:25\"; timeout = 7; maxnotimpl = "
				      "\"unlimited\"; }, { listen = \"*:26\"; } );\n"
				      "timeout = 60; max_hops = 5; maxnotimpl = 2;\n");

	ck_assert_uint_eq(config->session.timeout_s, 60);
	ck_assert_uint_eq(config->listeners[0].session.timeout_s, 7);
	ck_assert_uint_eq(config->listeners[0].session.maxnotimpl, 0);
	ck_assert_uint_eq(config->listeners[1].session.timeout_s, 60);
	ck_assert_uint_eq(config->listeners[1].session.maxnotimpl, 2);
	ck_assert_uint_eq(config->listeners[0].session.max_hops, 5);
	config_put(&config);
}
END_TEST

START_TEST(several_listeners_may_let_the_kernel_choose_a_port)
{
	struct config *config = read_good(FIRST INBOX "listeners = ( { listen = \"127.0.0.1:0\"; }, { listen "
						      "= \"127.0.0.1:0\"; }, { listen = \"127.0.0.1:25\"; },"
						      " { listen = \"127.0.0.2:25\"; }, { listen = "
						      "\"127.0.0.1:26\"; }, { listen = \"[::1]:25\"; } );\n");

	ck_assert_uint_eq(config->listener_count, 6);
	config_put(&config);
}
END_TEST

START_TEST(the_last_reference_frees)
{
	struct config *config = read_good(BASE), *other = config_get(config);

	config_put(&config);
	ck_assert_str_eq(other->hostname, "mx.example.org");
	config_put(&other);
	config_put(&other);
}
END_TEST

START_TEST(too_many_domains_are_refused)
{
	struct buf text = { 0 };
	struct err err;

	ck_assert(buf_add_str(&text, "domains = ( "));
	for (uint64_t i = 0; i <= 10000; i++)
		ck_assert(buf_add_str(&text, i ? ", \"" : "\"") && buf_add_u64(&text, i) &&
			  buf_add_str(&text, "\""));
	ck_assert(buf_add_str(&text, " );"));
	ck_assert_ptr_null(config_load_text("t", buf_span(&text), NULL, &err));
	ck_assert_str_eq(err.text, "t:1: domains: more than 10000");
	buf_fini(&text);
}
END_TEST

START_TEST(too_many_addresses_in_a_rule_are_refused)
{
	struct buf text = { 0 };
	struct err err;

	ck_assert(buf_add_str(&text, BASE "clients = ( { address = ( \"::\""));
	for (unsigned i = 0; i < 1000; i++)
		ck_assert(buf_add_str(&text, ", \"::1\""));
	ck_assert(buf_add_str(&text, " ); } );"));
	ck_assert_ptr_null(config_load_text("t", buf_span(&text), NULL, &err));
	ck_assert_str_eq(err.text, "t:4: address: more than 1000");
	buf_fini(&text);
}
END_TEST

START_TEST(too_many_keys_are_refused)
{
	struct buf text = { 0 };
	struct err err;

	for (uint64_t i = 0; i <= 20000; i++)
		ck_assert(buf_add_str(&text, "k") && buf_add_u64(&text, i) && buf_add_str(&text, "=1;\n"));
	ck_assert_ptr_null(config_load_text("t", buf_span(&text), NULL, &err));
	ck_assert_str_eq(err.text, "t:20001: more than 20000 keys");
	buf_fini(&text);
}
END_TEST

/* ---- files ---- */

START_TEST(mistakes_in_an_included_file_are_told_with_its_name_and_line)
{
	char path[512], expected[1100];
	struct temp_dir dir;
	struct err err;

	temp_dir_init(&dir);
	snprintf(path, sizeof(path), "%s/main.conf", dir.path);
	write_file(&dir, "main.conf", FIRST "@include \"more.conf\"\n" INBOX "xyzzy = 1;\n");
	write_file(&dir, "more.conf", "\n" PORT25 "timeout = 5;\n");
	ck_assert_ptr_null(config_load(path, NULL, &err));
	snprintf(expected, sizeof(expected), "%s:4: unknown key \"xyzzy\" at top level", path);
	ck_assert_str_eq(err.text, expected);
	write_file(&dir, "more.conf", "\n" PORT25 "timeout = 0;\n");
	write_file(&dir, "main.conf", FIRST "@include \"more.conf\"\n" INBOX);
	ck_assert_ptr_null(config_load(path, NULL, &err));
	snprintf(expected, sizeof(expected), "%s/more.conf:3: timeout: 0 is out of range", dir.path);
	ck_assert_msg(strncmp(err.text, expected, strlen(expected)) == 0, "%s", err.text);
	write_file(&dir, "more.conf", "\n" PORT25 "\n\nfoo bar\n");
	ck_assert_ptr_null(config_load(path, NULL, &err));
	snprintf(expected, sizeof(expected), "%s/more.conf:5: syntax error", dir.path);
	ck_assert_str_eq(err.text, expected);
	temp_dir_fini(&dir);
}
END_TEST

START_TEST(a_directory_can_not_end_the_process)
{
	struct temp_dir dir;
	struct err err;
	char path[512], expected[1100];

	temp_dir_init(&dir);
	snprintf(path, sizeof(path), "%s/main.conf", dir.path);
	write_file(&dir, "main.conf", BASE "@include \".\"\n");
	ck_assert_ptr_null(config_load(path, NULL, &err));
	snprintf(expected, sizeof(expected), "%s:4: %s/.: is not a regular file", path, dir.path);
	ck_assert_str_eq(err.text, expected);
	ck_assert_ptr_null(config_load(dir.path, NULL, &err));
	temp_dir_fini(&dir);
}
END_TEST

START_TEST(reading_leaves_no_descriptor_behind)
{
	struct temp_dir dir;
	struct config *config;
	struct err err;
	unsigned before = open_descriptors();
	char path[512];

	temp_dir_init(&dir);
	snprintf(path, sizeof(path), "%s/main.conf", dir.path);
	write_file(&dir, "more.conf", PORT25);
	write_file(&dir, "main.conf", FIRST "@include \"more.conf\"\n" INBOX);
	config = config_load(path, NULL, &err);
	ck_assert_ptr_nonnull(config);
	config_put(&config);
	write_file(&dir, "more.conf", "=");
	ck_assert_ptr_null(config_load(path, NULL, &err));
	write_file(&dir, "main.conf", "@include \".\"\n");
	ck_assert_ptr_null(config_load(path, NULL, &err));
	ck_assert_uint_eq(open_descriptors(), before);
	temp_dir_fini(&dir);
}
END_TEST

/* ---- memory ---- */

START_TEST(running_out_of_memory_is_an_error_like_others)
{
	char *variables[] = { "TIMEOUT=5", "SMTPGREETING=hello", "MAILRULES=x", "PROTO=TCP6", NULL };
	struct environment environment;
	struct config *config = NULL;
	struct temp_dir dir;
	unsigned long n = 0;
	char path[512];

	environment_init(&environment, variables);
	temp_dir_init(&dir);
	snprintf(path, sizeof(path), "%s/main.conf", dir.path);
	write_file(&dir, "more.conf", PORT25);
	/* Long enough for the text and the arena to grow, and something to warn of. */
	write_file(&dir, "main.conf",
		   "domains = ( \"a.example.org\", \"b.example.org\", \"c.example.org\" );\n@include "
		   "\"more.conf\"\n" INBOX
		   "routes = ( { domain = \"a.example.org\"; backend = \"inbox\"; } );\n"
		   "clients = ( { address = ( \"192.0.2.0/24\" ); bare_newline = \"lenient\"; } );\n"
		   "smtpgreeting = \"mx.example.org is at your service and wishes you a nice day\";\n");
	for (bool has_failed = true; has_failed; n++) {
		struct err err = { .text = "" };

		fail_malloc_at(n + 1);
		config = config_load(path, &environment, &err);
		has_failed = fail_malloc_stop();
		ck_assert(has_failed == (config == NULL));
		ck_assert_msg(config || strstr(err.text, "out of memory"), "%s", err.text);
	}
	ck_assert_uint_gt(n, 5);
	config_put(&config);
	temp_dir_fini(&dir);
}
END_TEST

/* What a set-id program needs is given up only where no backend runs one. */
START_TEST(set_id_programs_are_known)
{
	static const struct {
		const char *backends;
		bool runs_set_id;
	} rows[] = {
		{ "a = { type = \"maildir\"; path = \"/x\"; };", false },
		{ "a = { type = \"qmail-queue\"; };", true },
		{ "a = { type = \"sendmail\"; set_id = false; };", false },
		{ "a = { type = \"sendmail\"; set_id = false; }; b = { type = \"sendmail\"; };", true },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[400];
		struct config *config;

		snprintf(text, sizeof(text), FIRST PORT25 "backends = { %s }; routes = ( { backend = \"a\"; } );",
			 rows[i].backends);
		config = read_good(text);
		ck_assert_int_eq(config_runs_set_id(config, false), rows[i].runs_set_id);
		config_put(&config);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("config");
	TCase *tcase = tcase_create("config");

	ADD_ROWS(tcase, mistakes_are_told_with_file_line_and_key, refused);
	ADD_ROWS(tcase, what_is_hardly_meant_is_warned_of, warned);
	ADD_ROWS(tcase, what_makes_clients_dangerous_or_rules_useless_is_warned_of, warned_of_clients);
	tcase_add_test(tcase, a_machine_name_without_a_dot_is_taken_with_a_warning);
	tcase_add_test(tcase, what_is_not_given_has_its_default);
	tcase_add_test(tcase, one_backend_needs_no_routes);
	tcase_add_test(tcase, values_arrive_where_they_belong);
	tcase_add_test(tcase, words_and_switches_arrive_where_they_belong);
	tcase_add_test(tcase, rules_for_clients_arrive_in_their_order);
	tcase_add_test(tcase, domains_are_kept_in_a_labels);
	tcase_add_test(tcase, a_key_in_a_listener_wins_there_only);
	tcase_add_test(tcase, several_listeners_may_let_the_kernel_choose_a_port);
	tcase_add_test(tcase, the_last_reference_frees);
	tcase_add_test(tcase, too_many_domains_are_refused);
	tcase_add_test(tcase, too_many_addresses_in_a_rule_are_refused);
	tcase_add_test(tcase, too_many_keys_are_refused);
	tcase_add_test(tcase, mistakes_in_an_included_file_are_told_with_its_name_and_line);
	tcase_add_test(tcase, a_directory_can_not_end_the_process);
	tcase_add_test(tcase, reading_leaves_no_descriptor_behind);
	tcase_add_test(tcase, running_out_of_memory_is_an_error_like_others);
	tcase_add_test(tcase, set_id_programs_are_known);
	suite_add_tcase(suite, tcase);
	return unit_main(suite);
}
