/* SPDX-License-Identifier: MIT */
/* audit_page - the sections of the page, in its order. A part of audit. */
#ifndef LAUNCHER_AUDIT_AUDIT_PAGE_H
#define LAUNCHER_AUDIT_AUDIT_PAGE_H

#include "launcher/audit/audit.h"
#include "launcher/audit/audit_groups.h"
#include "launcher/report_table.h"

#define PAGE_HOSTS \
    (1u << 22) /* bytes of a folded list; LIMIT_HOSTS names without digits */

/* Of nodes that are alike: what they are, the four answers, what else was found. */
void page_group(struct page *p, const struct audit *a, const struct audit_group *g,
                bool verbose);
/* Every probe of a group, as its first node answers it. */
void page_probes(struct page *p, const struct audit *a, const struct audit_group *g);
void page_measured(struct page *p, const struct audit *a);
void page_notes(struct page *p, const struct audit *a); /* a part of page_measured */
/* Below the numbers of pairs; room for as many as there are. */
void page_rails(struct page *p, const struct audit *a, double *room);
uint32_t page_rail_count(const struct audit *a);
const char *page_rail_name(const struct audit *a, uint32_t rail); /* "" */
void page_remarks(struct page *p, const struct audit *a);
void page_past(struct page *p, const struct audit *a);
/* What could not be seen, by what would tell more. */
void page_unseen(struct page *p, const struct audit *a);

/* "HOSTS: text", wrapped; nodes: n of them. */
void page_hosts(struct page *p, const struct audit *a, const char *first,
                const uint32_t *nodes, size_t n, const char *text);
/* A node's words, as a terminal may see them, at most so many bytes. ret has room for one
 * more. */
const char *page_clean(const char *text, char *ret, size_t bytes);

#endif
