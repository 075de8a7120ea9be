/* SPDX-License-Identifier: MIT */
/* audit_fuzz - any bytes as the questions that the helper is asked, and as what helpers say
 * to the head, up to the page and the JSON that come of it.
 *
 * The first byte: bit 0 questions, as frames to the helper; otherwise an audit of 1 to 4
 * nodes (bits 1, 2), measured (bit 3), in pairs (bit 4), on one machine (bit 5). Then follow
 * events, each with a byte of its own: of node bits 0, 1; what, bits 2, 3: it says a message
 * (u16 length, bytes), it is lost, time passes (a byte, in tenths of a second); bit 4: the
 * message keeps its own id, else it has that of the last question; bit 5: it is left out
 * where it does not fit what the node was asked. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/audit/serve.h"
#include "launcher/audit/conduct.h"
#include "proto/base/cur.h"
#include "proto/wire/auditlink.h"
#include "proto/wire/wiretext.h"

#define NODES 4u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_that(bool truth, const char *what, int line)
{
    if (truth)
        return;
    fprintf(stderr, "audit_fuzz.c:%d: not so: %s\n", line, what);
    abort();
}
#define check(truth) check_that((truth), #truth, __LINE__)

static void ask_all(const uint8_t *data, size_t size)
{
    struct buf in;
    const uint8_t *frame;
    size_t len;
    buf_init(&in, size + 1);
    check(buf_add(&in, data, size) == 0);
    while (auditlink_next(&in, AUDITLINK_ASK, &frame, &len) == 1) {
        Aolani__AuditAsk *m = NULL;
        struct err e = {0};
        int rc = serve_decode(frame, len, &m, &e);
        check((rc == 0) == (m != NULL));
        check(rc == 0 || e.text[0]);
        if (m && serve_check(m, &e) < 0)
            check(e.code == ERR_PARSE && e.text[0]);
        if (m)
            aolani__audit_ask__free_unpacked(m, NULL);
        buf_consume(&in, 4 + len);
    }
    buf_fini(&in);
}

/* ---- an audit */

struct head {
    struct audit audit;
    struct conduct *conduct;
    uint32_t asked[NODES]; /* the id of the last question */
    int open[NODES];       /* what it asks; 0: it has its last answer */
    bool lost[NODES];
    uint64_t now_ms;
    unsigned done;
};

static int on_ask(void *arg, uint32_t node, const Aolani__AuditAsk *m)
{
    struct head *h = arg;
    check(node < h->audit.n && m->is_case != AOLANI__AUDIT_ASK__IS__NOT_SET);
    check(!h->done);
    if (h->lost[node])
        return -1;
    h->asked[node] = m->id;
    h->open[node] = (int)m->is_case;
    return 0;
}

static void on_progress(void *arg, const char *what, unsigned percent)
{
    (void)arg;
    check(what && percent <= 100);
}

static void on_token(void *arg, uint8_t ret[32])
{
    (void)arg;
    memset(ret, 7, 32);
}

static void on_done(void *arg)
{
    struct head *h = arg;
    h->done++;
}

static void lose(struct head *h, uint32_t node, const char *why)
{
    if (h->lost[node])
        return;
    h->lost[node] = true;
    conduct_lost(h->conduct, node, why, "", h->now_ms);
}

static bool fits(int asked, const Aolani__AuditSaid *m)
{
    if (m->is_case == AOLANI__AUDIT_SAID__IS__NOT_SET)
        return asked == AOLANI__AUDIT_ASK__IS_LISTEN;
    if (m->is_case == AOLANI__AUDIT_SAID__IS_LISTENING)
        return asked == AOLANI__AUDIT_ASK__IS_LISTEN;
    return m->is_case == AOLANI__AUDIT_SAID__IS_PAIR
               ? asked == AOLANI__AUDIT_ASK__IS_REACH
               : asked == AOLANI__AUDIT_ASK__IS_LOOK ||
                     asked == AOLANI__AUDIT_ASK__IS_MEASURE;
}

static void say(struct head *h, uint32_t node, struct cur *c, uint8_t event)
{
    uint16_t len = cur_u16(c);
    const uint8_t *bytes = cur_take(c, len);
    Aolani__AuditSaid *m = bytes ? aolani__audit_said__unpack(NULL, len, bytes) : NULL;
    struct err e = {0};
    if (m && (event & 32) && !fits(h->open[node], m)) {
        aolani__audit_said__free_unpacked(m, NULL);
        return;
    }
    if (!m)
        return;
    wiretext_make_printable(&m->base);
    if (!(event & 16))
        m->id = h->asked[node];
    if (m->last && m->id == h->asked[node])
        h->open[node] = 0;
    int rc = h->lost[node] ? 0 : conduct_said(h->conduct, node, m, h->now_ms, &e);
    aolani__audit_said__free_unpacked(m, NULL);
    check(rc == 0 || (rc == ERR_PROTO && e.text[0]));
    if (rc < 0)
        lose(h, node, e.text);
}

static void pass_time(struct head *h, uint64_t ms)
{
    h->now_ms += ms;
    conduct_tick(h->conduct, h->now_ms);
}

static void begin(struct head *h, uint8_t how)
{
    static const char *const addresses[NODES] = {"10.0.0.1", "10.0.0.2", NULL, "::1"};
    static const struct conduct_ops ops = {
        .ask = on_ask, .progress = on_progress, .token = on_token, .done = on_done};
    memset(h, 0, sizeof *h);
    h->now_ms = 1000;
    h->audit.n = (size_t)(how >> 1 & 3) + 1;
    h->audit.nodes = calloc(h->audit.n, sizeof *h->audit.nodes);
    memcpy(h->audit.id, "0123456789abcdef", 17);
    for (size_t i = 0; i < h->audit.n; i++) {
        struct audit_node *n = &h->audit.nodes[i];
        char name[24];
        (void)snprintf(name, sizeof name, "n%zu", i);
        n->host = strdup(name);
        n->machine = strdup(how & 32 ? "same" : name);
        n->kernel = strdup("6.8.0");
        n->product = strdup("");
        check(n->host && n->machine && n->kernel && n->product);
        n->n_rails = i == 2 ? 0 : 3;
        n->rails = calloc(3, sizeof *n->rails);
        check(n->rails);
        for (uint32_t k = i == 1; k < n->n_rails; k++) /* n1 has not the first */
            check((n->rails[k] = strdup(k == 2 ? "mlx5_2" : "mlx5_0")));
    }
    struct conduct_config c = {.audit = &h->audit,
                               .measure = how & 8,
                               .pair = how & 16,
                               .addresses = addresses,
                               .budget_ms = 10000,
                               .seed = how};
    check(conduct_create(&c, &ops, h, &h->conduct, NULL) == 0);
    conduct_start(h->conduct, h->now_ms);
}

/* Whatever was said: it comes to an end, and each node has an answer or a reason. */
static void end(struct head *h)
{
    for (unsigned i = 0; i < 3000 && !h->done; i++)
        pass_time(h, 100);
    check(h->done == 1);
    conduct_destroy(h->conduct);
    for (size_t i = 0; i < h->audit.n; i++)
        check(h->audit.nodes[i].found || h->audit.nodes[i].error);
    for (size_t i = 0; i < h->audit.n_pairs; i++)
        check(h->audit.pairs[i].a < h->audit.n && h->audit.pairs[i].b < h->audit.n);
}

static void tell(struct audit *a)
{
    struct buf out;
    audit_judge(a);
    check(audit_compare(a) == 0);
    for (size_t i = 0; i < a->n_remarks; i++)
        check(a->remarks[i].a < a->n && a->remarks[i].b < a->n && a->remarks[i].text);
    buf_init(&out, 64u << 20);
    for (int verbose = 0; verbose < 2; verbose++) {
        out.len = 0;
        check(audit_page(a, verbose, &out) == 0);
        for (size_t i = 0; i < out.len; i++)
            check(out.data[i] >= 0x20 || out.data[i] == '\n');
    }
    out.len = 0;
    check(audit_json(a, &out) == 0);
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct head h;
    if (size == 0)
        return 0;
    if (data[0] & 1) {
        ask_all(data + 1, size - 1);
        return 0;
    }
    begin(&h, data[0]);
    struct cur c = cur_of(data + 1, size - 1);
    while (cur_left(&c) > 0 && !c.bad && !h.done) {
        uint8_t event = cur_u8(&c);
        uint32_t node = (event & 3) % (uint32_t)h.audit.n;
        if ((event >> 2 & 3) == 2)
            lose(&h, node, "the link was lost");
        else if ((event >> 2 & 3) == 3)
            pass_time(&h, 100ull * cur_u8(&c));
        else
            say(&h, node, &c, event);
    }
    end(&h);
    tell(&h.audit);
    audit_fini(&h.audit);
    return 0;
}
