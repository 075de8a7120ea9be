/* SPDX-License-Identifier: MIT */
/* toml_spec_test.c - every rule of TOML 1.0, by table: what a text means, or where it is
 * refused and why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/toml.h"

#define MAX (1u << 20)

static void dump(const struct toml_node *n, struct buf *out);

static void dump_text(const char *s, size_t len, struct buf *out)
{
    buf_add(out, "\"", 1);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c < 0x20 || c == 0x7f || c == '"' || c == '\\')
            buf_printf(out, "\\x%02x", c);
        else
            buf_add(out, &c, 1);
    }
    buf_add(out, "\"", 1);
}

static void dump_children(const struct toml_node *n, struct buf *out)
{
    bool table = n->type == TOML_TABLE;
    buf_add(out, table ? "{" : "[", 1);
    for (const struct toml_node *c = n->u.first; c; c = c->next) {
        assert_ptr_equal(c->parent, n);
        if (table) {
            buf_add(out, c->key, c->key_len);
            buf_add(out, ":", 1);
        } else {
            assert_null(c->key);
        }
        dump(c, out);
        if (c->next)
            buf_add(out, " ", 1);
    }
    buf_add(out, table ? "}" : "]", 1);
}

static void dump(const struct toml_node *n, struct buf *out)
{
    switch (n->type) {
    case TOML_STRING:
        dump_text(n->u.string.data, n->u.string.len, out);
        break;
    case TOML_DATETIME:
        buf_printf(out, "@%s", n->u.string.data);
        break;
    case TOML_INTEGER:
        buf_printf(out, "%lld", (long long)n->u.integer);
        break;
    case TOML_FLOAT:
        buf_printf(out, "%s~%g", signbit(n->u.number) ? "-" : "", fabs(n->u.number));
        break;
    case TOML_BOOLEAN:
        buf_printf(out, n->u.boolean ? "true" : "false");
        break;
    default:
        dump_children(n, out);
    }
}

static struct toml_doc *parse(const char *text, struct buf *errors)
{
    struct toml_doc *d = NULL;
    struct err e;
    assert_int_equal(toml_parse("t", text, strlen(text), &d, &e), 0);
    assert_int_equal(toml_errors(d, errors), 0);
    return d;
}

/* clang-format off */
static const struct {
    const char *text, *means;
} valid[] = {
    /* comments, white space, line ends */
    {"", "{}"},
    {"# all\n#\n\n \t\n", "{}"},
    {"a = 1 # b = 2", "{a:1}"},
    {"a=1\r\nb\t=\t2\r\n", "{a:1 b:2}"},
    {"\xef\xbb\xbf" "a = 1", "{a:1}"},
    {"a = \"# no comment\" # \xe2\x82\xac", "{a:\"# no comment\"}"},
    /* keys */
    {"a_b-C9 = 1\n1234 = 2\n- = 3", "{a_b-C9:1 1234:2 -:3}"},
    {"\"127.0.0.1\" = 1\n\"\\u02ce\" = 2\n'q\"q' = 3\n\"\" = 4\n",
     "{127.0.0.1:1 \xcb\x8e:2 q\"q:3 :4}"},
    {"a.b . \"c.d\" = 1", "{a:{b:{c.d:1}}}"},
    {"apple.type = 1\norange.type = 2\napple.skin = 3", "{apple:{type:1 skin:3} orange:{type:2}}"},
    {"3.14159 = 'pi'", "{3:{14159:\"pi\"}}"},
    {"true = 1\ninf = 2\n1e3 = 3\n1979-05-27 = 4", "{true:1 inf:2 1e3:3 1979-05-27:4}"},
    {"a.b.c = 1\na.d = 2", "{a:{b:{c:1} d:2}}"},
    /* basic strings */
    {"a = \"\\b\\t\\n\\f\\r\\\"\\\\\"", "{a:\"\\x08\\x09\\x0a\\x0c\\x0d\\x22\\x5c\"}"},
    {"a = \"\\u00e9\\U0001F600\\u0000\"", "{a:\"\xc3\xa9\xf0\x9f\x98\x80\\x00\"}"},
    {"a = \"\ttab\"", "{a:\"\\x09tab\"}"},
    {"a = \"\\uD7FF\\uE000\\U0010FFFF\"", "{a:\"\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf\"}"},
    {"a = \"\"\nb = ''", "{a:\"\" b:\"\"}"},
    /* strings of several lines */
    {"a = \"\"\"\nx\ny\"\"\"", "{a:\"x\\x0ay\"}"},
    {"a = \"\"\"\r\nx\r\ny\"\"\"", "{a:\"x\\x0ay\"}"},
    {"a = \"\"\"x \\\n\n   y\\   \n\t z\\\n  \"\"\"", "{a:\"x yz\"}"},
    {"a = \"\"\"\"\"\"", "{a:\"\"}"},
    {"a = \"\"\"\"x\"\"\"\"", "{a:\"\\x22x\\x22\"}"},
    {"a = \"\"\"x\"\"\"\"\"", "{a:\"x\\x22\\x22\"}"},
    {"a = \"\"\"x\"\"y\\\"\"\"\"", "{a:\"x\\x22\\x22y\\x22\"}"},
    {"a = \"\"\"\\\\\"\"\"", "{a:\"\\x5c\"}"},
    {"a = \"\"\"\\n\\u0041\"\"\"", "{a:\"\\x0aA\"}"},
    /* literal strings */
    {"a = 'C:\\Users\\n'", "{a:\"C:\\x5cUsers\\x5cn\"}"},
    {"a = '''\nx\\\n y'''", "{a:\"x\\x5c\\x0a y\"}"},
    {"a = ''''x'''''", "{a:\"'x''\"}"},
    {"a = ''''''", "{a:\"\"}"},
    {"a = ''''''''", "{a:\"''\"}"},
    /* integers */
    {"a = 0\nb = +0\nc = -0\nd = +99\ne = -17", "{a:0 b:0 c:0 d:99 e:-17}"},
    {"a = 1_000\nb = 1_2_3", "{a:1000 b:123}"},
    {"a = 9223372036854775807\nb = -9223372036854775808",
     "{a:9223372036854775807 b:-9223372036854775808}"},
    {"a = 0xDEAD_beef\nb = 0o755\nc = 0b1101_0110\nd = 0x00ff\ne = 0o0",
     "{a:3735928559 b:493 c:214 d:255 e:0}"},
    {"a = 0x7fffffffffffffff", "{a:9223372036854775807}"},
    {"a = 0xe1", "{a:225}"},
    /* floats */
    {"a = +1.0\nb = 3.1415\nc = -0.01\nd = 0.0\ne = -0.0", "{a:~1 b:~3.1415 c:-~0.01 d:~0 e:-~0}"},
    {"a = 5e+22\nb = 1e06\nc = -2E-2\nd = 6.626e-34\ne = 0e0\nf = 1e0_1",
     "{a:~5e+22 b:~1e+06 c:-~0.02 d:~6.626e-34 e:~0 f:~10}"},
    {"a = 9_224.617_445", "{a:~9224.62}"},
    {"a = inf\nb = +inf\nc = -inf\nd = nan\ne = +nan\nf = -nan",
     "{a:~inf b:~inf c:-~inf d:~nan e:~nan f:-~nan}"},
    {"a = 1e-400", "{a:~0}"},
    /* booleans */
    {"a = true\nb = false", "{a:true b:false}"},
    /* dates and times */
    {"a = 1979-05-27T07:32:00Z\nb = 1979-05-27T00:32:00-07:00\nc = 1979-05-27 07:32:00.999999+23:59",
     "{a:@1979-05-27T07:32:00Z b:@1979-05-27T00:32:00-07:00 c:@1979-05-27 07:32:00.999999+23:59}"},
    {"a = 1979-05-27t07:32:00z", "{a:@1979-05-27t07:32:00z}"},
    {"a = 1979-05-27T07:32:00\nb = 1979-05-27T00:32:00.5", "{a:@1979-05-27T07:32:00 b:@1979-05-27T00:32:00.5}"},
    {"a = 1979-05-27\nb = 07:32:00\nc = 00:32:00.999999 #", "{a:@1979-05-27 b:@07:32:00 c:@00:32:00.999999}"},
    {"a = 1979-05-27 # x\nb = [1979-05-27, 1979-05-28 ]", "{a:@1979-05-27 b:[@1979-05-27 @1979-05-28]}"},
    {"a = 2000-02-29\nb = 2024-02-29\nc = 23:59:60\nd = 0000-01-01",
     "{a:@2000-02-29 b:@2024-02-29 c:@23:59:60 d:@0000-01-01}"},
    /* arrays */
    {"a = []\nb = [ ]\nc = [1,2 , 3]\nd = [[1],['x',[]]]", "{a:[] b:[] c:[1 2 3] d:[[1] [\"x\" []]]}"},
    {"a = [ # c\n 1, # d\n\n 2\n # e\n , ]", "{a:[1 2]}"},
    {"a = [1, 'x', 2.5, {b=1}, true]", "{a:[1 \"x\" ~2.5 {b:1} true]}"},
    {"a = [\"\"\"x\ny\"\"\",\r\n1979-05-27]", "{a:[\"x\\x0ay\" @1979-05-27]}"},
    /* tables */
    {"[a]\n[b]\nc = 1", "{a:{} b:{c:1}}"},
    {"[ a . 'b' . \"c\" ] # x\nd = 1", "{a:{b:{c:{d:1}}}}"},
    {"[a.b.c]\n[a]\nd = 1", "{a:{b:{c:{}} d:1}}"},
    {"[x.y.z.w]\n[x]\n[x.y]", "{x:{y:{z:{w:{}}}}}"},
    {"[fruit.apple]\n[animal]\n[fruit.orange]", "{fruit:{apple:{} orange:{}} animal:{}}"},
    {"[fruit]\napple.color = 1\napple.taste.sweet = 2\n[fruit.apple.texture]\nsmooth = 3",
     "{fruit:{apple:{color:1 taste:{sweet:2} texture:{smooth:3}}}}"},
    {"[a.b.c]\nx = 1\n[a]\nb.d = 2", "{a:{b:{c:{x:1} d:2}}}"},
    {"a = 1\n[t]\na = 1", "{a:1 t:{a:1}}"},
    /* inline tables */
    {"a = {}\nb = { }\nc = { x = 1, y.z = 2, y.'w' = [3] }", "{a:{} b:{} c:{x:1 y:{z:2 w:[3]}}}"},
    {"a = { b = [\n 1, # x\n 2,\n], c = \"\"\"\n\n\"\"\" }", "{a:{b:[1 2] c:\"\\x0a\"}}"},
    {"a.b = {c = {d.e = 1}}", "{a:{b:{c:{d:{e:1}}}}}"},
    /* arrays of tables */
    {"[[p]]\nn = 1\n[[p]]\n[[p]]\nn = 3", "{p:[{n:1} {} {n:3}]}"},
    {"[[f]]\nn = 1\n[f.p]\nq = 2\n[[f.v]]\nn = 3\n[[f.v]]\nn = 4\n[[f]]\n[[f.v]]\n[f.p]",
     "{f:[{n:1 p:{q:2} v:[{n:3} {n:4}]} {v:[{}] p:{}}]}"},
    {"[[a.b]]\n[a]\nc = 1", "{a:{b:[{}] c:1}}"},
    {"[a]\nb.c = 1\n[[a.b.d]]\ne = 1", "{a:{b:{c:1 d:[{e:1}]}}}"},
    {"a = [{x = 1}, {}]", "{a:[{x:1} {}]}"},
};

static const struct {
    const char *text;
    unsigned line, col; /* of the first error; there is one only, unless n says otherwise */
    const char *why;
    size_t n;
} invalid[] = {
    /* bytes that stand nowhere */
    {"a = \"\xff\"", 1, 6, "not UTF-8", 0},
    {"# \xc0\xaf", 1, 3, "not UTF-8", 0},
    {"a = '\xed\xa0\x80'", 1, 6, "not UTF-8", 0},
    {"a = '\xf4\x90\x80\x80'", 1, 6, "not UTF-8", 0},
    {"# \xe2\x82", 1, 3, "not UTF-8", 0},
    {"a = \"\x01\"", 1, 6, "control character", 0},
    {"# \x7f", 1, 3, "control character", 0},
    {"a = 'x\ry'", 1, 7, "carriage return", 0},
    {"a = 1\r", 1, 6, "carriage return", 0},
    {"# a\rb = 1", 1, 4, "carriage return", 0},
    {"a = \"\"\"\x0b\"\"\"", 1, 8, "control character", 0},
    {"a = 1\x0c", 1, 6, "control character", 0},
    /* lines */
    {"a = 1 b = 2", 1, 7, "expected the end of the line, found \"b\"", 0},
    {"a = \"x\" y", 1, 9, "expected the end of the line", 0},
    {"a", 1, 2, "expected \"=\" after a key, found the end of the file", 0},
    {"a\n= 1", 1, 2, "expected \"=\"", 2},
    {"= 1", 1, 1, "expected a key, found \"=\"", 0},
    {"a = \n", 1, 5, "expected a value, found the end of the line", 0},
    {"a = # 1", 1, 5, "expected a value", 0},
    {"a == 1", 1, 4, "expected a value, found \"=\"", 0},
    {"a = 1, b = 2", 1, 6, "expected the end of the line", 0},
    /* keys */
    {"a b = 1", 1, 3, "expected \"=\"", 0},
    {"\xc3\xa9 = 1", 1, 1, "expected a key, found \"\xc3\xa9\"", 0},
    {"a. = 1", 1, 4, "expected a key", 0},
    {".a = 1", 1, 1, "expected a key", 0},
    {"a..b = 1", 1, 3, "expected a key", 0},
    {"\"a = 1", 1, 1, "quote is never closed", 0},
    {"\"\"\"a\"\"\" = 1", 1, 1, "a key cannot be a string of several lines", 0},
    {"\"a\nb\" = 1", 1, 1, "never closed", 2},
    {"\"\\x\" = 1", 1, 2, "no such escape", 0},
    {"a+b = 1", 1, 2, "expected \"=\"", 0},
    {"a = 1\na = 2", 2, 1, "\"a\" is already set (line 1)", 0},
    {"a = 1\n\"a\" = 2", 2, 1, "\"a\" is already set", 0},
    {"a.b = 1\na.b = 2", 2, 3, "\"b\" is already set", 0},
    {"a = 1\na.b = 2", 2, 1, "already has a value", 0},
    {"a.b = 1\na = 2", 2, 1, "\"a\" is already set", 0},
    {"a.b.c = 1\na.b = 2", 2, 3, "\"b\" is already set", 0},
    {"a = [1]\na.b = 2", 2, 1, "already an array", 0},
    /* strings */
    {"a = \"x", 1, 5, "never closed", 0},
    {"a = 'x\nb = 1", 1, 5, "never closed", 0},
    {"a = \"x\\\"", 1, 5, "never closed", 0},
    {"a = \"x\\\n\"", 1, 5, "never closed", 2},
    {"a = \"\"\"x\"\"", 1, 5, "never closed", 0},
    {"a = '''x''\nb = 1\n", 1, 5, "never closed", 0},
    {"a = \"\"\"x\\\"\"\"", 1, 5, "never closed", 0},
    {"a = \"\\a\"", 1, 6, "no such escape", 0},
    {"a = \"\\e\\x41\"", 1, 6, "no such escape", 0},
    {"a = \"\\ \"", 1, 6, "no such escape", 0},
    {"a = \"\"\"\\ x\"\"\"", 1, 8, "no such escape", 0},
    {"a = \"\\u12\"", 1, 6, "4 hexadecimal", 0},
    {"a = \"\\u12g4\"", 1, 6, "4 hexadecimal", 0},
    {"a = \"\\U0001F60\"", 1, 6, "8 hexadecimal", 0},
    {"a = \"\\ud800\"", 1, 6, "no Unicode character", 0},
    {"a = \"\\U00110000\"", 1, 6, "no Unicode character", 0},
    {"a = \"\"\"x\"\"\"\"\"\"", 1, 14, "expected the end of the line", 0},
    {"a = '''''''''", 1, 13, "expected the end of the line", 0},
    {"a = x", 1, 5, "a string needs quotes", 0},
    /* integers */
    {"a = 01", 1, 5, "cannot start with 0", 0},
    {"a = -01", 1, 5, "cannot start with 0", 0},
    {"a = +00", 1, 5, "cannot start with 0", 0},
    {"a = 0_1", 1, 5, "cannot start with 0", 0},
    {"a = 1__0", 1, 5, "cannot read \"1__0\": not a number", 0},
    {"a = _1", 1, 5, "not a number", 0},
    {"a = 1_", 1, 5, "not a number", 0},
    {"a = +_1", 1, 5, "not a number", 0},
    {"a = ++1", 1, 5, "not a number", 0},
    {"a = +", 1, 5, "not a number", 0},
    {"a = 1h", 1, 5, "cannot read \"1h\": not a number", 0},
    {"a = 9223372036854775808", 1, 5, "does not fit", 0},
    {"a = -9223372036854775809", 1, 5, "does not fit", 0},
    {"a = 99999999999999999999999", 1, 5, "does not fit", 0},
    {"a = 0x8000000000000000", 1, 5, "does not fit", 0},
    {"a = 0x", 1, 5, "hexadecimal digits", 0},
    {"a = 0x_1", 1, 5, "hexadecimal digits", 0},
    {"a = 0x1_", 1, 5, "hexadecimal digits", 0},
    {"a = 0xg", 1, 5, "hexadecimal digits", 0},
    {"a = 0x1.5", 1, 5, "hexadecimal digits", 0},
    {"a = 0o8", 1, 5, "0 to 7", 0},
    {"a = 0b2", 1, 5, "0 and 1", 0},
    {"a = +0x1", 1, 5, "not a number", 0},
    {"a = -0b1", 1, 5, "not a number", 0},
    {"a = 0X1", 1, 5, "not a number", 0},
    {"a = 0O1", 1, 5, "not a number", 0},
    /* floats */
    {"a = .7", 1, 5, "not a number", 0},
    {"a = 7.", 1, 5, "not a number", 0},
    {"a = 3.e+20", 1, 5, "not a number", 0},
    {"a = +.5", 1, 5, "not a number", 0},
    {"a = 1.2.3", 1, 5, "not a number", 0},
    {"a = 1e", 1, 5, "not a number", 0},
    {"a = 1e1.5", 1, 5, "not a number", 0},
    {"a = 1e_1", 1, 5, "not a number", 0},
    {"a = 1_.5", 1, 5, "not a number", 0},
    {"a = 1._5", 1, 5, "not a number", 0},
    {"a = 1.5_", 1, 5, "not a number", 0},
    {"a = 1_e5", 1, 5, "not a number", 0},
    {"a = 1.5__0", 1, 5, "not a number", 0},
    {"a = 03.14", 1, 5, "cannot start with 0", 0},
    {"a = 00e1", 1, 5, "cannot start with 0", 0},
    {"a = 1e999", 1, 5, "too large", 0},
    {"a = Inf", 1, 5, "not a number", 0},
    {"a = NaN", 1, 5, "not a number", 0},
    {"a = infinity", 1, 5, "not a number", 0},
    {"a = in_f", 1, 5, "not a number", 0},
    /* booleans */
    {"a = True", 1, 5, "not a number, date or boolean", 0},
    {"a = truer", 1, 5, "boolean", 0},
    {"a = yes", 1, 5, "boolean", 0},
    /* dates and times */
    {"a = 1979-13-01", 1, 5, "the month is", 0},
    {"a = 1979-00-01", 1, 5, "the month is", 0},
    {"a = 1979-01-32", 1, 5, "the day is", 0},
    {"a = 1979-01-00", 1, 5, "the day is", 0},
    {"a = 2023-02-29", 1, 5, "no such day", 0},
    {"a = 1900-02-29", 1, 5, "no such day", 0},
    {"a = 2023-04-31", 1, 5, "no such day", 0},
    {"a = 1979-1-01", 1, 5, "the month is", 0},
    {"a = 1979-01-1", 1, 5, "the day is", 0},
    {"a = 1979-01", 1, 5, "a date is written", 0},
    {"a = 79-01-01", 1, 5, "not a number", 0},
    {"a = 1979-01-01T", 1, 5, "the hour is", 0},
    {"a = 1979-01-01T07", 1, 5, "a time is written", 0},
    {"a = 1979-01-01T07:32", 1, 5, "a time is written", 0},
    {"a = 1979-01-01 07:32", 1, 5, "a time is written", 0},
    {"a = 1979-01-01T24:00:00", 1, 5, "the hour is", 0},
    {"a = 1979-01-01T23:60:00", 1, 5, "the minute is", 0},
    {"a = 1979-01-01T23:59:61", 1, 5, "the second is", 0},
    {"a = 1979-01-01T7:32:00", 1, 5, "the hour is", 0},
    {"a = 1979-01-01T07:32:00.", 1, 5, "needs a digit", 0},
    {"a = 1979-01-01T07:32:00.Z", 1, 5, "needs a digit", 0},
    {"a = 1979-01-01T07:32:00+24:00", 1, 5, "hours of an offset", 0},
    {"a = 1979-01-01T07:32:00+01:60", 1, 5, "minutes of an offset", 0},
    {"a = 1979-01-01T07:32:00+01", 1, 5, "an offset is written", 0},
    {"a = 1979-01-01T07:32:00+0100", 1, 5, "an offset is written", 0},
    {"a = 1979-01-01T07:32:00Zx", 1, 5, "text after a date", 0},
    {"a = 1979-01-01x", 1, 5, "text after a date", 0},
    {"a = 1979-01-01  07:32:00", 1, 17, "expected the end of the line", 0},
    {"a = 07:32:00Z", 1, 5, "text after a date or time", 0},
    {"a = 7:32:00", 1, 5, "not a number", 0},
    {"a = 24:00:00", 1, 5, "the hour is", 0},
    {"a = 07:32", 1, 5, "a time is written", 0},
    /* arrays */
    {"a = [1 2]", 1, 8, "expected \",\" or \"]\" in the array of line 1, found \"2\"", 0},
    {"a = [1,,2]", 1, 8, "expected a value", 0},
    {"a = [,]", 1, 6, "expected a value", 0},
    {"a = [1, 2", 1, 10, "the array of line 1 is never closed", 0},
    {"a = [1,\n", 2, 1, "the array of line 1 is never closed", 0},
    {"a = [1]]", 1, 8, "expected the end of the line", 0},
    {"a = [\n1,\nb = 2\nc = 3", 3, 1, "a string needs quotes", 0},
    {"a = [1\nb = [2\n[c]\nd = 4", 2, 1, "in the array of line 1, found \"b\"", 2},
    {"a = [1h, 2h,\n 3]", 1, 6, "cannot read \"1h\"", 2},
    /* inline tables */
    {"a = {b = 1,}", 1, 11, "cannot end with a comma", 0},
    {"a = {,}", 1, 6, "expected a key", 0},
    {"a = {b = 1,, c = 2}", 1, 12, "expected a key", 0},
    {"a = {b = 1 c = 2}", 1, 12, "expected \",\" or \"}\"", 0},
    {"a = {b = 1", 1, 11, "expected \",\" or \"}\" in an inline table, found the end of the file", 0},
    {"a = {\nb = 1\n}", 1, 6, "must end on its line", 0},
    {"a = {b = 1,\n c = 2,\n}\nd = 1", 1, 12, "must end on its line", 0},
    {"a = {b = 1 # x\n}", 1, 12, "must end on its line", 0},
    {"a = {b = 1\nc = 2", 1, 11, "must end on its line", 0},
    {"a = {b}", 1, 7, "expected \"=\"", 0},
    {"a = {b = 1, b = 2}", 1, 13, "\"b\" is already set", 0},
    {"a = {b = {c = 1}, b.d = 2}", 1, 19, "inline table", 0},
    {"a = {b.c = 1, b = 2}", 1, 15, "\"b\" is already set", 0},
    {"a = {b = 1}\na.c = 2", 2, 1, "\"a\" is an inline table, which nothing can be added to (line 1)", 0},
    {"a = {b.c = 1}\na.b.d = 2", 2, 1, "inline table", 0},
    {"a = {b = 1}\n[a]", 2, 2, "inline table", 0},
    {"a = {b = 1}\n[a.c]", 2, 2, "inline table", 0},
    {"a = {b = {}}\n[[a.c]]", 2, 3, "inline table", 0},
    /* tables */
    {"[a]\n[a]", 2, 2, "\"a\" is already a table (line 1)", 0},
    {"[a.b]\n[a]\n[a]", 3, 2, "already a table (line 2)", 0},
    {"[a]\nb = 1\n[a.b]", 3, 4, "\"b\" already has a value", 0},
    {"[a]\nb = 1\n[a.b.c]", 3, 4, "\"b\" already has a value", 0},
    {"[a]\nb.c = 1\n[a.b]", 3, 4, "already a table", 0},
    {"[a]\nb.c.d = 1\n[a.b.c]", 3, 6, "already a table", 0},
    {"a.b = 1\n[a]", 2, 2, "already a table", 0},
    {"[a.b.c]\nz = 9\n[a]\nb.c.t = 1", 4, 3, "header of its own", 0},
    {"[a.b.c.d]\nz = 9\n[a]\nb.c.d.k.t = 1", 4, 5, "header of its own", 0},
    {"[a.b.c]\n[a]\nb.d = 1\n[a.b]", 4, 4, "already a table", 0},
    {"[a]\n[b]\na.c = 1\n[a]\n", 4, 2, "already a table", 0},
    {"[]", 1, 2, "expected a key, found \"]\"", 0},
    {"[a", 1, 3, "expected \"]\" after a table's name", 0},
    {"[a]]", 1, 4, "expected the end of the line", 0},
    {"[a] b = 1", 1, 5, "expected the end of the line", 0},
    {"[a.]", 1, 4, "expected a key", 0},
    {"[.a]", 1, 2, "expected a key", 0},
    {"[a..b]", 1, 4, "expected a key", 0},
    {"[a b]", 1, 4, "expected \"]\"", 0},
    {"[a=1]", 1, 3, "expected \"]\"", 0},
    {"[a\n]\n", 1, 3, "expected \"]\"", 2},
    {"[\"a]", 1, 2, "never closed", 0},
    /* arrays of tables */
    {"[[]]", 1, 3, "expected a key", 0},
    {"[[a]\n", 1, 4, "expected \"]]\"", 0},
    {"[[a] ]\n", 1, 4, "expected \"]]\"", 0},
    {"[ [a]]\n", 1, 3, "expected a key", 0},
    {"[a]\n[[a]]", 2, 3, "already a table", 0},
    {"[[a]]\n[a]", 2, 2, "already an array of tables", 0},
    {"[a.b]\n[[a]]", 2, 3, "already a table", 0},
    {"a = []\n[[a]]", 2, 3, "already an array of values", 0},
    {"a = [{}]\n[a.b]", 2, 2, "already an array of values", 0},
    {"a = 1\n[[a]]", 2, 3, "already has a value", 0},
    {"[[a.b]]\n[a]\nb.c = 1", 3, 1, "already an array of tables", 0},
    {"[[a]]\n[a.b]\n[[a.b]]", 3, 5, "already a table", 0},
    {"[[a]]\n[[a.b]]\n[a.b]", 3, 4, "already an array of tables", 0},
    {"[a]\nb.c = 1\n[[a.b]]", 3, 5, "already a table", 0},
};
/* clang-format on */

static void test_valid(void **state)
{
    (void)state;
    size_t bad = 0;
    for (size_t i = 0; i < sizeof valid / sizeof *valid; i++) {
        struct buf errors, out;
        buf_init(&errors, MAX);
        buf_init(&out, MAX);
        struct toml_doc *d = parse(valid[i].text, &errors);
        dump(toml_root(d), &out);
        if (toml_n_errors(d) || strcmp((char *)out.data, valid[i].means) != 0) {
            bad++;
            print_error("row %zu <%s>\nmeans %s\nnot   %s\n%s\n", i, valid[i].text,
                        out.data, valid[i].means,
                        errors.data ? (char *)errors.data : "");
        }
        toml_destroy(d);
        buf_fini(&out);
        buf_fini(&errors);
    }
    assert_int_equal(bad, 0);
}

static void test_invalid(void **state)
{
    (void)state;
    size_t bad = 0;
    for (size_t i = 0; i < sizeof invalid / sizeof *invalid; i++) {
        char place[32];
        struct buf errors;
        buf_init(&errors, MAX);
        struct toml_doc *d = parse(invalid[i].text, &errors);
        const char *text = errors.data ? (char *)errors.data : "(no error)";
        snprintf(place, sizeof place, "t:%u:%u: ", invalid[i].line, invalid[i].col);
        size_t n = invalid[i].n ? invalid[i].n : 1;
        if (strncmp(text, place, strlen(place)) != 0 || !strstr(text, invalid[i].why) ||
            toml_n_errors(d) != n) {
            bad++;
            print_error("row %zu <%s>\nexpected %zu at %s%s\n%s\n", i, invalid[i].text,
                        n, place, invalid[i].why, text);
        }
        toml_destroy(d);
        buf_fini(&errors);
    }
    assert_int_equal(bad, 0);
}

/* What is cut anywhere must give an answer, never a crash; what is whole must stay so. */
static void test_every_prefix_is_answered(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof valid / sizeof *valid; i++) {
        for (size_t len = 0; len < strlen(valid[i].text); len++) {
            struct toml_doc *d = NULL;
            struct buf errors;
            buf_init(&errors, MAX);
            assert_int_equal(toml_parse("t", valid[i].text, len, &d, NULL), 0);
            assert_int_equal(toml_errors(d, &errors), 0);
            assert_int_equal(toml_n_errors(d) == 0, errors.len == 0);
            toml_destroy(d);
            buf_fini(&errors);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid),
        cmocka_unit_test(test_invalid),
        cmocka_unit_test(test_every_prefix_is_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
