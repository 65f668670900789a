/*
 * Every vector of tests/vectors, played whole, byte by byte and at every
 * two-way cut: the same replies and events each time, and those it expects.
 * Each file of vectors is a round of each test.
 */
#include "unit.h"
#include "vector.h"

static struct vector_set vectors;
static size_t cut_at;

static void check_play(const struct vector *v, const struct play *p, const char *how, size_t cut)
{
	static char words[4096];

	if (vector_check(v, p, words, sizeof(words)))
		ck_abort_msg("%s %zu: %s", how, cut, words);
}

static void check_whole(const struct vector *v)
{
	struct play p = vector_play(v);

	check_play(v, &p, "whole", v->input.len);
}

static size_t one_byte(const void *arg, size_t offset)
{
	(void)arg;
	(void)offset;
	return 1;
}

static void check_byte_by_byte(const struct vector *v)
{
	struct play p = vector_play(v);

	p.cut = one_byte;
	check_play(v, &p, "blocks of", 1);
}

static size_t up_to_the_cut(const void *arg, size_t offset)
{
	(void)arg;
	return offset < cut_at ? cut_at - offset : SIZE_MAX;
}

static void check_cuts(const struct vector *v)
{
	struct play p = vector_play(v);

	p.cut = up_to_the_cut;
	for (cut_at = 0; vector_next_cut(v, &cut_at);)
		check_play(v, &p, "cut at", cut_at);
}

static void for_vectors_of_file(size_t file, void (*check)(const struct vector *v))
{
	for (size_t i = vectors.files[file]; i < vectors.files[file + 1]; i++)
		check(&vectors.vectors[i]);
}

START_TEST(vectors_hold_whole)
{
	for_vectors_of_file((size_t)_i, check_whole);
}
END_TEST

START_TEST(vectors_hold_byte_by_byte)
{
	for_vectors_of_file((size_t)_i, check_byte_by_byte);
}
END_TEST

START_TEST(vectors_hold_at_every_cut)
{
	for_vectors_of_file((size_t)_i, check_cuts);
}
END_TEST

START_TEST(vectors_have_names_of_their_own)
{
	for (size_t i = 0; i < vectors.count; i++)
		for (size_t j = 0; j < i; j++)
			ck_assert_str_ne(vectors.vectors[i].name, vectors.vectors[j].name);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("vectors");
	TCase *tcase = tcase_create("vectors");
	char dir[4096];
	int status;

	vector_set_load(&vectors, vector_dir(dir, sizeof(dir)));
	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, vectors_have_names_of_their_own);
	tcase_add_loop_test(tcase, vectors_hold_whole, 0, (int)vectors.file_count);
	tcase_add_loop_test(tcase, vectors_hold_byte_by_byte, 0, (int)vectors.file_count);
	tcase_add_loop_test(tcase, vectors_hold_at_every_cut, 0, (int)vectors.file_count);
	status = unit_main(suite);
	vector_set_fini(&vectors);
	return status;
}
