/* SPDX-License-Identifier: MIT */
/* spec_nodes.c - which hosts the keys of [nodes] and [local] come to. */
#include "launcher/spec_table.h"

#include <errno.h>
#include <unistd.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/slurm/facts.h"
#include "launcher/slurm/tasks.h"
#include "proto/base/hostlist.h"
#include "proto/base/limits.h"

/* How high the layer is that set a key; -1 when none did. */
static int layer(const struct spec *s, const struct spec_key *k)
{
    int o = s->origin[spec_key_index(k)];
    return o == FROM_DEFAULT ? -1 : o;
}

static void drop(struct spec_loader *l, const struct spec_key *k)
{
    size_t i = spec_key_index(k);
    spec_clear(l->s, k);
    l->s->origin[i] = FROM_DEFAULT;
    free(l->s->set_by[i]);
    l->s->set_by[i] = NULL;
    l->at[i].doc = NULL;
}

static int drop_local(struct spec_loader *l)
{
    drop(l, spec_key("local.nodes"));
    l->s->local.nodes = 1;
    return 0;
}

/* ---- hostfile ---- */

/* The hostfile as people would name it from here. */
static const char *hostfile_name(const struct spec_loader *l)
{
    const char *file = l->s->nodes.hostfile;
    size_t len = strlen(l->cwd);
    return !strncmp(file, l->cwd, len) && file[len] == '/' ? file + len + 1 : file;
}

static void complain_line(struct spec_loader *l, unsigned line, const char *text)
{
    char name[300];
    snprintf(name, sizeof name, "%.250s:%u", hostfile_name(l), line);
    l->other.name = name;
    spec_complain(&l->other, (struct toml_pos){line, 1}, "%s", text);
    l->other.name = NULL;
}

static int hostfile_line(struct spec_loader *l, unsigned number, char *line,
                         struct strlist *hosts)
{
    struct hostlist names = {0};
    struct err e;
    char text[400];
    line[strcspn(line, "#\r\n")] = '\0';
    line += strspn(line, " \t");
    size_t len = strcspn(line, " \t");
    const char *rest = line + len + strspn(line + len, " \t");
    if (len == 0)
        return 0;
    if (*rest) {
        snprintf(text, sizeof text,
                 strchr(rest, '=')
                     ? "\"%.80s\" is not taken here: every node gets [job] "
                       "ranks_per_node ranks"
                     : "expected one host list on a line, found \"%.80s\" "
                       "after it",
                 rest);
        complain_line(l, number, text);
        return 0;
    }
    line[len] = '\0';
    int rc = hostlist_parse(&names, line, &e);
    hostlist_fini(&names);
    if (rc && rc != -ENOMEM) {
        complain_line(l, number, e.text);
        return 0;
    }
    return rc ? rc : strlist_add(hosts, line);
}

/* The hosts of the hostfile take the place of [nodes] hosts, so that spec.toml of a run
 * says which they were on that day. */
static int adopt_hostfile(struct spec_loader *l, struct strlist *hosts)
{
    size_t h = spec_key_index(spec_key("nodes.hosts")),
           f = spec_key_index(spec_key("nodes.hostfile"));
    char *by = NULL;
    if (asprintf(&by, "%s, hostfile %s", l->s->set_by[f], l->s->nodes.hostfile) < 0)
        return -ENOMEM;
    strlist_fini(&l->s->nodes.hosts);
    l->s->nodes.hosts = *hosts;
    *hosts = (struct strlist){0};
    free(l->s->set_by[h]);
    l->s->set_by[h] = by;
    l->s->origin[h] = l->s->origin[f];
    l->at[h] = l->at[f];
    drop(l, spec_key("nodes.hostfile"));
    return 0;
}

/* Whole, and not more of it than any list of hosts needs: it may be a device. 1: it
 * is complained of. */
static int hostfile_text(struct spec_loader *l, struct buf *text)
{
    const char *why = NULL;
    int fd = open(l->s->nodes.hostfile, O_RDONLY | O_CLOEXEC);
    int rc = fd < 0 ? -errno : buf_read(text, fd);
    if (fd >= 0)
        (void)close(fd);
    if (rc == 0)
        rc = buf_add(text, "", 1);
    if (rc == -ENOMEM)
        return rc;
    if (rc < 0)
        why = rc == ERR_LIMIT ? "it is too large" : strerror(-rc);
    if (why)
        spec_complain_key(l, spec_key("nodes.hostfile"), "%s hostfile \"%.200s\": %s",
                          fd < 0 ? "open" : "read", hostfile_name(l), why);
    return why ? 1 : 0;
}

static int hostfile_lines(struct spec_loader *l, struct buf *text,
                          struct strlist *hosts)
{
    char *at = (char *)text->data, *end = at + text->len - 1;
    int rc = 0;
    for (unsigned n = 1; !rc && at < end; n++) {
        char *nl = memchr(at, '\n', (size_t)(end - at)), *next = nl ? nl + 1 : end;
        for (char *c = at; (c = memchr(c, '\0', (size_t)(next - c)));)
            *c = '?'; /* or the rest of the line would be passed over */
        if (nl)
            *nl = '\0';
        rc = hostfile_line(l, n, at, hosts);
        at = next;
    }
    return rc;
}

static int read_hostfile(struct spec_loader *l)
{
    struct strlist hosts = {0};
    struct buf text;
    buf_init(&text, LIMIT_HOSTS * (LIMIT_HOST_NAME + 1));
    int rc = hostfile_text(l, &text);
    if (rc == 0)
        rc = hostfile_lines(l, &text, &hosts);
    if (rc == 0 && hosts.n == 0)
        spec_complain_key(l, spec_key("nodes.hostfile"),
                          "hostfile \"%.200s\" names no host", hostfile_name(l));
    else if (rc == 0)
        rc = adopt_hostfile(l, &hosts);
    buf_fini(&text);
    strlist_fini(&hosts);
    return rc < 0 ? rc : 0;
}

static int resolve_hosts(struct spec_loader *l)
{
    const struct spec_key *hosts = spec_key("nodes.hosts"),
                          *file = spec_key("nodes.hostfile");
    int lh = layer(l->s, hosts), lf = layer(l->s, file);
    if (lf < 0)
        return 0;
    if (lh == lf) {
        spec_complain_key(l, file, "give hosts or a hostfile, not both");
        return 0;
    }
    if (lh > lf) {
        drop(l, file);
        return 0;
    }
    return read_hostfile(l);
}

/* ---- back end ---- */

static int max(int a, int b)
{
    return a > b ? a : b;
}

/* A site's or the job file's spares do no harm to a job that is made local above them. */
static void drop_spares(struct spec_loader *l, int local)
{
    const struct spec_key *spares = spec_key("nodes.spares");
    if (l->s->nodes.spares > 0 && layer(l->s, spares) >= local)
        spec_complain_key(
            l, spares, "simulated nodes have no spares; leave it out, or give hosts");
    drop(l, spares);
}

static void complain_mixed(struct spec_loader *l, int level, bool of_hosts)
{
    struct spec *s = l->s;
    const struct spec_key *at = spec_key("local.nodes");
    if (s->nodes.backend == BACKEND_LOCAL &&
        layer(s, spec_key("nodes.backend")) == level && of_hosts)
        at = spec_key("nodes.hosts");
    spec_complain_key(l, at,
                      "[%s] %s has no place here: hosts are reached over ssh%s, "
                      "simulated nodes are on this machine; leave one out",
                      at->section, at->name,
                      s->nodes.backend == BACKEND_SLURM ? " or by Slurm" : "");
}

static void need_hosts(struct spec_loader *l, int lhosts)
{
    const struct spec *s = l->s;
    bool tried = l->at[spec_key_index(spec_key("nodes.hosts"))].tried ||
                 l->at[spec_key_index(spec_key("nodes.hostfile"))].tried;
    if (s->nodes.hosts.n == 0 && lhosts >= 0 && !s->nodes.hostfile)
        spec_complain_key(l, spec_key("nodes.hosts"), "the list of hosts is empty");
    if (s->nodes.backend == BACKEND_SSH && lhosts < 0 && !tried && !l->has_hidden_keys)
        spec_complain_key(
            l, spec_key("nodes.backend"),
            "the ssh back end needs hosts: set [nodes] hosts or hostfile, or give -H");
}

/* Simulated nodes speak for local, hosts for ssh unless the back end is Slurm's, whose
 * nodes they choose from; the higher layer is followed. Where nothing speaks, a job of
 * Slurm's that we are in does. */
static void resolve_backend(struct spec_loader *l)
{
    struct spec *s = l->s;
    const struct spec_key *hosts = spec_key("nodes.hosts");
    enum spec_backend asked = s->nodes.backend;
    int lb = layer(s, spec_key("nodes.backend"));
    int lhosts = max(layer(s, hosts), layer(s, spec_key("nodes.hostfile")));
    bool names_hosts = asked == BACKEND_SSH || asked == BACKEND_SLURM;
    int remote = max(lhosts, names_hosts ? lb : -1);
    int local =
        max(layer(s, spec_key("local.nodes")), asked == BACKEND_LOCAL ? lb : -1);
    if (remote >= 0 && remote == local) {
        complain_mixed(l, local, lhosts == remote);
        return;
    }
    if (remote < 0 && local < 0)
        s->nodes.backend = slurm_is_inside() ? BACKEND_SLURM : BACKEND_LOCAL;
    else if (remote > local)
        s->nodes.backend = asked == BACKEND_SLURM ? BACKEND_SLURM : BACKEND_SSH;
    else
        s->nodes.backend = BACKEND_LOCAL;
    if (s->nodes.backend != BACKEND_LOCAL) {
        drop_local(l);
        need_hosts(l, lhosts);
        return;
    }
    drop(l, hosts);
    drop(l, spec_key("nodes.hostfile"));
    drop_spares(l, local);
}

/* ---- numbers ---- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* One agent per host: a host named twice would get the job's ranks twice. */
static void refuse_twice(struct spec_loader *l, struct hostlist *names)
{
    if (names->n == 0)
        return;
    qsort(names->names, names->n, sizeof *names->names, compare_names);
    for (size_t i = 1; i < names->n; i++)
        if (!strcmp(names->names[i - 1], names->names[i])) {
            spec_complain_key(l, spec_key("nodes.hosts"),
                              "host \"%.80s\" is named twice", names->names[i]);
            return;
        }
}

static int count_hosts(struct spec_loader *l, int64_t *ret)
{
    const struct strlist *hosts = &l->s->nodes.hosts;
    struct hostlist names = {0};
    int rc = 0;
    for (size_t i = 0; i < hosts->n && !rc; i++)
        rc = hostlist_parse(&names, hosts->items[i], NULL);
    if (rc == ERR_LIMIT)
        spec_complain_key(l, spec_key("nodes.hosts"), "more than %u hosts",
                          LIMIT_HOSTS);
    else if (!rc)
        refuse_twice(l, &names);
    *ret = (int64_t)names.n;
    hostlist_fini(&names);
    return rc == -ENOMEM ? rc : 0;
}

/* -N speaks of simulated nodes when the job is local. */
static int64_t count_local(struct spec_loader *l)
{
    struct spec *s = l->s;
    const struct spec_key *count = spec_key("nodes.count"),
                          *local = spec_key("local.nodes");
    int lc = layer(s, count), ll = layer(s, local);
    size_t c = spec_key_index(count), n = spec_key_index(local);
    if (lc >= 0 && s->nodes.count > 0 && lc >= ll) {
        if (lc == ll && s->nodes.count != s->local.nodes)
            spec_complain_key(l, count, "%lld nodes, but [local] nodes is %lld",
                              (long long)s->nodes.count, (long long)s->local.nodes);
        if (s->nodes.count > (int64_t)local->max)
            spec_complain_key(l, count, "more than %.0f simulated nodes", local->max);
        s->local.nodes = s->nodes.count;
        s->origin[n] = s->origin[c];
        l->at[n] = l->at[c];
        free(s->set_by[n]);
        s->set_by[n] = s->set_by[c];
        s->set_by[c] = NULL;
    }
    drop(l, count);
    return s->local.nodes;
}

static int64_t count_ssh(struct spec_loader *l, int64_t n_hosts)
{
    struct spec *s = l->s;
    const struct spec_key *key = spec_key("nodes.spares");
    int64_t count = s->nodes.count, spares = s->nodes.spares;
    char hosts[60];
    (void)snprintf(hosts, sizeof hosts, "there %s %lld host%s",
                   n_hosts == 1 ? "is" : "are", (long long)n_hosts,
                   n_hosts == 1 ? "" : "s");
    if (n_hosts == 0)
        return 0;
    if (count > n_hosts)
        spec_complain_key(l, spec_key("nodes.count"),
                          "%lld nodes are asked for, but %s", (long long)count, hosts);
    if (spares >= n_hosts)
        spec_complain_key(l, key, "spares leave no node to run on: %s in all", hosts);
    else if (count <= n_hosts && count + spares > n_hosts)
        spec_complain_key(l, key, "%lld nodes and %lld spares are asked for, but %s",
                          (long long)count, (long long)spares, hosts);
    else if (count == 0)
        return n_hosts - spares;
    return count > 0 && count < n_hosts ? count : n_hosts;
}

static void check_numbers(struct spec_loader *l, int64_t n)
{
    const struct spec *s = l->s;
    if (n <= 0)
        return;
    if (n > LIMIT_NODES)
        spec_complain_key(l, spec_key("nodes.hosts"),
                          "%lld nodes; at most %u can be used", (long long)n,
                          LIMIT_NODES);
    if (n * s->job.ranks_per_node > LIMIT_RANKS)
        spec_complain_key(l, spec_key("job.ranks_per_node"),
                          "%lld nodes with %lld ranks each are more than %u ranks",
                          (long long)n, (long long)s->job.ranks_per_node, LIMIT_RANKS);
    if (s->failure.min_nodes > n)
        spec_complain_key(l, spec_key("failure.min_nodes"),
                          "the job has only %lld node%s", (long long)n,
                          n == 1 ? "" : "s");
}

/* Where the job file does not say how many ranks a node gets, what Slurm was asked for
 * does. */
static int take_tasks(struct spec_loader *l)
{
    const struct spec_key *key = spec_key("job.ranks_per_node");
    size_t i = spec_key_index(key);
    const char *per_node = getenv("SLURM_NTASKS_PER_NODE"),
               *shares = getenv("SLURM_TASKS_PER_NODE");
    int64_t n = slurm_tasks_asked(per_node, getenv("SLURM_NTASKS"), shares);
    char text[200];
    if (layer(l->s, key) >= 0 || l->at[i].tried || !slurm_is_inside() || n == 0)
        return 0;
    if (n == SLURM_TASKS_UNEQUAL) {
        (void)snprintf(
            text, sizeof text,
            "Slurm was asked for tasks that it shares out as %.80s; each node "
            "gets 1 rank: set [job] ranks_per_node",
            shares);
        return strlist_add(&l->s->notes, text);
    }
    l->s->job.ranks_per_node = n;
    l->s->origin[i] = FROM_ENV;
    l->s->set_by[i] =
        strdup(per_node ? "SLURM_NTASKS_PER_NODE" : "SLURM_TASKS_PER_NODE");
    return l->s->set_by[i] ? 0 : -ENOMEM;
}

int spec_resolve_nodes(struct spec_loader *l)
{
    unsigned before = spec_loader_errors(l);
    resolve_backend(l);
    if (spec_loader_errors(l) != before)
        return 0;
    int rc = resolve_hosts(l);
    int64_t n = 0;
    enum spec_backend backend = l->s->nodes.backend;
    if (!rc && backend != BACKEND_LOCAL)
        rc = count_hosts(l, &n);
    if (!rc && backend == BACKEND_SLURM)
        rc = take_tasks(l);
    if (rc)
        return rc;
    /* How many nodes a job of Slurm's has is known inside it alone: nodes_resolve. */
    if (backend != BACKEND_SLURM)
        n = backend == BACKEND_SSH ? count_ssh(l, n) : count_local(l);
    check_numbers(l, n);
    return 0;
}
