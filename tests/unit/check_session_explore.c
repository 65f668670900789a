/*
 * The protocol machine, explored: from a new session every letter of an
 * alphabet (session_alphabet.h) is tried in every state that was reached,
 * breadth first, until no new state comes. In each transition the laws of
 * proto/session.h are held against the references of session_model.h; each is
 * made again byte by byte, and again with one allocation after the other
 * failing. States and transitions are printed. With LONG=1 the alphabet is
 * larger.
 */
#include "session_trial.h"
#include "unit.h"

#include <stdio.h>

/* ---- the states ---- */

static size_t hash(const struct state_key *key)
{
	const unsigned char *p = (const unsigned char *)key;
	uint64_t h = 1469598103934665603u;

	for (size_t i = 0; i < sizeof(*key); i++)
		h = (h ^ p[i]) * 1099511628211u;
	return (size_t)(h ^ h >> 29);
}

static uint32_t *find_slot(const struct explorer *e, const struct state_key *key)
{
	size_t i = hash(key);

	for (;; i++) {
		uint32_t *slot = &e->slots[i & (e->slot_count - 1)];

		if (*slot == 0 || memcmp(&e->nodes[*slot - 1].key, key, sizeof(*key)) == 0)
			return slot;
	}
}

static void rehash(struct explorer *e)
{
	free(e->slots);
	e->slot_count *= 2;
	e->slots = calloc(e->slot_count, sizeof(*e->slots));
	play_need(e->slots != NULL);
	for (size_t i = 0; i < e->count; i++)
		*find_slot(e, &e->nodes[i].key) = (uint32_t)i + 1;
}

/* Takes the node over. */
static void add_node(struct explorer *e, struct node *n)
{
	uint32_t *slot = find_slot(e, &n->key);

	if (*slot) {
		node_fini(n);
		return;
	}
	if (e->count == e->size) {
		e->size *= 2;
		e->nodes = realloc(e->nodes, e->size * sizeof(*e->nodes));
		play_need(e->nodes != NULL);
	}
	e->nodes[e->count++] = *n;
	*slot = (uint32_t)e->count;
	if (e->count * 2 > e->slot_count)
		rehash(e);
}

/* Content whose end, if there is one, is its last byte: what stands behind belongs to other letters. */
static bool ends_at_its_end(const struct node *n, const struct letter *l)
{
	struct buf bytes = { 0 };
	struct model_data m;
	bool is_so;

	if (!state_is_in_body(n->session))
		return true;
	play_need(buf_add_span(&bytes, buf_span(&n->body)) && buf_add_span(&bytes, l->bytes));
	model_data_decode(&m, buf_span(&bytes), n->key.dot_line_ending);
	is_so = !m.has_ended || m.used == buf_len(&bytes);
	model_data_fini(&m);
	buf_fini(&bytes);
	return is_so;
}

/* No owner says 250 to these. */
static bool may_be_accepted_with(const struct node *n, const struct smtp_reply *reply)
{
	if (n->key.waiting == SMTP_EVENT_AUTH || n->key.waiting == SMTP_EVENT_AUTH_STEP)
		return reply->code != 250;
	if (reply->code == 334)
		return false;
	return reply->code != 250 || (n->key.waiting != SMTP_EVENT_CONNECT && n->key.waiting != SMTP_EVENT_DATA &&
				      n->key.waiting != SMTP_EVENT_STARTTLS);
}

static bool is_applicable(const struct explorer *e, const struct node *n, const struct letter *l)
{
	enum { KEPT_MAX = 3 };
	bool is_waiting = state_is_waiting(n->session);
	bool takes_input = !is_waiting && !state_is_new(n->session);
	bool is_in_chunk = state_chunk_left(n->session) > 0;
	bool takes_lines = takes_input && !state_is_in_body(n->session) && !is_in_chunk;
	size_t kept = state_line_len(n->session);

	if ((l->is_long_only && !e->is_long) || (l->is_of_auth && !e->options.offers_auth && !e->is_long))
		return false;
	if (l->is_of_chunks && !e->has_chunks && !e->is_long)
		return false;
	switch (l->kind) {
	case LETTER_LINE: return takes_lines;
	case LETTER_PART: return takes_lines && kept < KEPT_MAX;
	case LETTER_LONG_PART: return takes_lines && (kept < KEPT_MAX || kept == SIZE_MAX);
	case LETTER_BODY:
		if (is_in_chunk)
			return takes_input && l->bytes.len <= state_chunk_left(n->session);
		return takes_input && (state_is_in_body(n->session) || state_awaits_tls(n->session)) &&
		       ends_at_its_end(n, l);
	case LETTER_VERDICT: return is_waiting && may_be_accepted_with(n, &l->reply);
	case LETTER_CLOSE: return true;
	case LETTER_TLS:
		return !is_waiting && (state_is_new(n->session) ? !n->key.is_tls : state_awaits_tls(n->session));
	case LETTER_RECIPIENTS:
		return takes_lines && kept == 0 && n->key.is_open && n->key.deferred == 0 && n->key.errors == 0;
	}
	return false;
}

/* Law 1: byte by byte it comes to the same. */
static void try_bytewise(struct explorer *e, const struct trial *whole)
{
	struct trial t = { .e = e, .from = whole->from, .letter = whole->letter, .is_bytewise = true };

	if (whole->letter->kind >= LETTER_VERDICT || whole->letter->times > 100)
		return;
	trial_run(&t);
	trial_law(&t, memcmp(&t.to.key, &whole->to.key, sizeof(t.to.key)) == 0,
		  "byte by byte it comes to another state");
	trial_law(&t, span_eq(buf_span(&t.output), buf_span(&whole->output)), "byte by byte it gives other output");
	trial_law(&t, span_eq(buf_span(&t.events), buf_span(&whole->events)), "byte by byte it tells other events");
	e->transitions++;
	trial_fini(&t);
}

/* Each allocation fails once; what that leads to is explored too. */
static void try_without_memory(struct explorer *e, uint32_t from, uint32_t letter)
{
	unsigned long most = e->is_long ? 1000 : 1;

	if (letters[letter].kind == LETTER_RECIPIENTS)
		return;
	for (unsigned long nth = 1; nth <= most; nth++) {
		struct trial t = { .e = e, .from = &e->nodes[from], .letter = &letters[letter] };

		if (trial_run_without_memory(&t, nth)) {
			t.to.parent = from;
			t.to.letter = letter;
			e->transitions++;
			add_node(e, &t.to);
			t.to = (struct node){ 0 };
		} else {
			most = 0;
		}
		trial_fini(&t);
	}
}

static void explore_letter(struct explorer *e, uint32_t from, uint32_t letter)
{
	struct trial t = { .e = e, .from = &e->nodes[from], .letter = &letters[letter] };

	trial_run(&t);
	e->transitions++;
	try_bytewise(e, &t);
	t.to.parent = from;
	t.to.letter = letter;
	add_node(e, &t.to);
	t.to = (struct node){ 0 };
	trial_fini(&t);
	try_without_memory(e, from, letter);
}

/* ---- what must hold in each state, whatever comes ---- */

static void must_stay(const struct trial *t, const char *what)
{
	struct state_key key;

	state_read(&key, t->to.session, &t->to.model);
	trial_law(t, memcmp(&key, &t->from->key, sizeof(key)) == 0, what);
	trial_law(t, smtp_session_output(t->to.session).len == 0, what);
}

/* Law 2 while a verdict is owed; and the end is the end. */
static void offer_in_vain(const struct trial *t, enum smtp_event_type expected)
{
	struct smtp_event event;
	size_t used = smtp_session_next(t->to.session, SPAN_LITERAL("NOOP\r\n.\r\n"), &event);

	trial_law(t, used == 0 && event.type == expected, "bytes were used that may not be");
	must_stay(t, "bytes that may not be used had an effect");
}

static void check_node(const struct explorer *e, uint32_t at)
{
	static const struct letter nothing = { .name = "nothing" };
	static const struct smtp_reply reply = { 421, NULL, "Closing.", "told" };
	struct trial t = { .e = e, .from = &e->nodes[at], .letter = &nothing };

	node_copy(&t.to, t.from);
	smtp_session_trim(t.to.session);
	must_stay(&t, "to trim had an effect");
	if (state_is_waiting(t.to.session))
		offer_in_vain(&t, SMTP_EVENT_WAITING);
	if (t.from->has_ended) {
		offer_in_vain(&t, SMTP_EVENT_CLOSE);
		smtp_session_close(t.to.session, &reply);
		must_stay(&t, "to close again had an effect");
	}
	trial_fini(&t);
}

/* ---- the exploration ---- */

static void add_first_nodes(struct explorer *e)
{
	struct node first = { .session = smtp_session_new(&e->options), .parent = UINT32_MAX, .letter = UINT32_MAX };
	static const struct letter nothing = { .name = "nothing", .kind = LETTER_TLS };
	struct trial t = { .e = e, .letter = &nothing };

	play_need(first.session != NULL);
	smtp_session_offer_auth(first.session, PLAY_AUTH);
	state_read(&first.key, first.session, &first.model);
	add_node(e, &first);
	t.from = &e->nodes[0];
	trial_connect(&t);
	t.to.parent = 0;
	add_node(e, &t.to);
	t.to = (struct node){ 0 };
	trial_fini(&t);
}

static void explore(struct explorer *e)
{
	e->slot_count = 1024;
	e->size = 256;
	e->slots = calloc(e->slot_count, sizeof(*e->slots));
	e->nodes = malloc(e->size * sizeof(*e->nodes));
	play_need(e->slots && e->nodes);
	add_first_nodes(e);
	for (uint32_t i = 0; i < e->count; i++) {
		check_node(e, i);
		for (uint32_t l = 0; l < letter_count && !e->nodes[i].has_ended; l++)
			if (is_applicable(e, &e->nodes[i], &letters[l]))
				explore_letter(e, i, l);
		node_fini(&e->nodes[i]);
	}
}

static void explorer_fini(struct explorer *e)
{
	free(e->nodes);
	free(e->slots);
}

static const struct way {
	const char *name;
	enum smtp_bare_newline bare_newline;
	uint32_t maxnotimpl;
	bool is_lenient, rejects_unknown_parameters, offers_starttls, requires_tls, offers_auth, auth_without_tls, has_chunks;
	bool is_long_only;
} ways[] = {
	{ .name = "plain", .is_long_only = true },
	{ .name = "STARTTLS", .offers_starttls = true },
	{ .name = "TLS required", .offers_starttls = true, .requires_tls = true },
	{ .name = "AUTH", .offers_auth = true, .auth_without_tls = true },
	{ .name = "AUTH in TLS", .offers_auth = true, .offers_starttls = true, .is_long_only = true },
	{ .name = "lenient", .is_lenient = true },
	{ .name = "chunks", .has_chunks = true },
	{ .name = "chunks, bare newline rejected", .has_chunks = true, .bare_newline = SMTP_BARE_NEWLINE_REJECT },
	{ .name = "chunks, lenient", .has_chunks = true, .bare_newline = SMTP_BARE_NEWLINE_LENIENT, .is_lenient = true,
	  .is_long_only = true },
	{ .name = "bare newline rejected", .bare_newline = SMTP_BARE_NEWLINE_REJECT,
	  .rejects_unknown_parameters = true },
	{ .name = "bare newline lenient", .bare_newline = SMTP_BARE_NEWLINE_LENIENT, .maxnotimpl = 1 },
};

START_TEST(laws_hold_in_every_state)
{
	const struct way *way = &ways[_i];
	struct explorer e = { .is_long = getenv("LONG") && *getenv("LONG"), .has_chunks = way->has_chunks };

	e.options = (struct smtp_session_options){
		.hostname = "mx",
		.greeting = "mx\nsmtpfrontd",
		.max_message_size = e.is_long ? 12 : 3,
		.max_header_size = e.is_long ? 10 : 2,
		.max_hops = 0,
		.max_command_line = 40,
		.max_recipients = 1,
		.max_messages = e.is_long ? 2 : 1,
		.max_errors = e.is_long ? 2 : 1,
		.maxnotimpl = way->maxnotimpl,
		.bare_newline = way->bare_newline,
		.is_lenient = way->is_lenient,
		.rejects_unknown_parameters = way->rejects_unknown_parameters,
		.offers_starttls = way->offers_starttls,
		.requires_tls = way->requires_tls,
		.offers_auth = way->offers_auth,
		.auth_without_tls = way->auth_without_tls,
	};
	if (way->is_long_only && !e.is_long)
		return;
	explore(&e);
	printf("%s: %zu states, %lu transitions\n", way->name, e.count, e.transitions);
	fflush(stdout);
	ck_assert_uint_gt(e.count, 1000);
	explorer_fini(&e);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("exploration of the session");
	TCase *tcase = tcase_create("exploration");

	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, 600);
	ADD_ROWS(tcase, laws_hold_in_every_state, ways);
	return unit_main(suite);
}
