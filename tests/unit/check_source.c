/* conf/source: reading, including, and where each line came from; conf/lexer and conf/strict with it. */
#include "conf/source.h"
#include "temp_dir.h"
#include "unit.h"

static struct temp_dir dir;
static struct arena names;
static struct source source;

static void setup(void)
{
	temp_dir_init(&dir);
}

static void teardown(void)
{
	source_fini(&source);
	arena_fini(&names);
	temp_dir_fini(&dir);
}

static const char *path_of(const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s", dir.path, name);
	return path;
}

static void write_file(const char *name, struct span text)
{
	FILE *out = fopen(path_of(name), "wb");

	ck_assert_ptr_nonnull(out);
	ck_assert_uint_eq(fwrite(text.ptr, 1, text.len, out), text.len);
	ck_assert_int_eq(fclose(out), 0);
}

static void write_text(const char *name, const char *text)
{
	write_file(name, span_str(text));
}

/* Read "main.conf"; the error without the directory's name, or "" for success. */
static const char *read_main(void)
{
	static struct err err;
	char *found;
	size_t len = strlen(dir.path) + 1;

	source_fini(&source);
	err = (struct err){ .text = "" };
	if (source_read(&source, &names, path_of("main.conf"), &err))
		return "";
	while ((found = strstr(err.text, dir.path)))
		memmove(found, found + len, strlen(found + len) + 1);
	return err.text;
}

static void assert_place(int line, const char *file, int file_line)
{
	struct config_place place = source_place(&source, line);

	ck_assert_str_eq(strrchr(place.file, '/') + 1, file);
	ck_assert_int_eq(place.line, file_line);
}

START_TEST(included_text_stands_in_the_place_of_its_line)
{
	write_text("main.conf",
		   "a = 1;\n@include \"one.conf\"\nb = 2;\n  @include \"two.conf\" c = 3;\nd = 4;");
	write_text("one.conf", "x = 1;\ny = 2;");
	write_text("two.conf", "");
	ck_assert_str_eq(read_main(), "");
	ck_assert_str_eq(buf_span(&source.text).ptr,
			 "a = 1;\nx = 1;\ny = 2;\n\nb = 2;\n  \n c = 3;\nd = 4;\n");
	assert_place(1, "main.conf", 1);
	assert_place(2, "one.conf", 1);
	assert_place(3, "one.conf", 2);
	assert_place(4, "main.conf", 2);
	assert_place(5, "main.conf", 3);
	assert_place(7, "main.conf", 4);
	assert_place(8, "main.conf", 5);
}
END_TEST

START_TEST(includes_are_relative_to_the_file_they_stand_in)
{
	ck_assert_int_eq(mkdir(path_of("sub"), 0700), 0);
	write_text("main.conf", "@include \"sub/one.conf\"\n");
	write_text("sub/one.conf", "@include \"two.conf\"\n");
	write_text("sub/two.conf", "x = 1;\n");
	ck_assert_str_eq(read_main(), "");
	assert_place(1, "two.conf", 1);
	ck_assert_str_eq(source_place(&source, 1).file, path_of("sub/two.conf"));
}
END_TEST

START_TEST(absolute_includes_are_taken_as_they_are)
{
	char text[600];

	write_text("one.conf", "x = 1;\n");
	snprintf(text, sizeof(text), "@include \"%s\"\n", path_of("one.conf"));
	write_text("main.conf", text);
	ck_assert_str_eq(read_main(), "");
	assert_place(1, "one.conf", 1);
}
END_TEST

START_TEST(strings_and_comments_hide_includes)
{
	static const char text[] = "a = \"@include \\\"x\\\"\";\n# @include \"x\"\n// @include \"x\"\n"
				   "/*\n@include \"x\"\n*/\n";

	write_text("main.conf", text);
	ck_assert_str_eq(read_main(), "");
	ck_assert_str_eq(buf_span(&source.text).ptr, text);
}
END_TEST

START_TEST(files_that_include_each_other_come_to_an_end)
{
	write_text("main.conf", "\n@include \"main.conf\"\n");
	ck_assert_str_eq(read_main(), "main.conf:2: files include each other more than 10 deep");
}
END_TEST

START_TEST(ten_files_deep_is_allowed)
{
	write_text("main.conf", "@include \"1\"\n");
	for (int i = 1; i <= 10; i++) {
		char name[16], text[64];

		snprintf(name, sizeof(name), "%d", i);
		snprintf(text, sizeof(text), "@include \"%d\"\n", i + 1);
		write_text(name, i < 10 ? text : "x = 1;\n");
	}
	ck_assert_str_eq(read_main(), "");
	assert_place(1, "10", 1);
}
END_TEST

START_TEST(too_many_includes_are_refused)
{
	struct buf text = { 0 };

	for (int i = 0; i < SOURCE_FILES_MAX; i++)
		ck_assert(buf_add_str(&text, "@include \"one\"\n"));
	write_text("one", "");
	write_file("main.conf", buf_span(&text));
	ck_assert_ptr_nonnull(strstr(read_main(), "256 files"));
	write_file("main.conf", span_from(buf_span(&text), strlen("@include \"one\"\n")));
	ck_assert_str_eq(read_main(), "");
	buf_fini(&text);
}
END_TEST

START_TEST(only_regular_files_are_read)
{
	ck_assert_int_eq(mkdir(path_of("main.conf"), 0700), 0);
	ck_assert_str_eq(read_main(), "main.conf: is not a regular file");
	ck_assert_int_eq(rmdir(path_of("main.conf")), 0);
	ck_assert_int_eq(mkfifo(path_of("main.conf"), 0600), 0);
	ck_assert_str_eq(read_main(), "main.conf: is not a regular file");
	ck_assert_int_eq(unlink(path_of("main.conf")), 0);
	ck_assert_str_eq(read_main(), "main.conf: No such file or directory");
	write_text("main.conf", "\n\n@include \"gone.conf\"\n");
	ck_assert_str_eq(read_main(), "main.conf:3: gone.conf: No such file or directory");
	write_text("main.conf", "\n\n@include \".\"\n");
	ck_assert_str_eq(read_main(), "main.conf:3: .: is not a regular file");
}
END_TEST

START_TEST(size_is_bounded)
{
	struct buf text = { 0 };

	ck_assert(buf_reserve(&text, SOURCE_OCTETS_MAX + 1));
	memset(text.data, '\n', SOURCE_OCTETS_MAX + 1);
	buf_added(&text, SOURCE_OCTETS_MAX);
	write_file("main.conf", buf_span(&text));
	ck_assert_str_eq(read_main(), "");
	buf_added(&text, 1);
	write_file("main.conf", buf_span(&text));
	ck_assert_str_eq(read_main(), "main.conf: is larger than 4 MiB");
	write_file("half.conf", span_head(buf_span(&text), SOURCE_OCTETS_MAX / 2 + 1));
	write_text("main.conf", "@include \"half.conf\"\n@include \"half.conf\"\n");
	ck_assert_ptr_nonnull(strstr(read_main(), "4 MiB"));
	buf_fini(&text);
}
END_TEST

START_TEST(errors_in_an_included_file_name_that_file)
{
	write_text("main.conf", "a = 1;\n@include \"one.conf\"\n");
	write_text("one.conf", "\n\nb = 5000000000;\n");
	ck_assert_ptr_nonnull(strstr(read_main(), "one.conf:3: b: 5000000000 does not fit"));
}
END_TEST

START_TEST(a_key_may_be_parted_from_its_value_by_an_include)
{
	write_text("main.conf", "@include \"one.conf\"\n= 5000000000;\n");
	write_text("one.conf", "b");
	ck_assert_ptr_nonnull(strstr(read_main(), "main.conf:2: b: 5000000000 does not fit"));
}
END_TEST

START_TEST(strings_and_comments_end_with_their_file)
{
	write_text("main.conf", "@include \"one.conf\"\n");
	write_text("one.conf", "a = \"x\n");
	ck_assert_ptr_nonnull(strstr(read_main(), "one.conf:1: a: the string is not closed"));
	write_text("one.conf", "a = 1;\n/*\n\n");
	ck_assert_str_eq(read_main(), "one.conf:2: the comment is not closed");
	write_text("one.conf", "a = 1; # the last line needs no end");
	ck_assert_str_eq(read_main(), "");
	ck_assert_str_eq(buf_span(&source.text).ptr, "a = 1; # the last line needs no end\n\n");
}
END_TEST

START_TEST(a_text_in_memory_includes_nothing)
{
	struct err err;

	ck_assert(!source_read_text(&source, &names, "memory", span_str("\n@include \"/etc/hostname\"\n"),
				    &err));
	ck_assert_str_eq(err.text, "memory:2: @include is possible only in a file");
}
END_TEST

/* Each is refused, with this at the beginning of what is said. */
static const struct {
	struct span text;
	const char *error;
} traps[] = {
	{ BYTES("a = \"x\\x00y\";"), "t:1: a: \\x00: control bytes" },
	{ BYTES("a = \"x\\x1by\";"), "t:1: a: \\x1b: control bytes" },
	{ BYTES("a = \"x\\x7Fy\";"), "t:1: a: \\x7F: control bytes" },
	{ BYTES("a = \"x\\x09y\";"), "t:1: a: \\x09: control bytes" },
	{ BYTES("\na = \"x\\ty\";"), "t:2: a: \\t: control bytes" },
	{ BYTES("a = \"x\\ry\";"), "t:1: a: \\r: control bytes" },
	{ BYTES("a = \"x\\fy\";"), "t:1: a: \\f: control bytes" },
	{ BYTES("a = \"x\ty\";"), "t:1: a: control byte \\x09" },
	{ BYTES("a = \"x\ry\";"), "t:1: a: control byte \\x0d" },
	{ BYTES("a = \"x\x7fy\";"), "t:1: a: control byte \\x7f" },
	{ BYTES("a = \"x\ny\";"), "t:1: a: the string is not closed" },
	{ BYTES("a = \"x\\\ny\";"), "t:1: a: the string is not closed" },
	{ BYTES("a = \"x\\\""), "t:1: a: the string is not closed" },
	{ BYTES("a = \"x\\"), "t:1: a: the string is not closed" },
	{ BYTES("a = \"\\q\";"), "t:1: a: a backslash begins only" },
	{ BYTES("a = \"\\x4\";"), "t:1: a: a backslash begins only" },
	{ BYTES("a = \"\\xzz\";"), "t:1: a: a backslash begins only" },
	{ BYTES("a = 1;\nb = \"\0\";"), "t:2: NUL byte" },
	{ BYTES("\0"), "t:1: NUL byte" },
	{ BYTES("# \0"), "t:1: NUL byte" },
	{ BYTES("a = 2147483648;"), "t:1: a: 2147483648 does not fit into 32 bits" },
	{ BYTES("a = -2147483649;"), "t:1: a: -2147483649 does not fit into 32 bits" },
	{ BYTES("a = 5000000000;"), "t:1: a: 5000000000 does not fit into 32 bits" },
	{ BYTES("a = ( 1, { b = 5000000000; } );"), "t:1: b: 5000000000 does not fit into 32 bits" },
	{ BYTES("a = 0x80000000;"), "t:1: a: 0x80000000 does not fit into 32 bits" },
	{ BYTES("a = 9223372036854775808L;"), "t:1: a: 9223372036854775808L does not fit into 64 bits" },
	{ BYTES("a = 99999999999999999999;"), "t:1: a: 99999999999999999999 does not fit into 64 bits" },
	{ BYTES("a = 0xFFFFFFFFFFFFFFFFFFL;"), "t:1: a: 0xFFFFFFFFFFFFFFFFFFL does not fit into 64 bits" },
	{ BYTES("a = 50M;"), "t:1: a: write it in quotes: \"50M\"" },
	{ BYTES("a = 0xfg;"), "t:1: a: write it in quotes: \"0xfg\"" },
	{ BYTES("a = 192.0.2.1:25;"), "t:1: a: write it in quotes: \"192.0.2.1:25\"" },
	{ BYTES("a = mx.example.org;"), "t:1: a: write it in quotes: \"mx.example.org\"" },
	{ BYTES("a = maildir;"), "t:1: a: write it in quotes: \"maildir\"" },
	{ BYTES("a = anna@example.org;"), "t:1: a: write it in quotes: \"anna@example.org\"" },
	{ BYTES("a = ( 1,\n2,\n );"), "t:3: a comma before \")\"" },
	{ BYTES("a = [ 1, ];"), "t:1: a comma before \"]\"" },
	{ BYTES("a = ( , 1 );"), "t:1: a comma with nothing before it" },
	{ BYTES("a = ( 1,, 2 );"), "t:1: a comma with nothing before it" },
	{ BYTES("a = ;"), "t:1: a: a value is missing before \";\"" },
	{ BYTES("a = { b = };"), "t:1: b: a value is missing before \"}\"" },
	{ BYTES("a = 1; }"), "t:1: \"}\" closes nothing" },
	{ BYTES("a = ( 1 ];"), "t:1: \"]\" closes what \"(\" opened" },
	{ BYTES("a = { b = ( 1 }"), "t:1: \"}\" closes what \"(\" opened" },
	{ BYTES("a \"x\";"), "t:1: \"=\" is missing behind \"a\"" },
	{ BYTES("a 5;"), "t:1: \"=\" is missing behind \"a\"" },
	{ BYTES("\"a\" = 5;"), "t:1: a string where no value is expected" },
	{ BYTES("a = 1 \"x\";"), "t:1: a string where no value is expected" },
	{ BYTES("a = { b = 1, \"x\" };"), "t:1: b: a string where no value is expected" },
	{ BYTES("a = ( \"x\" 5 );"), "t:1: a: a number where no value is expected" },
	{ BYTES("a = 1, 5;"), "t:1: a: a number where no value is expected" },
	{ BYTES("a = ( 1"), "t:1: the file ends inside" },
	{ BYTES("a = ((((((((((((((((((((((((((((((((("), "t:1: more than 32 groups within each other" },
	{ BYTES("a = 1; @include \"x\""), "t:1: @include must be the first on its line" },
	{ BYTES("@include x"), "t:1: a file name in quotes must follow @include" },
	{ BYTES("@insert \"x\""), "t:1: \"@\" can only begin @include" },
	{ BYTES("\xef\xbb\xbf" "a = 1;"), "t:1: a byte that can stand only in a string or a comment" },
	{ BYTES("a = /x;"), "t:1: a: a byte that can stand only" },
};

START_TEST(what_libconfig_would_take_silently_is_refused)
{
	struct span copy = span_exact_copy(traps[_i].text);
	struct err err = { .text = "" };
	bool ok = source_read_text(&source, &names, "t", copy, &err);

	free((void *)(uintptr_t)copy.ptr);
	ck_assert_msg(!ok, "taken: %.*s", (int)traps[_i].text.len, traps[_i].text.ptr);
	ck_assert_msg(strncmp(err.text, traps[_i].error, strlen(traps[_i].error)) == 0, "%s is not %s",
		      err.text, traps[_i].error);
}
END_TEST

static const struct {
	struct span text;
} harmless[] = {
	{ BYTES("") },
	{ BYTES("a = 2147483647; b = -2147483648; c = 0x7fffffff; d = +5;") },
	{ BYTES("a = 5000000000L; b = 5000000000LL; c = -9223372036854775808L; d = 0xFFFFFFFFFL;") },
	{ BYTES("a = \"5000000000\"; # 5000000000\nb = 1; // 5000000000\n/* 5000000000 */") },
	{ BYTES("a = 1.5; b = 1e3; c = -.5; d = 5.;") },
	{ BYTES("a = \"\\\\\\\"\\n\\x41\\xc3\";") },
	{ BYTES("a = \"m\xc3\xbcller\"; # \x01\xff") },
	{ BYTES("a = true; b = FALSE; c : ( 1, \"x\" ); d = { e = 1, f = 2, };") },
	{ BYTES("a = 1\r\nb = 2\r\n") },
	{ BYTES("a = ();b = [];c = {};") },
	{ BYTES("a = /* \" */ 1; b = \"/*\"; c = \"*/\"; d = \"#\"; e = \"//\";") },
	{ BYTES("a = \"x\" /**/ \"y\"\n  \"z\";") },
	{ BYTES("a-b_c* = 1;") },
};

START_TEST(what_is_harmless_is_left_as_it_is)
{
	struct err err = { .text = "" };

	ck_assert_msg(source_read_text(&source, &names, "t", harmless[_i].text, &err), "%s", err.text);
	ASSERT_SPAN_EQ(span_head(buf_span(&source.text), harmless[_i].text.len), harmless[_i].text);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("source");
	TCase *tcase = tcase_create("source");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, included_text_stands_in_the_place_of_its_line);
	tcase_add_test(tcase, includes_are_relative_to_the_file_they_stand_in);
	tcase_add_test(tcase, absolute_includes_are_taken_as_they_are);
	tcase_add_test(tcase, strings_and_comments_hide_includes);
	tcase_add_test(tcase, files_that_include_each_other_come_to_an_end);
	tcase_add_test(tcase, ten_files_deep_is_allowed);
	tcase_add_test(tcase, too_many_includes_are_refused);
	tcase_add_test(tcase, only_regular_files_are_read);
	tcase_add_test(tcase, size_is_bounded);
	tcase_add_test(tcase, errors_in_an_included_file_name_that_file);
	tcase_add_test(tcase, a_key_may_be_parted_from_its_value_by_an_include);
	tcase_add_test(tcase, strings_and_comments_end_with_their_file);
	tcase_add_test(tcase, a_text_in_memory_includes_nothing);
	ADD_ROWS(tcase, what_libconfig_would_take_silently_is_refused, traps);
	ADD_ROWS(tcase, what_is_harmless_is_left_as_it_is, harmless);
	suite_add_tcase(suite, tcase);
	return unit_main(suite);
}
