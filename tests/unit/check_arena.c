/* base/arena and base/list: memory that goes all at once, links that live in objects. */
#include "base/arena.h"
#include "base/list.h"
#include "fail_malloc.h"
#include "unit.h"

#include <stdalign.h>

START_TEST(memory_is_zeroed_aligned_and_apart)
{
	struct arena a = { 0 };
	char *last = NULL;

	for (size_t size = 1; size < 300; size++) {
		char *p = arena_alloc(&a, size);

		ck_assert_ptr_nonnull(p);
		ck_assert_uint_eq((uintptr_t)p % alignof(max_align_t), 0);
		for (size_t i = 0; i < size; i++)
			ck_assert_int_eq(p[i], 0);
		memset(p, 0x5a, size);
		if (last)
			ck_assert_int_eq(last[size - 2], 0x5a);
		last = p;
	}
	arena_fini(&a);
	ck_assert_ptr_null(a.chunks);
}
END_TEST

START_TEST(a_big_object_gets_a_chunk_of_its_own)
{
	struct arena a = { 0 };
	char *p = arena_alloc(&a, 100000);

	ck_assert_ptr_nonnull(p);
	memset(p, 1, 100000);
	ck_assert_ptr_nonnull(arena_alloc(&a, 10));
	arena_fini(&a);
}
END_TEST

START_TEST(an_arena_is_usable_again_after_fini)
{
	struct arena a = { 0 };

	arena_fini(&a);
	ck_assert_ptr_nonnull(arena_alloc(&a, 1));
	arena_fini(&a);
	ck_assert_ptr_nonnull(arena_alloc(&a, 1));
	arena_fini(&a);
}
END_TEST

START_TEST(a_copy_is_whole_and_terminated)
{
	struct arena a = { 0 };
	char *copy = arena_dup(&a, SPAN_LITERAL("a\0b"));

	ck_assert_mem_eq(copy, "a\0b", 4);
	ck_assert_str_eq(arena_dup(&a, (struct span){ NULL, 0 }), "");
	arena_fini(&a);
}
END_TEST

START_TEST(no_memory_gives_null_and_keeps_the_rest)
{
	struct arena a = { 0 };
	char *kept = arena_dup(&a, SPAN_LITERAL("kept"));
	void *none;

	ck_assert_ptr_nonnull(kept);
	fail_malloc_at(1);
	none = arena_alloc(&a, 5000);
	ck_assert(fail_malloc_stop());
	ck_assert_ptr_null(none);
	ck_assert_ptr_null(arena_alloc(&a, SIZE_MAX));
	ck_assert_ptr_null(arena_alloc(&a, SIZE_MAX / 2 + 1));
	ck_assert_str_eq(kept, "kept");
	ck_assert_ptr_nonnull(arena_alloc(&a, 5000));
	arena_fini(&a);
}
END_TEST

struct item {
	int number;
	struct list link;
};

START_TEST(links_leave_in_the_order_they_came)
{
	struct item items[3] = { { .number = 0 }, { .number = 1 }, { .number = 2 } };
	struct list head;

	list_init(&head);
	ck_assert(list_empty(&head));
	for (int i = 0; i < 3; i++)
		list_append(&head, &items[i].link);
	for (int i = 0; i < 3; i++) {
		struct list *link = list_shift(&head);

		ck_assert_ptr_nonnull(link);
		ck_assert_int_eq(LIST_OWNER(link, struct item, link)->number, i);
		ck_assert(!list_linked(link));
	}
	ck_assert_ptr_null(list_shift(&head));
}
END_TEST

START_TEST(a_link_can_leave_from_the_middle)
{
	struct item items[3] = { { .number = 0 }, { .number = 1 }, { .number = 2 } };
	struct list head;

	list_init(&head);
	for (int i = 0; i < 3; i++)
		list_append(&head, &items[i].link);
	list_remove(&items[1].link);
	ck_assert(!list_linked(&items[1].link));
	ck_assert(list_linked(&items[0].link));
	ck_assert_ptr_eq(list_shift(&head), &items[0].link);
	ck_assert_ptr_eq(list_shift(&head), &items[2].link);
	ck_assert(list_empty(&head));
}
END_TEST

START_TEST(removing_an_unlinked_link_does_nothing)
{
	struct item zero = { 0 }, inited = { 0 };

	list_remove(&zero.link);
	ck_assert(!list_linked(&zero.link));
	list_init(&inited.link);
	list_remove(&inited.link);
	list_remove(&inited.link);
	ck_assert(!list_linked(&inited.link));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("arena");
	TCase *arena = tcase_create("arena"), *list = tcase_create("list");

	suite_add_tcase(suite, arena);
	tcase_add_test(arena, memory_is_zeroed_aligned_and_apart);
	tcase_add_test(arena, a_big_object_gets_a_chunk_of_its_own);
	tcase_add_test(arena, an_arena_is_usable_again_after_fini);
	tcase_add_test(arena, a_copy_is_whole_and_terminated);
	tcase_add_test(arena, no_memory_gives_null_and_keeps_the_rest);
	suite_add_tcase(suite, list);
	tcase_add_test(list, links_leave_in_the_order_they_came);
	tcase_add_test(list, a_link_can_leave_from_the_middle);
	tcase_add_test(list, removing_an_unlinked_link_does_nothing);
	return unit_main(suite);
}
