/* SPDX-License-Identifier: MIT */
/* audit_page.c - the page of an audit: verdicts and answers first, then numbers beside what
 * would be good, then what stands out, then what could not be seen. */
#include "launcher/audit/audit_page.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/base/utf8.h"

#define GROUPS_FULL  6u  /* shown with all answers */
#define GROUPS_SHORT 24u /* on a line each */

const char *page_clean(const char *text, char *ret, size_t bytes)
{
    size_t n = strnlen(text ? text : "", bytes + 1);
    bool cut = n > bytes && bytes > 3;
    n = cut ? bytes - 3 : n > bytes ? bytes : n;
    /* Not in the middle of a character. */
    while (cut && n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
        n--;
    memcpy(ret, text ? text : "", n);
    memcpy(ret + n, "...", cut ? 3 : 0);
    ret[n + (cut ? 3 : 0)] = '\0';
    utf8_make_printable(ret);
    return ret;
}

void page_hosts(struct page *p, const struct audit *a, const char *first,
                const uint32_t *nodes, size_t n, const char *text)
{
    struct buf b;
    buf_init(&b, PAGE_HOSTS + 4096);
    int rc = audit_groups_hosts(a, nodes, n, &b);
    if (rc == 0)
        rc = buf_printf(&b, ": %s", text);
    if (rc == 0) {
        utf8_make_printable((char *)b.data);
        page_wrap(p, first, (char *)b.data);
    }
    if (p->rc == 0)
        p->rc = rc;
    buf_fini(&b);
}

static void page_head(struct page *p, const struct audit *a)
{
    char when[48] = "", took[32] = "";
    struct tm tm;
    time_t t = (time_t)a->t_real_s;
    if (a->t_real_s > 0 && gmtime_r(&t, &tm))
        (void)strftime(when, sizeof when, " on %Y-%m-%d at %H:%M UTC", &tm);
    if (a->took_s >= .05 && a->took_s < 1e6)
        snprintf(took, sizeof took, ", in %.1f s", a->took_s);
    page_printf(p, "Audit of %zu node%s%s%s\n", a->n, a->n == 1 ? "" : "s", when, took);
}

static void page_short(struct page *p, const struct audit *a,
                       const struct audit_group *g)
{
    static const char *const answers[AUDIT_VERDICTS] = {"not known", "yes", "in part",
                                                        "no"};
    const struct audit_node *n = &a->nodes[g->nodes[0]];
    char text[400], error[240];
    int at = snprintf(text, sizeof text, "%s", audit_machine_name(n->verdict));
    for (int t = 0; n->found && t < AUDIT_QUESTIONS; t++)
        at += snprintf(text + at, sizeof text - (size_t)at, "; %s %s",
                       audit_topic_name((enum audit_topic)t), answers[n->tests[t]]);
    if (!n->found && n->error)
        snprintf(text + at, sizeof text - (size_t)at, "; %s",
                 page_clean(n->error, error, sizeof error - 1));
    page_hosts(p, a, "", g->nodes, g->n, text);
}

static void page_groups(struct page *p, const struct audit *a,
                        const struct audit_groups *g, bool verbose)
{
    size_t most = verbose ? g->n : g->n < GROUPS_FULL ? g->n : GROUPS_FULL, i = 0;
    for (; i < most; i++)
        page_group(p, a, &g->groups[i], verbose);
    if (i < g->n)
        page_printf(p, "\n");
    for (; i < g->n && i < GROUPS_SHORT; i++)
        page_short(p, a, &g->groups[i]);
    if (i < g->n)
        page_printf(p, "and %zu more kinds of nodes (--verbose shows all)\n", g->n - i);
}

int audit_page(const struct audit *a, bool verbose, struct buf *out)
{
    struct page p = {.out = out};
    struct audit_groups g;
    int rc = audit_groups_make(a, &g);
    if (rc < 0)
        return rc;
    page_head(&p, a);
    page_groups(&p, a, &g, verbose);
    page_measured(&p, a);
    page_remarks(&p, a);
    page_past(&p, a);
    page_unseen(&p, a);
    for (size_t i = 0; verbose && i < g.n; i++)
        page_probes(&p, a, &g.groups[i]);
    audit_groups_fini(&g);
    return p.rc;
}
