/* conf/lint_backends: hosts that are there twice or are we ourselves, and TLS that does nothing, are warned of. */
#include "config_text.h"

/* Two listeners in line 2; what stands in the backend "hop" begins in line 3. */
#define HOP(keys)                                                                                   \
	FIRST "listeners = ( { listen = \"[::]:25\"; }, { listen = \"192.0.2.1:26\"; } );\n"        \
	      "backends = { hop = { type = \"smtp\"; " keys " }; };\n"

/* With another backend in line 4, for recipients in our domain. */
#define TWO(keys, other)                                                                                   \
	FIRST "listeners = ( { listen = \"[::]:25\"; }, { listen = \"192.0.2.1:26\"; } );\n"               \
	      "backends = { hop = { type = \"smtp\"; hosts = ( \"a.example:25\" ); " keys " };\n"          \
	      "other = { type = \"lmtp\"; hosts = ( \"b.example:24\" ); " other " }; };\n"

#define ROUTES "routes = ( { domain = \"example.org\"; backend = \"other\"; }, { backend = \"hop\"; } );\n"
#define OWN(host, listener)                                                                             \
	"t:3: hosts: \"" host "\" is our own listener \"" listener "\"; mail goes in a circle unless routes for " \
	"that listener lead elsewhere"
#define WHOLE "offers = ( \"DSN\", \"REQUIRETLS\" ); tls = \"verify\";"

static const struct {
	const char *text, *warnings; /* joined with '|' */
} warned[] = {
	{ HOP("hosts = ( \"a.example:25\", \"b.example:25\", \"a.example:26\", \"192.0.2.9:25\", \"unix:/a\" );"), "" },
	{ HOP("hosts = ( \"a.example:25\", \"b.example:25\", \"A.example:25\" );"),
	  "t:3: hosts: \"A.example:25\" is given twice" },
	{ HOP("hosts = ( \"[2001:db8::1]:25\", \"[2001:DB8:0::1]:25\" );"),
	  "t:3: hosts: \"[2001:DB8:0::1]:25\" is given twice" },
	{ HOP("hosts = ( \"unix:/run/a\", \"/run/A\",\n\"/run/a\" );"), "t:3: hosts: \"/run/a\" is given twice" },
	{ HOP("\nhosts = ( \"a.example:25\", \"a.example:25\", \"a.example:25\" );"),
	  "t:4: hosts: \"a.example:25\" is given twice" },

	{ HOP("hosts = ( \"127.0.0.1:25\" );"), OWN("127.0.0.1:25", "[::]:25") },
	{ HOP("hosts = ( \"[::1]:25\" );"), OWN("[::1]:25", "[::]:25") },
	{ HOP("hosts = ( \"localhost:25\" );"), OWN("localhost:25", "[::]:25") },
	{ HOP("hosts = ( \"MX.example.org:25\" );"), OWN("MX.example.org:25", "[::]:25") },
	{ HOP("hosts = ( \"b.example:25\", \"192.0.2.1:26\" );"), OWN("192.0.2.1:26", "192.0.2.1:26") },
	{ HOP("hosts = ( \"127.0.0.1:26\", \"[::1]:26\", \"localhost:26\", \"192.0.2.1:27\", \"unix:/127.0.0.1:25\" );"), "" },
	/* Port 25 of IPv4 is another listener's. */
	{ FIRST "listeners = ( { listen = \"[::]:25\"; }, { listen = \"192.0.2.1:25\"; } );\n"
		"backends = { hop = { type = \"smtp\"; hosts = ( \"127.0.0.1:25\", \"localhost:25\" ); }; };", "" },
	{ FIRST "listeners = ( { listen = \"127.0.0.1:25\"; } );\n"
		"backends = { hop = { type = \"smtp\"; hosts = ( \"[::1]:25\", \"mx.example.org:25\" ); }; };", "" },
	{ FIRST "listeners = ( { listen = \"[::1]:25\"; } );\n"
		"backends = { hop = { type = \"smtp\"; hosts = ( \"localhost:25\" ); }; };",
	  OWN("localhost:25", "[::1]:25") },

	{ HOP("hosts = ( \"a.example:25\" );\ntls = \"never\"; tls_name = \"b.example\"; tls_cafile = \"/a\";\n"
	      "tls_certfile = \"/b\"; tls_keyfile = \"/c\";"),
	  "t:4: tls_name does nothing where tls is \"never\"|t:4: tls_cafile does nothing where tls is \"never\"|"
	  "t:5: tls_certfile does nothing where tls is \"never\"" },
	{ HOP("hosts = ( \"a.example:25\" ); tls = \"verify\"; tls_name = \"b.example\"; tls_cafile = \"/a\";"), "" },
	{ HOP("hosts = ( \"a.example:25\" ); tls = \"encrypt\"; tls_name = \"b.example\";"), "" },

	{ TWO(WHOLE, WHOLE) ROUTES, "" },
	{ TWO(WHOLE, "tls = \"verify\";") ROUTES, "" },
	{ TWO(WHOLE, "\ntls = \"never\";") ROUTES,
	  "t:5: tls: \"never\" keeps the listener \"[::]:25\" from offering REQUIRETLS, which another of its backends is "
	  "to offer" },
	{ TWO("tls = \"verify\";", "tls = \"never\";") ROUTES, "" },
	/* Each has a listener for itself. */
	{ TWO(WHOLE, "tls = \"never\";") "routes = ( { listener = \"[::]:25\"; backend = \"hop\"; },"
	  " { listener = \"192.0.2.1:26\"; backend = \"other\"; } );", "" },
	{ TWO("offers = ( \"REQUIRETLS\" ); tls = \"encrypt\";", "tls = \"may\";") ROUTES,
	  "t:3: offers: REQUIRETLS is not offered unless tls is \"verify\" or \"immediate\"" },
};

START_TEST(what_does_nothing_or_leads_in_a_circle_is_warned_of)
{
	struct config *config = read_good(warned[_i].text);
	char all[2048] = "";

	for (size_t i = 0; i < config->warning_count; i++)
		snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s", i ? "|" : "", config->warnings[i]);
	ck_assert_str_eq(all, warned[_i].warnings);
	config_put(&config);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lint_backends");
	TCase *tcase = tcase_create("lint_backends");

	suite_add_tcase(suite, tcase);
	ADD_ROWS(tcase, what_does_nothing_or_leads_in_a_circle_is_warned_of, warned);
	return unit_main(suite);
}
