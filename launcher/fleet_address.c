/* SPDX-License-Identifier: MIT */
/* fleet_address.c - see fleet_address.h.
 *
 * What the head sees need not be an address of the node: with a translating router between
 * them, over the starter's channel, or when both are on one machine. So it only decides
 * between addresses that the node itself names. Networks that are joined by routers share
 * no bits; there the head's way to the node is the best guess. */
#include "launcher/fleet_address.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>

#include "proto/base/limits.h"

struct address {
    int family; /* 0: none */
    unsigned char b[16];
};

static struct address parse(const char *text)
{
    struct address a = {0};
    if (inet_pton(AF_INET, text, a.b) == 1)
        a.family = AF_INET;
    else if (inet_pton(AF_INET6, text, a.b) == 1)
        a.family = AF_INET6;
    return a;
}

static bool is_equal(const struct address *a, const struct address *b)
{
    return a->family == b->family && memcmp(a->b, b->b, sizeof a->b) == 0;
}

static bool in_network(const struct address *a, const struct address *b, unsigned bits)
{
    if (a->family != b->family || bits == 0 || bits > (a->family == AF_INET ? 32 : 128))
        return false;
    unsigned rest = bits % 8;
    unsigned char mask = (unsigned char)(0xff00u >> rest);
    return memcmp(a->b, b->b, bits / 8) == 0 &&
           (rest == 0 || ((a->b[bits / 8] ^ b->b[bits / 8]) & mask) == 0);
}

static size_t n_addresses(const Aolani__NodeInfo *m)
{
    return m->n_addresses < LIMIT_ADDRESSES ? m->n_addresses : LIMIT_ADDRESSES;
}

static unsigned bits_of(const Aolani__NodeInfo *m, size_t i)
{
    return i < m->n_address_bits ? m->address_bits[i] : 0;
}

/* How many other nodes are in the network of the address; -1: another node has it too. */
static long count_neighbours(const Aolani__NodeInfo *const *infos, size_t n,
                             size_t node, size_t which)
{
    struct address mine = parse(infos[node]->addresses[which]);
    unsigned bits = bits_of(infos[node], which);
    long found = 0;
    for (size_t i = 0; i < n; i++) {
        bool near = false;
        for (size_t k = 0; i != node && infos[i] && k < n_addresses(infos[i]); k++) {
            struct address other = parse(infos[i]->addresses[k]);
            if (is_equal(&mine, &other))
                return -1;
            near = near ||
                   (bits_of(infos[i], k) == bits && in_network(&mine, &other, bits));
        }
        found += near;
    }
    return found;
}

const char *fleet_pick_address(const Aolani__NodeInfo *const *infos, size_t n,
                               size_t node, const char *seen)
{
    const Aolani__NodeInfo *m = infos[node];
    struct address head_sees = parse(seen);
    const char *best = NULL;
    long best_count = -1;
    for (size_t i = 0; m && i < n_addresses(m); i++) {
        struct address a = parse(m->addresses[i]);
        if (a.family == 0)
            continue;
        long count = count_neighbours(infos, n, node, i);
        bool is_seen = is_equal(&a, &head_sees);
        if (count > best_count || (is_seen && count == best_count && count >= 0)) {
            best = m->addresses[i];
            best_count = count;
        }
    }
    return best;
}
