/* SPDX-License-Identifier: MIT */
/* heads.c - see heads.h. inet_pton and not getaddrinfo: a static program has no name
 * service. */
#include "agent/heads.h"

#include "proto/base/err.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int heads_parse_address(char *host, unsigned port, struct sockaddr_storage *ret)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
                              .sin6_port = htons((uint16_t)port)};
    char *scope = strchr(host, '%');
    if (scope)
        *scope++ = '\0';
    if (!scope && inet_pton(AF_INET, host, &v4.sin_addr) == 1) {
        memset(ret, 0, sizeof *ret);
        memcpy(ret, &v4, sizeof v4);
        return 0;
    }
    if (inet_pton(AF_INET6, host, &v6.sin6_addr) != 1)
        return ERR_PARSE;
    if (scope && (v6.sin6_scope_id = if_nametoindex(scope)) == 0)
        return ERR_PARSE;
    memset(ret, 0, sizeof *ret);
    memcpy(ret, &v6, sizeof v6);
    return 0;
}

static int heads_make(const char *host, size_t len, unsigned port,
                      struct sockaddr_storage *ret)
{
    char copy[INET6_ADDRSTRLEN + IF_NAMESIZE + 2];
    if (len == 0 || len >= sizeof copy || port == 0 || port > 65535)
        return ERR_PARSE;
    memcpy(copy, host, len);
    copy[len] = '\0';
    return heads_parse_address(copy, port, ret);
}

int heads_parse(const char *text, struct sockaddr_storage *ret)
{
    const char *colon = strrchr(text, ':');
    char *end;
    if (!colon || colon[1] < '0' || colon[1] > '9')
        return ERR_PARSE;
    unsigned long port = strtoul(colon + 1, &end, 10);
    if (*end || port > 65535)
        return ERR_PARSE;
    const char *host = text;
    size_t len = (size_t)(colon - text);
    if (host[0] == '[') {
        if (len < 3 || host[len - 1] != ']')
            return ERR_PARSE;
        host++;
        len -= 2;
    } else if (memchr(host, ':', len)) {
        return ERR_PARSE; /* where the port begins would be a guess */
    }
    return heads_make(host, len, (unsigned)port, ret);
}

void heads_format(const struct sockaddr_storage *at, char ret[HEADS_TEXT])
{
    char host[INET6_ADDRSTRLEN] = "?";
    const struct sockaddr_in *v4 = (const void *)at;
    const struct sockaddr_in6 *v6 = (const void *)at;
    bool is6 = at->ss_family == AF_INET6;
    (void)inet_ntop(at->ss_family,
                    is6 ? (const void *)&v6->sin6_addr : (const void *)&v4->sin_addr,
                    host, sizeof host);
    (void)snprintf(ret, HEADS_TEXT, is6 ? "[%s]:%u" : "%s:%u", host,
                   ntohs(is6 ? v6->sin6_port : v4->sin_port));
}

static void heads_add(struct heads *h, const struct sockaddr_storage *at)
{
    for (size_t i = 0; i < h->n; i++) {
        if (memcmp(&h->at[i], at, sizeof *at) == 0)
            return;
    }
    if (h->n < HEADS_MAX)
        h->at[h->n++] = *at;
}

void heads_collect(const Aolani__Boot *boot, const char *starter, struct heads *ret)
{
    struct sockaddr_storage at;
    ret->n = 0;
    if (boot->prefer_peer && starter &&
        heads_make(starter, strcspn(starter, " "), boot->head_port, &at) == 0)
        heads_add(ret, &at);
    for (size_t i = 0; i < boot->n_heads; i++) {
        if (heads_parse(boot->heads[i], &at) == 0)
            heads_add(ret, &at);
    }
}
