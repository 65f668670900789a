/*
 * Every script of tests/vectors-client, with the hop's bytes whole, one by one and
 * at every two-way cut, with the output sent byte by byte, with memory given back
 * at each occasion, and with each allocation failing in its turn. Each file is a
 * round of each test.
 */
#include "client_play.h"
#include "unit.h"

static struct client_script_set scripts;

/* The countdown runs inside the machine only: Check and the player allocate, too. */
static unsigned long countdown;
static bool is_inside, has_failed;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);

static bool fails_now(void)
{
	if (!is_inside || !countdown || --countdown)
		return false;
	has_failed = true;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return fails_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails_now() ? NULL : __real_calloc(n, size);
}

static void enter(void)
{
	is_inside = true;
}

static void leave(void)
{
	is_inside = false;
}

static void check_play(const struct client_script *s, const struct client_play *play, const char *how,
		       size_t n)
{
	static char words[4096];
	const char *problem = client_play(s, play, words, sizeof(words));

	if (problem)
		ck_abort_msg("%s %zu: %s", how, n, problem);
}

static void check_whole(const struct client_script *s)
{
	struct client_play play = { 0 };

	check_play(s, &play, "whole", 0);
}

static void check_by_byte(const struct client_script *s)
{
	struct client_play play = { .is_by_byte = true };

	check_play(s, &play, "by byte", 0);
}

/* Long inputs are cut at some places only. */
static void check_cuts(const struct client_script *s)
{
	size_t step = s->input_len > 4096 ? s->input_len / 100 | 1 : 1;

	for (size_t cut = step; cut < s->input_len; cut += step) {
		struct client_play play = { .cut = cut };

		check_play(s, &play, "cut at", cut);
	}
}

static void check_sending(const struct client_script *s)
{
	struct client_play play = { .sends_by_byte = true };

	check_play(s, &play, "sending by byte", 0);
	play.is_by_byte = true;
	check_play(s, &play, "all by byte", 0);
}

static void check_trims(const struct client_script *s)
{
	struct client_play play = { .trims = true };

	check_play(s, &play, "trimming", 0);
	play.is_by_byte = true;
	check_play(s, &play, "trimming by byte", 0);
}

static void check_failures(const struct client_script *s)
{
	struct client_play play = { .lacks_memory = true };

	for (unsigned long n = 1; ; n++) {
		countdown = n;
		has_failed = false;
		check_play(s, &play, "failing allocation", n);
		countdown = 0;
		if (!has_failed)
			break;
	}
}

static void for_scripts_of_file(int file, void (*check)(const struct client_script *s))
{
	for (size_t i = scripts.files[file]; i < scripts.files[file + 1]; i++)
		check(&scripts.scripts[i]);
}

START_TEST(dialogues_hold_whole)
{
	for_scripts_of_file(_i, check_whole);
}
END_TEST

START_TEST(dialogues_hold_byte_by_byte)
{
	for_scripts_of_file(_i, check_by_byte);
}
END_TEST

START_TEST(dialogues_hold_at_every_cut)
{
	for_scripts_of_file(_i, check_cuts);
}
END_TEST

START_TEST(dialogues_hold_however_the_output_is_sent)
{
	for_scripts_of_file(_i, check_sending);
}
END_TEST

START_TEST(dialogues_hold_when_memory_is_given_back)
{
	for_scripts_of_file(_i, check_trims);
}
END_TEST

START_TEST(each_allocation_may_fail)
{
	for_scripts_of_file(_i, check_failures);
}
END_TEST

START_TEST(scripts_have_names_of_their_own)
{
	for (size_t i = 0; i < scripts.count; i++)
		for (size_t j = 0; j < i; j++)
			ck_assert_str_ne(scripts.scripts[i].name, scripts.scripts[j].name);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("client");
	TCase *tcase = tcase_create("client");
	int status, files;

	client_play_on_enter = enter;
	client_play_on_leave = leave;
	client_script_load(&scripts);
	files = (int)scripts.file_count;
	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, scripts_have_names_of_their_own);
	tcase_add_loop_test(tcase, dialogues_hold_whole, 0, files);
	tcase_add_loop_test(tcase, dialogues_hold_byte_by_byte, 0, files);
	tcase_add_loop_test(tcase, dialogues_hold_at_every_cut, 0, files);
	tcase_add_loop_test(tcase, dialogues_hold_however_the_output_is_sent, 0, files);
	tcase_add_loop_test(tcase, dialogues_hold_when_memory_is_given_back, 0, files);
	tcase_add_loop_test(tcase, each_allocation_may_fail, 0, files);
	status = unit_main(suite);
	client_script_fini(&scripts);
	return status;
}
