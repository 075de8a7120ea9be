/* SPDX-License-Identifier: MIT */
/* suggest.c - edit distance with swaps (optimal string alignment), three rows at a time;
 * words are short, so no bound cleverer than their length is needed. */
#include "launcher/suggest.h"

#include <ctype.h>
#include <string.h>

#define WORD_MAX 63

static int fold(char c)
{
    return c == '-' ? '_' : tolower((unsigned char)c);
}

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    unsigned m = a < b ? a : b;
    return m < c ? m : c;
}

unsigned suggest_distance(const char *a, const char *b)
{
    size_t na = strlen(a), nb = strlen(b);
    unsigned rows[3][WORD_MAX + 1];
    if (na > WORD_MAX || nb > WORD_MAX)
        return ~0u;
    unsigned *before = rows[0], *prev = rows[1], *cur = rows[2];
    for (size_t j = 0; j <= nb; j++)
        prev[j] = (unsigned)j;
    for (size_t i = 1; i <= na; i++) {
        cur[0] = (unsigned)i;
        for (size_t j = 1; j <= nb; j++) {
            unsigned same = fold(a[i - 1]) == fold(b[j - 1]) ? 0 : 1;
            cur[j] = min3(prev[j] + 1, cur[j - 1] + 1, prev[j - 1] + same);
            if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) &&
                fold(a[i - 2]) == fold(b[j - 1]) && before[j - 2] + 1 < cur[j])
                cur[j] = before[j - 2] + 1;
        }
        unsigned *spare = before;
        before = prev;
        prev = cur;
        cur = spare;
    }
    return prev[nb];
}

void suggest_init(struct suggest *s, const char *typed)
{
    *s = (struct suggest){typed, NULL, ~0u};
}

void suggest_offer(struct suggest *s, const char *word)
{
    /* One slip in three letters; more is another word. */
    size_t len = strlen(s->typed);
    unsigned limit = len < 3 ? 1 : (unsigned)(len + 2) / 3;
    unsigned d = suggest_distance(s->typed, word);
    if (d <= limit && d < s->distance && d < strlen(word)) {
        s->best = word;
        s->distance = d;
    }
}
