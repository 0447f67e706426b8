// SPDX-License-Identifier: GPL-2.0-only
/* The reader and the writer of JSON lines. */
#include "kselftest_harness.h"

#include "fuzz.h"
#include "json.h"

static int parse(struct json_object *obj, char *line)
{
	const char *why = NULL;
	int ret = json_parse(obj, line, &why);

	/* A refusal says why, and leaves nothing to be used. */
	if (ret && (!why || obj->count))
		abort();
	return ret;
}

#define PARSE(obj, text) ({ static char line_[] = text; parse(obj, line_); })

TEST(values)
{
	struct json_object obj;

	ASSERT_EQ(0, PARSE(&obj, " {\"s\":\"x\",\"n\":-12 ,\"t\":true,\"f\":false,\"z\":null} "));
	ASSERT_EQ(5, obj.count);
	EXPECT_STREQ("x", json_get_str(&obj, "s"));
	EXPECT_EQ(-12, json_get(&obj, "n", JSON_NUMBER)->num);
	EXPECT_EQ(1, json_get(&obj, "t", JSON_BOOL)->num);
	EXPECT_EQ(0, json_get(&obj, "f", JSON_BOOL)->num);
	EXPECT_NE(NULL, json_get(&obj, "z", JSON_NULL));
	/* Asked for as another type, it is not there. */
	EXPECT_EQ(NULL, json_get(&obj, "n", JSON_STRING));
	EXPECT_EQ(NULL, json_get_str(&obj, "t"));
	EXPECT_EQ(NULL, json_get_str(&obj, "absent"));
}

TEST(empty)
{
	struct json_object obj;

	ASSERT_EQ(0, PARSE(&obj, "{}"));
	EXPECT_EQ(0, obj.count);
	ASSERT_EQ(0, PARSE(&obj, "{ }"));
	EXPECT_EQ(0, obj.count);
}

TEST(numbers)
{
	struct json_object obj;

	ASSERT_EQ(0, PARSE(&obj, "{\"a\":9223372036854775807,\"b\":-9223372036854775807}"));
	ASSERT_NE(NULL, json_get(&obj, "a", JSON_NUMBER));
	EXPECT_EQ(INT64_MAX, json_get(&obj, "a", JSON_NUMBER)->num);
	EXPECT_EQ(-INT64_MAX, json_get(&obj, "b", JSON_NUMBER)->num);
	EXPECT_NE(0, PARSE(&obj, "{\"a\":9223372036854775808}"));
	EXPECT_NE(0, PARSE(&obj, "{\"a\":99999999999999999999999}"));
	EXPECT_NE(0, PARSE(&obj, "{\"a\":01}"));
	EXPECT_NE(0, PARSE(&obj, "{\"a\":1.5}"));
	EXPECT_NE(0, PARSE(&obj, "{\"a\":1e3}"));
	EXPECT_NE(0, PARSE(&obj, "{\"a\":-}"));
	EXPECT_NE(0, PARSE(&obj, "{\"a\":+1}"));
}

TEST(escapes)
{
	struct json_object obj;

	ASSERT_EQ(0, PARSE(&obj, "{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}"));
	EXPECT_STREQ("\"\\/\b\f\n\r\t", json_get_str(&obj, "a"));
	ASSERT_EQ(0, PARSE(&obj, "{\"b\":\"\\u0041\\u00e9\\u20ac\\ud83d\\ude00\"}"));
	EXPECT_STREQ("A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", json_get_str(&obj, "b"));
	EXPECT_NE(0, PARSE(&obj, "{\"a\":\"\\x\"}"));
	EXPECT_NE(0, PARSE(&obj, "{\"a\":\"\\u00g0\"}"));
	EXPECT_NE(0, PARSE(&obj, "{\"a\":\"\\u00"));
	EXPECT_NE(0, PARSE(&obj, "{\"a\":\"\\u0000\"}"));
	EXPECT_NE(0, PARSE(&obj, "{\"a\":\"\\ud83d\"}"));
	EXPECT_NE(0, PARSE(&obj, "{\"a\":\"\\ud83d\\u0041\"}"));
	EXPECT_NE(0, PARSE(&obj, "{\"a\":\"\\ude00\"}"));
	EXPECT_NE(0, PARSE(&obj, "{\"a\":\"\\"));
}

TEST(not_utf8)
{
	struct json_object obj;

	EXPECT_NE(0, PARSE(&obj, "{\"a\":\"\xff\"}"));
	EXPECT_NE(0, PARSE(&obj, "{\"a\":\"\xc0\x80\"}"));
	EXPECT_NE(0, PARSE(&obj, "{\"a\":\"\xed\xa0\x80\"}"));
	EXPECT_NE(0, PARSE(&obj, "{\"a\":\"\xf4\x90\x80\x80\"}"));
	EXPECT_NE(0, PARSE(&obj, "{\"a\":\"\xe2\x82"));
	EXPECT_NE(0, PARSE(&obj, "{\"a\":\"\x01\"}"));
}

TEST(form)
{
	struct json_object obj;

	EXPECT_NE(0, PARSE(&obj, ""));
	EXPECT_NE(0, PARSE(&obj, "{"));
	EXPECT_NE(0, PARSE(&obj, "[]"));
	EXPECT_NE(0, PARSE(&obj, "{\"a\"}"));
	EXPECT_NE(0, PARSE(&obj, "{\"a\":}"));
	EXPECT_NE(0, PARSE(&obj, "{\"a\":1,}"));
	EXPECT_NE(0, PARSE(&obj, "{\"a\":1 \"b\":2}"));
	EXPECT_NE(0, PARSE(&obj, "{\"a\":1}}"));
	EXPECT_NE(0, PARSE(&obj, "{\"a\":1}{}"));
	EXPECT_NE(0, PARSE(&obj, "{a:1}"));
	EXPECT_NE(0, PARSE(&obj, "{\"a\":{}}"));
	EXPECT_NE(0, PARSE(&obj, "{\"a\":[]}"));
	EXPECT_NE(0, PARSE(&obj, "{\"a\":1,\"a\":2}"));
	EXPECT_NE(0, PARSE(&obj, "{\"a\":tru}"));
}

TEST(too_many_members)
{
	char line[1024] = "{";
	struct json_object obj;
	int i;

	for (i = 0; i < JSON_MEMBERS_MAX; i++)
		sprintf(line + strlen(line), "%s\"k%d\":%d", i ? "," : "", i, i);
	strcat(line, ",\"one more\":1}");
	EXPECT_NE(0, parse(&obj, line));
}

/* What the writer writes, the reader reads as it was. */
TEST(round_trip)
{
	static const char text[] = "q\"b\\s/n\nt\tc\x01\x7f e\xc3\xa9";
	struct json_object obj;
	struct json_out out;
	char buf[256];

	json_out_init(&out, buf, sizeof(buf));
	json_open(&out, NULL, '{');
	json_str(&out, text, text);
	json_u64(&out, "u", INT64_MAX);
	json_s64(&out, "s", -5);
	json_bool(&out, "b", true);
	json_close(&out, '}');
	ASSERT_FALSE(out.overflow);
	ASSERT_EQ(0, parse(&obj, buf));
	ASSERT_EQ(4, obj.count);
	EXPECT_STREQ(text, json_get_str(&obj, text));
	EXPECT_EQ(INT64_MAX, json_get(&obj, "u", JSON_NUMBER)->num);
	EXPECT_EQ(-5, json_get(&obj, "s", JSON_NUMBER)->num);
	EXPECT_EQ(1, json_get(&obj, "b", JSON_BOOL)->num);
}

TEST(writer_nesting)
{
	struct json_out out;
	char buf[128];

	json_out_init(&out, buf, sizeof(buf));
	json_open(&out, NULL, '{');
	json_open(&out, "l", '[');
	json_u64(&out, NULL, 1);
	json_open(&out, NULL, '{');
	json_close(&out, '}');
	json_close(&out, ']');
	json_u64(&out, "n", 2);
	json_close(&out, '}');
	EXPECT_STREQ("{\"l\":[1,{}],\"n\":2}", buf);
}

TEST(writer_bad_utf8)
{
	struct json_out out;
	char buf[32];

	json_out_init(&out, buf, sizeof(buf));
	json_str(&out, NULL, "x\xffy");
	EXPECT_STREQ("\"x\xef\xbf\xbdy\"", buf);
}

/* A buffer that is too small is never written past, and says so. */
TEST(writer_overflow)
{
	size_t size;

	for (size = 1; size < 24; size++) {
		char *buf = malloc(size);
		struct json_out out;

		ASSERT_NE(NULL, buf);
		json_out_init(&out, buf, size);
		json_open(&out, NULL, '{');
		json_str(&out, "key", "value\n");
		json_close(&out, '}');
		EXPECT_EQ(size < sizeof("{\"key\":\"value\\u000a\"}"), out.overflow);
		EXPECT_EQ(out.len, strlen(buf));
		EXPECT_LT(out.len, size);
		free(buf);
	}
}

TEST(fuzz)
{
	static const char *const seeds[] = {
		"{\"verb\":\"resize-disk\",\"disk\":0,\"size\":1073741824}",
		"{\"a\":\"\\u0041\\ud83d\\ude00\\\"\",\"b\":-1,\"c\":true,\"d\":null}",
		"{\"k\":\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"}",
	};
	struct fuzz f = { 0x243f6a8885a308d3 };
	unsigned int i, good = 0, n = fuzz_rounds();

	for (i = 0; i < n; i++) {
		const char *seed = seeds[fuzz_below(&f, 3)];
		size_t len = strlen(seed);
		struct json_object obj;
		char *line, text[256];

		memcpy(text, seed, len);
		len = fuzz_change(&f, text, len, sizeof(text), "{}[]\":,\\u0-9tfn \x80\xff");
		/* Exactly as long as it is, so that a read past it is caught. */
		line = malloc(len + 1);
		ASSERT_NE(NULL, line);
		memcpy(line, text, len);
		line[len] = '\0';
		good += !parse(&obj, line);
		free(line);
	}
	TH_LOG("%u of %u were taken", good, n);
	EXPECT_LT(0, good);
	EXPECT_LT(good, n);
}

TEST_HARNESS_MAIN
