/*
 * The descriptor limit: raised to what is wanted, never lowered, and told as it
 * is in force when it cannot go that far. Each test has a process of its own.
 */
#include "net/fdlimit.h"
#include "unit.h"

#include <sys/resource.h>
#include <unistd.h>

static struct rlimit current(void)
{
	struct rlimit limit;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	return limit;
}

static void set_limits(rlim_t soft, rlim_t hard)
{
	struct rlimit limit = { .rlim_cur = soft, .rlim_max = hard };

	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* Root may raise the hard limit too; nobody else may. */
static void drop_root(void)
{
	if (getuid() == 0)
		ck_assert_int_eq(seteuid(65534), 0);
}

static void regain_root(void)
{
	if (getuid() == 0)
		ck_assert_int_eq(seteuid(0), 0);
}

START_TEST(soft_limit_is_raised_to_what_is_wanted)
{
	set_limits(64, current().rlim_max);
	ck_assert_uint_eq(fdlimit_raise(200), 200);
	ck_assert_uint_eq(current().rlim_cur, 200);
}
END_TEST

START_TEST(limit_is_never_lowered)
{
	set_limits(300, current().rlim_max);
	ck_assert_uint_eq(fdlimit_raise(200), 300);
	ck_assert_uint_eq(current().rlim_cur, 300);
}
END_TEST

START_TEST(without_privilege_the_hard_limit_is_the_end)
{
	set_limits(64, 256);
	drop_root();
	ck_assert_uint_eq(fdlimit_raise(1000), 256);
	regain_root();
	ck_assert_uint_eq(current().rlim_cur, 256);
	ck_assert_uint_eq(current().rlim_max, 256);
}
END_TEST

/* Root in a container often has not got it. */
static bool may_raise_hard_limit(void)
{
	struct rlimit more = { .rlim_cur = 256, .rlim_max = 1000 };
	bool may = setrlimit(RLIMIT_NOFILE, &more) == 0;

	set_limits(64, 256);
	return may;
}

START_TEST(with_privilege_the_hard_limit_is_raised_too)
{
	uint64_t most;

	set_limits(64, 256);
	most = may_raise_hard_limit() ? 1000 : 256;
	ck_assert_uint_eq(fdlimit_raise(1000), most);
	ck_assert_uint_eq(current().rlim_cur, most);
	ck_assert_uint_eq(current().rlim_max, most);
}
END_TEST

START_TEST(more_than_the_kernel_allows_gets_all_there_is)
{
	uint64_t told;

	set_limits(64, current().rlim_max);
	told = fdlimit_raise(UINT64_MAX);
	ck_assert_uint_gt(told, 64);
	ck_assert_uint_eq(told, current().rlim_cur);
	ck_assert_uint_eq(told, current().rlim_max);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fdlimit");
	TCase *tcase = tcase_create("fdlimit");

	tcase_add_test(tcase, soft_limit_is_raised_to_what_is_wanted);
	tcase_add_test(tcase, limit_is_never_lowered);
	tcase_add_test(tcase, more_than_the_kernel_allows_gets_all_there_is);
	if (unit_limits_are_real()) {
		tcase_add_test(tcase, without_privilege_the_hard_limit_is_the_end);
		tcase_add_test(tcase, with_privilege_the_hard_limit_is_raised_too);
	}
	suite_add_tcase(suite, tcase);
	return unit_main(suite);
}
