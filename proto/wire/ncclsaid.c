/* SPDX-License-Identifier: MIT */
/* ncclsaid.c - see ncclsaid.h. */
#include "proto/wire/ncclsaid.h"

#include "proto/base/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool starts(const char **at, const char *with)
{
    size_t n = strlen(with);
    if (strncmp(*at, with, n) != 0)
        return false;
    *at += n;
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* At most six digits: no device, no rank has more. */
static bool number(const char **at, uint32_t *ret)
{
    uint32_t v = 0;
    size_t n = 0;
    for (; is_digit((*at)[n]); n++) {
        if (n == 6)
            return false;
        v = 10 * v + (uint32_t)((*at)[n] - '0');
    }
    *at += n;
    *ret = v;
    return n > 0;
}

static bool in_name(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != '\0' && strchr("_-.+@", c));
}

/* The name at *at; false: none, or one longer than they are. */
static bool name(const char **at, char ret[NCCLSAID_NAME])
{
    size_t n = 0;
    while (in_name((*at)[n]))
        n++;
    if (n == 0 || n >= NCCLSAID_NAME)
        return false;
    memcpy(ret, *at, n);
    ret[n] = '\0';
    *at += n;
    return true;
}

bool ncclsaid_is_net(const char *text)
{
    char one[NCCLSAID_NAME];
    return name(&text, one) && !*text;
}

bool ncclsaid_is_transport(const char *text)
{
    size_t n = 0;
    while (in_name(text[n]) || text[n] == ' ')
        n++;
    return !text[n] && n < NCCLSAID_TRANSPORT;
}

void ncclsaid_set_net(struct ncclsaid *s, uint32_t dev, const char *text)
{
    if (dev >= NCCLSAID_NETS || strcmp(s->nets[dev], text) == 0)
        return;
    (void)snprintf(s->nets[dev], sizeof s->nets[dev], "%s", text);
    s->n_changes++;
}

/* " [0]mlx5_0:1/IB [1]mlx5_1:1/RoCE [RO]; OOB eth0:10.0.0.1<0>"; of versions before 2.24
 * joined ones as " [1]={[0] mlx5_0:1/IB, [1] mlx5_1:1/IB}". */
static void on_using(struct ncclsaid *s, const char *at)
{
    while (*at && *at != ';') {
        uint32_t dev;
        char one[NCCLSAID_NAME], all[NCCLSAID_NAME] = "";
        if (*at++ != '[' || !number(&at, &dev) || !starts(&at, "]"))
            continue;
        if (!starts(&at, "={")) {
            if (name(&at, one))
                ncclsaid_set_net(s, dev, one);
            continue;
        }
        while (*at && *at != '}' && *at != ';') {
            uint32_t part;
            if (*at++ != '[' || !number(&at, &part) || !starts(&at, "] ") ||
                !name(&at, one))
                continue;
            size_t n = strlen(all), more = strlen(one);
            if (n + more + 2 > sizeof all)
                continue;
            if (n > 0)
                all[n++] = '+';
            memcpy(all + n, one, more + 1);
        }
        ncclsaid_set_net(s, dev, all);
    }
}

/* "[4] name=mlx5_0+mlx5_1 speed=400000 ndevs=2" */
static void on_virtual(struct ncclsaid *s, const char *at)
{
    uint32_t dev;
    char one[NCCLSAID_NAME];
    if (starts(&at, "[") && number(&at, &dev) && starts(&at, "] name=") &&
        name(&at, one))
        ncclsaid_set_net(s, dev, one);
}

/* A connector's way: "IB/0(3)/GDRDMA(PCI)/Shared", after "NET/". A transport's name may
 * have blanks, but no '/'. */
static bool read_way(const char *at, struct ncclsaid_use *ret)
{
    const char *end = strchr(at, '/');
    size_t n = end ? (size_t)(end - at) : 0;
    if (n == 0 || n >= sizeof ret->transport)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!in_name(at[i]) && at[i] != ' ')
            return false;
    }
    *ret = (struct ncclsaid_use){0};
    memcpy(ret->transport, at, n);
    at = end + 1;
    if (!number(&at, &ret->dev))
        return false;
    if (starts(&at, "(")) {
        uint32_t rank;
        ret->relayed = true;
        if (!number(&at, &rank) || !starts(&at, ")"))
            return false;
    }
    ret->gdr = starts(&at, "/GDRDMA");
    (void)(starts(&at, "(PCI)"), starts(&at, "/Shared"));
    return *at == '\0';
}

void ncclsaid_add_use(struct ncclsaid *s, const struct ncclsaid_use *u)
{
    for (size_t i = 0; i < s->n_uses; i++) {
        const struct ncclsaid_use *o = &s->uses[i];
        if (o->dev == u->dev && o->receives == u->receives && o->gdr == u->gdr &&
            o->relayed == u->relayed && strcmp(o->transport, u->transport) == 0)
            return;
    }
    if (s->n_uses == NCCLSAID_USES)
        return;
    s->uses[s->n_uses++] = *u;
    s->n_changes++;
}

/* "00/0 : 0[0] -> 8[0] [send] via NET/IB/0/GDRDMA": of the ranks' numbers none is needed. */
static void on_channel(struct ncclsaid *s, const char *at)
{
    struct ncclsaid_use u;
    const char *way = strstr(at, "] via NET/");
    if (!way || !read_way(way + strlen("] via NET/"), &u))
        return;
    if (way - at >= 8 && strncmp(way - 8, "[receive", 8) == 0)
        u.receives = true;
    else if (way - at < 5 || strncmp(way - 5, "[send", 5) != 0)
        return;
    ncclsaid_add_use(s, &u);
}

void ncclsaid_set_network(struct ncclsaid *s, const char *text)
{
    char network[NCCLSAID_TRANSPORT];
    size_t n = 0;
    while (n + 1 < sizeof network && (in_name(text[n]) || text[n] == ' '))
        n++;
    memcpy(network, text, n);
    network[n] = '\0';
    if (n == 0 || strcmp(network, s->network) == 0)
        return;
    memcpy(s->network, network, n + 1);
    s->n_changes++;
}

void ncclsaid_set_no_device(struct ncclsaid *s)
{
    s->n_changes += !s->no_device;
    s->no_device = true;
}

void ncclsaid_set_ib(struct ncclsaid *s, const char *text)
{
    if (s->ib[0] || !text[0])
        return;
    (void)snprintf(s->ib, sizeof s->ib, "%s", text);
    utf8_make_printable(s->ib);
    s->n_changes++;
}

void ncclsaid_add_warning(struct ncclsaid *s, const char *warning)
{
    char text[NCCLSAID_WORDS];
    (void)snprintf(text, sizeof text, "%s", warning);
    utf8_make_printable(text);
    for (size_t i = 0; i < s->n_warnings; i++) {
        if (strcmp(s->warnings[i], text) == 0)
            return;
    }
    if (!text[0] || s->n_warnings == NCCLSAID_WARNINGS)
        return;
    memcpy(s->warnings[s->n_warnings++], text, sizeof text);
    s->n_changes++;
}

/* "gpu001:4711:4720 [3] NCCL INFO NET/IB : Using ...", "... [3] file.cc:12 NCCL WARN ..." */
static void on_line(struct ncclsaid *s)
{
    static const char info[] = "NCCL INFO ", warn[] = "NCCL WARN ",
                      none[] = "NET/IB : No device found.";
    s->line[s->len] = '\0';
    if (strlen(s->line) != s->len)
        return;
    const char *at = strstr(s->line, info), *warning = strstr(s->line, warn);
    if (warning && (!at || warning < at)) {
        ncclsaid_add_warning(s, warning + strlen(warn));
        return;
    }
    if (!at)
        return;
    at += strlen(info);
    const char *whole = at;
    if (starts(&at, "Channel "))
        on_channel(s, at);
    else if (starts(&at, "NET/IB : Using"))
        on_using(s, at);
    else if (starts(&at, "NET/IB : Made virtual device "))
        on_virtual(s, at);
    else if (starts(&at, "Using network "))
        ncclsaid_set_network(s, at);
    else if (starts(&at, "NET/IB") || starts(&at, "Failed to open libibverbs"))
        ncclsaid_set_ib(s, whole);
    if (strncmp(whole, none, strlen(none)) == 0)
        ncclsaid_set_no_device(s);
}

void ncclsaid_end(struct ncclsaid *s)
{
    if (s->len > 0 && s->line[s->len - 1] == '\r')
        s->len--;
    if (!s->too_long)
        on_line(s);
    s->len = 0;
    s->too_long = false;
}

void ncclsaid_add(struct ncclsaid *s, const void *data, size_t len)
{
    const char *at = data, *end = at + len;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t n = (size_t)((newline ? newline : end) - at);
        if (s->too_long || n >= sizeof s->line - s->len) {
            s->too_long = true;
        } else {
            memcpy(s->line + s->len, at, n);
            s->len += n;
        }
        at += n;
        if (newline) {
            ncclsaid_end(s);
            at++;
        }
    }
}

const char *ncclsaid_net(const struct ncclsaid *s, const struct ncclsaid_use *u)
{
    return strcmp(u->transport, "IB") == 0 && u->dev < NCCLSAID_NETS ? s->nets[u->dev]
                                                                     : "";
}
