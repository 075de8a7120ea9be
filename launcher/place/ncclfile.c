/* SPDX-License-Identifier: MIT */
/* ncclfile.c - see ncclfile.h. The only file that knows expat. Values that make no sense
 * are as if they were not said, as NCCL itself takes them; what is not XML is refused. */
#include "launcher/place/ncclfile.h"

#include <errno.h>
#include <expat.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/limits.h"

struct reader {
    XML_Parser parser;
    struct ncclfile file;
    size_t cap;
    int open
        [LIMIT_NCCL_DEPTH]; /* the node of each open element; that above for others */
    unsigned depth;
    int rc;
    const char *why;
};

static void stop(struct reader *r, int rc, const char *why)
{
    if (r->rc < 0)
        return;
    r->rc = rc;
    r->why = why;
    (void)XML_StopParser(r->parser, XML_FALSE);
}

/* ---- values ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A decimal number of at most seven digits, maybe negative; `otherwise` when it is none. */
static int number(const char *text, int otherwise)
{
    bool minus = *text == '-';
    const char *at = text + minus;
    int v = 0;
    for (; is_digit(*at) && at - text < 8; at++)
        v = 10 * v + (*at - '0');
    if (*at || at == text + minus)
        return otherwise;
    return minus ? -v : v;
}

/* "8 GT/s", "16.0 GT/s PCIe": MT/s. Tenths are enough for all speeds there are. */
static uint32_t speed(const char *text)
{
    uint32_t v = 0, tenth = 0;
    const char *at = text;
    for (; is_digit(*at) && at - text < 4; at++)
        v = 10 * v + (uint32_t)(*at - '0');
    if (at == text)
        return 0;
    if (*at == '.' && is_digit(at[1])) {
        tenth = (uint32_t)(at[1] - '0');
        at += 2;
    }
    return strncmp(at, " GT/s", 5) == 0 ? v * 1000 + tenth * 100 : 0;
}

static bool is_name(const char *text)
{
    for (const char *at = text; *at; at++) {
        if (!is_digit(*at) && !(*at >= 'a' && *at <= 'z') &&
            !(*at >= 'A' && *at <= 'Z') && !strchr("_-.+@:", *at))
            return false;
    }
    return *text != '\0';
}

/* ret has room for `room`; what does not fit was not said. */
static void copy(char *ret, size_t room, const char *text)
{
    size_t n = strlen(text);
    if (n < room && is_name(text))
        memcpy(ret, text, n + 1);
}

static void take(struct ncclfile_node *n, const char *name, const char *value)
{
    bool numbered = n->kind == NCCLFILE_GPU || n->kind == NCCLFILE_NET;
    if (n->kind == NCCLFILE_PCI && strcmp(name, "busid") == 0)
        copy(n->bus_id, sizeof n->bus_id, value);
    else if (n->kind == NCCLFILE_PCI && strcmp(name, "link_speed") == 0)
        n->link_mts = speed(value);
    else if (n->kind == NCCLFILE_PCI && strcmp(name, "link_width") == 0)
        n->link_width = (uint32_t)abs(number(value, 0));
    else if (n->kind == NCCLFILE_CPU && strcmp(name, "numaid") == 0)
        n->number = number(value, -1);
    else if (numbered && strcmp(name, "dev") == 0)
        n->number = number(value, -1);
    else if (numbered && strcmp(name, "gdr") == 0)
        n->gdr = number(value, -1);
    else if (n->kind == NCCLFILE_GPU && strcmp(name, "rank") == 0)
        n->rank = number(value, -1);
    else if (n->kind == NCCLFILE_NET && strcmp(name, "name") == 0)
        copy(n->name, sizeof n->name, value);
}

/* ---- elements ---- */

/* An element where it does not belong is passed over, with all in it but what does. */
static bool kind_of(const char *name, const struct ncclfile_node *above,
                    enum ncclfile_kind *ret)
{
    static const struct {
        const char *name;
        enum ncclfile_kind kind;
        unsigned below; /* bit for each kind; 1 << 7: the system */
    } kinds[] = {
        {"cpu", NCCLFILE_CPU, 1u << 7},
        {"pci", NCCLFILE_PCI, 1u << NCCLFILE_CPU | 1u << NCCLFILE_PCI},
        {"gpu", NCCLFILE_GPU, 1u << NCCLFILE_PCI},
        {"nic", NCCLFILE_NIC, 1u << NCCLFILE_CPU | 1u << NCCLFILE_PCI},
        {"net", NCCLFILE_NET, 1u << NCCLFILE_NIC},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(name, kinds[i].name) == 0) {
            *ret = kinds[i].kind;
            return kinds[i].below >> (above ? (unsigned)above->kind : 7u) & 1;
        }
    }
    return false;
}

static struct ncclfile_node *add(struct reader *r)
{
    if (r->file.n == LIMIT_NCCL_NODES) {
        stop(r, ERR_LIMIT, "it has more elements than any node");
        return NULL;
    }
    if (r->file.n == r->cap) {
        size_t cap = 2 * r->cap + 64;
        void *more = realloc(r->file.nodes, cap * sizeof *r->file.nodes);
        if (!more) {
            stop(r, -ENOMEM, "");
            return NULL;
        }
        r->file.nodes = more;
        r->cap = cap;
    }
    return &r->file.nodes[r->file.n];
}

static void XMLCALL on_start(void *arg, const XML_Char *name, const XML_Char **attr)
{
    struct reader *r = arg;
    if (r->depth == LIMIT_NCCL_DEPTH) {
        stop(r, ERR_LIMIT, "its elements are nested deeper than any bus");
        return;
    }
    int above = r->depth > 0 ? r->open[r->depth - 1] : -1;
    r->open[r->depth++] = above;
    if (r->depth == 1) {
        if (strcmp(name, "system") != 0)
            stop(r, ERR_PARSE, "it does not begin with a \"system\"");
        return;
    }
    enum ncclfile_kind kind;
    if (!kind_of(name, above >= 0 ? &r->file.nodes[above] : NULL, &kind))
        return;
    struct ncclfile_node *n = add(r);
    if (!n)
        return;
    *n = (struct ncclfile_node){
        .kind = kind, .parent = above, .number = -1, .rank = -1, .gdr = -1};
    for (; attr[0]; attr += 2)
        take(n, attr[0], attr[1]);
    r->open[r->depth - 1] = (int)r->file.n++;
}

static void XMLCALL on_end(void *arg, const XML_Char *name)
{
    struct reader *r = arg;
    (void)name;
    r->depth--;
}

static void XMLCALL on_doctype(void *arg, const XML_Char *name, const XML_Char *system,
                               const XML_Char *public, int internal)
{
    (void)name, (void)system, (void)public, (void)internal;
    stop(arg, ERR_PARSE, "it declares a document type");
}

static int failed(struct reader *r, struct err *e)
{
    unsigned long line = XML_GetCurrentLineNumber(r->parser);
    if (r->rc == -ENOMEM)
        return err_sys(e, r->rc, "read a topology file of NCCL");
    if (r->rc == 0) {
        r->rc = ERR_PARSE;
        r->why = XML_ErrorString(XML_GetErrorCode(r->parser));
    }
    return err_set(e, r->rc, "read a topology file of NCCL, line %lu: %s", line,
                   r->why ? r->why : "not XML");
}

int ncclfile_parse(const char *text, size_t len, struct ncclfile *ret, struct err *e)
{
    if (len > LIMIT_NCCL_BYTES)
        return err_set(e, ERR_LIMIT,
                       "read a topology file of NCCL: %zu bytes, of at most %u", len,
                       LIMIT_NCCL_BYTES);
    struct reader r = {.parser = XML_ParserCreate("UTF-8")};
    if (!r.parser)
        return err_sys(e, -ENOMEM, "read a topology file of NCCL");
    XML_SetUserData(r.parser, &r);
    XML_SetElementHandler(r.parser, on_start, on_end);
    XML_SetStartDoctypeDeclHandler(r.parser, on_doctype);
    int rc = 0;
    if (XML_Parse(r.parser, text, (int)len, 1) != XML_STATUS_OK || r.rc < 0)
        rc = failed(&r, e);
    XML_ParserFree(r.parser);
    if (rc < 0)
        ncclfile_fini(&r.file);
    else
        *ret = r.file;
    return rc;
}

void ncclfile_fini(struct ncclfile *f)
{
    free(f->nodes);
    *f = (struct ncclfile){0};
}
