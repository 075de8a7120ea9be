/* SPDX-License-Identifier: MIT */
/* fleet_link.c - how agents reach the head: the listening sockets, connections that have
 * not yet proved themselves, and the one link of each node. */
#include "launcher/fleet_impl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "proto/base/log.h"

#define HEARTBEAT_MS 1000u
#define SILENCE_MS   15000u

/* A connection, from its accept to its end. */
struct caller {
    struct fleet *fleet;
    struct fleet_node
        *node;    /* who it has proved to be, or over whose starter it comes */
    bool channel; /* over a starter's streams: only that node may speak */
    bool proven;
    uint32_t generation; /* of the key that it was measured by */
    struct conn *conn;
    char address[64];
    struct caller *prev, *next;
};

struct links {
    struct caller *first, *last; /* oldest first */
    uint32_t unproven;           /* accepted ones */
    uint32_t max_unproven;
};

static void caller_free(struct caller *c)
{
    struct links *l = c->fleet->links;
    *(c->prev ? &c->prev->next : &l->first) = c->next;
    *(c->next ? &c->next->prev : &l->last) = c->prev;
    if (!c->channel && !c->proven)
        l->unproven--;
    free(c);
}

static struct caller *caller_create(struct fleet *f, struct fleet_node *channel_of)
{
    struct links *l = f->links;
    struct caller *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->fleet = f;
    c->node = channel_of;
    c->channel = channel_of != NULL;
    c->prev = l->last;
    *(l->last ? &l->last->next : &l->first) = c;
    l->last = c;
    if (!c->channel)
        l->unproven++;
    return c;
}

/* Strangers cannot keep agents out: the one that has been silent longest makes room; of
 * an address with too many, one of its own. */
static void make_room(struct fleet *f, const char *address)
{
    struct caller *oldest = NULL, *same = NULL;
    unsigned n = 0;
    for (struct caller *c = f->links->last; c; c = c->prev) {
        if (c->channel || c->proven)
            continue;
        oldest = c;
        if (strcmp(c->address, address) != 0)
            continue;
        same = c;
        n++;
    }
    struct caller *goes = n >= LIMIT_PENDING_PER_ADDRESS                 ? same
                          : f->links->unproven >= f->links->max_unproven ? oldest
                                                                         : NULL;
    if (!goes)
        return;
    log_debug("a connection from %s makes room for another", goes->address);
    conn_destroy(goes->conn);
    caller_free(goes);
}

static const struct secure_key *on_key(void *arg, uint32_t node)
{
    struct caller *c = arg;
    if (node >= c->fleet->n_nodes || (c->channel && c->node->index != node))
        return NULL;
    c->generation = c->fleet->nodes[node].generation;
    return &c->fleet->nodes[node].key;
}

static bool on_admit(void *arg, uint32_t node, const uint8_t *point)
{
    struct caller *c = arg;
    struct fleet *f = c->fleet;
    /* Nobody else is at the other end of a starter, and an agent says its HELLO there once:
     * it is the way in when a stranger spends what the node has at the port. */
    if (c->channel)
        return true;
    return gate_hello(&f->nodes[node].gate, point, loop_now_ms(f->loop));
}

static struct session *on_session(void *arg, struct conn *conn, uint32_t node,
                                  uint64_t epoch)
{
    struct caller *c = arg;
    struct fleet_node *n = &c->fleet->nodes[node];
    (void)epoch;
    if (!n->session || n->life == NODE_LOST || n->life == NODE_RELEASED ||
        c->generation != n->generation) /* of a host whose place another has taken */
        return NULL;
    if (!c->channel && !c->proven)
        c->fleet->links->unproven--;
    c->proven = true;
    c->node = n;
    n->link = conn;
    n->path = c->channel ? FLEET_PATH_STARTER : FLEET_PATH_DIRECT;
    n->path_why[0] = '\0';
    if (c->address[0])
        (void)snprintf(n->address, sizeof n->address, "%s", c->address);
    fleet_node_linked(n);
    return n->session;
}

static void on_closed(void *arg, struct conn *conn, const struct err *e)
{
    struct caller *c = arg;
    struct fleet_node *n = c->node;
    if (!n && e->code != 0)
        log_debug("a connection from %s is refused: %s", c->address, e->text);
    caller_free(c);
    if (!n || n->link != conn)
        return;
    n->link = NULL;
    fleet_node_unlinked(n, e);
}

static void open_conn(struct caller *c, struct loop_stream *io, unsigned prove_ms)
{
    static const struct conn_ops ops = {
        .key = on_key, .session = on_session, .closed = on_closed, .admit = on_admit};
    struct fleet *f = c->fleet;
    struct secure_config sc = {.role = ROLE_HEAD, .epoch = f->config.epoch};
    memcpy(sc.run_id, f->config.run_id, sizeof sc.run_id);
    struct err e;
    if (conn_create(f->loop, io, &sc, &ops, c, prove_ms, &c->conn, &e) < 0) {
        log_warn("a connection could not be served: %s", e.text);
        caller_free(c);
    }
}

static void format_address(const struct sockaddr *from, char *ret, size_t len)
{
    static const char mapped[] = "::ffff:"; /* IPv4 on the dual-stack socket */
    const void *addr =
        from->sa_family == AF_INET6
            ? (const void *)&((const struct sockaddr_in6 *)from)->sin6_addr
            : (const void *)&((const struct sockaddr_in *)from)->sin_addr;
    ret[0] = '\0';
    (void)inet_ntop(from->sa_family, addr, ret, (socklen_t)len);
    if (strncmp(ret, mapped, sizeof mapped - 1) == 0)
        memmove(ret, ret + sizeof mapped - 1, strlen(ret) - sizeof mapped + 2);
}

static void on_accept(void *arg, struct loop_stream *s, const struct sockaddr *from)
{
    struct fleet *f = arg;
    char address[sizeof((struct caller *)0)->address];
    format_address(from, address, sizeof address);
    make_room(f, address);
    struct caller *c = caller_create(f, NULL);
    if (!c) {
        loop_stream_destroy(s);
        return;
    }
    memcpy(c->address, address, sizeof address);
    open_conn(c, s, LIMIT_PROVE_MS);
}

/* The agent speaks here only when TCP is refused, so the time to prove itself is not
 * bounded: it is the starter's life. */
void fleet_open_channel(struct fleet_node *n, struct loop_stream *io)
{
    struct caller *c = caller_create(n->fleet, n);
    if (!c) {
        loop_stream_destroy(io);
        return;
    }
    open_conn(c, io, 0);
}

/* ---------------------------------------------------------------- session */

static void on_output(void *arg, const void *frame, size_t len)
{
    struct fleet_node *n = arg;
    if (n->link)
        conn_output(n->link, frame, len);
}

static int on_message(void *arg, const struct envelope *v, struct err *e)
{
    return fleet_node_message(arg, v, e);
}

int fleet_new_session(struct fleet_node *n, struct err *e)
{
    static const struct session_ops ops = {.output = on_output, .message = on_message};
    fleet_drop_session(n);
    struct session_config c = {.role = ROLE_HEAD,
                               .self = 0,
                               .peer = n->index + 1,
                               .epoch = n->fleet->config.epoch,
                               .heartbeat_ms = HEARTBEAT_MS,
                               .silence_ms = SILENCE_MS,
                               .initial_credit = SESSION_INITIAL_CREDIT,
                               .queue_bytes = LIMIT_SEND_QUEUE};
    secure_random(&c.incarnation, sizeof c.incarnation);
    return session_create(&c, &ops, n, &n->session, e);
}

void fleet_drop_session(struct fleet_node *n)
{
    struct conn *link = n->link;
    n->link = NULL;
    for (struct caller *c = n->fleet->links ? n->fleet->links->first : NULL, *next; c;
         c = next) {
        next = c->next;
        if (!(link && c->conn == link) && !(c->channel && c->node == n))
            continue;
        conn_destroy(c->conn);
        caller_free(c);
    }
    session_destroy(n->session);
    n->session = NULL;
}

/* ---------------------------------------------------------------- listening */

static int add_head(struct fleet *f, const char *address)
{
    char text[128];
    (void)snprintf(text, sizeof text, strchr(address, ':') ? "[%s]:%u" : "%s:%u",
                   address, f->port);
    return strlist_add(&f->heads, text);
}

static int add_interface(struct fleet *f, const struct ifaddrs *ifa)
{
    char text[64];
    if (!ifa->ifa_addr || !(ifa->ifa_flags & IFF_UP) || (ifa->ifa_flags & IFF_LOOPBACK))
        return 0;
    const void *addr;
    if (ifa->ifa_addr->sa_family == AF_INET) {
        addr = &((struct sockaddr_in *)ifa->ifa_addr)->sin_addr;
    } else if (ifa->ifa_addr->sa_family == AF_INET6) {
        const struct in6_addr *a6 = &((struct sockaddr_in6 *)ifa->ifa_addr)->sin6_addr;
        if (IN6_IS_ADDR_LINKLOCAL(a6))
            return 0;
        addr = a6;
    } else {
        return 0;
    }
    if (!inet_ntop(ifa->ifa_addr->sa_family, addr, text, sizeof text))
        return 0;
    return add_head(f, text);
}

/* A name is looked up here: an agent has no name service. */
static int add_given(struct fleet *f, const char *given, struct err *e)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *all;
    int gai = getaddrinfo(given, NULL, &hints, &all);
    if (gai != 0)
        return err_set(e, ERR_USAGE, "look up [head] address \"%s\": %s", given,
                       gai == EAI_SYSTEM ? strerror(errno) : gai_strerror(gai));
    int rc = 0;
    for (struct addrinfo *i = all; i && rc == 0; i = i->ai_next) {
        char text[64];
        if (getnameinfo(i->ai_addr, i->ai_addrlen, text, sizeof text, NULL, 0,
                        NI_NUMERICHOST) == 0)
            rc = add_head(f, text);
    }
    freeaddrinfo(all);
    return rc < 0 ? err_sys(e, rc, "list this machine's addresses") : 0;
}

static int list_heads(struct fleet *f, struct err *e)
{
    const char *given = f->config.spec->head.address;
    struct ifaddrs *all = NULL;
    int rc = 0;
    if (given && !f->local)
        return add_given(f, given, e);
    if (f->local)
        rc = add_head(f, "127.0.0.1");
    else if (getifaddrs(&all) < 0)
        rc = -errno;
    for (struct ifaddrs *i = all; i && rc == 0; i = i->ifa_next)
        rc = add_interface(f, i);
    if (all)
        freeifaddrs(all);
    return rc < 0 ? err_sys(e, rc, "list this machine's addresses") : 0;
}

static int listen_port(struct fleet *f, uint16_t port, struct err *e)
{
    struct sockaddr_in loopback = {.sin_family = AF_INET,
                                   .sin_port = htons(port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in any4 = loopback;
    any4.sin_addr.s_addr = htonl(INADDR_ANY);
    struct sockaddr_in6 any6 = {
        .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = in6addr_any};
    if (f->local)
        return loop_listen(f->loop, (struct sockaddr *)&loopback, on_accept, f,
                           &f->listener, &f->port, e);
    int rc = loop_listen(f->loop, (struct sockaddr *)&any6, on_accept, f, &f->listener,
                         &f->port, e);
    if (rc == -EAFNOSUPPORT || rc == -EADDRNOTAVAIL)
        rc = loop_listen(f->loop, (struct sockaddr *)&any4, on_accept, f, &f->listener,
                         &f->port, e);
    return rc;
}

int fleet_listen(struct fleet *f, struct err *e)
{
    const struct spec *s = f->config.spec;
    struct rlimit r;
    if (!(f->links = calloc(1, sizeof *f->links)))
        return err_sys(e, -ENOMEM, "listen for agents");
    /* A crowd of strangers must leave descriptors for agents and output. */
    f->links->max_unproven = LIMIT_PENDING_CONNS;
    if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur / 4 < LIMIT_PENDING_CONNS)
        f->links->max_unproven = (uint32_t)(r.rlim_cur / 4) + 1;
    int rc = -EADDRINUSE;
    for (int64_t p = s->head.port_lo; p <= s->head.port_hi && rc == -EADDRINUSE; p++)
        rc = listen_port(f, (uint16_t)p, e);
    if (rc < 0) {
        if (rc == -EADDRINUSE && s->head.port_lo < s->head.port_hi)
            err_set(e, rc, "every port from %lld to %lld is in use",
                    (long long)s->head.port_lo, (long long)s->head.port_hi);
        err_wrap(e, "listen for agents");
        if (s->head.port_lo)
            err_hint(e, "give other [head] ports than %lld-%lld",
                     (long long)s->head.port_lo, (long long)s->head.port_hi);
        return rc;
    }
    return list_heads(f, e);
}

void fleet_unlisten(struct fleet *f)
{
    loop_listener_destroy(f->listener);
    f->listener = NULL;
    while (f->links && f->links->first) {
        struct caller *c = f->links->first;
        for (uint32_t i = 0; i < f->n_nodes; i++) {
            if (f->nodes[i].link == c->conn)
                f->nodes[i].link = NULL;
        }
        conn_destroy(c->conn);
        caller_free(c);
    }
    free(f->links);
    f->links = NULL;
}
