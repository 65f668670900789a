/* conf/unit: numbers with units, read and written. */
#include "conf/unit.h"
#include "unit.h"

#define K UINT64_C(1024)

static const struct {
	enum unit unit;
	struct span text;
	uint64_t value;
} good[] = {
	{ UNIT_COUNT, BYTES("0"), 0 },
	{ UNIT_COUNT, BYTES("1000"), 1000 },
	{ UNIT_COUNT, BYTES("007"), 7 },
	{ UNIT_COUNT, BYTES("18446744073709551615"), UINT64_MAX },
	{ UNIT_OCTETS, BYTES("512"), 512 },
	{ UNIT_OCTETS, BYTES("64K"), 64 * K },
	{ UNIT_OCTETS, BYTES("50M"), 50 * K * K },
	{ UNIT_OCTETS, BYTES("50m"), 50 * K * K },
	{ UNIT_OCTETS, BYTES("5G"), 5 * K * K * K },
	{ UNIT_OCTETS, BYTES("2T"), 2 * K * K * K * K },
	{ UNIT_SECONDS, BYTES("90"), 90 },
	{ UNIT_SECONDS, BYTES("30s"), 30 },
	{ UNIT_SECONDS, BYTES("20m"), 1200 },
	{ UNIT_SECONDS, BYTES("1h"), 3600 },
	{ UNIT_SECONDS, BYTES("2d"), 172800 },
};

START_TEST(numbers_with_units_are_read)
{
	uint64_t value = 77;

	ck_assert(unit_parse(good[_i].unit, good[_i].text, &value));
	ck_assert_uint_eq(value, good[_i].value);
}
END_TEST

static const struct {
	enum unit unit;
	struct span text;
} wrong[] = {
	{ UNIT_COUNT, BYTES("") },          { UNIT_COUNT, BYTES("5K") },      { UNIT_COUNT, BYTES("-1") },
	{ UNIT_COUNT, BYTES("+1") },        { UNIT_COUNT, BYTES("1 ") },      { UNIT_COUNT, BYTES("1.5") },
	{ UNIT_COUNT, BYTES("0x10") },      { UNIT_COUNT, BYTES("18446744073709551616") },
	{ UNIT_COUNT, BYTES("1\0") },       { UNIT_OCTETS, BYTES("") },       { UNIT_OCTETS, BYTES("K") },
	{ UNIT_OCTETS, BYTES("5 K") },      { UNIT_OCTETS, BYTES("5KB") },    { UNIT_OCTETS, BYTES("5KK") },
	{ UNIT_OCTETS, BYTES("5s") },       { UNIT_OCTETS, BYTES("16777216T") },
	{ UNIT_OCTETS, BYTES("18014398509481984K") },                         { UNIT_SECONDS, BYTES("m") },
	{ UNIT_SECONDS, BYTES("5M") },      { UNIT_SECONDS, BYTES("5K") },    { UNIT_SECONDS, BYTES("5w") },
	{ UNIT_SECONDS, BYTES("1h30m") },   { UNIT_SECONDS, BYTES("\xc2\xb5") },
};

START_TEST(what_is_no_number_of_the_unit_is_refused)
{
	uint64_t value = 77;

	ck_assert(!unit_parse(wrong[_i].unit, wrong[_i].text, &value));
	ck_assert_uint_eq(value, 77);
}
END_TEST

static const struct {
	enum unit unit;
	uint64_t value;
	const char *text;
} formats[] = {
	{ UNIT_COUNT, 0, "0" },
	{ UNIT_COUNT, 1024, "1024" },
	{ UNIT_COUNT, UINT64_MAX, "18446744073709551615" },
	{ UNIT_OCTETS, 0, "0" },
	{ UNIT_OCTETS, 1000, "1000" },
	{ UNIT_OCTETS, 1024, "1K" },
	{ UNIT_OCTETS, 1536, "1536" },
	{ UNIT_OCTETS, 50 * K * K, "50M" },
	{ UNIT_OCTETS, K * K * K * K, "1T" },
	{ UNIT_OCTETS, UINT64_MAX, "18446744073709551615" },
	{ UNIT_SECONDS, 0, "0" },
	{ UNIT_SECONDS, 59, "59s" },
	{ UNIT_SECONDS, 90, "90s" },
	{ UNIT_SECONDS, 1200, "20m" },
	{ UNIT_SECONDS, 86400, "1d" },
};

START_TEST(the_shortest_exact_text_is_written_and_reads_back)
{
	char text[UNIT_TEXT_SIZE];
	uint64_t value = 77;

	ck_assert_str_eq(unit_format(formats[_i].unit, formats[_i].value, text), formats[_i].text);
	ck_assert(unit_parse(formats[_i].unit, span_str(text), &value));
	ck_assert_uint_eq(value, formats[_i].value);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("unit");
	TCase *tcase = tcase_create("unit");

	ADD_ROWS(tcase, numbers_with_units_are_read, good);
	ADD_ROWS(tcase, what_is_no_number_of_the_unit_is_refused, wrong);
	ADD_ROWS(tcase, the_shortest_exact_text_is_written_and_reads_back, formats);
	suite_add_tcase(suite, tcase);
	return unit_main(suite);
}
