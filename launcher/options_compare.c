/* SPDX-License-Identifier: MIT */
/* options_compare.c - what compare is told: two lists of runs, and some figures of money.
 * Options may stand on either side of the "--", which here parts the sides. */
#include "launcher/options.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LABEL_COLUMNS 16u

void options_compare_init(struct options_compare *c)
{
    *c = (struct options_compare){
        .days = NAN, .price = {NAN, NAN}, .price_ratio = NAN, .gpu_share = NAN};
}

void options_compare_fini(struct options_compare *c)
{
    strlist_fini(&c->runs);
    strlist_fini(&c->labels);
}

int options_compare_run(struct options_compare *c, const char *word, struct err *e)
{
    return strlist_add(&c->runs, word) ? err_sys(e, -ENOMEM, "read the command line")
                                       : 0;
}

int options_compare_split(struct options_compare *c, struct err *e)
{
    if (c->split)
        return err_set(e, ERR_USAGE, "a second \"--\": there are two sides");
    c->split = true;
    c->n_first = c->runs.n;
    return 0;
}

int options_compare_end(struct options_compare *c, struct err *e)
{
    if (!c->split && c->runs.n == 2)
        c->n_first = 1;
    if (c->n_first > 0 && c->n_first < c->runs.n)
        return 0;
    err_set(e, ERR_USAGE,
            c->split ? "compare what? one side of the \"--\" has no run"
                     : "compare what? there is no \"--\" between the sides");
    return err_hint(e, "usage: aolani-run compare A... -- B...");
}

/* Of a text that ends there or at *end. */
static bool read_number(const char *text, char end, double low, double high,
                        double *ret)
{
    char *at;
    errno = 0;
    double v = strtod(text, &at);
    if (errno || at == text || (*at && *at != end) || !(v >= low && v <= high))
        return false;
    *ret = v;
    return true;
}

static bool read_prices(const char *text, double *ret)
{
    const char *comma = strchr(text, ',');
    return comma && read_number(text, ',', 1e-6, 1e9, &ret[0]) &&
           read_number(comma + 1, '\0', 1e-6, 1e9, &ret[1]);
}

static bool read_percent(const char *text, double *ret)
{
    size_t len = strlen(text);
    bool sign = len > 0 && text[len - 1] == '%';
    if (!read_number(text, sign ? '%' : '\0', 0, 100, ret) ||
        (sign && strchr(text, '%') != text + len - 1))
        return false;
    *ret /= 100;
    return true;
}

/* Plain letters, as they stand in the head of a column. */
static bool label_is_good(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] < ' ' || text[i] > '~')
            return false;
    return len > 0 && len <= LABEL_COLUMNS;
}

static bool read_labels(struct options_compare *c, const char *text)
{
    const char *comma = strchr(text, ',');
    char first[LABEL_COLUMNS + 1] = "";
    if (!comma || !label_is_good(text, (size_t)(comma - text)) ||
        !label_is_good(comma + 1, strlen(comma + 1)) || strchr(comma + 1, ','))
        return false;
    memcpy(first, text, (size_t)(comma - text));
    strlist_fini(&c->labels);
    c->labels = (struct strlist){0};
    return !strlist_add(&c->labels, first) && !strlist_add(&c->labels, comma + 1);
}

int options_compare_set(struct options_compare *c, const char *name, const char *value,
                        struct err *e)
{
    const char *expected;
    bool good;
    if (!strcmp(name, "paired")) {
        c->paired = true;
        return 0;
    }
    if (!strcmp(name, "days")) {
        good = read_number(value, '\0', 1e-3, 36500, &c->days);
        expected = "a number of days, as 30";
    } else if (!strcmp(name, "price")) {
        good = read_prices(value, c->price);
        expected = "two prices, as 2.50,1.99";
    } else if (!strcmp(name, "price-ratio")) {
        good = read_number(value, '\0', 1e-3, 1e3, &c->price_ratio);
        expected = "a number, as 1.25";
    } else if (!strcmp(name, "gpu-share")) {
        good = read_percent(value, &c->gpu_share);
        expected = "percent, as 80";
    } else {
        good = read_labels(c, value);
        expected = "two words of at most 16 letters, as metal,vm";
    }
    return good ? 0
                : err_set(e, ERR_USAGE, "--%s \"%s\": expected %s", name, value,
                          expected);
}
